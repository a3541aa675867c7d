// The loop: tasks, timers, files, and the order of stopping; over io_uring and over poll.
#include "tlog/io/loop.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>

#include "tests/unit/io/loop_fixture.h"
#include "tlog/base/buffer.h"
#include "tlog/base/clock.h"
#include "tlog/base/limits.h"
#include "tlog/io/workers.h"

namespace tlog::io {
namespace {

class LoopTasks : public LoopTest {};
class LoopFiles : public LoopTest {};
TLOG_BOTH_LOOPS(LoopTasks);
TLOG_BOTH_LOOPS(LoopFiles);

constexpr std::uint64_t kMs = 1'000'000;

TEST_P(LoopTasks, TasksOfOneThreadRunInOrderOnTheLoopsThread) {
  std::vector<int> seen;
  for (int i = 0; i < 1000; ++i) {
    loop_->post([&, i] {
      EXPECT_TRUE(loop_->in_loop_thread());
      seen.push_back(i);
    });
  }
  run_on(*loop_, [] {});
  EXPECT_FALSE(loop_->in_loop_thread());
  ASSERT_EQ(seen.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST_P(LoopTasks, NoTaskOfManyThreadsIsLost) {
  std::atomic<int> posted = 0;
  int ran = 0;  // the loop's thread only
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        loop_->post([&] { ++ran; });
        ++posted;
        if (i % 500 == 0) run_on(*loop_, [] {});  // lets the loop fall asleep now and then
      }
    });
  }
  for (auto& thread : threads) thread.join();
  loop_->stop();
  EXPECT_EQ(ran, posted);
}

TEST_P(LoopTasks, ATaskMayPost) {
  int answer = await<int>(
      [this](auto done) { loop_->post([this, done] { loop_->post([done] { done(7); }); }); });
  EXPECT_EQ(answer, 7);
}

TEST_P(LoopTasks, WhatIsToRunBeforeSendingRunsLastInItsTurn) {
  std::string seen;
  await<int>([&](auto done) {
    loop_->post([&, done] {
      // Posted here, the next three come in one turn.
      loop_->post([&] {
        seen += 'a';
        loop_->before_sending([&] {
          seen += 'z';
          loop_->before_sending([&] { seen += 'Z'; });  // in the next turn
        });
      });
      loop_->post([&, done] {
        seen += 'b';
        loop_->post([&, done] {
          seen += 'c';
          loop_->post([done] { done(0); });
        });
      });
    });
  });
  EXPECT_EQ(seen, "abzcZ");
}

// Nothing that was to run is lost, however late it comes.
TEST_P(LoopTasks, WhatIsToRunBeforeSendingRunsAtTheEndToo) {
  std::atomic<int> ran = 0;
  loop_->post([&] {
    loop_->before_sending([&] {
      ++ran;
      loop_->before_sending([&] { ++ran; });
    });
  });
  loop_->stop();
  EXPECT_EQ(ran, 2);
  loop_->before_sending([&] { ++ran; });  // there are no turns any more
  EXPECT_EQ(ran, 3);
}

TEST_P(LoopTasks, TimersComeInTheOrderOfTheirTimes) {
  std::vector<int> seen;
  std::uint64_t start = system_clock().monotonic_ns();
  await<int>([&](auto done) {
    loop_->add_timer(30 * kMs, [&, done] {
      seen.push_back(3);
      done(0);
    });
    loop_->add_timer(0, [&] { seen.push_back(1); });
    loop_->add_timer(15 * kMs, [&] { seen.push_back(2); });
  });
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 3}));
  EXPECT_GE(system_clock().monotonic_ns() - start, 30 * kMs);
}

TEST_P(LoopTasks, ACancelledTimerNeverComes) {
  bool came = false;
  await<int>([&](auto done) {
    TimerId first = loop_->add_timer(5 * kMs, [&] { came = true; });
    loop_->add_timer(30 * kMs, [done] { done(0); });
    loop_->cancel_timer(first);
    loop_->cancel_timer(first);
    loop_->cancel_timer(0);
    loop_->cancel_timer(123456);
  });
  EXPECT_FALSE(came);
}

TEST_P(LoopTasks, ThousandsOfCancelledTimersDoNotDisturbTheOthers) {
  int came = 0;
  await<int>([&](auto done) {
    for (int i = 0; i < 5000; ++i) {
      TimerId id = loop_->add_timer(3'600'000 * kMs, [&] { came += 1000; });
      if (i % 500 == 0) loop_->add_timer(kMs, [&] { ++came; });
      loop_->cancel_timer(id);
    }
    loop_->add_timer(10 * kMs, [done] { done(0); });
  });
  EXPECT_EQ(came, 10);
}

