#include "server/program/publications.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "gateways/cas/grpc_contents.h"
#include "gateways/logset/vdisk_repository.h"
#include "tlog/base/clock.h"

namespace tlog::program {
namespace {

constexpr auto kEvery = std::chrono::seconds(1);
constexpr auto kPauseMost = std::chrono::seconds(10);

cas::Embed embed_of(const config::CasPublish& publish) {
  switch (publish.embed) {
    case config::CasEmbed::kAll:
      return {.mode = cas::Embed::Mode::kAll, .last = 0};
    case config::CasEmbed::kNone:
      return {.mode = cas::Embed::Mode::kNone, .last = 0};
    case config::CasEmbed::kLast:
      break;
  }
  return {.mode = cas::Embed::Mode::kLast, .last = publish.embed_last};
}

}  // namespace

class Publications::One {
 public:
  // `elsewhere`: the service it is published to; null: this server's contents.
  One(const config::CasPublish& publish, const Parts& parts,
      std::unique_ptr<cas::Contents> elsewhere)
      : name_("vdisk/" + publish.vdisk),
        to_(publish.to),
        logger_(*parts.logger),
        log_(logset::make_vdisk_repository({.vdisk = publish.vdisk,
                                            .open_stores =
                                                [stores = parts.stores, vdisk = publish.vdisk] {
                                                  return stores->open(vdisk,
                                                                      VdiskStores::Use::kRead);
                                                },
                                            .stopping = [this] { return is_stopping(); }})),
        elsewhere_(std::move(elsewhere)),
        publisher_({.log = log_.get(),
                    .is_committed = [log = log_.get()](
                                        AggregationNumber number,
                                        const Hash256& hash) { log->is_committed(number, hash); },
                    .to = elsewhere_ ? elsewhere_.get() : parts.contents,
                    .view = elsewhere_ ? nullptr : parts.view,
                    .stopping = [this] { return is_stopping(); }},
                   {.name = name_, .embed = embed_of(publish), .cas = {}}) {
    status_.name = name_;
    status_.to = to_;
    thread_ = std::thread([this] { run(); });
  }
  ~One() {
    tell_to_stop();
    thread_.join();
  }

  void tell_to_stop() EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }

  server::PublicationStatus status() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    server::PublicationStatus status = status_;
    if (complete_at_) status.complete_ns = system_clock().monotonic_ns() - *complete_at_;
    return status;
  }

 private:
  bool is_stopping() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return stopping_;
  }

  void run() {
    std::chrono::nanoseconds wait = kEvery;
    for (;;) {
      const auto done = publisher_.publish();
      if (is_stopping()) return;
      note(done);
      wait = done ? std::chrono::nanoseconds(kEvery)
                  : std::min<std::chrono::nanoseconds>(2 * wait, kPauseMost);
      MutexLock lock(mutex_);
      const auto until = std::chrono::steady_clock::now() + wait;
      while (!stopping_ && changed_.wait_until(mutex_, until)) {
      }
      if (stopping_) return;
    }
  }

  void note(const Result<cas::Published>& done) EXCLUDES(mutex_) {
    std::string event;
    {
      MutexLock lock(mutex_);
      const std::string error = done ? "" : done.error().message();
      const bool is_first = done && done->moved && !has_moved_;
      has_moved_ = has_moved_ || (done && done->moved);
      if (error != status_.error || is_first) {
        event = done
                    ? fmt::format("event=published name={}", name_)
                    : fmt::format("event=publish_failed name={} reason=\"{}\" next=\"tried again\"",
                                  name_, error);
      }
      status_.error = error;
      if (done) {
        status_.contents = done->contents;
        complete_at_ = system_clock().monotonic_ns();
      }
    }
    if (event.empty()) return;
    if (done) {
      logger_.info(event);
    } else {
      logger_.warning(event);
    }
  }

  const std::string name_;
  const std::string to_;
  Logger& logger_;
  const std::unique_ptr<logset::PublishedVdisk> log_;
  const std::unique_ptr<cas::Contents> elsewhere_;
  cas::Publisher publisher_;
  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  server::PublicationStatus status_ GUARDED_BY(mutex_);
  std::optional<std::uint64_t> complete_at_ GUARDED_BY(mutex_);
  bool has_moved_ GUARDED_BY(mutex_) = false;  // the name, since the start
  std::thread thread_;
};

Result<std::unique_ptr<Publications>> Publications::start(
    const std::vector<config::CasPublish>& publications, const Parts& parts) {
  std::unique_ptr<Publications> all(new Publications);
  for (const config::CasPublish& publish : publications) {
    std::unique_ptr<cas::Contents> elsewhere;
    if (!publish.to.empty()) {
      cas::GrpcContentsOptions options;
      options.target = publish.to;
      options.tls = publish.tls;
      options.ca_file = publish.ca_file;
      options.server_name = publish.server_name;
      options.token_file = publish.token_file;
      options.files = parts.files;
      auto made = cas::make_grpc_contents(options);
      if (!made) return fail(made.error().within("cas.publish." + publish.vdisk));
      elsewhere = std::move(*made);
    } else if (parts.contents == nullptr) {
      return fail(Code::kInvalidArgument,
                  fmt::format("cas.publish.{}: this server has no contents; start it with --grpc, "
                              "or name another service as `to`",
                              publish.vdisk));
    }
    all->all_.push_back(std::make_unique<One>(publish, parts, std::move(elsewhere)));
  }
  return all;
}

// All of them, before the first is waited for.
void Publications::tell_to_stop() {
  for (const auto& one : all_) one->tell_to_stop();
}

Publications::~Publications() {
  tell_to_stop();
}

std::vector<server::PublicationStatus> Publications::status() const {
  std::vector<server::PublicationStatus> all;
  for (const auto& one : all_) all.push_back(one->status());
  return all;
}

}  // namespace tlog::program
