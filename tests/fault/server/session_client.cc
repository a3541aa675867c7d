#include "tests/fault/server/session_client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <stdexcept>
#include <utility>

namespace tlog::testing {
namespace {

constexpr TimestampNs kStart = 1'700'000'000'000'000'000;

bool wait_for_events(int number, short events, int patience_ms) {
  pollfd waited{.fd = number, .events = events, .revents = 0};
  int ready = 0;
  do {
    ready = ::poll(&waited, 1, patience_ms);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

[[noreturn]] void give_up(const std::string& what) {
  throw std::runtime_error("session client: " + what);
}

std::string as_text(ConstByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

format::Record record_of(const SentRecord& sent) {
  return {.sequence = sent.sequence,
          .offset = sent.offset,
          .size = sent.data.size(),
          .operation = Operation::kWrite,
          .timestamp = kStart + sent.sequence,
          .hash = {},
          .data = bytes_of(std::string_view(sent.data))};
}

}  // namespace

void FrameClient::say(const protocol::Message& message) {
  const Buffer body = protocol::encode(message);
  send_frame(protocol::FrameType::kMessage, body.span());
}

// In one piece: a server that does not want it may close as soon as it has seen the head.
void FrameClient::send_frame(protocol::FrameType type, ConstByteSpan body) {
  const auto head =
      protocol::encode_head({.type = type, .length = static_cast<std::uint32_t>(body.size())});
  std::string frame = as_text(head);
  frame += as_text(body);
  send_bytes(bytes_of(std::string_view(frame)));
}

void FrameClient::send_bytes(ConstByteSpan bytes) {
  while (!bytes.empty()) {
    const std::size_t taken = push(bytes);
    bytes = bytes.subspan(taken);
    if (taken == 0 && !wait_for_events(number(), POLLOUT, kPatienceMs))
      give_up("the server takes nothing");
  }
}

std::size_t FrameClient::push(ConstByteSpan bytes) {
  const ssize_t sent = ::send(number(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno == EAGAIN || errno == EINTR) return 0;
  give_up("send: the server has closed");
}

bool FrameClient::fill(ByteSpan into, int patience_ms) {
  std::size_t filled = 0;
  while (filled < into.size()) {
    if (!wait_for_events(number(), POLLIN, patience_ms)) give_up("nothing came");
    const ssize_t got = ::recv(number(), into.data() + filled, into.size() - filled, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got <= 0) return false;
    filled += static_cast<std::size_t>(got);
  }
  return true;
}

std::optional<FrameClient::Frame> FrameClient::receive(int patience_ms) {
  std::array<std::byte, protocol::kFrameHeadBytes> bytes;
  if (!fill(bytes, patience_ms)) return std::nullopt;
  const auto head = protocol::decode_head(bytes);
  if (!head) give_up(head.error().message());
  Frame frame{.type = head->type, .body = Buffer(head->length)};
  if (!fill(frame.body.span(), patience_ms)) return std::nullopt;
  return frame;
}

std::optional<protocol::Message> FrameClient::hear(int patience_ms) {
  const auto frame = receive(patience_ms);
  if (!frame) return std::nullopt;
  if (frame->type != protocol::FrameType::kMessage) give_up("records came where a message should");
  auto message = protocol::decode(frame->body.span());
  if (!message) give_up(message.error().message());
  return std::move(*message);
}

template <class T>
T FrameClient::expect() {
  for (;;) {
    auto message = hear();
    if (!message) give_up("the server has closed");
    if (auto* found = std::get_if<T>(&*message)) return std::move(*found);
    if (std::holds_alternative<protocol::Progress>(*message)) continue;
    std::string why;
    if (const auto* refusal = std::get_if<protocol::Refusal>(&*message)) why = refusal->reason;
    if (const auto* end = std::get_if<protocol::Disconnect>(&*message)) why = end->reason;
    give_up(fmt::format("{} came: {}", protocol::message_name(*message), why));
  }
}
template protocol::Welcome FrameClient::expect();
template protocol::Refusal FrameClient::expect();
template protocol::Attached FrameClient::expect();
template protocol::Echo FrameClient::expect();
template protocol::Reply FrameClient::expect();
template protocol::Progress FrameClient::expect();
template protocol::Disconnect FrameClient::expect();

bool FrameClient::has_something(int wait_ms) const {
  return wait_for_events(number(), POLLIN, wait_ms);
}

void FrameClient::wait_closed() {
  std::array<std::byte, 4096> dropped;
  for (;;) {
    if (!wait_for_events(number(), POLLIN, kPatienceMs)) give_up("the server does not close");
    const ssize_t got = ::recv(number(), dropped.data(), dropped.size(), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return;
  }
}

void FrameClient::leave() {
  ::shutdown(number(), SHUT_WR);
  wait_closed();
}

std::vector<SentRecord> sent_of(std::span<const format::Record> records) {
  std::vector<SentRecord> sent;
  sent.reserve(records.size());
  for (const format::Record& record : records)
    sent.push_back({record.sequence, record.offset, as_text(record.data)});
  return sent;
}

SessionClient::SessionClient(const std::string& address, protocol::Hello hello)
    : address_(address), hello_(std::move(hello)), random_(hello_.journal.bytes[0] + 1) {
  control_.emplace(address_);
}

std::variant<protocol::Welcome, protocol::Refusal> SessionClient::knock() {
  control_->say(hello_);
  auto answer = control_->hear();
  if (!answer) give_up("the server has closed instead of an answer");
  if (auto* refusal = std::get_if<protocol::Refusal>(&*answer)) return std::move(*refusal);
  auto* welcome = std::get_if<protocol::Welcome>(&*answer);
  if (welcome == nullptr) give_up(std::string(protocol::message_name(*answer)) + " as an answer");
  welcome_ = *welcome;
  sent_ = welcome_.received;
  progress_ = {.received = welcome_.received, .stored = welcome_.stored.sequence, .synced = 0};
  return welcome_;
}

const protocol::Welcome& SessionClient::enter(bool with_data) {
  const auto answer = knock();
  if (const auto* refusal = std::get_if<protocol::Refusal>(&answer)) give_up(refusal->reason);
  if (with_data) attach();
  return welcome_;
}

void SessionClient::attach() {
  data_.emplace(address_);
  batches_ = 0;
  data_->say(protocol::Attach{.session = welcome_.session});
  data_->expect<protocol::Attached>();
}

std::vector<format::Record> SessionClient::make(unsigned count, std::size_t bytes) {
  std::vector<format::Record> records;
  const std::size_t first = model_.size();
  for (unsigned i = 0; i < count; ++i) {
    SentRecord sent{.sequence = ++sent_, .offset = 0, .data = std::string(bytes, '\0')};
    sent.offset = random_.next() % 1024 * 4096;
    for (std::size_t at = 0; at + 8 <= bytes; at += 512) {
      const std::uint64_t word = random_.next();
      std::memcpy(sent.data.data() + at, &word, sizeof word);
    }
    model_.push_back(std::move(sent));
  }
  for (std::size_t i = first; i < model_.size(); ++i) records.push_back(record_of(model_[i]));
  return records;
}

Buffer SessionClient::encode(std::span<format::Record> records, const Wrong& wrong) {
  protocol::fill_hashes(records);
  if (wrong.hash) records.back().hash.bytes[7] ^= 1;
  auto batch = protocol::encode_batch(wrong.vdisk.value_or(welcome_.format.vdisk),
                                      wrong.epoch.value_or(welcome_.epoch),
                                      ++batches_ + wrong.number_on, records);
  if (!batch) give_up(batch.error().message());
  Buffer body(batch->length);
  std::size_t at = 0;
  for (const ConstByteSpan piece : batch->pieces) {
    if (!piece.empty()) std::memcpy(body.data() + at, piece.data(), piece.size());
    at += piece.size();
  }
  return body;
}

Buffer SessionClient::next_batch(unsigned count, std::size_t bytes) {
  auto records = make(count, bytes);
  return encode(records, {});
}

void SessionClient::write(unsigned count, std::size_t bytes) {
  const Buffer body = next_batch(count, bytes);
  data_->send_frame(protocol::FrameType::kRecords, body.span());
}

void SessionClient::write_wrong(const Wrong& wrong) {
  sent_ += wrong.skipped;
  auto records = make(3, 512);
  const Buffer body = encode(records, wrong);
  data_->send_frame(protocol::FrameType::kRecords, body.span());
}

void SessionClient::resend(Sequence first, Sequence last) {
  std::vector<format::Record> records;
  for (const SentRecord& sent : model_) {
    if (sent.sequence < first || sent.sequence > last) continue;
    records.push_back(record_of(sent));
  }
  const Buffer body = encode(records, {});
  data_->send_frame(protocol::FrameType::kRecords, body.span());
  sent_ = std::max(sent_, last);
}

void SessionClient::note(const protocol::Progress& progress) {
  if (progress.received < progress_.received || progress.stored < progress_.stored ||
      progress.synced < progress_.synced)
    give_up("progress goes back");
  if (progress.stored > progress.received) give_up("more is stored than was received");
  if (progress.synced > progress.stored) give_up("more is synced than is stored");
  progress_ = progress;
}

protocol::Progress SessionClient::wait_for(Sequence protocol::Progress::*mark, Sequence sequence) {
  while (progress_.*mark < sequence) {
    const auto message = control_->hear();
    if (!message) give_up("the server has closed");
    if (const auto* end = std::get_if<protocol::Disconnect>(&*message)) give_up(end->reason);
    if (const auto* news = std::get_if<protocol::Progress>(&*message)) note(*news);
  }
  return progress_;
}

protocol::Reply SessionClient::ask(protocol::Message request) {
  const std::uint64_t id = ++asked_;
  std::visit(
      [id](auto& each) {
        if constexpr (requires { each.id; }) each.id = id;
      },
      request);
  control_->say(request);
  for (;;) {
    const auto message = control_->hear();
    if (!message) give_up("the server has closed");
    if (const auto* end = std::get_if<protocol::Disconnect>(&*message)) give_up(end->reason);
    if (const auto* news = std::get_if<protocol::Progress>(&*message)) note(*news);
    const auto* reply = std::get_if<protocol::Reply>(&*message);
    if (reply != nullptr && reply->id == id) return *reply;
  }
}

Sequence SessionClient::flush(Sequence sequence) {
  const protocol::Reply reply = ask(protocol::ForceFlush{.id = 0, .sequence = sequence});
  if (reply.error) give_up(reply.error->message());
  return reply.sequences.at(0);
}

protocol::Disconnect SessionClient::wait_disconnected() {
  return control_->expect<protocol::Disconnect>();
}

std::vector<SentRecord> SessionClient::read(Sequence first, Sequence last) {
  const std::uint64_t id = ++asked_;
  control_->say(protocol::ReadLog{.id = id, .first = first, .last = last});
  std::vector<SentRecord> all;
  std::uint64_t number = 0;
  while (all.empty() || all.back().sequence < last) {
    // Either the records come, or the reply that says why they do not.
    if (!data_->has_something(20)) {
      if (!control_->has_something(0)) continue;
      const auto message = control_->hear();
      if (!message) give_up("the server has closed");
      const auto* reply = std::get_if<protocol::Reply>(&*message);
      if (reply != nullptr && reply->error) give_up(reply->error->message());
      continue;
    }
    auto frame = data_->receive();
    if (!frame || frame->type != protocol::FrameType::kRecords) give_up("no records came");
    auto batch = protocol::decode_batch(std::move(frame->body));
    if (!batch) give_up(batch.error().message());
    if (number != 0 && batch->number != number + 1) give_up("batches are not counted");
    number = batch->number;
    if (auto good = protocol::verify_hashes(batch->batch.records); !good)
      give_up(good.error().message());
    for (SentRecord& each : sent_of(batch->batch.records)) all.push_back(std::move(each));
  }
  return all;
}

void SessionClient::say_goodbye() {
  control_->say(protocol::Disconnect{.code = Code::kShutdown, .reason = "done"});
}

void SessionClient::adopt(std::vector<SentRecord> model) {
  model_ = std::move(model);
}

}  // namespace tlog::testing
