// `tlogctl cluster replace`: looks whether it is safe, writes the new address into the file, has
// the running servers take it over, and sees the new server being filled. It can be interrupted
// after any step: the servers go on by themselves, and begun again it goes on where it was.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "ctl/cluster_view.h"
#include "ctl/config_file.h"
#include "ctl/control_socket.h"
#include "ctl/progress_line.h"
#include "ctl/replacement_look.h"
#include "ctl/replacement_text.h"
#include "ctl/target.h"

namespace tlog::ctl {
namespace {

// How long a vdisk may take to be opened and to say so.
constexpr std::uint64_t kOpenMs = 120'000;
// Shards that are not found out about within this long count as not there.
constexpr std::uint64_t kNothingFoundMs = 10'000;

void warn(const std::string& text) {
  std::fputs(fmt::format("tlogctl: warning: {}\n", text).c_str(), stderr);
}

class Replacing {
 public:
  Replacing(const Place& place, const ReplaceCommand& command) : place_(place), command_(command) {}

  Status run() {
    TLOG_TRY(find());
    TLOG_TRY(look());
    if (command_.dry_run || !verdict_.refusals.empty()) {
      tell(command_.json ? replacement_json(replacement_, verdict_, result_)
                         : plan_text(replacement_, verdict_));
      return refusal();
    }
    TLOG_TRY(confirm());
    TLOG_TRY(write_and_reload());
    Status followed = follow();
    if (command_.json) {
      tell(replacement_json(replacement_, verdict_, result_));
    } else if (followed) {
      tell(result_text(replacement_, result_));
    }
    return followed;
  }

 private:
  static void tell(const std::string& text) { std::fputs(text.c_str(), stdout); }

  Status find();
  Status look();
  void open_closed();
  void look_again();
  std::uint64_t to_be_looked_up() const;
  void await_lookups();
  Status refusal() const;
  Status confirm() const;
  Status write_and_reload();
  Status take_over(ConfigFile* written);
  Status follow();
  std::vector<control::VdiskReport> reports() const;
  bool concerns(const std::string& vdisk) const;

