#include "tests/support/tlogserver_process.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <stdexcept>

namespace tlog::testing {
namespace {

constexpr Milliseconds kStart{30'000};
constexpr std::string_view kListening = "tlogserver: listening on ";
constexpr std::string_view kPages = ", status on http://";
constexpr std::string_view kLogset = ", logset on ";

// What stands behind `before` in the line, up to `end`; "" when that is not in it.
std::string part_of(const std::string& line, std::string_view before, std::string_view end) {
  const std::size_t at = line.find(before);
  if (at == std::string::npos) return {};
  const std::size_t begin = at + before.size();
  return line.substr(begin, line.find(end, begin) - begin);
}

}  // namespace

const std::string& TlogserverProcess::program() {
  static const std::string path = TLOGSERVER_FILE;
  return path;
}

TlogserverProcess::TlogserverProcess(std::vector<std::string> arguments,
                                     std::vector<std::string> environment)
    : arguments_(std::move(arguments)), environment_(std::move(environment)) {
  arguments_.insert(arguments_.begin(), program());
  const auto has = [&](const char* flag) {
    return std::find(arguments_.begin(), arguments_.end(), flag) != arguments_.end();
  };
  if (!has("--unix") && !has("--address")) {
    arguments_.insert(arguments_.end(), {"--address", "127.0.0.1:0"});
  }
  const auto flag = std::find(arguments_.begin(), arguments_.end(), "--address");
  if (flag != arguments_.end())
    address_at_ = static_cast<std::size_t>(flag - arguments_.begin()) + 1;
  start();
}

void TlogserverProcess::start() {
  std::filesystem::remove(directory_.file("out"));  // what an earlier one has said
  process_ = std::make_unique<Process>(ProcessOptions{.arguments = arguments_,
                                                      .environment = environment_,
                                                      .directory = directory_.path(),
                                                      .output_path = directory_.file("out"),
                                                      .error_path = directory_.file("err")});
  const bool listens = wait_until([&] { return find_addresses() || !process_->running(); }, kStart);
  if (!listens || address_.empty() || !process_->running()) {
    throw std::runtime_error("tlogserver does not start: " + log());
  }
  // The next start is at the same place.
  if (address_at_ != 0) arguments_[address_at_] = address_;
}

// Its line: "tlogserver: listening on ADDRESS[, status on http://ADDRESS/][, logset on URL/]".
bool TlogserverProcess::find_addresses() {
  const std::string text = output();
  const std::size_t end = text.find('\n');
  if (end == std::string::npos || !text.starts_with(kListening)) return false;
  const std::string line = text.substr(kListening.size(), end - kListening.size());
  address_ = line.substr(0, line.find(", "));
  pages_ = part_of(line, kPages, "/");
  logset_ = part_of(line, kLogset, "/,");
  if (logset_.ends_with('/')) logset_.pop_back();
  return true;
}

std::optional<int> TlogserverProcess::stop(Milliseconds timeout) {
  process_->signal(SIGTERM);
  return process_->wait(timeout);
}

void TlogserverProcess::kill() {
  process_->signal(SIGKILL);
  process_->wait(Milliseconds(10'000));
}

std::string TlogserverProcess::output() const {
  return read_text(directory_.file("out"));
}
std::string TlogserverProcess::log() const {
  return read_text(directory_.file("err"));
}

}  // namespace tlog::testing
