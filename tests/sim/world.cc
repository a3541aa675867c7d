#include "tests/sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "tlog/base/mutex.h"

namespace tlog::sim {
namespace {

// A thousand times of what a history takes: something spins.
constexpr std::uint64_t kEventsMax = 20'000'000;
// From a notification to the running of who was notified.
constexpr std::uint64_t kWakeNs = 20 * kMicrosecond;

// What the product says is a part of the trace.
class TraceLogger final : public Logger {
 public:
  explicit TraceLogger(World& world) : world_(world) {}
  void write(LogLevel, std::string_view line) override { world_.trace(line); }

 private:
  World& world_;
};

}  // namespace

World::World(const WorldOptions& options)
    : options_(options),
      random_(options.seed),
      product_random_(~options.seed),
      logger_(std::make_unique<TraceLogger>(*this)),
      outer_(thread_environment),
      hash_(options.seed) {
  thread_environment = this;
}

World::~World() {
  forget_events();
  thread_environment = outer_;
}

void World::forget_events() {
  // What an event holds may make others when it goes.
  while (!events_.empty()) std::vector<Event>().swap(events_);
}

void World::after(std::uint64_t delay_ns, Task task) {
  const std::uint64_t forever = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t at = delay_ns < forever - now_ns_ ? now_ns_ + delay_ns : forever;
  events_.push_back({at, ++events_made_, std::move(task)});
  std::push_heap(events_.begin(), events_.end());
}

void World::start(std::string name, Task body) {
  auto runner = std::make_shared<Runner>();
  runner->name = std::move(name);
  runner->fiber = std::make_unique<Fiber>(std::move(body));
  wake_after(runner, 0);
  runners_.push_back(std::move(runner));
}

void World::wake_after(const std::shared_ptr<Runner>& runner, std::uint64_t delay_ns) {
  after(delay_ns, [this, runner, wait = runner->waits] {
    if (runner->waits == wait) resume(runner);
  });
}

void World::resume(const std::shared_ptr<Runner>& runner) {
  ++runner->waits;
  runner->condition = nullptr;
  current_ = runner;
  runner->fiber->resume();
  current_ = nullptr;
}

void World::sleep(std::uint64_t ns) {
  wake_after(current_, ns);
  current_->fiber->give_way();
}

bool World::sleep_until(const std::function<bool()>& condition, std::uint64_t at_most_ns) {
  const std::uint64_t deadline = now_ns_ + at_most_ns;
  while (!condition()) {
    if (now_ns_ >= deadline) return false;
    sleep(between(1, 20) * kMillisecond);
  }
  return true;
}

void World::wait(CondVar& condition, Mutex& mutex, std::uint64_t deadline_ns) {
  if (current_ == nullptr) {
    std::fprintf(stderr, "seed %llu: the loop waits on a condition\n",
                 static_cast<unsigned long long>(options_.seed));
    std::abort();
  }
  if (deadline_ns <= now_ns_) return;
  current_->condition = &condition;
  if (deadline_ns != std::numeric_limits<std::uint64_t>::max()) {
    wake_after(current_, deadline_ns - now_ns_);
  }
  mutex.unlock();
  current_->fiber->give_way();
  mutex.lock();
}

void World::notified(CondVar& condition) {
  for (auto& runner : runners_) {
    if (runner->condition == &condition) wake_after(runner, below(kWakeNs));
  }
}

bool World::run(std::uint64_t deadline_ns) {
  while (!runners_.empty()) {
    if (events_.empty()) {
      fail("everything waits for ever: " + who_waits());
      return false;
    }
    if (events_.front().at_ns > deadline_ns || events_run_ >= kEventsMax) {
      fail(fmt::format("{} after {} s and {} events: {}",
                       events_run_ >= kEventsMax ? "something spins" : "something hangs",
                       now_ns_ / kSecond, events_run_, who_waits()));
      return false;
    }
    std::pop_heap(events_.begin(), events_.end());
    Event event = std::move(events_.back());
    events_.pop_back();
    now_ns_ = event.at_ns;
    ++events_run_;
    mix(now_ns_);
    event.task();
    std::erase_if(runners_, [](const auto& runner) { return runner->fiber->ended(); });
  }
  return true;
}

std::string World::who_waits() const {
  std::string names;
  for (const auto& runner : runners_) {
    names += (names.empty() ? "" : ", ") + runner->name;
  }
  return names;
}

void World::fail(const std::string& what) {
  note("FAILED: " + what);
  if (!failure_)
    failure_ = fmt::format("at {:.6f} s: {}", static_cast<double>(now_ns_) / 1e9, what);
}

void World::trace(std::string_view line) {
  if (!tracing()) return;
  fmt::print(options_.trace, "{:12.6f} {}{}{}\n", static_cast<double>(now_ns_) / 1e9,
             current_ != nullptr ? current_->name : "", current_ != nullptr ? ": " : "", line);
}

void World::note(std::string_view what) {
  for (char c : what) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  trace(what);
}

void World::mix(std::uint64_t value) {
  hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15;
  hash_ ^= hash_ >> 29;
}

}  // namespace tlog::sim
