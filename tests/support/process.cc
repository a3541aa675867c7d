#include "tests/support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "tests/support/temp_directory.h"

namespace tlog::testing {
namespace {

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environment_with(const std::vector<std::string>& additional) {
  std::vector<std::string> result = additional;  // the first of a name wins
  for (char** entry = environ; *entry != nullptr; entry++) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('=') + 1);
    bool replaced = false;
    for (const std::string& own : additional)
      replaced = replaced || own.compare(0, name.size(), name) == 0;
    if (!replaced) result.push_back(text);
  }
  return result;
}

// In the child: only calls that are allowed between fork and exec.
void redirect(const char* path, int descriptor) {
  const int file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (file < 0 || dup2(file, descriptor) < 0) _exit(126);
  close(file);
}

int open_pidfd(pid_t pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

// A pidfd is readable when its process has ended, also while nobody has reaped it.
bool wait_readable(int descriptor, Milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<Milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd ended{descriptor, POLLIN, 0};
    const int ready = poll(&ended, 1, left.count() > 0 ? static_cast<int>(left.count()) : 0);
    if (ready < 0 && errno == EINTR) continue;
    return ready > 0;
  }
}

}  // namespace

Process::Process(const ProcessOptions& options) {
  std::vector<std::string> arguments = options.arguments;
  std::vector<std::string> environment = environment_with(options.environment);
  const std::vector<char*> argv = pointers(arguments);
  const std::vector<char*> envp = pointers(environment);
  const char* output = options.output_path.empty() ? "/dev/null" : options.output_path.c_str();
  const char* error = options.error_path.empty() ? output : options.error_path.c_str();
  const pid_t parent = getpid();

  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);
    if (!options.directory.empty() && chdir(options.directory.c_str()) != 0) _exit(126);
    const int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0) _exit(126);
    redirect(output, STDOUT_FILENO);
    redirect(error, STDERR_FILENO);
    execvpe(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  descriptor_ = open_pidfd(pid_);
  if (descriptor_ < 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    throw std::runtime_error("pidfd_open failed");
  }
}

Process::~Process() {
  if (!exit_code_) {
    kill(pid_, SIGKILL);
    wait(Milliseconds(10'000));
  }
  close(descriptor_);
}

std::optional<int> Process::wait(Milliseconds timeout) {
  if (exit_code_) return exit_code_;
  if (!wait_readable(descriptor_, timeout)) return std::nullopt;
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) throw std::runtime_error("waitpid failed");
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return exit_code_;
}

void Process::signal(int number) {
  if (!exit_code_) kill(pid_, number);
}

std::string CommandResult::text() const {
  return "exit " + std::to_string(exit_code) + "\n" + output + error;
}

CommandResult run_command(const std::vector<std::string>& arguments,
                          const CommandOptions& options) {
  TempDirectory directory;
  ProcessOptions process_options;
  process_options.arguments = arguments;
  process_options.environment = options.environment;
  process_options.directory = options.directory;
  process_options.output_path = directory.file("out");
  process_options.error_path = directory.file("err");
  CommandResult result;
  {
    Process process(process_options);
    result.exit_code = process.wait(options.timeout).value_or(124);
  }
  result.output = read_text(process_options.output_path);
  result.error = read_text(process_options.error_path);
  return result;
}

std::optional<std::uint64_t> peak_memory_kib(const std::vector<std::string>& arguments) {
  std::vector<std::string> measured{
      "/usr/bin/python3", "-c",
      "import resource, subprocess, sys\n"
      "code = subprocess.call(sys.argv[1:])\n"
      "print('PEAK', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
      "sys.exit(code)"};
  measured.insert(measured.end(), arguments.begin(), arguments.end());
  const CommandResult result = run_command(measured);
  const auto at = result.output.find("PEAK ");
  if (!result.ok() || at == std::string::npos) return std::nullopt;
  return std::stoull(result.output.substr(at + 5));
}

bool wait_for_end_of(pid_t pid, Milliseconds timeout) {
  const int descriptor = open_pidfd(pid);
  if (descriptor < 0) return true;  // there is no such process any more
  const bool ended = wait_readable(descriptor, timeout);
  close(descriptor);
  return ended;
}

void nap() {
  std::this_thread::sleep_for(Milliseconds(2));
}

bool has_program(const std::string& name) {
  return run_command({"sh", "-c", "command -v \"$0\"", name}).ok();
}

}  // namespace tlog::testing
