#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <limits>
#include <map>
#include <set>

#include "tlog/base/clock.h"
#include "tlog/io/directory_watcher.h"
#include "tlog/io/file.h"

namespace tlog::io {
namespace {

// Not IN_MODIFY: a file that is being written is of no use before its writer closes it.
constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                                  IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

class InotifyWatcher final : public DirectoryWatcher {
 public:
  InotifyWatcher()
      : inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
        inotify_errno_(inotify_ < 0 ? errno : 0),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~InotifyWatcher() override {
    if (inotify_ >= 0) ::close(inotify_);
    if (wake_ >= 0) ::close(wake_);
  }
  InotifyWatcher(const InotifyWatcher&) = delete;
  InotifyWatcher& operator=(const InotifyWatcher&) = delete;

  Status watch(const std::vector<std::string>& directories) override;
  WatchOutcome wait(std::uint64_t timeout_ns) override;
  void wake() override {
    const std::uint64_t one = 1;
    // Cannot fail for a counter that is nearly 0; it stays readable.
    (void)!::write(wake_, &one, sizeof one);
  }

 private:
  // Takes all events off; true when there were any.
  bool drain();

  const int inotify_;
  const int inotify_errno_;
  const int wake_;
  std::map<std::string, int> watched_;
};

Status InotifyWatcher::watch(const std::vector<std::string>& directories) {
  if (inotify_ < 0) {
    return fail(os_error(inotify_errno_, "watch: inotify (fs.inotify.max_user_instances)"));
  }
  Status all;
  std::map<std::string, int> now;
  std::set<int> in_use;
  for (const std::string& directory : directories) {
    // Of a directory that is watched already this is the same watch; of another one in its place it
    // is not.
    const int watch = ::inotify_add_watch(inotify_, directory.c_str(), kEvents);
    if (watch >= 0) {
      now.emplace(directory, watch);
      in_use.insert(watch);
    } else if (all) {
      all = fail(os_error(errno, "watch: " + directory));
    }
  }
  for (const auto& [directory, watch] : watched_) {
    if (!in_use.contains(watch)) (void)::inotify_rm_watch(inotify_, watch);  // or it is gone
  }
  watched_ = std::move(now);
  return all;
}

bool InotifyWatcher::drain() {
  bool any = false;
  alignas(inotify_event) std::array<char, 4096> events;
  while (true) {
    const ssize_t length = ::read(inotify_, events.data(), events.size());
    if (length <= 0) return any;
    for (std::size_t at = 0; at < static_cast<std::size_t>(length);) {
      const auto* event = reinterpret_cast<const inotify_event*>(events.data() + at);
      // The end of a watch that was taken off is no change.
      if ((event->mask & IN_IGNORED) == 0) any = true;
      at += sizeof(inotify_event) + event->len;
    }
  }
}

WatchOutcome InotifyWatcher::wait(std::uint64_t timeout_ns) {
  const std::uint64_t longest = static_cast<std::uint64_t>(std::numeric_limits<int>::max());
  const int timeout_ms = static_cast<int>(std::min(timeout_ns / kNsPerMs, longest));
  std::array<pollfd, 2> ready = {pollfd{wake_, POLLIN, 0}, pollfd{inotify_, POLLIN, 0}};
  // A signal ends the wait early: whoever waits looks again.
  if (::poll(ready.data(), ready.size(), timeout_ms) <= 0) return WatchOutcome::kQuiet;
  if (ready[0].revents != 0) return WatchOutcome::kWoken;
  return drain() ? WatchOutcome::kChanged : WatchOutcome::kQuiet;
}

}  // namespace

std::unique_ptr<DirectoryWatcher> make_directory_watcher() {
  return std::make_unique<InotifyWatcher>();
}

std::vector<std::string> directories_on_the_way_to(const std::string& path) {
  constexpr unsigned kLinksMax = 40;  // as the kernel's
  namespace fs = std::filesystem;
  std::vector<std::string> found;
  auto add = [&](const fs::path& directory) {
    const std::string text = directory.string();
    if (std::find(found.begin(), found.end(), text) == found.end()) found.push_back(text);
  };
  fs::path rest = fs::path(path).lexically_normal();
  for (unsigned links = 0; links <= kLinksMax; ++links) {
    add(rest.parent_path());
    fs::path at;
    fs::path target;
    auto part = rest.begin();
    for (; part != rest.end() && target.empty(); ++part) {
      at /= *part;
      std::error_code not_a_link;
      target = fs::read_symlink(at, not_a_link);
    }
    if (target.empty()) break;
    add(at.parent_path());
    fs::path next = target.is_absolute() ? target : at.parent_path() / target;
    for (; part != rest.end(); ++part) next /= *part;
    rest = next.lexically_normal();
  }
  return found;
}

}  // namespace tlog::io
