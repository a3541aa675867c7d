#include "server/program/signals.h"

#include <signal.h>
#include <unistd.h>

#include <csignal>

#include "server/program/arguments.h"

namespace tlog::program {
namespace {

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

sigset_t all_signals() {
  sigset_t set = ending_signals();
  sigaddset(&set, SIGHUP);
  return set;
}

extern "C" void end_now(int) {
  ::_exit(kExitFailed);
}

}  // namespace

void Signals::block() {
  const sigset_t set = all_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

Told Signals::wait() {
  const sigset_t set = all_signals();
  for (;;) {
    const int number = ::sigwaitinfo(&set, nullptr);
    if (number == SIGHUP) return Told::kReadAgain;
    if (number == SIGTERM || number == SIGINT) return Told::kEnd;
  }
}

void Signals::end_at_the_next() {
  struct sigaction action {};
  action.sa_handler = &end_now;
  const sigset_t set = ending_signals();
  for (const int number : {SIGTERM, SIGINT}) ::sigaction(number, &action, nullptr);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace tlog::program
