// FakeTlogserver: what a client of tlogservers can meet, over real channels: a server that keeps
// its log in memory, and refuses, is silent, dies, lies or talks garbage when it is told to.
// Several can write one log (FakeServerLog), and fence each other as real ones do.
//
// Threading: everything on the loop's thread; call() runs there from the test's.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/net/channel.h"
#include "server/protocol/batch.h"
#include "server/protocol/message.h"
#include "tlog/base/log.h"

namespace tlog::testing {

struct FakeServerLog {
  explicit FakeServerLog(Uuid log_id) : id(log_id) {}
  Uuid id;
  bool exists = false;
  Epoch epoch = 0;
  Uuid journal;
  format::VdiskFormat format;
  struct Entry {
    std::uint64_t offset = 0;
    TimestampNs timestamp = 0;
    std::string data;
  };
  std::vector<Entry> stored;  // records 1, 2, ...

  void empty() {
    exists = false;
    journal = {};
    stored.clear();
  }
};

enum class FakeMoment { kAccept, kHello, kWelcome, kAttach, kAttached, kRecords, kProgress, kRead };
constexpr FakeMoment kFakeMoments[] = {
    FakeMoment::kAccept,   FakeMoment::kHello,   FakeMoment::kWelcome, FakeMoment::kAttach,
    FakeMoment::kAttached, FakeMoment::kRecords, FakeMoment::kProgress};

struct FakeScript {
  std::optional<protocol::Refusal> refuse{};  // every Hello
  std::optional<FakeMoment> die{};            // closes both connections, right after it; once
  std::optional<FakeMoment> silent{};         // it says nothing more on these connections; once
  std::optional<FakeMoment> garbage{};        // says what cannot be understood; once
  bool holds = false;                         // receives, and stores nothing
  bool deaf = false;                          // takes no records from the next Attach on
  bool lies = false;                          // says that it has stored more than it was sent
  bool spoils = false;                        // changes what it is asked to read
  bool asks_force = false;                    // stores only what it is asked to by ForceFlush
  std::uint64_t batch_bytes_max = 0;
  std::optional<Error> standby{Error(Code::kNotSupported, "no standby")};
};

class FakeTlogserver {
 public:
  // `address`: "unix:/path". Listens at once.
  FakeTlogserver(io::Loop& loop, std::shared_ptr<FakeServerLog> log, std::string address);
  ~FakeTlogserver();

  const std::string& address() const { return address_; }
  void call(const std::function<void()>& task);  // on the loop, also from there
  void stop();  // like a killed process: what is not stored is lost
  void start();
  void script(FakeScript script);
  void disconnect(Code code, const std::string& reason);
  void store_received();  // what it holds

  // For the test's thread.
  std::uint64_t hellos() { return count_of(hellos_); }
  std::uint64_t reads() { return count_of(reads_); }
  std::uint64_t batches() { return count_of(batches_); }
  std::uint64_t forces() { return count_of(forces_); }
  std::uint64_t echoes() { return count_of(echoes_); }
  bool has_session();
  std::vector<FakeServerLog::Entry> stored();

 private:
  struct Peer {
    std::unique_ptr<net::Channel> channel;
    bool data = false;
  };
  std::uint64_t count_of(const std::uint64_t& counter);
  void accept(std::unique_ptr<net::Channel> channel);
  void frame(const std::shared_ptr<Peer>& peer, protocol::FrameType type, Buffer body);
  void message(const std::shared_ptr<Peer>& peer, protocol::Message message);
  void hello(const std::shared_ptr<Peer>& peer, const protocol::Hello& hello);
  void take(Buffer body);
  void read(const protocol::ReadLog& request);
  void progress();
  void store(Sequence up_to);
  void check_fence();
  bool moment(FakeMoment moment);  // false: nothing further is to be said
  void say(Peer& peer, const protocol::Message& message);
  void hang_up();
  void drop(std::unique_ptr<net::Channel> channel);

  io::Loop& loop_;
  const std::shared_ptr<FakeServerLog> log_;
  const std::string address_;
  FakeScript script_;
  std::unique_ptr<net::Acceptor> acceptor_;
  std::vector<std::shared_ptr<Peer>> peers_;
  std::shared_ptr<Peer> control_;
  std::shared_ptr<Peer> data_;
  Uuid session_;
  std::optional<Epoch> epoch_;  // of the session
  bool muted_ = false;
  std::deque<FakeServerLog::Entry> held_;          // received behind what is stored
  std::multimap<Sequence, std::uint64_t> forced_;  // the requests' ids
  std::uint64_t hellos_ = 0, reads_ = 0, batches_ = 0, forces_ = 0, echoes_ = 0, sent_batches_ = 0;
};

}  // namespace tlog::testing
