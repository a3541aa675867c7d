// File: tests/support/any_server.h
// A redis-protocol server of one of the kinds that a store must get on with, for suites that have
// to pass on all of them. Threading: one thread, the test's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/ardb_double.h"
#include "tests/support/redis_server.h"
#include "tests/support/resp_client.h"

namespace tlog::testing {

enum class ServerKind { kRedis, kArdbDouble };

struct AnyServerOptions {
  bool unix_socket = false;
  std::string password{};
};

class AnyServer {
 public:
  explicit AnyServer(ServerKind kind, const AnyServerOptions& options = {})
      : password_(options.password) {
    if (kind == ServerKind::kRedis) {
      redis_ = std::make_unique<RedisServer>(
          RedisOptions{.unix_socket = options.unix_socket, .password = options.password});
      return;
    }
    const std::string listen =
        options.unix_socket ? "unix:" + directory_.file("ardb.sock") : "127.0.0.1:0";
    ardb_ =
        std::make_unique<ArdbDouble>(ArdbOptions{.listen = listen, .password = options.password});
  }

  static bool available(ServerKind kind) {
    return kind != ServerKind::kRedis || RedisServer::available();
  }
  static std::string name(ServerKind kind) { return kind == ServerKind::kRedis ? "redis" : "ardb"; }

  const std::string& address() const { return redis_ ? redis_->address() : ardb_->address(); }
  std::string command(const std::vector<std::string>& words) {
    RespClient client(address());
    if (!password_.empty()) client.command({"AUTH", password_});
    return client.command(words);
  }
  // Writes fail for want of room, reads go on.
  void set_full(bool full) {
    if (redis_)
      redis_->command({"CONFIG", "SET", "maxmemory", full ? "1mb" : "0"});
    else
      ardb_->set_full(full);
  }

 private:
  const std::string password_;
  TempDirectory directory_;
  std::unique_ptr<RedisServer> redis_;
  std::unique_ptr<ArdbDouble> ardb_;
};

}  // namespace tlog::testing
