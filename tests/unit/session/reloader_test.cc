// Goal: an engine under load takes configuration after configuration over, and loses and mixes up
// nothing by it; a bad one is said once, however often it is looked at. Method: a source in memory,
// and a real engine.
#include "tlog/session/reloader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/engine_rig.h"
#include "tests/support/process.h"
#include "tests/support/temp_directory.h"

namespace tlog::session {
namespace {

using testing::EngineRig;
using testing::EngineRigOptions;
using ::testing::HasSubstr;

constexpr testing::Milliseconds kSoon{30'000};

// Text that a test sets; told at once.
class MemorySource final : public config::Source {
 public:
  explicit MemorySource(std::string directory) : name_(directory + "/tlogdisk.yml") {}
  const std::string& name() const override { return name_; }
  const std::string& path() const override { return name_; }
  Result<std::string> read() override {
    MutexLock lock(mutex_);
    ++reads_;
    if (is_away_) return fail(Code::kUnavailable, name_ + ": away");
    return text_;
  }
  io::WatchOutcome wait_for_change(std::uint64_t timeout_ns) override {
    const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(timeout_ns);
    MutexLock lock(mutex_);
    while (!woken_ && !changed_) {
      if (!news_.wait_until(mutex_, until)) break;
    }
    if (woken_) return io::WatchOutcome::kWoken;
    return std::exchange(changed_, false) ? io::WatchOutcome::kChanged : io::WatchOutcome::kQuiet;
  }
  void wake() override {
    MutexLock lock(mutex_);
    woken_ = true;
    news_.notify_all();
  }
  void set(std::string text) {
    MutexLock lock(mutex_);
    text_ = std::move(text);
    is_away_ = false;
    changed_ = true;
    news_.notify_all();
  }
  void go_away() {
    MutexLock lock(mutex_);
    is_away_ = true;
    changed_ = true;
    news_.notify_all();
  }
  unsigned reads() {
    MutexLock lock(mutex_);
    return reads_;
  }

 private:
  const std::string name_;
  Mutex mutex_;
  CondVar news_;
  std::string text_ GUARDED_BY(mutex_);
  bool is_away_ GUARDED_BY(mutex_) = false;
  bool changed_ GUARDED_BY(mutex_) = false;
  bool woken_ GUARDED_BY(mutex_) = false;
  unsigned reads_ GUARDED_BY(mutex_) = 0;
};

class CountingLogger final : public Logger {
 public:
  void write(LogLevel level, std::string_view line) override {
    if (level == LogLevel::kError && line.find("config_refused") != std::string_view::npos) {
      ++refusals;
    }
  }
  std::atomic<unsigned> refusals = 0;
};

// The engine, and what it finds outside when it is to take something over: a server that is a
// replica, a password file that cannot be read.
class EngineInTheWorld final : public Engine {
 public:
  explicit EngineInTheWorld(Engine& inner) : inner_(inner) {}
  std::atomic<bool> refuses{false};

  Status prepare() override { return inner_.prepare(); }
  Status start() override { return inner_.start(); }
  void stop_waiting() override { inner_.stop_waiting(); }
  void stop(std::uint64_t budget_ns) override { inner_.stop(budget_ns); }
  std::shared_ptr<const config::Config> configuration() const override {
    return inner_.configuration();
  }
  std::vector<config::Refusal> reconfigure(const config::Config& config) override {
    if (refuses) return {{"clusters", "a server is a replica"}};
    return inner_.reconfigure(config);
  }
  std::vector<std::string> vdisk_names() const override { return inner_.vdisk_names(); }
  Result<std::shared_ptr<Vdisk>> open(const std::string& name, bool read_only) override {
    return inner_.open(name, read_only);
  }
  Result<TakeoverReport> take_over(const std::string& name, const TakeoverOptions& options,
                                   const TakeoverProgress& progress) override {
    return inner_.take_over(name, options, progress);
  }
  std::vector<VdiskStatus> status() const override { return inner_.status(); }
  std::vector<LeaseStatus> leases() const override { return inner_.leases(); }

 private:
  Engine& inner_;
};

class ReloaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    EngineRigOptions options;
    options.directory = directory_.path();
    options.scrub_rate = config::Tlog{}.scrub_rate;  // what text() leaves out
    rig_ = std::make_unique<EngineRig>(options);
    rig_->start();
    auto source = std::make_unique<MemorySource>(directory_.path());
    source_ = source.get();
    source_->set(text("flushSize: 25, flushTime: 25s"));
    Reloader::Parts parts;
    engine_ = std::make_unique<EngineInTheWorld>(rig_->engine());
    parts.engine = engine_.get();
    parts.source = std::move(source);
    parts.clock = &system_clock();
    parts.logger = &logger_;
    parts.served = {{"vm1"}, true};
    parts.override_config = [](config::Config& config) { config.control_socket.clear(); };
    parts.times = {.settle_ns = 1'000'000, .settle_ns_max = 10'000'000, .look_ns = 5'000'000};
    reloader_ = std::make_unique<Reloader>(std::move(parts));
    ASSERT_TRUE(reloader_->start());
  }
  void TearDown() override {
    if (reloader_) reloader_->stop();
    if (rig_ && rig_->running()) rig_->stop();
  }
  // The rig's configuration, with `tlog` of its own.
  std::string text(const std::string& tlog, const std::string& size = "16MiB") const {
    return fmt::format(
        "keyFile: key\n"
        "journal: {{directory: journal, size: 16MiB, arenaDirectory: arena, arenaSize: 4MiB}}\n"
        "clusters: {{local: {{directories: [log/0, log/1, log/2, log/3, log/4, log/5]}}}}\n"
        "memoryBudget: 64MiB\n"
        "tlog: {{stallTimeout: 5s, {}}}\n"
        "vdisks: {{vm1: {{size: {}, storage: {{file: blocks/vm1}}}}}}\n",
        tlog, size);
  }
  bool is_generation(std::uint64_t generation) {
    return testing::wait_until([&] { return reloader_->status().generation == generation; }, kSoon);
  }
  // Until it has been looked at some more times.
  bool is_looked_at() {
    const unsigned before = source_->reads();
    return testing::wait_until([&] { return source_->reads() >= before + 5; }, kSoon);
  }