  const Place& place_;
  const ReplaceCommand& command_;
  std::string path_;
  std::string text_;
  Replacement replacement_;
  std::vector<control::VdiskReport> reports_;
  Verdict verdict_;
  ReplacementResult result_;
};

std::vector<control::VdiskReport> Replacing::reports() const {
  return reports_of(
      hear(place_, replacement_.before, {.command = control::Command::kStatus}, kAnswerMs));
}

bool Replacing::concerns(const std::string& vdisk) const {
  const config::Vdisk* found = replacement_.before.find_vdisk(vdisk);
  return found != nullptr &&
         (found->tlog.cluster == command_.cluster || found->storage_cluster == command_.cluster ||
          found->slave.cluster == command_.cluster);
}

Status Replacing::find() {
  TLOG_ASSIGN(auto source, open_source(config_path_of(place_)));
  if (source->name() != source->path()) {
    return fail(
        Code::kNotSupported,
        fmt::format("cluster replace: {}: a configuration in etcd is not written from here; "
                    "put its text there with {} instead of {} (`etcdctl get`, an editor, "
                    "`etcdctl put`): the servers watch it and take it over, and `tlogctl "
                    "cluster status {}` shows how the new server is filled",
                    source->name(), command_.to, command_.from, command_.cluster));
  }
  path_ = source->path();
  TLOG_ASSIGN(text_, source->read());
  TLOG_ASSIGN(
      replacement_,
      find_replacement(text_, path_,
                       {.cluster = command_.cluster, .from = command_.from, .to = command_.to}));
  return {};
}

// What is closed has its stores looked at only when it is opened, and is filled only then.
void Replacing::open_closed() {
  for (control::VdiskReport& report : reports_) {
    if (report.state != "closed" || !concerns(report.name)) continue;
    const control::Request request{
        .command = control::Command::kFlush, .vdisk = report.name, .timeout_ms = 1'000};
    auto sockets = place_.socket_path.empty() ? sockets_of(replacement_.before, report.name)
                                              : std::vector<std::string>{place_.socket_path};
    auto opened = ask_first(sockets, request, kOpenMs);
    // That not all of it could be stored within that second does not matter.
    if (opened || opened.error().code() == Code::kTimeout) continue;
    if (opened.error().code() == Code::kNotFound) {
      report.state = kNotCreated;
    } else {
      warn(opened.error().message());
    }
  }
  look_again();
}

void Replacing::look_again() {
  std::vector<control::VdiskReport> now = reports();
  for (control::VdiskReport& report : now) {
    for (const control::VdiskReport& before : reports_) {
      if (before.name == report.name && before.state == kNotCreated) report.state = kNotCreated;
    }
  }
  reports_ = std::move(now);
}

// Shards of stores that stay, which are up, of which it is not known yet whether they are there.
std::uint64_t Replacing::to_be_looked_up() const {
  std::uint64_t sum = 0;
  for (const control::VdiskReport& report : reports_) {
    if (!concerns(report.name)) continue;
    for (const control::StoreReport& store : report.stores) {
      if (is_up(store)) sum += store.left;
    }
  }
  return sum;
}

// A vdisk that was opened a moment ago looks through its newest shards first.
void Replacing::await_lookups() {
  std::uint64_t fewest = to_be_looked_up();
  std::uint64_t since = control::monotonic_ms();
  for (std::uint64_t left = fewest; left != 0; left = to_be_looked_up()) {
    if (left < fewest) since = control::monotonic_ms();
    fewest = std::min(fewest, left);
    if (control::monotonic_ms() - since >= kNothingFoundMs) return;
    pause_before_look();
    look_again();
  }
}

Status Replacing::look() {
  reports_ = reports();
  if (!command_.dry_run) open_closed();
  await_lookups();
  TLOG_ASSIGN(const auto servers, servers_after(replacement_));
  TLOG_ASSIGN(auto loop, io::make_loop({}, null_logger()));
  TLOG_TRY(loop->start());
  const NewServer found =
      ask_new_server(replacement_, reports_, servers[replacement_.place], *loop);
  verdict_ = judge(replacement_, reports_, found,
                   {.may_be_unserved = command_.allow_unserved, .is_trial = command_.dry_run});
  estimate_bytes(replacement_, reports_, servers, *loop, verdict_.shares);
  loop->stop();
  return {};
}

Status Replacing::refusal() const {
  if (verdict_.refusals.empty()) return {};
  return fail(Code::kInvalidArgument,
              fmt::format("cluster replace: {}: not safe, nothing was changed: {}",
                          command_.cluster, fmt::join(verdict_.refusals, "; ")));
}

Status Replacing::confirm() const {
  // The answer to a program must be nothing but that.
  std::fputs(plan_text(replacement_, verdict_).c_str(), command_.json ? stderr : stdout);
  if (command_.yes) return {};
  std::fputs("Go on? [y/N] ", stderr);
  std::fflush(stdout);
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "yes") return {};
  return fail(Code::kInvalidArgument, "cluster replace: not confirmed, nothing was changed");
}

Status Replacing::write_and_reload() {
  if (replacement_.is_done) return take_over(nullptr);
  TLOG_ASSIGN(ConfigFile file, ConfigFile::open(io::system_files(), path_));
  if (file.text() != text_) {
    return fail(
        Code::kUnavailable,
        fmt::format("cluster replace: {}: somebody has changed it meanwhile; look at it and "
                    "begin again",
                    path_));
  }
  TLOG_TRY(file.replace(replacement_.text));
  result_.is_written = true;
  return take_over(&file);
}

// `written`: what was changed for it, and can be put back; or null.
Status Replacing::take_over(ConfigFile* written) {
  const control::Request reload{.command = control::Command::kReload};
  const Heard heard = hear(place_, replacement_.after, reload, kReloadMs);
  result_.is_taken_over = !heard.replies.empty() && heard.errors.empty();
  if (heard.errors.empty()) return {};
  std::string reasons;
  for (const Error& error : heard.errors) {
    reasons += fmt::format("{}{}", reasons.empty() ? "" : "; ", error.message());
  }
  const bool all_refused =
      heard.replies.empty() &&
      std::all_of(heard.errors.begin(), heard.errors.end(),
                  [](const Error& error) { return error.code() == Code::kInvalidArgument; });
  if (!all_refused || written == nullptr) {
    return fail(Code::kUnavailable,
                fmt::format("cluster replace: {}: has {} now, and not every server has taken it "
                            "over: {}; put that right and run the same again",
                            path_, replacement_.to.address, reasons));
  }
  TLOG_TRY(written->replace(text_));
  result_.is_written = false;
  (void)hear(place_, replacement_.before, reload, kReloadMs);  // what they have is what it says
  return fail(Code::kInvalidArgument,
              fmt::format("cluster replace: the running server refuses it, {} is as it was: {}",
                          path_, reasons));
}

Status Replacing::follow() {
  if (!command_.wait || !result_.is_taken_over) return {};
  std::vector<Share> shares;
  for (const Share& share : verdict_.shares) {
    if (share.state == "serving" || share.state == "read-only") shares.push_back(share);
  }
  if (shares.empty()) return {};
  auto filled = follow_filling(replacement_, shares, [this] { return reports(); });
  if (!filled) {
    result_.fillings = fillings_of(replacement_, shares, reports());
    return fail(filled.error());
  }
  result_.fillings = std::move(*filled);
  return {};
}

}  // namespace

Status cluster_replace(const Place& place, const ReplaceCommand& command) {
  return Replacing(place, command).run();
}

}  // namespace tlog::ctl
