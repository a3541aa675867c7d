#include "gateways/messages/replica.h"

#include <fmt/format.h>

#include <algorithm>

#include "gateways/messages/reading.h"
#include "tlog/base/clock.h"

namespace tlog::messages {
namespace {

constexpr std::uint64_t kLookNs = 50'000'000;
// So many of the newest are worth being read at once, to be remembered.
constexpr Sequence kRememberedMax = 4096;

}  // namespace

Result<Appended> Replica::append(std::string_view, unsigned, const std::function<bool()>&) {
  return fail(
      Code::kNotSupported,
      fmt::format("append: log '{}': this is a secondary; messages are taken by its master{}",
                  options_.name, options_.master.empty() ? "" : ", " + options_.master));
}

Result<std::shared_ptr<server::LogLook>> Replica::look() {
  if (stopping_) return fail(Code::kShutdown, "read: the server stops");
  auto look = server_.look(options_.name, std::move(kept_));
  kept_.reset();
  if (!look && look.error().code() == Code::kNotFound) return std::shared_ptr<server::LogLook>();
  if (look && (*look)->may_be_kept()) kept_ = *look;
  return look;
}

Result<Sequence> Replica::look_how_far() {
  TLOG_ASSIGN(const auto look, this->look());
  if (!look) return Sequence{0};
  auto stored = look->stored();
  if (!stored) {
    kept_.reset();
    return stored;
  }
  // It was emptied, or is another log of the same name.
  if (look->log_id() != log_ || (!recent_.empty() && recent_.end() > *stored)) recent_.clear();
  log_ = look->log_id();
  if (Status remembered = remember(*look, *stored); !remembered) {
    kept_.reset();
    return fail(remembered.error());
  }
  return stored;
}

Status Replica::remember(server::LogLook& look, Sequence stored) {
  while (stored != 0) {
    const Sequence have = recent_.empty() ? 0 : recent_.end();
    if (have >= stored) return {};
    const Sequence far = stored - std::min(stored, kRememberedMax);
    TLOG_TRY(visit_records(
        std::max(have, far) + 1, stored,
        [&](const server::ServedLog::Visitor& records) {
          return look.read(std::max(have, far) + 1, stored, records);
        },
        [&](Message message) { recent_.add(std::move(message)); }));
    if (recent_.empty() || recent_.end() <= have) return {};  // they are no messages
  }
  return {};
}

Result<Sequence> Replica::stored() {
  MutexLock lock(mutex_);
  return look_how_far();
}

Result<Sequence> Replica::read(Sequence first, Sequence last, const Visitor& visitor) {
  std::vector<Message> messages;
  TLOG_ASSIGN(const Sequence reached, copy(first, last, messages));
  for (Message& message : messages) visitor(std::move(message));
  return reached;
}

Result<Sequence> Replica::copy(Sequence first, Sequence last, std::vector<Message>& messages) {
  MutexLock lock(mutex_);
  messages = copy_recent(recent_, first, last);
  if (!messages.empty()) return messages.back().id;
  TLOG_ASSIGN(const auto look, this->look());
  if (!look) return fail(Code::kNotFound, "read: the log is gone; ask again");
  auto reached = visit_records(
      first, last,
      [&](const server::ServedLog::Visitor& records) { return look->read(first, last, records); },
      [&](Message message) { messages.push_back(std::move(message)); });
  if (!reached) kept_.reset();
  return reached;
}

void Replica::wait_more(Sequence known, std::uint64_t timeout_ns) {
  const auto deadline = steady_now() + std::chrono::nanoseconds(timeout_ns);
  MutexLock lock(mutex_);
  while (!stopping_ && steady_now() < deadline) {
    auto stored = look_how_far();
    if (!stored || *stored > known) return;
    stopped_.wait_until(mutex_,
                        std::min(deadline, steady_now() + std::chrono::nanoseconds(kLookNs)));
  }
}

LogHealth Replica::health() {
  LogHealth health{.role = Role::kSecondary,
                   .unwell = {},
                   .nodes = 1,
                   .quorum = 1,
                   .present = 1,
                   .stored = 0,
                   .secondaries = {}};
  auto stored = this->stored();
  if (stored)
    health.stored = *stored;
  else
    health.unwell = stored.error().message();
  return health;
}

void Replica::stop() {
  MutexLock lock(mutex_);
  stopping_ = true;
  kept_.reset();
  stopped_.notify_all();
}

}  // namespace tlog::messages
