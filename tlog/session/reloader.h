// File: tlog/session/reloader.h
// Reloader: keeps the engine on the newest configuration that is good: looks at the source when it
// has changed, or when told, and has the engine take over what may change. What is wrong with a
// text, or cannot change while vdisks are served, keeps all of it out; the old one stays, and
// status() says why. Generation 1 is the configuration of the start; each that changed something
// has the next number.
//
// Life: made -> start (after the fork: the watching thread) -> stop. Threading: reload() and
// status() from any thread, one reload at a time; start() and stop() from one.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tlog/base/mutex.h"
#include "tlog/config/difference.h"
#include "tlog/config/source.h"
#include "tlog/session/engine.h"

namespace tlog::session {

struct ReloadStatus {
  std::string source;
  std::uint64_t generation = 1;
  TimestampNs loaded_ns = 0;  // wall clock: when the generation came into effect
  std::string error;          // of the newest look at the source; "": it was good
  TimestampNs error_ns = 0;   // wall clock
};

struct ReloadReport {
  std::string source;
  std::uint64_t generation = 0;
  std::vector<config::Change> changes;  // none: nothing was different
};

struct ReloadTimes {
  std::uint64_t settle_ns = 200'000'000;        // nothing has changed for so long: it is complete
  std::uint64_t settle_ns_max = 2'000'000'000;  // or it changes all the time
  std::uint64_t look_ns = 30'000'000'000;       // now and then without being told of a change
};

class Reloader {
 public:
  struct Parts {
    Engine* engine = nullptr;  // borrowed, as clock and logger
    std::unique_ptr<config::Source> source;
    const Clock* clock = nullptr;
    Logger* logger = nullptr;
    config::Served served;
    // What the command line says goes before what the file says.
    std::function<void(config::Config&)> override_config = [](config::Config&) {};
    // After a new configuration has come into effect.
    std::function<void(const config::Config&)> applied = [](const config::Config&) {};
    ReloadTimes times = {};
  };
  explicit Reloader(Parts parts);
  ~Reloader();  // stops
  Reloader(const Reloader&) = delete;
  Reloader& operator=(const Reloader&) = delete;

  Status start();
  void stop();

  // Looks now. The error names everything that keeps the new configuration out, one line each.
  Result<ReloadReport> reload() EXCLUDES(reloading_, mutex_);
  ReloadStatus status() const EXCLUDES(mutex_);

 private:
  void watch();
  void settle();
  void look_if_different();
  Result<ReloadReport> take(const std::string& text) REQUIRES(reloading_);
  Result<ReloadReport> read_and_take(bool only_if_different) REQUIRES(reloading_);
  void note_error(const Error& error) REQUIRES(reloading_);

  const Parts parts_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
  Mutex reloading_;  // held through a reload; taken before mutex_
  // The newest text, good or not; not one that was refused for what is not in it.
  std::string seen_ GUARDED_BY(reloading_);
  bool has_seen_ GUARDED_BY(reloading_) = false;
  mutable Mutex mutex_;
  ReloadStatus status_ GUARDED_BY(mutex_);
};

}  // namespace tlog::session
