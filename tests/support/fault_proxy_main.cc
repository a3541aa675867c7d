// fault_proxy: FaultProxy for scripts: a slow or broken link to a server, until SIGTERM or SIGINT.
// Prints the address clients connect to, and at the end what has passed. With --control it reads
// what to do from standard input, a line each, and answers "done": heal, black-hole, refuse,
// mute (what the server says does not come), close, reset.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include "tests/support/fault_proxy.h"

namespace {

struct Arguments {
  std::string listen = "127.0.0.1:0";
  std::string upstream;
  tlog::testing::Faults faults;
  std::int64_t request_delay_ms = 0;
  std::int64_t reply_delay_ms = 0;
  bool is_other = false;
  bool control = false;
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
  app.add_flag("--other", a.is_other, "the server speaks something else than redis's protocol");
  app.add_flag("--control", a.control, "do what standard input says");
}

bool obey(tlog::testing::FaultProxy& proxy, const std::string& word) {
  if (word == "heal") {
    proxy.heal();
  } else if (word == "black-hole") {
    proxy.set({.black_hole = true});
  } else if (word == "refuse") {
    proxy.set({.refuse = true});
  } else if (word == "mute") {
    proxy.set({.reply_delay = tlog::testing::Milliseconds(3'600'000)});
  } else if (word == "close") {
    proxy.close_connections();
  } else if (word == "reset") {
    proxy.reset_connections();
  } else {
    return false;
  }
  return true;
}

// Ends with standard input.
void obey_all(tlog::testing::FaultProxy& proxy) {
  for (std::string word; std::getline(std::cin, word);) {
    std::puts(obey(proxy, word) ? "done" : "unknown");
    std::fflush(stdout);
  }
}

void serve(const Arguments& arguments) {
  // Before there are threads: all of them leave these signals to sigwait.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  using tlog::testing::ProxySpeech;
  tlog::testing::FaultProxy proxy(arguments.upstream, arguments.listen,
                                  arguments.is_other ? ProxySpeech::kOther : ProxySpeech::kRedis);
  proxy.set(arguments.faults);
  std::printf("listening on %s\n", proxy.address().c_str());
  std::fflush(stdout);
  if (arguments.control) return obey_all(proxy);
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
