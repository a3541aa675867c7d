// standby_engine: what EngineProcess runs. It serves a vdisk with a standby, writes stamped blocks
// to it without an end, answers the questions of its mailbox, and dies at a step when told to.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <thread>

#include "slave-sync/keeper.h"
#include "tests/fault/standby/mailbox.h"
#include "tests/fault/standby/rig_options.h"
#include "tests/support/process.h"
#include "tests/support/stamped_writer.h"

namespace tlog::standby {
namespace {

constexpr std::uint64_t kWaitNs = 40 * kSecondNs;
// A question comes within this, or the test is gone.
constexpr auto kQuestionMost = tlog::testing::Milliseconds(600'000);
constexpr std::uint64_t kAtATime = 10;

struct Arguments {
  std::string directory;
  RigServers servers;
  std::uint64_t failover_after_ns = 0;
  std::uint64_t stall_timeout_ns = 0;
  std::uint64_t blocks = 0;
  std::uint64_t seed = 0;
  std::string die_at;
};

void describe(CLI::App& app, Arguments& a) {
  app.add_option("--directory", a.directory, "the engine's, with the mailbox")->required();
  app.add_option("--log", a.servers.log, "a server of the log")->required();
  app.add_option("--primary", a.servers.primary, "a server of the blocks")->required();
  app.add_option("--standby", a.servers.standby, "a server of the standby")->required();
  app.add_option("--failover-after-ns", a.failover_after_ns, "0: not by itself");
  app.add_option("--stall-timeout-ns", a.stall_timeout_ns, "of writes")->required();
  app.add_option("--blocks", a.blocks, "that are written to")->required();
  app.add_option("--seed", a.seed, "of the writer")->required();
  app.add_option("--die-at", a.die_at, "the step of a failover to die at");
}

// With the time, to be read beside what the test did.
class TimedLogger final : public Logger {
 public:
  void write(LogLevel level, std::string_view line) override {
    if (level < LogLevel::kInfo) return;
    to_.write(level, fmt::format("{} {}", system_clock().wall_ns() / 1'000'000, line));
  }

 private:
  StderrLogger to_;
};

class Served {
 public:
  explicit Served(const Arguments& arguments)
      : mailbox_(arguments.directory + "/mailbox", false),
        rig_(options(arguments), io::system_files(), logger_),
        writer_(arguments.blocks, arguments.seed) {
    rig_.start();
    writer_.adopt(mailbox_->written);
    writer_.tell(mailbox_->written);
    thread_ = std::thread([this] { write(); });
  }
  ~Served() { end_writing(); }

  // Until it was told to stop.
  bool answer_all() {
    reply("+");
    for (;;) {
      const bool is_asked = tlog::testing::wait_until(
          [this] { return mailbox_->asked > mailbox_->answered; }, kQuestionMost);
      if (!is_asked) return false;
      const std::string question = mailbox_->question.data();
      if (question == "stop") {
        end_writing();
        rig_.stop();
        reply("+");
        return true;
      }
      reply(answer(question));
    }
  }

 private:
  static tlog::testing::EngineRigOptions options(const Arguments& arguments) {
    auto options = rig_options(arguments.directory, arguments.servers);
    options.failover_after_ns = arguments.failover_after_ns;
    options.stall_timeout_ns = arguments.stall_timeout_ns;
    options.make_standby = [die_at = arguments.die_at](session::StandbyParts parts) {
      parts.on_step = [die_at](std::string_view step) {
        if (step == die_at) ::kill(getpid(), SIGKILL);
      };
      return make_keeper(std::move(parts));
    };
    return options;
  }
  void write() {
    while (!ends_) {
      const Status done = writer_.run(rig_.vdisk(), kAtATime);
      if (!done) {
        failure_ = done.error().message();
        return;
      }
      tlog::testing::nap();  // so that the machine is not full of this alone
    }
  }
  void end_writing() {
    ends_ = true;
    if (thread_.joinable()) thread_.join();
  }
  void reply(const std::string& text) {
    Mailbox::put(mailbox_->answer, text);
    mailbox_->answered = mailbox_->answered + 1;
  }
  template <class Outcome>
  static std::string text_of(const Outcome& outcome) {
    return outcome ? "+" : "-" + outcome.error().message();
  }
  std::string answer(const std::string& question) {
    session::Vdisk& vdisk = rig_.vdisk();
    if (question == "sync") return text_of(vdisk.wait_slave_sync(kWaitNs));
    if (question == "failover") return text_of(vdisk.fail_over({.timeout_ns = kWaitNs}));
    if (question == "failback") {
      return text_of(vdisk.fail_over({.timeout_ns = kWaitNs, .keep_following = true}));
    }
    if (question == "resync") return text_of(vdisk.resync({}));
    if (question == "flush") {
      end_writing();
      if (!failure_.empty()) return "-a write has failed: " + failure_;
      return text_of(vdisk.flush());
    }
    if (question == "status") {
      const session::VdiskStatus status = vdisk.status();
      const auto away =
          std::count_if(status.stores.begin(), status.stores.end(),
                        [](const auto& store) { return store.state != store::StoreState::kUp; });
      return fmt::format(
          "+{} {} missing={} away={} lost={} {}", status.standby->active,
          session::standby_state_name(status.standby->state), status.log.missing_shards, away,
          status.standby->last_receipt ? status.standby->last_receipt->lost.size() : 0,
          status.standby->reason);
    }
    return "-'" + question + "' is no question";
  }

  TimedLogger logger_;
  Mailbox mailbox_;
  tlog::testing::EngineRig rig_;
  tlog::testing::StampedWriter writer_;
  std::atomic<bool> ends_{false};
  std::string failure_;  // of the thread's, read when it has ended
  std::thread thread_;
};

}  // namespace
}  // namespace tlog::standby

int main(int count, char** values) {
  CLI::App app("An engine with a standby, for tests", "standby_engine");
  tlog::standby::Arguments arguments;
  tlog::standby::describe(app, arguments);
  CLI11_PARSE(app, count, values);
  try {
    tlog::standby::Served served(arguments);
    return served.answer_all() ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "standby_engine: %s\n", error.what());
    return 1;
  }
}
