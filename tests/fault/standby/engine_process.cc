#include "tests/fault/standby/engine_process.h"

#include <csignal>

#include "tests/support/temp_directory.h"

namespace tlog::standby {

using tlog::testing::Milliseconds;

namespace {

constexpr std::size_t kLogMost = 6000;

std::vector<std::string> arguments(const EngineProcess::Options& options) {
  std::vector<std::string> words = {TLOG_STANDBY_ENGINE,
                                    "--directory",
                                    options.directory,
                                    "--failover-after-ns",
                                    std::to_string(options.failover_after_ns),
                                    "--stall-timeout-ns",
                                    std::to_string(options.stall_timeout_ns),
                                    "--blocks",
                                    std::to_string(options.blocks),
                                    "--seed",
                                    std::to_string(options.seed)};
  if (!options.die_at.empty()) words.insert(words.end(), {"--die-at", options.die_at});
  const auto add = [&](const char* name, const std::vector<std::string>& addresses) {
    for (const std::string& address : addresses) words.insert(words.end(), {name, address});
  };
  add("--log", options.servers.log);
  add("--primary", options.servers.primary);
  add("--standby", options.servers.standby);
  return words;
}

}  // namespace

EngineProcess::EngineProcess(const Options& options, tlog::testing::StampedWriter& writer)
    : writer_(writer),
      mailbox_(options.directory + "/mailbox", true),
      log_path_(options.directory + "/engine.log") {
  writer_.repeat_unanswered();
  writer_.tell(mailbox_->written);
  process_ = std::make_unique<tlog::testing::Process>(
      tlog::testing::ProcessOptions{.arguments = arguments(options),
                                    .environment = {},
                                    .directory = {},
                                    .output_path = log_path_,
                                    .error_path = {}});
}

bool EngineProcess::is_up(Milliseconds timeout) {
  tlog::testing::wait_until([&] { return mailbox_->answered != 0 || !running(); }, timeout);
  return mailbox_->answered != 0 && running();
}

void EngineProcess::ask(const std::string& question) {
  Mailbox::put(mailbox_->question, question);
  mailbox_->asked = mailbox_->answered + 1;
}

std::optional<std::string> EngineProcess::answer(Milliseconds timeout) {
  const auto is_there = [&] { return mailbox_->answered == mailbox_->asked; };
  tlog::testing::wait_until([&] { return is_there() || !running(); }, timeout);
  if (!is_there()) return std::nullopt;
  return std::string(mailbox_->answer.data());
}

std::optional<int> EngineProcess::ends(Milliseconds timeout) {
  if (!process_) return std::nullopt;
  const std::optional<int> code = process_->wait(timeout);
  if (!code) return std::nullopt;
  process_.reset();
  writer_.adopt(mailbox_->written);
  return code;
}

void EngineProcess::kill() {
  if (!process_) return;
  process_->signal(SIGKILL);
  if (!ends(Milliseconds(20'000))) throw std::runtime_error("the engine's process does not end");
}

std::string EngineProcess::log() const {
  const std::string text = tlog::testing::read_text(log_path_);
  return text.size() <= kLogMost ? text : text.substr(text.size() - kLogMost);
}

}  // namespace tlog::standby
