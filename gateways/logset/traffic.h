// Traffic: what one repository has, and what became known of its copies elsewhere by what they
// asked: how far each is behind, in bytes and in time (the RPO).
//
// The protocol knows no names: a puller is the address that it asks from, and what it calls the
// place that it fills (header Logset-Target), if it says so. What it has is what it said when it
// pulled last; what was sent to it since does not count before it says that it has it.
//
// Threading: any thread; nothing waits. Durability: none, it begins anew with the server.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gateways/logset/grammar.h"
#include "tlog/base/clock.h"
#include "tlog/base/mutex.h"

namespace tlog::logset {

struct PullerStatus {
  std::string peer;    // the host
  std::string target;  // "": it did not say
  std::uint64_t behind_bytes = 0;
  // Since the last moment of which it is known to have everything; nothing: it never had.
  std::optional<std::uint64_t> behind_ns;
  std::uint64_t pulled_ns = 0;  // ago
};

struct TrafficStatus {
  std::uint64_t logs = 0;
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> looked_ns;  // ago; nothing: not looked yet
  std::string error;                       // of the last look, "" when it went well
  std::uint64_t pushed_bytes = 0;          // since the server's start
  std::optional<std::uint64_t> pushed_ns;  // ago
  std::vector<PullerStatus> pullers;       // who pulled last comes first
};

class Traffic {
 public:
  explicit Traffic(const Clock& clock) : clock_(clock) {}

  void looked(const Result<std::vector<LogLength>>& lengths) EXCLUDES(mutex_);
  void pushed(std::uint64_t bytes) EXCLUDES(mutex_);
  struct Puller {
    std::string peer;
    std::string target;
  };
  // `there`: what it has; `here`: what it is told.
  void pulled(Puller puller, const std::vector<LogLength>& here, const LogLengths& there)
      EXCLUDES(mutex_);
  // Whether a client has asked for anything: before, nobody needs to look.
  bool is_asked() const EXCLUDES(mutex_);
  TrafficStatus status() const EXCLUDES(mutex_);

 private:
  struct Ahead {  // a log of which the copy has more than was here: it comes from there, or will
    std::string name;
    std::uint64_t here = 0;
    std::uint64_t has = 0;
  };
  struct Copy {
    Puller puller;
    std::uint64_t pulled_ns = 0;
    std::uint64_t bytes_here = 0;     // then
    std::uint64_t lacked = 0;         // then
    std::vector<LogLength> promised;  // how long the logs of which it lacked something were then
    std::vector<Ahead> ahead;         // then, sorted by name
    std::uint64_t behind = 0;         // at the last look
    std::optional<std::uint64_t> even_ns;
  };
  static std::optional<std::uint64_t> even_after(const Copy& before, const Copy& now,
                                                 const LogLengths& there);
  void note(const std::vector<LogLength>& lengths) REQUIRES(mutex_);

  const Clock& clock_;
  mutable Mutex mutex_;
  std::uint64_t logs_ GUARDED_BY(mutex_) = 0;
  std::uint64_t bytes_ GUARDED_BY(mutex_) = 0;
  std::optional<std::uint64_t> looked_ns_ GUARDED_BY(mutex_);
  std::string error_ GUARDED_BY(mutex_);
  std::uint64_t pushed_bytes_ GUARDED_BY(mutex_) = 0;
  std::optional<std::uint64_t> pushed_ns_ GUARDED_BY(mutex_);
  std::vector<Copy> copies_ GUARDED_BY(mutex_);  // who pulled last is the last
};

}  // namespace tlog::logset
