#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "gateways/cas/copy_follower.h"
#include "gateways/cas/grpc_contents.h"
#include "gateways/logset/copy_repository.h"
#include "player/follow.h"
#include "player/followed_source.h"
#include "player/time_point.h"

namespace tlog::player {
namespace {

constexpr std::uint64_t kPauseMostNs = 30'000'000'000;
// Who is told to stop waits for a call that is under way.
constexpr std::uint64_t kCallNs = 20'000'000'000;
constexpr auto kLookForStop = std::chrono::milliseconds(50);

// A name that is not there may come: its publisher has only just begun.
Error waiting_for(const Error& error) {
  if (error.code() != Code::kNotFound) return error;
  return Error(Code::kUnavailable, error.message());
}

// What may go well later, without anybody doing anything here.
bool may_pass(const Error& error) {
  return error.code() == Code::kUnavailable || error.code() == Code::kTimeout;
}

class Followed {
 public:
  virtual ~Followed() = default;
  // Up to what is told now. Whether anything came.
  virtual Result<bool> follow() = 0;
  virtual nlohmann::ordered_json report() const = 0;
  virtual std::string text() const = 0;
};

class FollowedCopy final : public Followed {
 public:
  FollowedCopy(cas::LogIndex& index, std::unique_ptr<logset::Repository> copy,
               std::string directory, const Console& console)
      : copy_(std::move(copy)),
        directory_(std::move(directory)),
        follower_({&index, copy_.get(), [&console] { return console.stop.load(); },
                   [&console](const cas::CopyProgress& progress) {
                     console.progress.begin("following", progress.bytes_all, 0);
                     console.progress.update(progress.bytes_done, progress.bytes_done);
                   }}) {}

  Result<bool> follow() override {
    TLOG_ASSIGN(const std::uint64_t bytes, follower_.follow());
    bytes_ += bytes;
    return bytes > 0;
  }
  nlohmann::ordered_json report() const override {
    return {{"target", directory_}, {"bytes", bytes_}};
  }
  std::string text() const override {
    return fmt::format("{}: {} of log came, and all of it is verified", directory_,
                       format_bytes(bytes_));
  }

 private:
  const std::unique_ptr<logset::Repository> copy_;
  const std::string directory_;
  cas::CopyFollower follower_;
  std::uint64_t bytes_ = 0;
};

Result<std::unique_ptr<Target>> make_followed_target(const TargetOptions& options,
                                                     io::FileSystem& files) {
  switch (kind_of_target(options.name)) {
    case TargetKind::kNbd:
      return make_nbd_target(options);
    case TargetKind::kVdisk:
      return fail(Code::kNotSupported,
                  fmt::format("follow: {}: a vdisk has a log and a writer of its own; follow to a "
                              "file, a device or an NBD export, or restore to the vdisk",
                              options.name));
    case TargetKind::kPath:
      break;
  }
  TLOG_ASSIGN(auto target, make_path_target(options, files));
  // A device is written in place anyway; a file that is restored would be staged and renamed.
  TLOG_ASSIGN(const bool exists, files.exists(options.name));
  struct stat found {};
  const bool is_device =
      exists && ::stat(options.name.c_str(), &found) == 0 && S_ISBLK(found.st_mode);
  return is_device ? std::move(target) : make_followed_file(options, files);
}

class FollowedTarget final : public Followed {
 public:
  FollowedTarget(const FollowRequest& request, RestoreOptions options, const Console& console,
                 const SourceEnvironment& environment, std::unique_ptr<FollowedSource> source)
      : request_(request),
        options_(std::move(options)),
        console_(console),
        environment_(environment),
        source_(std::move(source)) {
    options_.goes_on = true;
  }

  Result<bool> follow() override {
    TLOG_TRY(source_->refresh());
    walk::LogReader* reader = source_->reader();
    if (reader == nullptr || (began_ && reader->head().number == last_)) return false;
    TargetOptions of_target;
    of_target.name = request_.to;
    of_target.size = reader->metadata().format.size;
    of_target.force = request_.force && !began_;
    of_target.vdisk = source_->vdisk();
    TLOG_ASSIGN(const auto target, make_followed_target(of_target, environment_.files));
    Restore restore(
        {*reader, *target, environment_.files, console_.clock, console_.progress, console_.stop,
         [this](const std::string& text) { console_.output.note(text); }},
        options_);
    auto report = restore.run();
    if (restore.has_prepared()) options_.restart = false;
    if (!report) {
      target_.reset();  // an export that is gone is connected to anew
      return fail(report.error());
    }
    began_ = true;
    last_ = reader->head().number;
    report_ = *report;
    return true;
  }
  nlohmann::ordered_json report() const override {
    return {{"target", request_.to},        {"vdisk", source_->vdisk()},
            {"sequence", report_.sequence}, {"time", began_ ? format_time(report_.time) : ""},
            {"records", report_.records},   {"bytes", report_.bytes}};
  }
  std::string text() const override {
    return began_ ? fmt::format("{}: has everything up to sequence {}, {}", request_.to,
                                report_.sequence, format_time(report_.time))
                  : request_.to + ": nothing was published so far";
  }

