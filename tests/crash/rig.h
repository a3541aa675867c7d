// File: tests/crash/rig.h
// Crash rounds on one disk: a writer keeps requests in flight, the server (or the writer) is killed
// at a random moment, the server comes back, everything it shows is judged (model.h), and the next
// round goes on from there. The seed fixes what is asked; the moment of the kill against the
// server's work is the machine's. Threading: one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/crash/model.h"
#include "tests/crash/server.h"
#include "tests/crash/writer.h"

namespace tlog::crash {

enum class Victim { kServer, kClient, kAlternate };

// A crash of the whole machine: `cut` takes the disk away from the running server, `restore` brings
// it back when the server has been killed too.
//
// The server outlives its disk by a moment. On a machine without power it would answer nothing
// then, so what it answers is not held against it: a file system whose writes fail drops the pages
// it could not write, and reads are stale from there on. A server that promises more
// (`failing_disk_tells`: its answers stay true while its disk fails) is held to it; what it refuses
// is no fault then.
struct PowerCut {
  std::function<void()> cut;
  std::function<Status()> restore;
  bool failing_disk_tells = false;
};

struct RigOptions {
  ServerOptions server;
  Promises promises;
  Victim victim = Victim::kServer;
  unsigned connections = 1;
  unsigned depth = 0;  // requests in flight on each connection; 0: random in each round
  std::uint64_t seed = 1;
  PowerCut power;            // instead of a victim
  unsigned run_ms_max = 60;  // a round's writer is killed this long after its first answer at most
  unsigned interrupt_percent = 20;  // of the recoveries are killed too, and begun again
  bool flushes = true;
  // Every `restore_every` rounds the server is ended politely, this command makes {image} from its
  // log, and the image must be what the disk showed. {dir} is the server's directory.
  std::string restore_command;
  unsigned restore_every = 0;
};

struct RoundReport {
  std::uint64_t requests = 0;
  std::uint64_t answered = 0;
  double restart_seconds = 0;
  std::vector<Violation> violations;
};

class Rig {
 public:
  explicit Rig(RigOptions options);

  // Starts the server and takes what the disk shows as given: blank, or the stamps of an earlier
  // run.
  Status begin();
  // An error is the rig's or the server's failure to work at all; what the server did wrong is in
  // the report.
  Result<RoundReport> round();
  // Ends the server politely.
  Status end();

  Server& server() { return server_; }
  const Image& image() const { return image_; }
  // The line that repeats this run's requests.
  unsigned rounds_done() const { return rounds_; }

 private:
  Status stop_round(Writer& writer, History& history, RoundReport& report);
  Status restart();
  Status compare_restored(RoundReport& report);
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  const RigOptions options_;
  Server server_;
  std::mt19937_64 random_;
  Image image_;
  OperationId next_id_ = 1;
  unsigned rounds_ = 0;
};

// Compares an image file with what a disk showed, cell by cell.
Result<std::vector<Violation>> check_image_file(const std::string& path, const std::string& bytes);

// All violations, one a line, for a test's message.
std::string violations_text(const std::vector<Violation>& violations);

}  // namespace tlog::crash
