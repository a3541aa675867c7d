#include "tests/support/nbdkit_server.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "tests/support/temp_directory.h"

namespace tlog::testing {

std::string plugin_path() {
  const char* chosen = std::getenv("TLOG_TEST_PLUGIN");
  return chosen != nullptr ? chosen : TLOG_PLUGIN_FILE;
}

std::vector<std::string> sanitizer_environment() {
  const std::string preload = TLOG_SANITIZER_PRELOAD;
  if (preload.empty()) return {};
  // Leaks are not looked for: nbdkit calls no close for clients that are there at its end, and
  // leaks by itself.
  return {"LD_PRELOAD=" + preload, "ASAN_OPTIONS=detect_leaks=0", "TSAN_OPTIONS=halt_on_error=1"};
}

Result<std::unique_ptr<NbdkitServer>> NbdkitServer::start(const NbdkitOptions& options) {
  std::unique_ptr<NbdkitServer> server(new NbdkitServer);
  const std::string base = options.directory + "/" + options.name;
  server->socket_path_ = base + ".sock";
  server->pid_path_ = base + ".pid";
  server->log_path_ = base + ".log";
  // A server that was killed leaves its socket, and nbdkit does not start over an existing one.
  std::error_code ignored;
  std::filesystem::remove(server->socket_path_, ignored);
  std::filesystem::remove(server->pid_path_, ignored);

  ProcessOptions process;
  process.arguments = {"nbdkit", "-f", "-U", server->socket_path_, "-P", server->pid_path_};
  const auto append = [&](const std::vector<std::string>& more) {
    process.arguments.insert(process.arguments.end(), more.begin(), more.end());
  };
  append(options.arguments);
  append({options.plugin});
  append(options.parameters);
  process.environment = sanitizer_environment();
  process.environment.insert(process.environment.end(), options.environment.begin(),
                             options.environment.end());
  process.output_path = server->log_path_;
  server->process_ = std::make_unique<Process>(process);

  // nbdkit writes its pid file when clients can connect.
  const auto settled = [&] {
    return !read_text(server->pid_path_).empty() || !server->process_->running();
  };
  if (!wait_until(settled, options.ready_timeout)) {
    return fail(Code::kTimeout, "nbdkit: not ready in time: " + server->log());
  }
  if (!server->process_->running()) {
    return fail(Code::kUnavailable, "nbdkit: ended: " + server->log());
  }
  return server;
}

std::string NbdkitServer::uri(const std::string& export_name) const {
  return "nbd+unix:///" + export_name + "?socket=" + socket_path_;
}

std::string NbdkitServer::log() const {
  return read_text(log_path_);
}

void NbdkitServer::kill() {
  process_->signal(SIGKILL);
  process_->wait(Milliseconds(30'000));
}

int NbdkitServer::stop(Milliseconds timeout) {
  process_->signal(SIGTERM);
  const std::optional<int> code = process_->wait(timeout);
  if (code) return *code;
  kill();
  return 124;
}

CommandResult run_nbdkit(const std::vector<std::string>& arguments, const CommandOptions& options) {
  std::vector<std::string> all = {"nbdkit"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  CommandOptions with_environment = options;
  const std::vector<std::string> preload = sanitizer_environment();
  with_environment.environment.insert(with_environment.environment.end(), preload.begin(),
                                      preload.end());
  return run_command(all, with_environment);
}

}  // namespace tlog::testing
