#include "ctl/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "ctl/control_socket.h"
#include "ctl/reach.h"
#include "ctl/status_table.h"
#include "ctl/target.h"
#include "tlog/base/random.h"
#include "tlog/config/config.h"
#include "tlog/io/file.h"
#include "tlog/seal/key.h"

namespace tlog::ctl {
namespace {

// A mark waits for the journal, and with `durability: cluster` for the stores.
constexpr std::uint64_t kMarkMs = 120'000;

// The time between the two looks of --rates is what is measured: a person waits for it.
void pause_for_rates() {
  (void)control::wait_ready(-1, 0, control::monotonic_ms() + 1'000);
}

const control::VdiskReport* find(const control::Reply& reply, const std::string& name) {
  auto found = std::find_if(reply.vdisks.begin(), reply.vdisks.end(),
                            [&](const control::VdiskReport& v) { return v.name == name; });
  return found == reply.vdisks.end() ? nullptr : &*found;
}

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void print_problems_json(const std::string& path, const config::Checked& checked) {
  nlohmann::ordered_json problems = nlohmann::ordered_json::array();
  for (const config::Problem& problem : checked.problems) {
    problems.push_back({{"line", problem.line},
                        {"column", problem.column},
                        {"key", problem.key},
                        {"reason", problem.reason}});
  }
  nlohmann::ordered_json json = {
      {"file", path}, {"ok", checked.problems.empty()}, {"problems", problems}};
  print(json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

std::string counted(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

int exit_code_of(Code code) {
  return code == Code::kCorruption ? kExitCorruption : kExitFailed;
}

Status keygen(const std::string& path) {
  TLOG_ASSIGN(seal::MasterKey key, seal::MasterKey::generate(system_random()));
  TLOG_TRY(key.save(io::system_files(), path));
  print(fmt::format("key id: {}\n", key.id().hex()));
  return {};
}

Status check_config(const std::string& path_or_url, bool json) {
  TLOG_ASSIGN(auto source, open_source(path_or_url));
  TLOG_ASSIGN(std::string text, source->read());
  const std::string& path = source->name();
  config::Checked checked = config::check(text, source->path());
  if (json) {
    print_problems_json(path, checked);
  } else if (checked.problems.empty()) {
    print(fmt::format("{}: ok ({}, {})\n", path, counted(checked.config.vdisks.size(), "vdisk"),
                      counted(checked.config.clusters.size(), "cluster")));
  } else {
    for (const config::Problem& problem : checked.problems) {
      std::fputs((config::format_problem(problem, path) + "\n").c_str(), stderr);
    }
  }
  if (checked.problems.empty()) return {};
  return fail(Code::kInvalidArgument,
              fmt::format("{}: {}", path, counted(checked.problems.size(), "problem")));
}

Status status(const Place& place, const StatusOptions& options) {
  control::Reply earlier;
  if (options.rates) {
    TLOG_ASSIGN(earlier, look(place, options.vdisk));
    pause_for_rates();
  }
  TLOG_ASSIGN(control::Reply reply, look(place, options.vdisk));
  if (options.json) {
    print(control::reports_json(reply.vdisks));
    return {};
  }
  for (const control::VdiskReport& vdisk : reply.vdisks) {
    print(status_table({&vdisk, reply.monotonic_ns},
                       {find(earlier, vdisk.name), earlier.monotonic_ns}));
  }
  return {};
}

Status mark(const Place& place, const std::string& vdisk, const std::string& name) {
  TLOG_ASSIGN(Target target, target_of(place, vdisk));
  control::Request request{.command = control::Command::kMark, .vdisk = target.vdisk, .name = name};
  TLOG_ASSIGN(control::Reply reply, ask_first(target.sockets, request, kMarkMs));
  print(fmt::format("mark '{}' of vdisk {}: sequence {}\n", name, target.vdisk, reply.sequence));
  return {};
}

Status flush(const Place& place, const std::string& vdisk, std::uint64_t timeout_ms) {
  TLOG_ASSIGN(Target target, target_of(place, vdisk));
  control::Request request{
      .command = control::Command::kFlush, .vdisk = target.vdisk, .timeout_ms = timeout_ms};
  TLOG_ASSIGN(control::Reply reply, ask_first(target.sockets, request, timeout_ms + kAnswerMs));
  print(fmt::format("vdisk {}: stored up to sequence {}\n", target.vdisk, reply.sequence));
  return {};
}

}  // namespace tlog::ctl
