// resp_load: what a bare client of redis-protocol servers reaches, as one line of JSON.
//   resp_load sets --server unix:/a --server unix:/b --seconds 5    one SET on each, at once
//   resp_load read --server unix:/a --server unix:/b                every string of the servers
//   resp_load copy --server unix:/a --to unix:/c                    every string of one to another
#include <algorithm>
#include <chrono>
#include <exception>

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "tests/bench/resp_jobs.h"

namespace {

using SteadyClock = std::chrono::steady_clock;

void print_latencies(std::vector<float> us) {
  std::sort(us.begin(), us.end());
  auto at = [&](double fraction) {
    return us[static_cast<std::size_t>(fraction * static_cast<double>(us.size() - 1))];
  };
  fmt::print("{{\"rounds\":{},\"p50_us\":{:.1f},\"p99_us\":{:.1f},\"max_us\":{:.1f}}}\n", us.size(),
             at(0.5), at(0.99), at(1));
}

template <class Move>
void print_moved(Move move) {
  const auto begun = SteadyClock::now();
  const tlog::bench::Moved moved = move();
  const double seconds = std::chrono::duration<double>(SteadyClock::now() - begun).count();
  fmt::print("{{\"keys\":{},\"bytes\":{},\"seconds\":{:.6f},\"mb_per_s\":{:.2f}}}\n", moved.keys,
             moved.bytes, seconds, static_cast<double>(moved.bytes) / 1e6 / seconds);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"What a bare client of redis-protocol servers reaches; prints one line of JSON"};
  app.require_subcommand(1);
  tlog::bench::SetsOptions sets_options;
  std::vector<std::string> servers;
  std::string to;
  std::string pattern = "*";
  CLI::App* const sets = app.add_subcommand("sets", "one SET on every server at once, repeated");
  CLI::App* const read = app.add_subcommand("read", "every string of the servers");
  CLI::App* const copy = app.add_subcommand("copy", "every string of a server to another");
  for (CLI::App* command : {sets, read, copy}) {
    command->add_option("--server", servers, "HOST:PORT or unix:/PATH")->required();
  }
  sets->add_option("--value-bytes", sets_options.value_bytes, "of each value")
      ->check(CLI::Range(1, 64 << 20));
  sets->add_option("--seconds", sets_options.seconds, "stop after this long");
  copy->add_option("--to", to, "the server that is written to")->required();
  for (CLI::App* command : {read, copy}) command->add_option("--match", pattern, "only such keys");
  CLI11_PARSE(app, argc, argv);
  sets_options.addresses = servers;
  try {
    if (*sets) {
      print_latencies(parallel_sets_us(sets_options));
    } else if (*read) {
      print_moved([&] { return tlog::bench::read_all(servers, pattern); });
    } else {
      print_moved([&] { return tlog::bench::copy_all(servers.front(), to, pattern); });
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "resp_load: {}\n", error.what());
    return 1;
  }
  return 0;
}
