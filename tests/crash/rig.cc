#include "tests/crash/rig.h"

#include <signal.h>
#include <time.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fmt/core.h>

#include "tests/crash/process.h"

namespace tlog::crash {
namespace {

constexpr unsigned kFirstAnswerMs = 30'000;
constexpr unsigned kWriterEndMs = 40'000;
constexpr unsigned kPoliteEndMs = 60'000;
constexpr unsigned kRestoreMs = 120'000;
constexpr unsigned kAbortMs = 10'000;  // an abort with its core dump

void sleep_us(std::uint64_t us) {
  const timespec pause{.tv_sec = static_cast<time_t>(us / 1'000'000),
                       .tv_nsec = static_cast<long>(us % 1'000'000 * 1000)};
  nanosleep(&pause, nullptr);
}

void append(std::vector<Violation>& to, std::vector<Violation> more) {
  std::move(more.begin(), more.end(), std::back_inserter(to));
}

}  // namespace

std::string violations_text(const std::vector<Violation>& violations) {
  std::string text;
  for (const Violation& violation : violations) {
    text += fmt::format("{}: cells {}..{}: {}\n", fault_name(violation.fault), violation.cell,
                        violation.cell + violation.cells, violation.text);
  }
  return text;
}

Result<std::vector<Violation>> check_image_file(const std::string& path, const std::string& bytes) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Code::kNotFound, "open: " + path + ": cannot be read");
  std::string found((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<Violation> violations;
  if (found.size() != bytes.size()) {
    violations.push_back(
        {Fault::kLost, 0,
         fmt::format("{} has {} bytes, the disk {}", path, found.size(), bytes.size())});
    return violations;
  }
  if (found == bytes) return violations;
  const Image have = image_of(bytes_of(std::string_view(found)));
  const Image want = image_of(bytes_of(std::string_view(bytes)));
  for (std::uint64_t cell = 0; cell < want.size() && violations.size() < kViolationsMax; ++cell) {
    if (std::memcmp(found.data() + cell * kCellBytes, bytes.data() + cell * kCellBytes,
                    kCellBytes) == 0)
      continue;
    violations.push_back(
        {Fault::kLost, cell,
         fmt::format("{}: operation {} (state {}), the disk showed {} (state {})", path,
                     have[cell].operation, static_cast<int>(have[cell].state), want[cell].operation,
                     static_cast<int>(want[cell].state))});
  }
  return violations;
}

Rig::Rig(RigOptions options)
    : options_(std::move(options)), server_(options_.server), random_(options_.seed) {}

Status Rig::begin() {
  TLOG_TRY(server_.start());
  TLOG_ASSIGN(image_, read_image(server_.uri()));
  for (const CellSeen& seen : image_) {
    if (seen.state == CellState::kTorn || seen.state == CellState::kMisplaced) {
      return fail(Code::kInvalidArgument,
                  "begin: the disk is neither blank nor stamped; give an empty one");
    }
    next_id_ = std::max(next_id_, seen.operation + 1);
  }
  return {};
}

Result<RoundReport> Rig::round() {
  RoundReport report;
  History history(next_id_);
  const unsigned depths[] = {1, 4, 16, 32};
  const WriterOptions writer_options{
      .uri = server_.uri(),
      .connections = options_.connections,
      .depth = options_.depth != 0 ? options_.depth : depths[below(std::size(depths))],
      .workload = {.cells = image_.size(), .flushes = options_.flushes},
      .seed = random_(),
  };
  Writer writer;
  TLOG_TRY(writer.start(writer_options, history, kFirstAnswerMs));
  sleep_us(below(options_.run_ms_max * 1000 + 1));
  TLOG_TRY(stop_round(writer, history, report));

  append(report.violations, check_answers(history, image_, options_.promises));
  if (options_.power.cut) {
    if (options_.power.failing_disk_tells)
      std::erase_if(report.violations, [](const Violation& v) { return v.fault == Fault::kError; });
    TLOG_TRY(options_.power.restore());
  }
  TLOG_TRY(restart());
  report.restart_seconds = server_.last_start_seconds();
  std::string bytes;
  TLOG_ASSIGN(Image after, read_image(server_.uri(), &bytes));
  append(report.violations, check_survivors(history, image_, after, options_.promises));

  const auto requests = history.requests();
  report.requests = requests.size();
  report.answered = static_cast<std::uint64_t>(std::count_if(
      requests.begin(), requests.end(), [](const Request& r) { return r.answered(); }));
  image_ = std::move(after);
  next_id_ += requests.size();
  ++rounds_;
  if (options_.restore_every != 0 && rounds_ % options_.restore_every == 0)
    TLOG_TRY(compare_restored(report));
  return report;
}

Status Rig::stop_round(Writer& writer, History& history, RoundReport& report) {
  if (options_.power.cut) {
    if (!options_.power.failing_disk_tells) history.close();
    options_.power.cut();
    TLOG_TRY(server_.kill());
    return writer.wait(kWriterEndMs);
  }
  const bool kill_client = options_.victim == Victim::kClient ||
                           (options_.victim == Victim::kAlternate && rounds_ % 2 == 1);
  if (!kill_client) {
    TLOG_TRY(server_.kill());
    return writer.wait(kWriterEndMs);
  }
  writer.kill();
  TLOG_TRY(writer.wait(kWriterEndMs));
  // nbdkit 1.32 may have aborted now. If it has not, the disk must be right at once, and again
  // after a restart.
  if (server_.alive()) {
    if (const auto live = read_image(server_.uri())) {
      Promises promises = options_.promises;
      promises.keep_acked = true;  // the server has not died: nothing answered may be missing
      append(report.violations, check_survivors(history, image_, *live, promises));
    } else if (!server_.ends_within(kAbortMs)) {
      report.violations.push_back(
          {Fault::kError, 0, "after the client vanished: " + live.error().message()});
    }
  }
  return server_.kill();
}

Status Rig::restart() {
  while (below(100) < options_.interrupt_percent) {
    // A recovery that is cut short must be as good as one that never began.
    TLOG_TRY(server_.launch());
    sleep_us(below(40'000));
    TLOG_TRY(server_.kill());
  }
  return server_.start();
}

Status Rig::compare_restored(RoundReport& report) {
  std::string bytes;
  TLOG_TRY(read_image(server_.uri(), &bytes));
  TLOG_TRY(server_.terminate(kPoliteEndMs));
  const std::string image = options_.server.directory + "/restored.img";
  std::filesystem::remove(image);
  const SpawnOptions restore{
      .command =
          expand(options_.restore_command, {{"image", image}, {"dir", options_.server.directory}}),
      .log_path = options_.server.directory + "/restore.log",
      .directory = options_.server.directory};
  TLOG_TRY(run_command(restore, kRestoreMs));
  TLOG_ASSIGN(auto differences, check_image_file(image, bytes));
  append(report.violations, std::move(differences));
  std::filesystem::remove(image);
  return server_.start();
}

Status Rig::end() {
  return server_.terminate(kPoliteEndMs);
}

}  // namespace tlog::crash
