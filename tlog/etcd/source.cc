#include "tlog/etcd/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "tlog/base/mutex.h"
#include "tlog/config/config.h"
#include "tlog/etcd/client.h"

namespace tlog::etcd {
namespace {

constexpr std::uint64_t kPauseNs = 1'000'000'000;  // after a failure, doubling
constexpr std::uint64_t kPauseNsMax = 30'000'000'000;

// Watches from the revision after the one that was read, so that nothing is missed between a look
// and the next wait, however long that takes.
class EtcdSource final : public config::Source {
 public:
  EtcdSource(const Url& url, std::string path)
      : name_(url.text), path_(std::move(path)), watching_(url), reading_(url) {}

  const std::string& name() const override { return name_; }
  const std::string& path() const override { return path_; }

  Result<std::string> read() override {
    MutexLock lock(mutex_);
    auto found = reading_.get();
    if (!found) return fail(found.error().within(name_));
    next_revision_ = found->revision + 1;
    return std::move(found->value);
  }

  io::WatchOutcome wait_for_change(std::uint64_t timeout_ns) override {
    auto changed = watching_.wait_for_change(next_revision_, timeout_ns);
    if (!changed) {
      if (changed.error().code() == Code::kShutdown) return io::WatchOutcome::kWoken;
      const std::uint64_t pause_ns = std::min(pause_ns_, timeout_ns);
      pause_ns_ = std::min(pause_ns_ * 2, kPauseNsMax);
      return watching_.pause(pause_ns) ? io::WatchOutcome::kQuiet : io::WatchOutcome::kWoken;
    }
    pause_ns_ = kPauseNs;
    if (*changed == 0) return io::WatchOutcome::kQuiet;
    next_revision_ = *changed + 1;
    return io::WatchOutcome::kChanged;
  }

  void wake() override {
    watching_.wake();
    reading_.wake();
  }

 private:
  const std::string name_;
  const std::string path_;
  Client watching_;                    // of the waiting thread
  std::uint64_t pause_ns_ = kPauseNs;  // likewise
  std::atomic<std::uint64_t> next_revision_{1};
  Mutex mutex_;
  Client reading_;  // under mutex_, but for wake()
};

}  // namespace

Result<Origin> find_origin(io::FileSystem& files, const Place& place) {
  if (is_url(place.path_or_url)) {
    TLOG_ASSIGN(Url url, parse_url(place.path_or_url));
    return Origin{io::join_path(place.directory, "tlogdisk.yml"), std::move(url)};
  }
  TLOG_ASSIGN(const std::string text, config::read(files, place.path_or_url));
  TLOG_ASSIGN(const std::string elsewhere, config::source_named_in(text, place.path_or_url));
  if (elsewhere.empty()) return Origin{place.path_or_url, std::nullopt};
  auto url = parse_url(elsewhere);
  if (!url) return fail(url.error().within(place.path_or_url + ": configSource"));
  return Origin{place.path_or_url, *std::move(url)};
}

std::unique_ptr<config::Source> make_source(io::FileSystem& files, const Origin& origin,
                                            Logger& logger) {
  if (origin.url) return std::make_unique<EtcdSource>(*origin.url, origin.path);
  return config::make_file_source(files, origin.path, logger);
}

Result<std::unique_ptr<config::Source>> open_source(io::FileSystem& files, const Place& place,
                                                    Logger& logger) {
  TLOG_ASSIGN(const Origin origin, find_origin(files, place));
  return make_source(files, origin, logger);
}

}  // namespace tlog::etcd
