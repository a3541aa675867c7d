#include "server/client/striped_client.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/client/other_log.h"
#include "tlog/base/assert.h"

namespace tlog::client {

StripedClient::StripedClient(ClientOptions options, Parts parts)
    : options_(std::move(options)), parts_(std::move(parts)), map_(options_.stripes) {
  TLOG_ASSERT(options_.servers.size() % map_.count() == 0);
}

StripedClient::~StripedClient() {
  close(0);
}

std::string StripedClient::name_of(unsigned index) const {
  return fmt::format("{} ({})", format::describe({.index = index, .count = map_.count()}),
                     format::stripe_name(options_.format.name, index));
}

// Its servers are the next ones in turn.
ClientOptions StripedClient::options_of(unsigned index) const {
  ClientOptions options = options_;
  const std::size_t each = options_.servers.size() / map_.count();
  const auto first = options_.servers.begin() + static_cast<std::ptrdiff_t>(index * each);
  options.servers.assign(first, first + static_cast<std::ptrdiff_t>(each));
  options.stripes = 1;
  options.format.name = format::stripe_name(options_.format.name, index);
  options.format.vdisk =
      format::stripe_uuid(options_.format.vdisk, {.index = index, .count = map_.count()});
  options.needed = map_.locals_until(index, options_.needed);
  return options;
}

Status StripedClient::open_stripe(unsigned index, std::uint64_t timeout_ns) {
  Parts parts = parts_;
  parts.on_stored = [this](Sequence) { advance(); };
  parts.on_received = [this](Sequence) { advance(); };
  parts.on_failed = [this, index](const Error& error) { failed(index, error); };
  auto opened = LogClient::open(options_of(index), std::move(parts), timeout_ns);
  if (opened) {
    stripes_.push_back(std::move(*opened));
    return {};
  }
  const Code code = opened.error().code();
  std::string reason = name_of(index) + ": " + opened.error().message();
  if (code == Code::kInvalidArgument || code == Code::kNotFound) {
    reason += fmt::format(
        "; a log that was created with {} stripes is opened with so many only, and with its "
        "servers in the same order",
        code == Code::kNotFound ? "other" : "another number of");
  }
  return tlog::fail(code, reason);
}

// The vdisk's name, and the first stripe's where it does not belong, are those of every other way
// to have distributed it over these servers.
Status StripedClient::check_no_other_log() const {
  for (unsigned i = 0; i < map_.count(); ++i) {
    std::vector<std::string> names{options_.format.name};
    if (i != 0) names.push_back(format::stripe_name(options_.format.name, 0));
    TLOG_TRY(check_no_log(options_of(i), parts_, names));
  }
  return {};
}

// One after the other: when the first is refused nothing of the others has been created.
Status StripedClient::connect(std::uint64_t timeout_ns) {
  const std::uint64_t began = parts_.clock->monotonic_ns();
  if (options_.may_create) TLOG_TRY(check_no_other_log());
  for (unsigned i = 0; i < map_.count(); ++i) {
    const std::uint64_t used = parts_.clock->monotonic_ns() - began;
    TLOG_TRY(open_stripe(i, timeout_ns > used ? timeout_ns - used : 0));
  }
  find_head();
  // Who has no journal has nothing to even them with.
  if (options_.take_over && !even_) return tlog::fail(uneven());
  return {};
}

void StripedClient::find_head() {
  std::vector<Sequence> ends;
  for (unsigned i = 0; i < map_.count(); ++i) {
    const protocol::LogPosition head = stripes_[i]->head();
    ends.push_back(head.sequence);
    if (head.sequence != 0) newest_ = std::max(newest_, map_.global_of(i, head.sequence));
    head_.epoch = std::max(head_.epoch, head.epoch);
    // Of all that is there: what is written on is not older.
    head_.timestamp = std::max(head_.timestamp, head.timestamp);
  }
  head_.sequence = map_.prefix_of(ends);
  even_ = newest_ <= head_.sequence;
}

Error StripedClient::uneven() const {
  std::string ends;
  for (unsigned i = 0; i < map_.count(); ++i) {
    const Sequence end = stripes_[i]->head().sequence;
    ends += fmt::format("{}{}: {}", ends.empty() ? "" : ", ", name_of(i),
                        end == 0 ? 0 : map_.global_of(i, end));
  }
  return Error(Code::kCorruption,
               fmt::format("open log: '{}': its stripes end at different places ({}), all of it is "
                           "there up to sequence {}, and what is missing behind that is not here: "
                           "written on, a sequence would have two contents; restore it to another "
                           "vdisk (tlogplay restore), up to what all stripes have",
                           options_.format.name, ends, head_.sequence));
}

bool StripedClient::created() const {
  return std::all_of(stripes_.begin(), stripes_.end(),
                     [](const auto& stripe) { return stripe->created(); });
}

void StripedClient::start(RecordSource& source, Sequence floor) {
  if (newest_ > source.end()) {
    // Nothing is sent: told like what comes later, on the loop's thread.
    io::run_on(*parts_.loop, [this] {
      if (!failed_.exchange(true) && parts_.on_failed) parts_.on_failed(uneven());
    });
    return;
  }
  stored_ = received_ = floor;
  for (unsigned i = 0; i < map_.count(); ++i) {
    sources_.push_back(std::make_unique<StripeSource>(source, map_, i));
  }
  started_ = true;
  for (unsigned i = 0; i < map_.count(); ++i) {
    stripes_[i]->start(*sources_[i], map_.locals_until(i, floor));
  }
}

void StripedClient::more() {
  for (auto& stripe : stripes_) stripe->more();
}

void StripedClient::force(Sequence sequence) {
  for (unsigned i = 0; i < map_.count(); ++i) {
    const Sequence local = map_.locals_until(i, sequence);
    if (local != 0) stripes_[i]->force(local);
  }
}

void StripedClient::advance() {
  if (!started_) return;
  std::vector<Sequence> stored;
  std::vector<Sequence> received;
  for (const auto& stripe : stripes_) {
    stored.push_back(stripe->stored());
    received.push_back(stripe->received());
  }
  const Sequence all_stored = map_.prefix_of(stored);
  const Sequence all_received = std::max(all_stored, map_.prefix_of(received));
  if (all_received != received_) {  // it goes back with a server that had it in memory
    received_ = all_received;
    if (parts_.on_received) parts_.on_received(all_received);
  }
  if (all_stored > stored_) {
    stored_ = all_stored;
    if (parts_.on_stored) parts_.on_stored(all_stored);
  }
}

Sequence StripedClient::stored_by(unsigned servers) const {
  std::vector<Sequence> stored;
  for (const auto& stripe : stripes_) stored.push_back(stripe->stored_by(servers));
  return map_.prefix_of(stored);
}

void StripedClient::failed(unsigned index, const Error& error) {
  if (failed_.exchange(true)) return;
  if (parts_.on_failed) parts_.on_failed(error.within(name_of(index)));
}

std::vector<Marker> StripedClient::markers() const {
  std::vector<Marker> all;
  for (unsigned i = 0; i < map_.count(); ++i) {
    const auto in_whole = [&](Sequence local) {
      return local == 0 ? Sequence{0} : map_.global_of(i, local);
    };
    for (Marker marker : stripes_[i]->markers()) {
      marker.stripe = i;
      marker.sent = in_whole(marker.sent);
      marker.received = in_whole(marker.received);
      marker.stored = in_whole(marker.stored);
      marker.synced = in_whole(marker.synced);
      all.push_back(std::move(marker));
    }
  }
  return all;
}

std::string StripedClient::waiting_for() const {
  std::string all;
  for (unsigned i = 0; i < map_.count(); ++i) {
    const std::string one = stripes_[i]->waiting_for();
    if (one.empty()) continue;
    all += fmt::format("{}{}: {}", all.empty() ? "" : "; ", name_of(i), one);
  }
  return all;
}

Result<Sequence> StripedClient::wait_slave_sync(std::uint64_t) {
  return tlog::fail(
      Code::kNotSupported,
      fmt::format("wait: slave sync: {}: its log is striped, of which servers keep no "
                  "standby: each has a part of the records only",
                  options_.format.name));
}

bool StripedClient::close(std::uint64_t budget_ns) {
  if (closed_.exchange(true)) return all_is_stored_;
  const std::uint64_t began = parts_.clock->monotonic_ns();
  // They all drain while the first is waited for.
  for (unsigned i = 0; started_ && budget_ns != 0 && i < stripes_.size(); ++i) {
    if (const Sequence end = sources_[i]->end(); end != 0) stripes_[i]->force(end);
  }
  bool all_is_stored = started_;
  for (auto& stripe : stripes_) {
    const std::uint64_t used = parts_.clock->monotonic_ns() - began;
    if (!stripe->close(budget_ns > used ? budget_ns - used : 0)) all_is_stored = false;
  }
  return all_is_stored_ = all_is_stored;
}

}  // namespace tlog::client