TEST_P(LoopTasks, ATimerOfNothingThatRenewsItselfDoesNotStarveTasks) {
  bool stop = false;
  std::function<void()> again = [&] {
    if (!stop) loop_->add_timer(0, again);
  };
  run_on(*loop_, again);
  run_on(*loop_, [&] { stop = true; });
  run_on(*loop_, [] {});
}

TEST_P(LoopTasks, PendingTimersDoNotDelayTheStop) {
  bool came = false;
  run_on(*loop_, [&] { loop_->add_timer(3'600'000 * kMs, [&] { came = true; }); });
  loop_->stop();
  EXPECT_FALSE(came);
}

TEST_P(LoopTasks, ATaskPostedAfterTheStopStillRuns) {
  loop_->stop();
  loop_->stop();
  bool ran = false;
  loop_->post([&] { ran = true; });
  EXPECT_TRUE(ran);
}

TEST_P(LoopTasks, AnIdleLoopUsesNoProcessorTime) {
  auto used = [this] {
    timespec now{};
    run_on(*loop_, [&] { ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); });
    return static_cast<std::uint64_t>(now.tv_sec) * 1000 * kMs +
           static_cast<std::uint64_t>(now.tv_nsec);
  };
  std::uint64_t before = used();
  await<int>([this](auto done) { loop_->add_timer(300 * kMs, [done] { done(0); }); });
  EXPECT_LT(used() - before, 100 * kMs);
}

TEST_P(LoopFiles, WhatIsWrittenIsRead) {
  auto file = make_file("a");
  std::vector<ConstByteSpan> pieces = {bytes_of("hello "), bytes_of("loop")};
  Status written = await<Status>([&](auto done) { loop_->write(*file, 10, pieces, done); });
  ASSERT_TRUE(written) << written.error().message();
  Buffer into(100);
  auto got =
      await<Result<std::size_t>>([&](auto done) { loop_->read(*file, 10, into.span(), done); });
  ASSERT_TRUE(got);
  ASSERT_EQ(*got, 10u);
  EXPECT_EQ(std::memcmp(into.data(), "hello loop", 10), 0);
  EXPECT_TRUE(await<Status>([&](auto done) { loop_->sync(*file, done); }));
  auto end =
      await<Result<std::size_t>>([&](auto done) { loop_->read(*file, 1000, into.span(), done); });
  EXPECT_EQ(*end, 0u);
}

TEST_P(LoopFiles, NothingToReadOrWriteCompletesToo) {
  auto file = make_file("a");
  EXPECT_TRUE(await<Status>([&](auto done) { loop_->write(*file, 0, {}, done); }));
  EXPECT_TRUE(await<Status>([&](auto done) { loop_->write_and_sync(*file, 0, {}, done); }));
  auto got = await<Result<std::size_t>>([&](auto done) { loop_->read(*file, 0, {}, done); });
  EXPECT_EQ(*got, 0u);
}

TEST_P(LoopFiles, LinkedWritesByTheThousandAllArrive) {
  // Far more than the ring has entries (32): pairs must wait their turn whole, and none may be
  // lost.
  static constexpr int kWrites = 2000;
  auto file = make_file("linked", true);
  std::vector<Buffer> blocks;
  for (int i = 0; i < 16; ++i) {
    blocks.emplace_back(kBlockAlignment);
    std::memset(blocks.back().data(), 'a' + i, kBlockAlignment);
  }
  int completed = await<int>([&](auto done) {
    auto left = std::make_shared<int>(kWrites);
    for (int i = 0; i < kWrites; ++i) {
      ConstByteSpan piece = blocks[static_cast<std::size_t>(i) % 16].span();
      loop_->write_and_sync(*file, static_cast<std::uint64_t>(i) * kBlockAlignment,
                            std::span(&piece, 1), [left, done](Status status) {
                              EXPECT_TRUE(status);
                              if (--*left == 0) done(kWrites);
                            });
    }
  });
  EXPECT_EQ(completed, kWrites);
  std::string contents = *read_file(system_files(), file->path(), 100 * kMiB);
  ASSERT_EQ(contents.size(), kWrites * kBlockAlignment);
  for (int i = 0; i < kWrites; ++i) {
    ASSERT_EQ(contents[static_cast<std::size_t>(i) * kBlockAlignment + 5], 'a' + i % 16) << i;
  }
}

