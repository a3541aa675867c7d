// messages_load: clients of a log of messages, each on a connection of its own that is kept, each
// posting one message after the other. Prints messages per second and latencies as JSON.
//
//   messages_load HOST:PORT CLIENTS W SECONDS
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/loopback.h"

namespace tlog::testing {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr int kSilenceMs = 30'000;

void wait_for(int socket, short events) {
  pollfd waiting{.fd = socket, .events = events, .revents = 0};
  if (::poll(&waiting, 1, kSilenceMs) != 1) throw std::runtime_error("the server is silent");
}

void send_all(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      text.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      wait_for(socket, POLLOUT);
    } else if (errno != EINTR) {
      throw std::runtime_error("the connection is lost");
    }
  }
}

// One answer, which has a Content-Length; its head.
std::string receive_answer(int socket) {
  std::string text;
  for (;;) {
    const std::size_t end = text.find("\r\n\r\n");
    if (end != std::string::npos) {
      const std::size_t at = text.find("Content-Length: ");
      const std::size_t length = at < end ? std::stoul(text.substr(at + 16)) : 0;
      if (text.size() >= end + 4 + length) return text.substr(0, end);
    }
    char piece[4096];
    const ssize_t got = ::recv(socket, piece, sizeof piece, 0);
    if (got > 0) {
      text.append(piece, static_cast<std::size_t>(got));
    } else if (got < 0 && errno == EAGAIN) {
      wait_for(socket, POLLIN);
    } else if (got == 0 || errno != EINTR) {
      throw std::runtime_error("the connection is lost");
    }
  }
}

class Client {
 public:
  Client(std::string address, unsigned number, unsigned w)
      : address_(std::move(address)), number_(number), w_(w) {}

  void run(const std::atomic<bool>& ends) try {
    const Descriptor socket = connect_to(address_);
    while (!ends) {
      const std::string body =
          fmt::format(R"({{"message":"client {} says for the {}th time that all is well","w":{}}})",
                      number_, latencies_us.size(), w_);
      const auto begin = SteadyClock::now();
      send_all(socket.number(),
               fmt::format("POST /messages HTTP/1.1\r\nHost: bench\r\nContent-Length: {}\r\n\r\n{}",
                           body.size(), body));
      const std::string head = receive_answer(socket.number());
      if (!head.starts_with("HTTP/1.1 201")) throw std::runtime_error(head);
      latencies_us.push_back(static_cast<std::uint64_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - begin)
              .count()));
    }
  } catch (const std::exception& exception) {
    error = exception.what();
  }

  std::vector<std::uint64_t> latencies_us;
  std::string error;

 private:
  const std::string address_;
  const unsigned number_, w_;
};

int run(const std::string& address, unsigned count, unsigned w, double seconds) {
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<std::thread> threads;
  std::atomic<bool> ends{false};
  const auto begin = SteadyClock::now();
  for (unsigned i = 0; i < count; ++i) {
    clients.push_back(std::make_unique<Client>(address, i, w));
    threads.emplace_back([client = clients.back().get(), &ends] { client->run(ends); });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  ends = true;
  for (std::thread& thread : threads) thread.join();
  const double passed = std::chrono::duration<double>(SteadyClock::now() - begin).count();
  std::vector<std::uint64_t> all;
  for (const auto& client : clients) {
    if (!client->error.empty()) {
      std::fprintf(stderr, "messages_load: %s\n", client->error.c_str());
      return 1;
    }
    all.insert(all.end(), client->latencies_us.begin(), client->latencies_us.end());
  }
  std::sort(all.begin(), all.end());
  const auto percentile = [&](double part) {
    return all.empty() ? 0
                       : all[static_cast<std::size_t>(part * static_cast<double>(all.size() - 1))];
  };
  fmt::print("{{\"messages\":{},\"per_s\":{:.1f},\"p50_us\":{},\"p99_us\":{}}}\n", all.size(),
             static_cast<double>(all.size()) / passed, percentile(0.5), percentile(0.99));
  return 0;
}

}  // namespace
}  // namespace tlog::testing

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: messages_load HOST:PORT CLIENTS W SECONDS\n");
    return 2;
  }
  try {
    return tlog::testing::run(argv[1], static_cast<unsigned>(std::stoul(argv[2])),
                              static_cast<unsigned>(std::stoul(argv[3])), std::stod(argv[4]));
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "messages_load: %s\n", exception.what());
    return 1;
  }
}
