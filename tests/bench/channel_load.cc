// What a frame channel costs beside a bare socket: frames of 256 KiB over loopback, one connection,
// sender and receiver in this process, each with a loop of its own; bare with blocking calls of the
// same size, plain, and with TLS (a pre-shared key). One line each: rate and processor time.
// Rounds are taken in turns; the best of each counts. By hand; figures are never a test.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <future>
#include <stdexcept>
#include <thread>

#include "server/net/channel.h"
#include "tests/support/loopback.h"
#include "tests/support/temp_directory.h"
#include "tlog/base/clock.h"
#include "tlog/io/loop.h"

namespace tlog {
namespace {

constexpr std::size_t kFrameBytes = 256 * kKiB;
constexpr std::uint64_t kFrames = 8'000;  // 2 GiB a round
constexpr std::uint64_t kWindow = 8;      // frames under way
constexpr int kRounds = 5;

struct Figure {
  double gigabytes_per_second = 0;
  double cpu_ns_per_kib = 0;
};

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <class Run>
Figure measure(Run run) {
  const std::uint64_t start = system_clock().monotonic_ns();
  const double cpu = cpu_seconds();
  run();
  const auto ns = static_cast<double>(system_clock().monotonic_ns() - start);
  const double bytes = static_cast<double>(kFrames) * kFrameBytes;
  return {bytes / ns, (cpu_seconds() - cpu) * 1e9 / (bytes / 1024)};
}

void run_bare() {
  testing::Listener listener("127.0.0.1:0");
  std::promise<void> received;
  std::thread receiver([&] {
    testing::Descriptor connection;
    while (!connection.is_open()) connection = listener.accept();
    const int descriptor = connection.number();
    (void)::fcntl(descriptor, F_SETFL, 0);  // blocking
    Buffer into(kFrameBytes);
    for (std::uint64_t left = kFrames * kFrameBytes; left > 0;) {
      const ssize_t got = ::recv(descriptor, into.data(), into.size(), 0);
      if (got > 0) left -= static_cast<std::uint64_t>(got);
      if (got == 0) break;
    }
    received.set_value();
  });
  testing::Descriptor connection = testing::connect_to(listener.address());
  Buffer body(kFrameBytes);
  std::memset(body.data(), 'x', body.size());
  for (std::uint64_t left = kFrames * kFrameBytes; left > 0;) {
    const std::size_t at = (kFrames * kFrameBytes - left) % kFrameBytes;
    const ssize_t sent =
        ::send(connection.number(), body.data() + at, body.size() - at, MSG_NOSIGNAL);
    if (sent <= 0) break;
    left -= static_cast<std::uint64_t>(sent);
  }
  received.get_future().wait();
  receiver.join();
}

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return std::move(*result);
}

class ChannelPair {
 public:
  ChannelPair(std::shared_ptr<const net::Tls> server, std::shared_ptr<const net::Tls> client) {
    loops_[0] = value_of(io::make_loop({}, null_logger()));
    loops_[1] = value_of(io::make_loop({}, null_logger()));
    for (auto& loop : loops_) (void)loop->start();
    std::promise<void> accepted;
    acceptor_ = value_of(net::listen(*loops_[0], {.address = "127.0.0.1:0", .tls = server},
                                     null_logger(), [&](std::unique_ptr<net::Channel> channel) {
                                       receiver_ = std::move(channel);
                                       receiver_->set_limits({.records_bytes_max = kFrameBytes});
                                       receiver_->start({[this](protocol::FrameType, Buffer) {
                                                           if (++received_ == kFrames)
                                                             done_.set_value();
                                                         },
                                                         [](const Error&) { std::abort(); }});
                                       accepted.set_value();
                                     }));
    std::promise<void> connected;
    io::run_on(*loops_[1], [&] {
      net::connect_channel(
          *loops_[1], acceptor_->address(), client, 10'000'000'000,
          [&](Result<std::unique_ptr<net::Channel>> channel) {
            sender_ = value_of(std::move(channel));
            sender_->start({[](protocol::FrameType, const Buffer&) {}, [](const Error&) {}});
            connected.set_value();
          });
    });
    connected.get_future().wait();
    accepted.get_future().wait();
    std::memset(body_.data(), 'x', body_.size());
  }
  ~ChannelPair() {
    io::run_on(*loops_[0], [this] {
      receiver_.reset();
      acceptor_.reset();
    });
    io::run_on(*loops_[1], [this] { sender_.reset(); });
    for (auto& loop : loops_) loop->stop();
  }
  void run() {
    received_ = 0;
    sent_ = 0;
    done_ = {};
    io::run_on(*loops_[1], [this] {
      for (std::uint64_t i = 0; i < kWindow; ++i) send_next();
    });
    done_.get_future().wait();
  }

 private:
  void send_next() {
    if (sent_ == kFrames) return;
    ++sent_;
    sender_->send(protocol::FrameType::kRecords, {std::as_const(body_).span()},
                  [this](const Status& status) {
                    if (status) send_next();
                  });
  }
  std::unique_ptr<io::Loop> loops_[2];
  std::unique_ptr<net::Acceptor> acceptor_;
  std::unique_ptr<net::Channel> receiver_;
  std::unique_ptr<net::Channel> sender_;
  Buffer body_{kFrameBytes};
  std::atomic<std::uint64_t> received_ = 0;
  std::uint64_t sent_ = 0;
  std::promise<void> done_;
};

int run() {
  testing::TempDirectory directory;
  testing::write_text(directory.file("psk"), "bench:" + std::string(64, '5') + "\n", 0600);
  const net::TlsOptions options{.psk_file = directory.file("psk")};
  auto server = value_of(net::Tls::load(net::TlsSide::kServer, options, io::system_files()));
  auto client = value_of(net::Tls::load(net::TlsSide::kClient, options, io::system_files()));
  ChannelPair plain(nullptr, nullptr);
  ChannelPair tls(server, client);
  Figure best[3];
  for (int round = 0; round < kRounds; ++round) {
    const Figure figures[3] = {measure(run_bare), measure([&] { plain.run(); }),
                               measure([&] { tls.run(); })};
    for (int i = 0; i < 3; ++i) {
      if (figures[i].gigabytes_per_second > best[i].gigabytes_per_second) best[i] = figures[i];
    }
  }
  const char* names[3] = {"bare", "plain", "tls"};
  for (int i = 0; i < 3; ++i) {
    fmt::print("{:6} {:.2f} GB/s  {:.0f} ns/KiB  {:.2f} of bare\n", names[i],
               best[i].gigabytes_per_second, best[i].cpu_ns_per_kib,
               best[i].gigabytes_per_second / best[0].gigabytes_per_second);
  }
  return 0;
}

}  // namespace
}  // namespace tlog

int main() {
  try {
    return tlog::run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "channel_load: {}\n", error.what());
    return 1;
  }
}
