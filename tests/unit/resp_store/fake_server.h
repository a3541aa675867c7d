// File: tests/unit/resp_store/fake_server.h
// A server that says what a test wants: for each command it gets, in order, one of the given
// answers. Handshakes (INFO) are answered properly unless the script says otherwise. Threading: its
// own thread; scripts run there.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tlog/base/mutex.h"

namespace tlog::store {

class FakeServer {
 public:
  // What to send for a command (its words); kHangUp closes the connection after what was sent so
  // far.
  using Script = std::function<std::string(const std::vector<std::string>&)>;
  static const std::string kHangUp;
  static std::string bulk(const std::string& value) {
    return "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
  }

  explicit FakeServer(Script script);
  ~FakeServer();

  const std::string& address() const { return address_; }
  int connections() const { return connections_; }
  std::vector<std::string> commands() const;  // the first words, of all connections
  void read(bool on) { reading_ = on; }  // off: what clients send piles up in the socket buffers
  // Sends on the newest connection, whatever was asked.
  void send_now(const std::string& text);

 private:
  struct Peer {
    int descriptor;
    std::string received;
  };
  void run();
  bool serve(Peer& peer);
  static bool take_command(std::string& received, std::vector<std::string>& words);
  static bool send_all(int descriptor, const std::string& text);

  const Script script_;
  int listener_ = -1;
  std::string address_;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> reading_ = true;
  std::atomic<int> connections_ = 0;
  mutable Mutex mutex_;
  std::vector<std::string> commands_ GUARDED_BY(mutex_);
  int newest_ GUARDED_BY(mutex_) = -1;
  std::thread thread_;
};

}  // namespace tlog::store
