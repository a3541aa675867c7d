// File: tests/sim/world.h
// World: the simulated time, chance and order of everything. Code that waits runs in fibers; what
// happens by itself (a message arrives, a timer expires) is an event. One event or one fiber runs
// at a time, chosen by time alone, so that a seed is a whole history: the same seed, the same
// trace_hash().
//
// Threading: one thread, on which it is installed as the environment while it lives.
#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/fiber.h"
#include "tests/support/log_samples.h"
#include "tlog/base/environment.h"
#include "tlog/base/log.h"

namespace tlog::sim {

constexpr std::uint64_t kMicrosecond = 1'000;
constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kSecond = 1'000'000'000;

struct WorldOptions {
  std::uint64_t seed = 1;
  std::FILE* trace = nullptr;  // where everything is told, line by line
};

class World final : public Environment {
 public:
  using Task = std::function<void()>;

  explicit World(const WorldOptions& options);
  ~World() override;
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  std::uint64_t now() const { return now_ns_; }
  // Chance of the scenario, apart from that of the product, which is system_random().
  std::uint64_t random() { return random_.next(); }
  std::uint64_t below(std::uint64_t bound) { return random_.next() % bound; }
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    return low + below(high - low + 1);
  }
  bool chance(unsigned percent) { return below(100) < percent; }

  void after(std::uint64_t delay_ns, Task task);
  void start(std::string name, Task body);  // in a fiber of its own
  void sleep(std::uint64_t ns);             // of a fiber
  // Sleeps, looking now and then, at most so long; whether it was so.
  bool sleep_until(const std::function<bool()>& condition, std::uint64_t at_most_ns);
  bool in_fiber() const { return current_ != nullptr; }

  // Until all fibers have ended. False, with a failure, when they have not by `deadline_ns`, or
  // when more happens than can be useful.
  bool run(std::uint64_t deadline_ns);
  void forget_events();  // before what they refer to goes

  // Something that must not be. The first one is kept; the scenario comes to its end.
  void fail(const std::string& what);
  const std::optional<std::string>& failure() const { return failure_; }

  bool tracing() const { return options_.trace != nullptr; }
  void trace(std::string_view line);  // for people
  void note(std::string_view what);   // also a part of trace_hash()
  std::uint64_t trace_hash() const { return hash_; }
  std::uint64_t events() const { return events_run_; }
  Logger& logger() { return *logger_; }

  // Environment
  TimestampNs wall_ns() const override { return 1'700'000'000 * kSecond + now_ns_; }
  std::uint64_t monotonic_ns() const override { return now_ns_; }
  void fill_random(ByteSpan bytes) override { product_random_.fill(bytes); }
  void wait(CondVar& condition, Mutex& mutex, std::uint64_t deadline_ns) override;
  void notified(CondVar& condition) override;

 private:
  struct Event {
    std::uint64_t at_ns;
    std::uint64_t number;
    Task task;
    // A heap keeps the greatest first: the earliest shall be "greatest".
    friend bool operator<(const Event& a, const Event& b) {
      return a.at_ns != b.at_ns ? a.at_ns > b.at_ns : a.number > b.number;
    }
  };
  struct Runner {
    std::string name;
    std::unique_ptr<Fiber> fiber;
    std::uint64_t waits = 0;  // tells the waking of one wait from that of another
    CondVar* condition = nullptr;
  };
  void wake_after(const std::shared_ptr<Runner>& runner, std::uint64_t delay_ns);
  void resume(const std::shared_ptr<Runner>& runner);
  void mix(std::uint64_t value);
  std::string who_waits() const;

  const WorldOptions options_;
  testing::SeededRandom random_;
  testing::SeededRandom product_random_;
  std::unique_ptr<Logger> logger_;
  Environment* const outer_;
  std::uint64_t now_ns_ = kSecond;
  std::vector<Event> events_;
  std::uint64_t events_made_ = 0;
  std::uint64_t events_run_ = 0;
  std::vector<std::shared_ptr<Runner>> runners_;
  std::shared_ptr<Runner> current_;
  std::uint64_t hash_ = 0;
  std::optional<std::string> failure_;
};

}  // namespace tlog::sim
