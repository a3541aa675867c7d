// fault_proxy: FaultProxy for scripts: a slow link to a redis-protocol server, until SIGTERM or
// SIGINT. Prints the address clients connect to, and at the end what has passed.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>

#include "tests/support/fault_proxy.h"

namespace {

struct Arguments {
  std::string listen = "127.0.0.1:0";
  std::string upstream;
  tlog::testing::Faults faults;
  std::int64_t request_delay_ms = 0;
  std::int64_t reply_delay_ms = 0;
};

void describe(CLI::App& app, Arguments& a) {
  app.add_option("--listen", a.listen, "A.B.C.D:PORT (port 0: any) or unix:/path");
  app.add_option("--upstream", a.upstream, "the server's address")->required();
  app.add_option("--bytes-per-second", a.faults.bytes_per_second,
                 "of each direction of each connection; 0: no limit");
  app.add_option("--request-delay-ms", a.request_delay_ms, "on the way to the server")
      ->check(CLI::Range(0, 3'600'000));
  app.add_option("--reply-delay-ms", a.reply_delay_ms, "on the way back")
      ->check(CLI::Range(0, 3'600'000));
}

void serve(const Arguments& arguments) {
  // Before there are threads: all of them leave these signals to sigwait.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  tlog::testing::FaultProxy proxy(arguments.upstream, arguments.listen);
  proxy.set(arguments.faults);
  std::printf("listening on %s\n", proxy.address().c_str());
  std::fflush(stdout);
  int number = 0;
  sigwait(&ends, &number);
  const tlog::testing::ProxyCounts counts = proxy.counts();
  std::printf("connections %llu, request bytes %llu, reply bytes %llu\n",
              static_cast<unsigned long long>(counts.connections),
              static_cast<unsigned long long>(counts.request_bytes),
              static_cast<unsigned long long>(counts.reply_bytes));
}

}  // namespace

int main(int count, char** values) {
  CLI::App app("A slow link to a redis-protocol server", "fault_proxy");
  Arguments arguments;
  describe(app, arguments);
  CLI11_PARSE(app, count, values);
  arguments.faults.request_delay = tlog::testing::Milliseconds(arguments.request_delay_ms);
  arguments.faults.reply_delay = tlog::testing::Milliseconds(arguments.reply_delay_ms);
  try {
    serve(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fault_proxy: %s\n", error.what());
    return 1;
  }
  return 0;
}
