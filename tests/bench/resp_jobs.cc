#include "tests/bench/resp_jobs.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>

#include <fmt/core.h>

#include "tests/bench/resp_pipeline.h"

namespace tlog::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kPipelined = 32;  // commands under way on a connection
constexpr std::size_t kOwnKeys = 64;    // bounds what parallel_sets_us() leaves on the servers

std::string own_key(std::size_t number) {
  return fmt::format("bench:set:{}", number % kOwnKeys);
}

// The keys of one server and how far its reading has come.
class Source {
 public:
  Source(const std::string& address, const std::string& pattern) : connection_(address) {
    std::string cursor = "0";
    do {
      connection_.add({"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"});
      connection_.send();
      if (connection_.expect('*', "scan").number != 2) throw std::runtime_error("scan: no cursor");
      cursor = connection_.expect('$', "scan").text;
      for (std::int64_t left = connection_.expect('*', "scan").number; left > 0; --left) {
        keys_.emplace_back(connection_.expect('$', "scan").text);
      }
    } while (cursor != "0");
  }

  // Asks for the next values; false when all have been asked for.
  bool ask() {
    const std::size_t end = std::min(asked_ + kPipelined, keys_.size());
    if (asked_ == end) return false;
    for (; asked_ < end; ++asked_) connection_.add({"GET", keys_[asked_]});
    connection_.send();
    return true;
  }
  // Takes the values of one ask(). `take(key, value)`.
  template <class Take>
  void receive(Moved& moved, Take take) {
    const std::size_t end = std::min(received_ + kPipelined, keys_.size());
    for (; received_ < end; ++received_) {
      const RespAnswer answer = connection_.receive();
      if (answer.kind == '-' && answer.text.starts_with("WRONGTYPE")) continue;
      if (answer.kind != '$') throw std::runtime_error(fmt::format("get: {}", answer.text));
      if (answer.number == -1) continue;  // deleted meanwhile
      ++moved.keys;
      moved.bytes += answer.text.size();
      take(keys_[received_], answer.text);
    }
  }
  bool done() const { return received_ == keys_.size(); }

 private:
  RespPipeline connection_;
  std::vector<std::string> keys_;
  std::size_t asked_ = 0;
  std::size_t received_ = 0;
};

}  // namespace

std::vector<float> parallel_sets_us(const SetsOptions& options) {
  std::vector<std::unique_ptr<RespPipeline>> servers;
  for (const std::string& address : options.addresses) {
    servers.push_back(std::make_unique<RespPipeline>(address));
  }
  const std::string value(options.value_bytes, 'v');
  const auto until = SteadyClock::now() + std::chrono::duration<double>(options.seconds);
  std::vector<float> latencies_us;
  for (std::size_t round = 0; round == 0 || SteadyClock::now() < until; ++round) {
    const std::string key = own_key(round);
    const auto begun = SteadyClock::now();
    for (auto& server : servers) {
      server->add({"SET", key, value});
      server->send();
    }
    for (auto& server : servers) server->expect('+', "set");
    latencies_us.push_back(
        std::chrono::duration<float, std::micro>(SteadyClock::now() - begun).count());
  }
  for (auto& server : servers) {
    for (std::size_t i = 0; i < kOwnKeys; ++i) server->add({"DEL", own_key(i)});
    server->send();
    for (std::size_t i = 0; i < kOwnKeys; ++i) server->expect(':', "del");
  }
  return latencies_us;
}

Moved read_all(const std::vector<std::string>& addresses, const std::string& pattern) {
  std::vector<std::unique_ptr<Source>> sources;
  for (const std::string& address : addresses) {
    sources.push_back(std::make_unique<Source>(address, pattern));
  }
  Moved moved;
  for (auto& source : sources) source->ask();
  for (bool left = true; left;) {
    left = false;
    for (auto& source : sources) {
      if (source->done()) continue;
      // The next values are on their way while these are looked at.
      source->ask();
      source->receive(moved, [](const std::string&, std::string_view) {});
      left = true;
    }
  }
  return moved;
}

Moved copy_all(const std::string& from, const std::string& to, const std::string& pattern) {
  Source source(from, pattern);
  RespPipeline target(to);
  Moved moved;
  std::uint64_t confirmed = 0;
  source.ask();
  while (!source.done()) {
    source.ask();
    const std::uint64_t sent_before = moved.keys;
    source.receive(moved, [&](const std::string& key, std::string_view value) {
      target.add({"SET", key, value});
    });
    target.send();
    // Those of the round before: the target works while the source is read.
    for (; confirmed < sent_before; ++confirmed) target.expect('+', "set");
  }
  for (; confirmed < moved.keys; ++confirmed) target.expect('+', "set");
  return moved;
}

}  // namespace tlog::bench
