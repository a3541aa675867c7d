// Signals: what the operating system tells a server: end (SIGTERM, SIGINT), open the log and read
// the credentials anew (SIGHUP). They are blocked in every thread, and waited for by the one that
// runs the program.
//
// Threading: block() before any other thread is started; the rest from one thread.
#pragma once

namespace tlog::program {

enum class Told { kEnd, kReadAgain };

class Signals {
 public:
  static void block();  // also SIGPIPE, for good: a peer that is gone is an error of a send
  static Told wait();
  // From now on another SIGTERM or SIGINT ends the process at once, with exit code 1.
  static void end_at_the_next();
};

}  // namespace tlog::program