TEST_P(LoopFiles, MorePiecesThanOneSystemCallTakes) {
  auto file = make_file("many");
  std::vector<std::string> texts;
  std::string expected;
  for (int i = 0; i < 3000; ++i) expected += texts.emplace_back(std::to_string(i) + ",");
  std::vector<ConstByteSpan> pieces;
  for (const auto& text : texts) pieces.push_back(bytes_of(std::string_view(text)));
  EXPECT_TRUE(await<Status>([&](auto done) { loop_->write_and_sync(*file, 0, pieces, done); }));
  EXPECT_EQ(*read_file(system_files(), file->path(), kMiB), expected);
}

TEST_P(LoopFiles, AFailedWriteFailsThePairAndNamesTheFile) {
  make_file("read-only-open");
  auto reader = system_files().open(directory_.file("read-only-open"), {});
  ConstByteSpan piece = bytes_of("x");
  Status status = await<Status>(
      [&](auto done) { loop_->write_and_sync(**reader, 0, std::span(&piece, 1), done); });
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message().find("read-only-open"), std::string::npos);
  EXPECT_NE(status.error().message().find("write"), std::string::npos);
}

TEST_P(LoopFiles, ADiskThatFillsUpIsAnErrorNotAShortSuccess) {
  auto full = system_files().open("/dev/full", {.write = true});
  if (!full) GTEST_SKIP() << full.error().message();
  ConstByteSpan piece = bytes_of("x");
  Status status =
      await<Status>([&](auto done) { loop_->write(**full, 0, std::span(&piece, 1), done); });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Code::kNoSpace);
}

TEST_P(LoopFiles, AWriteThatIsCutShortIsCompletedOrFails) {
  // A file size limit makes the kernel take only the first part; the rest must then be an error,
  // not forgotten.
  auto file = make_file("short");
  constexpr std::uint64_t kLimit = 64 * kKiB;
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limited{kLimit, old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limited), 0);
  Buffer data(2 * kLimit);
  std::memset(data.data(), 'd', data.size());
  ConstByteSpan piece = data.span();
  Status status = await<Status>(
      [&](auto done) { loop_->write_and_sync(*file, 0, std::span(&piece, 1), done); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_FALSE(status);
  EXPECT_EQ(*file->size(), kLimit);
}

TEST_P(LoopFiles, StopLetsWhatIsUnderWayFinishAndFailsWhatComesLater) {
  auto file = make_file("stop");
  Buffer block(kBlockAlignment);
  std::memset(block.data(), 1, block.size());
  int succeeded = 0;
  int refused = 0;
  run_on(*loop_, [&] {
    ConstByteSpan piece = block.span();
    for (std::uint64_t i = 0; i < 500; ++i) {
      loop_->write_and_sync(*file, i * kBlockAlignment, std::span(&piece, 1),
                            [&, piece](Status status) {
                              succeeded += status ? 1 : 0;
                              if (succeeded != 500) return;
                              loop_->write(*file, 0, std::span(&piece, 1), [&](Status late) {
                                refused += !late && late.error().code() == Code::kShutdown ? 1 : 0;
                              });
                            });
    }
  });
  loop_->stop();
  EXPECT_EQ(succeeded, 500);
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(*file->size(), 500 * kBlockAlignment);
}

TEST(LoopModes, AutoAndPosixAlwaysWork) {
  auto automatic = make_loop({}, null_logger());
  ASSERT_TRUE(automatic);
  ASSERT_TRUE((*automatic)->start());
  (*automatic)->stop();
  auto posix = make_loop({.mode = IoMode::kPosix}, null_logger());
  ASSERT_TRUE(posix);
  EXPECT_EQ((*posix)->mode(), IoMode::kPosix);
  // Never started: nothing to stop.
}

TEST(WorkerPool, EveryTaskRunsOnceAndStopWaitsForAll) {
  Workers workers;
  workers.start(3, "a-name-that-is-too-long");
  EXPECT_EQ(workers.threads(), 3u);
  std::atomic<int> ran = 0;
  for (int i = 0; i < 1000; ++i) workers.submit([&] { ++ran; });
  workers.stop();
  EXPECT_EQ(ran, 1000);
  workers.start(1, "again");
  workers.submit([&] { ++ran; });
  workers.stop();
  EXPECT_EQ(ran, 1001);
}

}  // namespace
}  // namespace tlog::io
