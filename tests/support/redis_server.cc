#include "tests/support/redis_server.h"

#include <csignal>
#include <stdexcept>

#include "tests/support/free_port.h"
#include "tests/support/resp_client.h"

namespace tlog::testing {

RedisServer::RedisServer(RedisOptions options) : options_(std::move(options)) {
  if (options_.unix_socket) {
    address_ = "unix:" + directory_.file("redis.sock");
    start();
    return;
  }
  // Another program may take the port between our look and the server's bind.
  for (int attempt = 0;; ++attempt) {
    port_ = free_port();
    address_ = "127.0.0.1:" + std::to_string(port_);
    try {
      start();
      return;
    } catch (const std::runtime_error&) {
      if (attempt == 3) throw;
    }
  }
}

void RedisServer::start() {
  ProcessOptions process;
  process.arguments = {"redis-server",
                       "--bind",
                       "127.0.0.1",
                       "--port",
                       std::to_string(port_),
                       "--dir",
                       directory_.path(),
                       "--daemonize",
                       "no",
                       "--save",
                       "",
                       "--loglevel",
                       "warning"};
  auto add = [&](std::initializer_list<std::string> more) {
    process.arguments.insert(process.arguments.end(), more);
  };
  if (options_.unix_socket) add({"--unixsocket", directory_.file("redis.sock")});
  if (!options_.password.empty()) add({"--requirepass", options_.password});
  process.arguments.insert(process.arguments.end(), options_.arguments.begin(),
                           options_.arguments.end());
  process.directory = directory_.path();
  process.output_path = directory_.file("redis.log");
  process_ = std::make_unique<Process>(process);
  bool up = wait_until([this] { return !running() || answers(); }, Milliseconds(20'000));
  if (up && running()) return;
  process_.reset();
  throw std::runtime_error("redis-server does not start: " +
                           read_text(directory_.file("redis.log")));
}

bool RedisServer::answers() {
  try {
    RespClient client(address_);
    if (!options_.password.empty()) client.command({"AUTH", options_.password});
    const std::string reply = client.command({"PING"});
    if (reply.starts_with("-NOAUTH")) return true;
    // Another program's server may have taken the port just before ours.
    const std::string own = "process_id:" + std::to_string(pid()) + "\r\n";
    return reply == "PONG" && client.command({"INFO", "server"}).find(own) != std::string::npos;
  } catch (const std::runtime_error&) {
    return false;
  }
}

std::string RedisServer::command(const std::vector<std::string>& words) {
  RespClient client(address_);
  if (!options_.password.empty()) client.command({"AUTH", options_.password});
  return client.command(words);
}

void RedisServer::kill() {
  if (!process_) return;
  process_->signal(SIGKILL);
  if (!process_->wait(Milliseconds(10'000))) throw std::runtime_error("redis-server does not end");
  process_.reset();
}

void RedisServer::pause() {
  if (process_) process_->signal(SIGSTOP);
}

void RedisServer::resume() {
  if (process_) process_->signal(SIGCONT);
}

}  // namespace tlog::testing
