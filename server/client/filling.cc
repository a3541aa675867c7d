#include "server/client/filling.h"

#include <fmt/format.h>

#include <algorithm>

namespace tlog::client {
namespace {

constexpr std::uint64_t kReadRecords = 1024;  // of one request
constexpr std::uint64_t kAvoidNs = 2'000'000'000;
constexpr std::uint64_t kTickNs = 500'000'000;
// A server may read its log from stores that do not answer at once.
constexpr std::uint64_t kStuckNs = 30'000'000'000;
// Who has no room for so long does not keep others from what they read from.
constexpr std::uint64_t kNoRoomNs = 1'000'000'000;

// Of two that both are not trusted yet: one that has more is looked at first, and then the other
// one is compared with it; but nobody waits for one that can be trusted only when it has been
// compared.
bool comes_before(const Link& one, const Link& target) {
  if (!target.compares()) return true;
  if (!one.is_believed()) return false;
  const auto key = [](const Link& l) { return std::pair(l.welcome().stored.sequence, l.index()); };
  return !target.is_believed() || key(one) > key(target);
}

}  // namespace

Filling::Filling(Parts parts)
    : parts_(std::move(parts)),
      lacks_(parts_.links->size()),
      avoid_until_ns_(parts_.links->size()) {}

Filling::~Filling() {
  stop();
}

void Filling::stop() {
  life_.reset();
  parts_.client->loop->cancel_timer(tick_);
  reads_.clear();
  std::fill(lacks_.begin(), lacks_.end(), Lack{});
}

Filling::Read* Filling::of_source(const Link& link) {
  for (auto& read : reads_) {
    if (read->source == &link) return read.get();
  }
  return nullptr;
}

Filling::Read* Filling::of_target(const Link& link) {
  for (auto& read : reads_) {
    if (read->target == &link) return read.get();
  }
  return nullptr;
}

void Filling::want(Link& target, Sequence first, Sequence released) {
  if (!life_) return;
  lacks_[target.index()] = {first, released};
  if (tick_ == 0) tick_ = parts_.client->loop->add_timer(kTickNs, [this] { tick(); });
  look(target);
}

void Filling::look_again() {
  for (std::size_t i = 0; i < lacks_.size(); ++i) {
    Link& target = *(*parts_.links)[i];
    if (lacks_[i].first != 0 && of_target(target) == nullptr) look(target);
  }
}

// While anybody lacks anything: what is avoided is tried again, what is stuck is given up.
void Filling::tick() {
  tick_ = 0;
  const std::uint64_t now = parts_.client->clock->monotonic_ns();
  for (std::size_t i = 0; i < lacks_.size(); ++i) {
    Read* read = of_target(*(*parts_.links)[i]);
    if (read == nullptr || read->verifying) continue;
    if (read->paused) {
      if (now - read->progress_ns >= kNoRoomNs) drop_read(*read);
      continue;
    }
    if (now - read->progress_ns < kStuckNs) continue;
    fail_read(*read, Error(Code::kTimeout, fmt::format("record {} has not come for {} s",
                                                       read->next, kStuckNs / 1'000'000'000)));
  }
  look_again();
  const bool lacking =
      std::any_of(lacks_.begin(), lacks_.end(), [](const Lack& lack) { return lack.first != 0; });
  if (lacking && tick_ == 0) tick_ = parts_.client->loop->add_timer(kTickNs, [this] { tick(); });
}

void Filling::look(Link& target) {
  const Lack lack = lacks_[target.index()];
  if (target.unsent_is_full()) return;  // has_room() comes
  if (target.compares() && settle_comparison(target)) return;
  const Choice choice = choose(target, lack.first);
  if (choice.source != nullptr) return begin(target, *choice.source);
  if (choice.wait) return target.show(ServerState::kCatchingUp, "waits for another server's log");
  if (target.compares() && target.is_believed()) {  // nobody can tell
    return settled(target, /*for_certain=*/false);
  }
  say_what_is_missing(target);
}

void Filling::settled(Link& target, bool for_certain) {
  lacks_[target.index()] = {};
  if (target.compares()) target.compared(for_certain);
  target.pump();
}

// What servers say of their last record is enough when it is the same one.
bool Filling::settle_comparison(Link& target) {
  const Lack& lack = lacks_[target.index()];
  for (const auto& link : *parts_.links) {
    if (link.get() == &target || !link->trusted()) continue;
    const protocol::LogPosition& position = link->welcome().stored;
    if (position.sequence != lack.first || position.timestamp == 0) continue;
    format::Record record;
    record.sequence = position.sequence;
    record.timestamp = position.timestamp;
    if (auto same = target.compare(record, link.get()); !same) {
      target.refuse_as_other(same.error());
    } else {
      settled(target, link->is_certain());
    }
    return true;
  }
  return false;
}

Filling::Choice Filling::choose(const Link& target, Sequence first) const {
  const std::uint64_t now = parts_.client->clock->monotonic_ns();
  Choice choice;
  for (const auto& link : *parts_.links) {
    if (link.get() == &target || !link->welcomed()) continue;
    if (!link->trusted()) {
      choice.wait |= link->stored() >= first && comes_before(*link, target);
      continue;
    }
    if (link->stored() < first) continue;
    const bool busy = std::any_of(reads_.begin(), reads_.end(),
                                  [&](const auto& read) { return read->source == link.get(); });
    if (busy || now < avoid_until_ns_[link->index()]) {
      choice.wait = true;
    } else if (choice.source == nullptr || link->stored() > choice.source->stored()) {
      choice.source = link.get();
    }
  }
  return choice;
}

void Filling::begin(Link& target, Link& source) {
  const Sequence first = lacks_[target.index()].first;
  auto read = std::make_unique<Read>();
  read->serial = ++serials_;
  read->target = &target;
  read->source = &source;
  read->first = read->next = first;
  read->last = target.compares() ? first : std::min(source.stored(), first + kReadRecords - 1);
  read->progress_ns = parts_.client->clock->monotonic_ns();
  target.filling(true);
  target.show(ServerState::kCatchingUp,
              fmt::format("record {} on: read from {}, which has up to {}", first, source.address(),
                          source.stored()));
  read->id = source.ask(protocol::ReadLog{.id = 0, .first = read->first, .last = read->last});
  reads_.push_back(std::move(read));
}

void Filling::say_what_is_missing(Link& target) {
  const Lack& lack = lacks_[target.index()];
  std::string away;
  for (const auto& link : *parts_.links) {
    if (link.get() == &target || link->is_attached()) continue;
    away += (away.empty() ? "" : ", ") + link->address();
  }
  const std::string what =
      target.compares()
          ? fmt::format(
                "its newest record, {}, is to be compared, and neither the journal nor a connected "
                "server has that; ",
                lack.first)
          : fmt::format(
                "it has the log up to {}, the journal begins at {} or later, and no connected "
                "server has record {}; ",
                target.sent(), std::max(lack.released, lack.first) + 1, lack.first);
  if (away.empty()) {
    target.show(ServerState::kRefused,
                what + "bring back a server that has it, or the stores of one");
  } else {
    target.show(ServerState::kConnecting, what + "waiting for " + away);
  }
}

void Filling::records(Link& source, Buffer body) {
  Read* read = of_source(source);
  // Of a read that was given up; there is one frame at a time.
  if (read == nullptr || read->verifying) return;
  read->verifying = true;
  source.set_data_reading(false);
  auto job = [this, gate = parts_.gate, loop = parts_.client->loop, serial = read->serial,
              life = std::weak_ptr<int>(life_), bytes = std::make_shared<Buffer>(std::move(body))] {
    UseGate::Use use(*gate);
    if (!use) return;
    auto decoded = std::make_shared<Result<protocol::DecodedBatch>>(
        protocol::decode_verified(std::move(*bytes)));
    loop->post([this, life, serial, decoded] {
      if (!life.expired()) verified(serial, std::move(*decoded));
    });
  };
  parts_.client->workers->submit(std::move(job));
}

void Filling::verified(std::uint64_t serial, Result<protocol::DecodedBatch> decoded) {
  const auto found = std::find_if(reads_.begin(), reads_.end(),
                                  [serial](const auto& read) { return read->serial == serial; });
  if (found == reads_.end()) return;
  Read& read = **found;
  read.verifying = false;
  if (!decoded) return fail_read(read, decoded.error());
  if (decoded->vdisk != read.target->welcome().format.vdisk) {
    return fail_read(
        read, Error(Code::kCorruption, "records of another vdisk, " + decoded->vdisk.text()));
  }
  if (take(read, std::move(*decoded))) go_on(read);
}

// False: the read has ended.
bool Filling::take(Read& read, protocol::DecodedBatch decoded) {
  const auto batch = std::make_shared<const protocol::Batch>(std::move(decoded.batch));
  // What does not begin where this read is was asked for by one that was given up.
  if (first_of(*batch) > read.next || last_of(*batch) < read.next) return true;
  Link& target = *read.target;
  if (target.compares()) {
    if (auto same = target.compare(batch->records[read.next - first_of(*batch)], read.source);
        !same) {
      target.refuse_as_other(same.error());  // tells gone(), which ends the read
      return false;
    }
  }
  read.next = last_of(*batch) + 1;
  read.progress_ns = parts_.client->clock->monotonic_ns();
  avoid_until_ns_[read.source->index()] = 0;
  const std::uint64_t serial = read.serial;
  if (target.compares()) {
    target.compared(read.source->is_certain());
  } else {
    target.forward(batch);
  }
  return std::any_of(reads_.begin(), reads_.end(),
                     [serial](const auto& one) { return one->serial == serial; });
}

void Filling::go_on(Read& read) {
  if (read.replied && read.next > read.last) return finish(read);
  read.paused = read.target->unsent_is_full();
  if (!read.paused) read.source->set_data_reading(true);
}

void Filling::has_room(Link& target) {
  Read* read = of_target(target);
  if (read == nullptr) {
    if (lacks_[target.index()].first != 0) look(target);
  } else if (read->paused && !read->verifying) {
    read->progress_ns = parts_.client->clock->monotonic_ns();
    go_on(*read);
  }
}

void Filling::replied(Link& source, const protocol::Reply& reply) {
  Read* read = of_source(source);
  if (read == nullptr || read->id != reply.id || read->replied) return;
  if (reply.error) return fail_read(*read, *reply.error);
  const Sequence last = reply.sequences.empty() ? 0 : reply.sequences.back();
  if (last < read->first) {
    return fail_read(
        *read, Error(Code::kUnavailable,
                     fmt::format("nothing came of records {} to {}", read->first, read->last)));
  }
  read->replied = true;
  read->last = std::min(read->last, last);
  if (!read->verifying && read->next > read->last) finish(*read);
}

void Filling::finish(Read& read) {
  Link& target = *read.target;
  end_read(read);
  settled(target, target.is_certain());
  look_again();
}

void Filling::fail_read(Read& read, const Error& error) {
  parts_.client->logger->warning(
      fmt::format("event=catch-up-failed server={} from={} first={} reason=\"{}\"",
                  read.target->address(), read.source->address(), read.next, error.message()));
  avoid_until_ns_[read.source->index()] = parts_.client->clock->monotonic_ns() + kAvoidNs;
  Link& target = *read.target;
  drop_read(read);
  look(target);
}

// The target still lacks what has not come.
void Filling::drop_read(Read& read) {
  Link& target = *read.target;
  lacks_[target.index()].first = target.compares() ? read.first : target.sent() + 1;
  end_read(read);
}

void Filling::end_read(Read& read) {
  read.target->filling(false);
  read.source->set_data_reading(true);
  std::erase_if(reads_, [&read](const auto& one) { return one.get() == &read; });
}

void Filling::gone(Link& link) {
  lacks_[link.index()] = {};
  if (Read* read = of_target(link)) end_read(*read);
  if (Read* read = of_source(link)) drop_read(*read);
  look_again();
}

}  // namespace tlog::client
