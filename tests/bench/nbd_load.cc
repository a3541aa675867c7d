// nbd_load: a lean load generator for any NBD server. It verifies nothing and prints one line of
// JSON: operations and bytes per second, latencies, and with --server-pid the CPU time that process
// spent per operation.
//   nbd_load --uri nbd+unix:///?socket=/tmp/s --op write --depth 32 --seconds 5 --server-pid 1234
#include <algorithm>
#include <cstdio>
#include <iterator>
#include <optional>
#include <thread>

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "tests/bench/nbd_load_client.h"

namespace {

using tlog::bench::LoadConnection;
using tlog::bench::LoadOptions;
using tlog::bench::Progress;

void add_options(CLI::App& app, LoadOptions& options, std::string& operation) {
  app.add_option("--uri", options.uri, "NBD URI of the export")->required();
  app.add_option("--op", operation, "read or write")->check(CLI::IsMember({"read", "write"}));
  app.add_flag("--sequential", options.sequential, "one block after the other (default: random)");
  app.add_option("--block-size", options.block_bytes, "bytes of a request")
      ->check(CLI::Range(512, 32 << 20));
  app.add_option("--depth", options.depth, "requests in flight, over all connections")
      ->check(CLI::Range(1, 4096));
  app.add_option("--connections", options.connections, "connections, a thread each")
      ->check(CLI::Range(1, 64));
  app.add_flag("--flush-each", options.flush_each,
               "a FLUSH after every request's answer, timed with it");
  app.add_flag("--fua", options.fua, "writes carry FUA");
  app.add_flag("--final-flush", options.final_flush,
               "one FLUSH at the end, inside the measured time");
  app.add_option("--seconds", options.seconds, "stop after this long");
  app.add_option("--bytes", options.bytes, "stop after this much");
  app.add_option("--warmup-seconds", options.warmup_seconds, "run this long before measuring");
  app.add_option("--warmup-bytes", options.warmup_bytes, "move this much before measuring");
  app.add_option("--range", options.range_bytes, "use only the first bytes of the export");
  app.add_option("--seed", options.seed, "of the random offsets");
  app.add_option("--server-pid", options.server_pid, "report this process's CPU time and memory");
}

double percentile(const std::vector<float>& sorted, double fraction) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<std::size_t>(fraction * static_cast<double>(sorted.size() - 1))];
}

void print_result(const LoadOptions& options, const Progress& progress,
                  std::vector<float> latencies_us) {
  std::sort(latencies_us.begin(), latencies_us.end());
  const double seconds = std::chrono::duration<double>(progress.elapsed()).count();
  const auto ops = static_cast<double>(latencies_us.size());
  const auto bytes = ops * static_cast<double>(options.block_bytes);
  std::string line = fmt::format(
      "{{\"ops\":{},\"seconds\":{:.4f},\"ops_per_s\":{:.1f},\"mb_per_s\":{:.2f},\"p50_us\":{:.1f},"
      "\"p99_us\":{:.1f},"
      "\"max_us\":{:.1f}",
      latencies_us.size(), seconds, ops / seconds, bytes / seconds / 1e6,
      percentile(latencies_us, 0.5), percentile(latencies_us, 0.99), percentile(latencies_us, 1.0));
  if (options.server_pid != 0) {
    const auto cpu_ns =
        static_cast<double>(progress.stat_after().cpu_ns() - progress.stat_before().cpu_ns());
    line += fmt::format(
        ",\"server_cpu_s\":{:.3f},\"cpu_us_per_op\":{:.2f},\"rss_bytes\":{},\"rss_peak_bytes\":{}",
        cpu_ns / 1e9, ops == 0 ? 0 : cpu_ns / 1e3 / ops, progress.stat_after().resident_bytes,
        progress.stat_after().resident_peak_bytes);
  }
  fmt::print("{}}}\n", line);
}

int run(const LoadOptions& options) {
  Progress progress(options);
  std::vector<std::unique_ptr<LoadConnection>> connections;
  for (std::uint64_t i = 0; i < options.connections; ++i) {
    connections.push_back(std::make_unique<LoadConnection>(options, i, progress));
    if (auto status = connections.back()->connect(); !status) {
      fmt::print(stderr, "nbd_load: {}\n", status.error().message());
      return 1;
    }
  }
  std::vector<tlog::Status> results(connections.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < connections.size(); ++i) {
    threads.emplace_back([&, i] { results[i] = connections[i]->run(); });
  }
  for (auto& thread : threads) thread.join();
  progress.finish();

  std::vector<float> latencies_us;
  for (std::size_t i = 0; i < connections.size(); ++i) {
    if (!results[i]) {
      fmt::print(stderr, "nbd_load: {}\n", results[i].error().message());
      return 1;
    }
    const auto& own = connections[i]->latencies_us();
    latencies_us.insert(latencies_us.end(), own.begin(), own.end());
  }
  print_result(options, progress, std::move(latencies_us));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  LoadOptions options;
  std::string operation = "write";
  CLI::App app{"Load for an NBD server; prints one line of JSON"};
  add_options(app, options, operation);
  CLI11_PARSE(app, argc, argv);
  options.write = operation == "write";
  if (options.seconds == 0 && options.bytes == 0) {
    fmt::print(stderr, "nbd_load: one of --seconds and --bytes is needed\n");
    return 2;
  }
  if (options.depth < options.connections) options.depth = options.connections;
  return run(options);
}
