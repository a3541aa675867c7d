// tlogplay: brings vdisks back from their logs.
#include <fmt/format.h>

#include <atomic>
#include <csignal>
#include <string>
#include <vector>

#include "player/arguments.h"
#include "player/program.h"
#include "tlog/base/clock.h"

namespace {

std::atomic<bool> stop_asked{false};

// The first asks for an orderly end; the second ends the program as if it were not caught.
extern "C" void on_stop_signal(int number) {
  stop_asked.store(true);
  std::signal(number, SIG_DFL);
}

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // A reader of our output, or a server, that goes away is an error of one write.
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace

int main(int count, char** values) {
  catch_signals();
  std::vector<std::string> arguments(values + 1, values + count);
  const tlog::Clock& clock = tlog::system_clock();
  tlog::player::Parsed parsed = tlog::player::parse_arguments(arguments, clock);
  if (!parsed.arguments) return parsed.exit_code;
  return tlog::player::run_program(*parsed.arguments, clock, stop_asked);
}