  testing::TempDirectory directory_;
  CountingLogger logger_;
  std::unique_ptr<EngineRig> rig_;
  std::unique_ptr<EngineInTheWorld> engine_;
  MemorySource* source_ = nullptr;  // of reloader_
  std::unique_ptr<Reloader> reloader_;
};

TEST_F(ReloaderTest, the_start_s_text_is_no_change) {
  ASSERT_TRUE(is_looked_at());
  const ReloadStatus status = reloader_->status();
  EXPECT_EQ(status.generation, 1u);
  EXPECT_EQ(status.error, "");
  EXPECT_NE(status.loaded_ns, 0u);
}

TEST_F(ReloaderTest, many_changes_under_load_lose_nothing) {
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> written = 0;
  std::thread writer([&] {
    std::vector<std::byte> block(4096);
    for (std::uint64_t i = 0; !stop; ++i) {
      std::fill(block.begin(), block.end(), std::byte(i));
      const std::uint64_t offset = i % 1024 * 4096;
      if (!rig_->vdisk().write(offset, block, false)) break;
      if (i % 64 == 0 && !rig_->vdisk().flush()) break;
      written = i + 1;
    }
  });
  for (unsigned round = 0; round < 40; ++round) {
    source_->set(text(fmt::format("flushSize: {}, flushTime: {}ms", 1 + round % 50, 5 + round)));
    ASSERT_TRUE(is_generation(round + 2)) << reloader_->status().error;
    (void)rig_->engine().status();
  }
  stop = true;
  writer.join();
  const std::uint64_t last = written;
  ASSERT_GT(last, 0u);
  std::vector<std::byte> block(4096);
  for (std::uint64_t i = last > 1024 ? last - 1024 : 0; i < last; ++i) {
    ASSERT_TRUE(rig_->vdisk().read(i % 1024 * 4096, block));
    ASSERT_EQ(block[0], std::byte(i));
  }
  EXPECT_EQ(rig_->engine().configuration()->find_vdisk("vm1")->tlog.flush_size, 40u);
  ASSERT_TRUE(rig_->vdisk().flush_to_stores(20'000'000'000));
}

TEST_F(ReloaderTest, a_refusal_is_said_once_and_ends_with_a_good_text) {
  source_->set(text("flushSize: 1", "32MiB"));
  EXPECT_TRUE(testing::wait_until([&] { return !reloader_->status().error.empty(); }, kSoon));
  ASSERT_TRUE(is_looked_at());
  EXPECT_EQ(logger_.refusals, 1u);
  EXPECT_THAT(reloader_->status().error,
              HasSubstr("tlogdisk.yml:6:22: vdisks.vm1.size: the vdisk was created with 16MiB"));
  EXPECT_EQ(rig_->engine().configuration()->find_vdisk("vm1")->tlog.flush_size, 25u)
      << "half of it was taken";
  auto told = reloader_->reload();
  ASSERT_FALSE(told);
  EXPECT_EQ(logger_.refusals, 1u);
  source_->set(text("flushSize: 1"));
  EXPECT_TRUE(is_generation(2));
  EXPECT_EQ(reloader_->status().error, "");
}

// The text is good, what is outside was not: nobody has to touch the file for it to be taken.
TEST_F(ReloaderTest, a_refusal_for_what_is_outside_ends_with_it) {
  engine_->refuses = true;
  source_->set(text("flushSize: 1"));
  EXPECT_TRUE(testing::wait_until([&] { return !reloader_->status().error.empty(); }, kSoon));
  ASSERT_TRUE(is_looked_at());
  EXPECT_EQ(logger_.refusals, 1u);
  EXPECT_THAT(reloader_->status().error, HasSubstr("a server is a replica"));
  engine_->refuses = false;
  EXPECT_TRUE(is_generation(2));
  EXPECT_EQ(reloader_->status().error, "");
}

TEST_F(ReloaderTest, a_source_that_goes_away_and_comes_back_unchanged) {
  ASSERT_TRUE(is_looked_at());
  source_->go_away();
  EXPECT_TRUE(testing::wait_until([&] { return !reloader_->status().error.empty(); }, kSoon));
  source_->set(text("flushSize: 25, flushTime: 25s"));
  EXPECT_TRUE(testing::wait_until([&] { return reloader_->status().error.empty(); }, kSoon));
  EXPECT_EQ(reloader_->status().generation, 1u);
}

TEST_F(ReloaderTest, nothing_is_taken_over_by_an_engine_that_stops) {
  rig_->engine().stop(0);
  source_->set(text("flushSize: 1"));
  EXPECT_TRUE(testing::wait_until([&] { return !reloader_->status().error.empty(); }, kSoon));
  reloader_->stop();
  auto told = reloader_->reload();
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().code(), Code::kShutdown);
}

}  // namespace
}  // namespace tlog::session
