// File: tests/support/etcd_server.h
// A real etcd with its own ports and directory, ended by pid. Threading: one thread, the test's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temp_directory.h"

namespace tlog::testing {

// Starts in the constructor and waits until it answers; throws std::runtime_error when it does not.
class EtcdServer {
 public:
  // With TLS: by a certificate of an authority of its own, which no system knows.
  explicit EtcdServer(bool tls = false);

  static bool available() { return has_program("etcd") && has_program("etcdctl"); }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  // "etcd://127.0.0.1:port/KEY", etcds:// with TLS
  std::string url(const std::string& key) const {
    return (tls_ ? "etcds://" : "etcd://") + address() + "/" + key;
  }
  std::string ca_file() const { return directory_.file("ca.pem"); }

  void put(const std::string& key, const std::string& value) { (void)ctl({"put", key, value}); }
  void remove(const std::string& key) { (void)ctl({"del", key}); }
  // Throws away everything before now: a watch of an older revision is refused.
  void compact();
  std::string ctl(const std::vector<std::string>& words) const;  // etcdctl's output
  // "NAME:PASSWORD" for all of that, once etcd wants one.
  void log_in(const std::string& user) { user_ = user; }

  void kill();   // SIGKILL, and waits for the end
  void start();  // again, with the same ports and directory

 private:
  bool answers() const;
  void make_certificates();
  std::string client_url() const { return (tls_ ? "https://" : "http://") + address(); }

  const bool tls_;
  std::string user_;
  TempDirectory directory_;
  int port_ = 0;
  int peer_port_ = 0;
  std::unique_ptr<Process> process_;
};

}  // namespace tlog::testing
