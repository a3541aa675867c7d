#include "tests/support/proxy_stream.h"

#include <algorithm>
#include <cerrno>

namespace tlog::testing {
namespace {

// More is left in the sender's socket, so that a slow link slows the sender down.
constexpr std::size_t kQueuedMax = 256 * 1024;
// A throttled link sends so often.
constexpr std::uint64_t kSendsPerSecond = 100;

constexpr ProxyClock::time_point kNever = ProxyClock::time_point::max();

}  // namespace

bool ProxyStream::wants_more() const {
  return !ended_ && !state_.faults.black_hole && queued_bytes_ < kQueuedMax;
}

ProxyClock::time_point ProxyStream::next_time() const {
  if (queue_.empty() || state_.faults.black_hole) return kNever;
  return std::max(queue_.front().due, link_free_);
}

// ---- What comes in ----

void ProxyStream::take(std::string_view bytes) {
  std::string passed;
  if (state_.speech == ProxySpeech::kOther) passed = std::exchange(bytes, {});
  while (!bytes.empty() && !ended_) {
    const std::size_t taken = framing_.take(bytes);
    take_part(passed, bytes.substr(0, taken));
    bytes.remove_prefix(taken);
  }
  if (passed.empty()) return;
  const auto delay = of_replies_ ? state_.faults.reply_delay : state_.faults.request_delay;
  ProxyClock::time_point due = ProxyClock::now() + delay;
  if (!queue_.empty()) due = std::max(due, queue_.back().due);  // nothing overtakes
  queued_bytes_ += passed.size();
  queue_.push_back({due, std::move(passed)});
}

// A command is held back until its name is known.
void ProxyStream::take_part(std::string& passed, std::string_view part) {
  held_ += part;
  const bool ended = framing_.ended();
  if (!begun_ && (of_replies_ || framing_.has_first_word() || ended || framing_.broken()))
    begin_message();
  if (!begun_) return;
  if (fault_) {
    apply_fault(passed);
  } else {
    passed += std::exchange(held_, {});
  }
  if (ended && !ended_) end_message(passed);
}

void ProxyStream::begin_message() {
  begun_ = true;
  passed_of_message_ = 0;
  const std::string name = of_replies_ ? (asked_.empty() ? "" : asked_.front())
                                       : (framing_.words().empty() ? "" : framing_.words()[0]);
  auto& armed = state_.armed;
  if (!armed || armed->of_reply != of_replies_) return;
  if (!armed->command.empty() && armed->command != name) return;
  fault_ = std::exchange(armed, std::nullopt);
}

// Called for each part of the message; what is left in held_ waits for the message's end.
void ProxyStream::apply_fault(std::string& passed) {
  if (fault_->kind == MessageFault::Kind::kFollow) passed += std::exchange(held_, {});
  if (fault_->kind != MessageFault::Kind::kCut) return;
  const std::string part = std::exchange(held_, {});
  const std::size_t size = std::min<std::uint64_t>(part.size(), fault_->bytes - passed_of_message_);
  passed.append(part, 0, size);
  passed_of_message_ += size;
  if (passed_of_message_ < fault_->bytes) return;
  ended_ = true;  // as if its sender had gone in the middle
  ++state_.counts.faults;
}

void ProxyStream::end_message(std::string& passed) {
  if (fault_ && fault_->kind != MessageFault::Kind::kCut) {
    if (fault_->kind == MessageFault::Kind::kDuplicate)
      passed += held_ + held_;
    else
      passed += fault_->text;
    ++state_.counts.faults;
  }
  fault_.reset();
  held_.clear();
  begun_ = false;
  if (of_replies_) {
    if (!asked_.empty()) asked_.pop_front();
    return;
  }
  asked_.push_back(framing_.words().empty() ? "" : framing_.words()[0]);
  ++state_.commands[command_name()];
}

std::string ProxyStream::command_name() const {
  const auto& words = framing_.words();
  if (words.empty()) return "(none)";
  const bool has_parts = words[0] == "CONFIG" || words[0] == "CLIENT" || words[0] == "SCRIPT";
  return has_parts && words.size() > 1 ? words[0] + " " + words[1] : words[0];
}

// ---- What goes out ----

bool ProxyStream::send_some(int descriptor) {
  Chunk& first = queue_.front();
  std::size_t size = first.bytes.size() - sent_of_first_;
  const Faults& faults = state_.faults;
  if (faults.piece_bytes > 0) size = std::min(size, faults.piece_bytes);
  if (faults.bytes_per_second > 0)
    size = std::min<std::uint64_t>(size, faults.bytes_per_second / kSendsPerSecond + 1);
  const ssize_t sent =
      ::send(descriptor, first.bytes.data() + sent_of_first_, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  const auto bytes = static_cast<std::uint64_t>(sent);
  (of_replies_ ? state_.counts.reply_bytes : state_.counts.request_bytes) += bytes;
  if (faults.bytes_per_second > 0) {
    link_free_ = std::max(link_free_, ProxyClock::now()) +
                 std::chrono::nanoseconds(bytes * 1'000'000'000 / faults.bytes_per_second);
  }
  queued_bytes_ -= bytes;
  sent_of_first_ += bytes;
  if (sent_of_first_ < first.bytes.size()) return true;
  queue_.pop_front();
  sent_of_first_ = 0;
  return true;
}

}  // namespace tlog::testing