 private:
  const FollowRequest& request_;
  RestoreOptions options_;
  const Console& console_;
  const SourceEnvironment& environment_;
  const std::unique_ptr<FollowedSource> source_;
  std::unique_ptr<Target> target_;
  bool began_ = false;
  AggregationNumber last_ = 0;
  RestoreReport report_;
};

// The services, and what they tell.
struct Remote {
  std::unique_ptr<cas::Contents> names;
  std::unique_ptr<cas::Contents> contents;  // null: the same
  std::unique_ptr<cas::LogIndex> index;
};

Result<Remote> open_remote(const FollowRequest& request, const SourceEnvironment& environment) {
  Remote remote;
  const bool is_name = request.name.find('/') != std::string::npos;
  const std::string name = is_name ? request.name : "vdisk/" + request.name;
  cas::GrpcContentsOptions options;
  options.target = request.remote;
  options.token_file = request.token_file;
  options.ca_file = request.ca_file;
  options.files = &environment.files;
  options.call_ns = kCallNs;
  TLOG_ASSIGN(remote.names, cas::make_grpc_contents(options));
  // Whether there are contents elsewhere is all that is wanted of it here.
  cas::LogIndex look(*remote.names, name);
  if (Status looked = look.refresh_head(); !looked) {
    const Error error = looked.error().within("follow");
    return fail(request.once ? error : waiting_for(error));
  }
  std::string cas = request.cas;
  if (cas.empty() && !look.head().cas.empty()) {
    TLOG_ASSIGN(cas, cas::target_of_multiaddr(look.head().cas));
  }
  if (!cas.empty() && cas != request.remote) {
    options.target = cas;
    options.token_file.clear();  // which is for the other one
    TLOG_ASSIGN(remote.contents, cas::make_grpc_contents(options));
  }
  remote.index = std::make_unique<cas::LogIndex>(*remote.names, name, remote.contents.get());
  return remote;
}

Result<std::unique_ptr<Followed>> open_followed(const FollowRequest& request,
                                                const RestoreOptions& options, Remote& remote,
                                                const Console& console,
                                                const SourceEnvironment& environment) {
  if (!request.key_file.empty()) {
    TLOG_ASSIGN(auto source,
                FollowedSource::open({remote.index.get(), environment}, request.key_file));
    return std::unique_ptr<Followed>(std::make_unique<FollowedTarget>(
        request, options, console, environment, std::move(source)));
  }
  TLOG_ASSIGN(auto copy, logset::open_copy_repository(environment.files, request.to));
  return std::unique_ptr<Followed>(
      std::make_unique<FollowedCopy>(*remote.index, std::move(copy), request.to, console));
}

// False when it was told to stop.
bool pause(std::uint64_t ns, const std::atomic<bool>& stop) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(ns);
  while (!stop.load()) {
    if (std::chrono::steady_clock::now() >= until) return true;
    std::this_thread::sleep_for(kLookForStop);
  }
  return false;
}

class Loop {
 public:
  Loop(const FollowRequest& request, const RestoreOptions& options, const Console& console,
       const SourceEnvironment& environment)
      : request_(request), options_(options), console_(console), environment_(environment) {}

  int run() {
    std::uint64_t wait = request_.every_ns;
    for (;;) {
      const Result<bool> came = round();
      if (!came && came.error().code() == Code::kShutdown) return stopped();
      if (!came && (request_.once || !may_pass(came.error()))) {
        return console_.output.failed(came.error());
      }
      if (request_.once) return tell();
      if (came) {
        told_.clear();
        wait = request_.every_ns;
      } else {
        if (told_ != came.error().message()) {
          console_.output.warning(came.error().message() + "; tried again");
        }
        told_ = came.error().message();
        wait = std::min(std::max(2 * wait, request_.every_ns),
                        std::max(kPauseMostNs, request_.every_ns));
      }
      if (came && *came && console_.output.json() && tell() != kExitOk) return kExitFailed;
      if (!pause(wait, console_.stop)) return stopped();
    }
  }

 private:
  Result<bool> round() {
    if (!followed_) {
      TLOG_ASSIGN(remote_, open_remote(request_, environment_));
      remote_.index->stop_when([this] { return console_.stop.load(); });
      TLOG_ASSIGN(followed_, open_followed(request_, options_, remote_, console_, environment_));
    }
    return followed_->follow();
  }
  int stopped() { return followed_ ? tell() : kExitOk; }
  int tell() {
    if (console_.output.json()) {
      console_.output.write(followed_->report().dump() + "\n");
    } else {
      console_.output.write(followed_->text() + "\n");
    }
    // Who reads the lines waits for each.
    return console_.output.finish() ? kExitOk : kExitFailed;
  }

  const FollowRequest& request_;
  const RestoreOptions& options_;
  const Console& console_;
  const SourceEnvironment& environment_;
  Remote remote_;
  std::unique_ptr<Followed> followed_;
  std::string told_;
};

}  // namespace

int run_follow(const FollowRequest& request, const RestoreOptions& options, const Console& console,
               const SourceEnvironment& environment) {
  return Loop(request, options, console, environment).run();
}

}  // namespace tlog::player
