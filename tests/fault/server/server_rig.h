// ServerRig: a real Server on sockets of its own, over memory stores (or others) that outlive it,
// and clients for it. Threading: one thread, the test's; threads of its own may have their clients.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/serve/server.h"
#include "tests/fault/server/session_client.h"
#include "tests/support/log_rig.h"
#include "tests/support/temp_directory.h"
#include "tlog/store/memory_store.h"

namespace tlog::testing {

inline constexpr unsigned kRigStores = 6;

// Of the memory stores of one vdisk.
struct VdiskContents {
  std::vector<std::shared_ptr<store::MemoryStoreContents>> stores;
  void refuse(bool on) {
    for (const auto& each : stores) each->refuse(on);
  }
  void delay(std::uint64_t delay_ns) {
    for (const auto& each : stores) each->delay(delay_ns);
  }
};

class ServerRig {
 public:
  // A Unix socket, so that keys may be handed over; `change`: what the test wants otherwise.
  explicit ServerRig(const std::function<void(server::ServerOptions&)>& change = {});
  ~ServerRig();

  void start();                     // again, over the same stores
  void kill() { server_.reset(); }  // without storing anything
  bool stop(std::uint64_t budget_ns = 20'000'000'000) { return server_->stop(budget_ns); }
  server::ServerOptions& options() { return options_; }  // of the next start()
  server::Server& server() { return *server_; }
  const std::string& address() const { return server_->address(); }
  VdiskContents& contents(const std::string& vdisk);
  // Other stores than memory.
  std::function<std::unique_ptr<store::Store>(const std::string& vdisk, unsigned index,
                                              io::Loop& loop)>
      make_store;

  // What a writer with the journal number `journal` says.
  protocol::Hello hello(const std::string& vdisk = "vm1", unsigned journal = 1) const;
  protocol::Hello reader(const std::string& vdisk = "vm1") const;
  SessionClient client(const std::string& vdisk = "vm1", unsigned journal = 1) {
    return {address(), hello(vdisk, journal)};
  }
  seal::MasterKey key() const;  // what its clients hand over
  FrameClient stranger() { return FrameClient(address()); }

  // Of a server that listens on all addresses: how a stranger from elsewhere sees it. "": there is
  // no such address.
  std::string outer_address() const;

  // The log as its stores have it, without the server. Throws when it cannot be read.
  std::vector<SentRecord> read_stores(const std::string& vdisk);
  // EXPECTs that the log, read from its stores without the server, is this from its beginning on.
  void expect_log(const std::string& vdisk, const std::vector<SentRecord>& model);
  // Until it is so, at most 20 s.
  bool wait_until(const std::function<bool()>& condition) const;
  // Of a vdisk's writer; throws when there is none.
  server::SessionStatus session(const std::string& vdisk = "vm1") const;

  KeepingLogger& logger() { return logger_; }
  io::Loop& loop() { return *loop_; }
  io::Workers& workers() { return workers_; }

 private:
  std::vector<std::unique_ptr<store::Store>> open_stores(const std::string& vdisk);

  TempDirectory directory_;
  KeepingLogger logger_;
  std::unique_ptr<io::Loop> loop_;
  io::Workers workers_;
  std::array<std::uint8_t, protocol::kKeyBytes> key_{};
  server::ServerOptions options_;
  Mutex mutex_;
  std::map<std::string, VdiskContents> contents_ GUARDED_BY(mutex_);
  std::unique_ptr<server::Server> server_;
};

// Why a client is not let in; an EXPECT fails when it is.
protocol::Refusal refused(SessionClient& client);

}  // namespace tlog::testing
