// EngineProcess: an engine with a standby and a StampedWriter on it in a process of its own
// (engine_process_main.cc), which can be killed at any moment, or kills itself when a failover
// comes to a given step. The writer is the test's: what the process has issued, and what it was
// answered, is known after whatever end.
//
// Threading: one thread, the test's. Errors: std::runtime_error.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tests/fault/standby/mailbox.h"
#include "tests/fault/standby/rig_options.h"
#include "tests/support/process.h"

namespace tlog::standby {

class EngineProcess {
 public:
  struct Options {
    std::string directory;
    RigServers servers;
    std::uint64_t failover_after_ns = 0;
    std::uint64_t stall_timeout_ns = 20 * kSecondNs;
    std::string die_at;  // a step of a failover, "": none
    std::uint64_t blocks = 0;
    std::uint64_t seed = 0;  // of the writer
  };
  // `writer` outlives it, and is not used before ends() or kill().
  EngineProcess(const Options& options, tlog::testing::StampedWriter& writer);
  ~EngineProcess() { kill(); }

  // It serves and writes. False: not within the time, or it has ended.
  bool is_up(tlog::testing::Milliseconds timeout);
  // sync, failover, failback, resync, status, flush (and writes no more), stop (closes and ends).
  void ask(const std::string& question);
  // To the newest question, "+..." or "-the error"; nothing: not within the time.
  std::optional<std::string> answer(tlog::testing::Milliseconds timeout);
  std::string call(const std::string& question, tlog::testing::Milliseconds timeout) {
    ask(question);
    return answer(timeout).value_or("-'" + question + "': no answer in time");
  }
  bool running() { return process_ && process_->running(); }
  // Its exit code (128 + the signal's number), and the writer is the test's again.
  std::optional<int> ends(tlog::testing::Milliseconds timeout);
  void kill();              // SIGKILL, likewise
  std::string log() const;  // what it has said, the end of it

 private:
  tlog::testing::StampedWriter& writer_;
  Mailbox mailbox_;
  std::string log_path_;
  std::unique_ptr<tlog::testing::Process> process_;
};

}  // namespace tlog::standby
