// A client of a tlogserver for tests: its two connections as plain sockets, one thread, every wait
// with a deadline. It can also do what no real client would.
//
// Throws std::runtime_error when a wait ends without what was waited for. Threading: one thread.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "server/protocol/batch.h"
#include "server/protocol/frame.h"
#include "server/protocol/message.h"
#include "tests/support/log_samples.h"
#include "tests/support/loopback.h"

namespace tlog::testing {

// One connection that carries frames.
class FrameClient {
 public:
  static constexpr int kPatienceMs = 20'000;

  explicit FrameClient(const std::string& address) : socket_(connect_to(address)) {}

  void say(const protocol::Message& message);
  void send_frame(protocol::FrameType type, ConstByteSpan body);
  void send_bytes(ConstByteSpan bytes);  // not even a frame
  // As much as the peer takes without being waited for; how much that was.
  std::size_t push(ConstByteSpan bytes);

  struct Frame {
    protocol::FrameType type;
    Buffer body;
  };
  // Nothing: the peer has closed.
  std::optional<Frame> receive(int patience_ms = kPatienceMs);
  std::optional<protocol::Message> hear(int patience_ms = kPatienceMs);
  // The next message of this kind; Progress is skipped when something else is wanted.
  template <class T>
  T expect();
  bool has_something(int wait_ms) const;  // to be received
  void wait_closed();                     // whatever comes before is dropped
  // For who was told the reason and ends his side, as is expected of him.
  void leave();
  void close() { socket_.reset(); }
  int number() const { return socket_.number(); }

 private:
  bool fill(ByteSpan into, int patience_ms);

  Descriptor socket_;
};

// What was sent of a log, to compare with.
struct SentRecord {
  Sequence sequence = 0;
  std::uint64_t offset = 0;
  std::string data;
  friend bool operator==(const SentRecord&, const SentRecord&) = default;
};
std::vector<SentRecord> sent_of(std::span<const format::Record> records);

class SessionClient {
 public:
  SessionClient(const std::string& address, protocol::Hello hello);

  // Says Hello; the answer.
  std::variant<protocol::Welcome, protocol::Refusal> knock();
  // The same for who is welcome, and attaches the data connection. Throws the refusal's reason.
  const protocol::Welcome& enter(bool attach = true);
  void attach();

  // `count` random records behind what was sent last, as one batch.
  void write(unsigned count, std::size_t bytes = 4096);
  // The same again, for a server that does not have it.
  void resend(Sequence first, Sequence last);
  struct Wrong {
    std::optional<Uuid> vdisk = {};
    std::optional<Epoch> epoch = {};
    std::uint64_t number_on = 0;
    Sequence skipped = 0;
    bool hash = false;
  };
  void write_wrong(const Wrong& wrong);

  // Hears until the server has come so far.
  protocol::Progress wait_received(Sequence sequence) {
    return wait_for(&protocol::Progress::received, sequence);
  }
  protocol::Progress wait_stored(Sequence sequence) {
    return wait_for(&protocol::Progress::stored, sequence);
  }
  // Asks, and hears until the Reply.
  protocol::Reply ask(protocol::Message request);
  Sequence flush(Sequence sequence);  // until it is stored; throws when refused
  protocol::Disconnect wait_disconnected();
  // All that ReadLog gives.
  std::vector<SentRecord> read(Sequence first, Sequence last);
  void say_goodbye();

  FrameClient& control() { return *control_; }
  FrameClient& data() { return *data_; }
  const protocol::Welcome& welcome() const { return welcome_; }
  const protocol::Progress& progress() const { return progress_; }
  Sequence sent() const { return sent_; }
  const std::vector<SentRecord>& model() const { return model_; }
  void adopt(std::vector<SentRecord> model);  // of the client that was there before
  // Encoded, not sent: for who wants to see how much the server takes.
  Buffer next_batch(unsigned count, std::size_t bytes);

 private:
  Buffer encode(std::span<format::Record> records, const Wrong& wrong);
  std::vector<format::Record> make(unsigned count, std::size_t bytes);
  protocol::Progress wait_for(Sequence protocol::Progress::*mark, Sequence sequence);
  void note(const protocol::Progress& progress);

  const std::string address_;
  protocol::Hello hello_;
  SeededRandom random_;
  std::optional<FrameClient> control_;
  std::optional<FrameClient> data_;
  protocol::Welcome welcome_;
  protocol::Progress progress_;
  std::uint64_t batches_ = 0;
  std::uint64_t asked_ = 0;
  Sequence sent_ = 0;
  std::vector<SentRecord> model_;
};

}  // namespace tlog::testing
