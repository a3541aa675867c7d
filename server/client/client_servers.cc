// What the servers do, one beside the other.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "server/client/client.h"

namespace tlog::client {
namespace {

// Two servers that write one log, and do not know it yet, fence each other once; another client's
// writer does not go away.
constexpr unsigned kFencedMax = 3;

bool same_log(const Link& one, const Link& other) {
  return &one != &other && !one.log().is_nil() && one.log() == other.log();
}

}  // namespace

bool Client::others_have_the_log(const Link& link) const {
  return std::any_of(links_.begin(), links_.end(),
                     [&](const auto& other) { return other.get() != &link && other->welcomed(); });
}

// A log that has been written is not created again: what it had would be missing, and nobody would
// know. But next to one that is there it is, and is filled from it; and all are created when it is
// settled that there is none.
bool Client::may_create(const Link& link) const {
  if (options_.waits_for_none) return options_.may_create;  // it is the log's owner who says so
  if (creating_ && stored_ == 0) return true;
  return others_have_the_log(link) && (is_open_ || !may_be_new());
}

// Later than at the opening, only while so many others have this client for their writer that no
// successor can have opened the log: else it would be taken from that one.
bool Client::may_take_over(const Link& link) const {
  if (!is_open_ || options_.waits_for_none) return true;
  std::set<Uuid> logs;
  for (const auto& other : links_) {
    if (other.get() != &link && other->is_attached()) logs.insert(other->log());
  }
  return logs.size() >= options_.concern.stored;
}

bool Client::another_may_be_the_same(const Link& link) const {
  return std::any_of(links_.begin(), links_.end(), [&](const auto& other) {
    return other.get() != &link && other->busy() && !other->welcomed() && other->log().is_nil();
  });
}

std::optional<std::string> Client::must_stand_by(const Link& link) const {
  if (closing_) return "the client is closing";
  if (failed_) return "the client has failed: " + failed_->message();
  for (const auto& other : links_) {
    if (same_log(link, *other) && other->busy())
      return fmt::format("spare: it writes the same log as {}", other->address());
  }
  if (fenced_[link.index()] != 0 && another_may_be_the_same(link))
    return "it was fenced, perhaps by a server of this client that is being connected";
  return std::nullopt;
}

void Client::wake_standing() {
  if (closing_ || failed_) return;
  for (auto& link : links_) {
    if (link->stands_by()) link->connect();
  }
}

// Of this journal's life, as far as its end tells. False: it has been refused.
bool Client::is_of_this_log(Link& link) {
  const Sequence end = batches_->end();
  if (link.received() <= end) return true;
  board_.update(link.index(), [](Mark& mark) { mark.counts = false; });
  link.refuse_as_other(Error(
      Code::kInvalidArgument,
      fmt::format("{}: it has records up to {}, and this journal ends at {}: its log belongs to "
                  "another life of this journal; go on with the journal that wrote it, or, when "
                  "what it has more is not wanted, empty its stores to have it filled again",
                  link.address(), link.received(), end)));
  return false;
}

void Client::welcomed(Link& link) {
  fenced_[link.index()] = 0;
  if (closing_) return link.say_goodbye(Code::kShutdown, "the client is closing");
  const format::VdiskFormat& format = link.welcome().format;
  if (!options_.format.vdisk.is_nil() && format.vdisk != options_.format.vdisk) {
    return link.refuse(
        Error(Code::kInvalidArgument,
              fmt::format("{}: its log of {} is that of another vdisk, {} instead of "
                          "{}; check its stores",
                          link.address(), options_.format.name, format.vdisk.text(),
                          options_.format.vdisk.text())));
  }
  for (auto& other : links_) {
    if (!same_log(link, *other) || !other->welcomed()) continue;
    const bool newer = link.welcome().epoch > other->welcome().epoch;
    Link& spare = newer ? *other : link;
    const std::string& sent_to = newer ? link.address() : other->address();
    filling_->gone(spare);
    spare.stand_by(fmt::format("spare: it writes the same log as {}", sent_to));
    advance();
    if (!newer) return look_at_opening();
  }
  if (batches_ && !is_of_this_log(link)) return;
  link.accept();
  for (auto& other : links_) {
    if (other->refused() && other->refused()->code() == Code::kNotFound && may_create(*other))
      other->connect();
  }
  wake_standing();
  look_at_opening();
}

void Client::attached(Link& link) {
  for (auto& other : links_) {
    const bool was_fenced = other->refused() && other->refused()->code() == Code::kFenced;
    if (was_fenced && options_.take_over && !other->was_welcomed() && may_take_over(*other))
      other->connect();
  }
  link.force(forced_);
  link.pump();
  filling_->look_again();
  for (auto& wait : std::vector(standby_waits_)) ask_for_standby(*wait);
  advance();
  look_at_opening();
}

void Client::progressed(Link&) {
  advance();
  filling_->look_again();
  for (auto& wait : std::vector(standby_waits_)) ask_for_standby(*wait);
  if (!closing_ || !drained()) return;
  MutexLock lock(mutex_);
  drained_ = true;
  changed_.notify_all();
}

void Client::replied(Link& link, const protocol::Reply& reply) {
  if (agreement_) return agreement_->replied(link, reply);
  filling_->replied(link, reply);
  standby_replied(link, reply);
}

void Client::records(Link& link, Buffer body) {
  if (agreement_) return agreement_->records(link, std::move(body));
  filling_->records(link, std::move(body));
}

void Client::has_room(Link& link) {
  filling_->has_room(link);
  link.pump();
}

void Client::lacks(Link& link, Sequence first) {
  filling_->want(link, first, std::max<Sequence>(floor_, stored_));
}

void Client::ended(Link& link, const Connection::End& end) {
  filling_->gone(link);
  if (!closing_) advance();  // what it had received is gone
  for (auto& wait : standby_waits_) wait->asked.erase(link.index());
  if (closing_) return progressed(link);
  if (failed_) return link.show(ServerState::kConnecting, end.error.message());
  if (end.kind == Connection::EndKind::kRefusal) {
    refused(link, end.error);
  } else if (end.kind == Connection::EndKind::kOurChoice) {
    if (!link.refused()) link.refuse(end.error);
  } else {
    const bool fenced = end.error.code() == Code::kFenced;
    if (fenced) ++fenced_[link.index()];
    parts_.logger->warning(fmt::format("event=server-lost server={} reason=\"{}\"", link.address(),
                                       end.error.message()));
    link.retry(end.error);
  }
  wake_standing();
  look_at_opening();
  tell_progress();
}

// What will not change by itself is asked again seldom.
void Client::refused(Link& link, const Error& error) {
  switch (error.code()) {
    case Code::kFenced:
      if (++fenced_[link.index()] < kFencedMax || another_may_be_the_same(link))
        return link.retry(error);
      link.refuse(error);
      // It was ours, and another client has it now.
      if (link.was_welcomed()) give_up(error.within(link.address()));
      return;
    case Code::kNotFound:
      if (may_create(link)) return link.retry(error);  // it will be created
      if (stored_ == 0) return link.refuse(error);
      return link.refuse(Error(
          error.code(), fmt::format("{}; no connected server has the log up to {}, from which this "
                                    "one could be filled: bring one back",
                                    error.message(), stored_.load())));
    case Code::kInvalidArgument:
    case Code::kAlreadyExists:
    case Code::kWrongKey:
    case Code::kNotSupported:
      return link.refuse(error);
    default:
      return link.retry(error);
  }
}

}  // namespace tlog::client
