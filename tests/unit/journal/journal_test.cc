// Goal: what append() took is found again after any end: clean, death of the process (the arena
// survives), power loss (it does not); what was never durable is only ever lost as a suffix; damage
// is told from a torn end. Method: journals over real files in a directory of the test's own.
// "Death" drops the object, "power loss" also removes the arena. Fault- and power-loss rigs over
// the whole engine are in tests/fault.
#include "tlog/journal/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <random>

#include "tests/support/temp_directory.h"
#include "tlog/base/crc32c.h"
#include "tlog/base/limits.h"
#include "tlog/base/watermark.h"
#include "tlog/journal/committer.h"

namespace tlog::journal {
namespace {

using ::testing::HasSubstr;

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() {
    options_.directory = directory_.path() + "/journal";
    options_.arena_directory = directory_.path() + "/arena";
    options_.size = 8 * kMiB;
    options_.arena_size = 2 * kMiB;
    options_.format.name = "vm1";
    options_.format.vdisk.bytes[0] = 7;
    options_.format.size = kGiB;
  }

  void create() {
    auto made = Journal::create(options_, files_, system_random(), null_logger());
    ASSERT_TRUE(made) << made.error().message();
    journal_ = std::move(*made);
    ASSERT_TRUE(journal_->mark_created());
    auto recovered = journal_->recover();
    ASSERT_TRUE(recovered) << recovered.error().message();
    EXPECT_TRUE(recovered->entries.empty());
  }
  void die() { journal_.reset(); }
  void lose_power() {
    journal_.reset();
    auto left = files_.list(options_.arena_directory);
    ASSERT_TRUE(left);
    for (const auto& entry : *left)
      ASSERT_TRUE(files_.remove(options_.arena_directory + "/" + entry.name));
  }
  Result<Recovered> reopen() {
    auto opened = Journal::open(options_, files_, null_logger());
    if (!opened) return fail(opened.error());
    journal_ = std::move(*opened);
    return journal_->recover();
  }

  // Record `sequence` has contents that follow from its number.
  static std::string contents(Sequence sequence, std::size_t length) {
    std::string text(length, '\0');
    std::mt19937_64 random(sequence);
    for (char& c : text) c = static_cast<char>(random());
    return text;
  }
  bool append(std::size_t length) {
    MutexLock lock(journal_->mutex());
    if (!journal_->has_room(static_cast<std::uint32_t>(length))) return false;
    std::string data = contents(journal_->next_sequence(), length);
    journal_->append(Operation::kWrite, 4096 * journal_->next_sequence(), length, bytes_of(data),
                     crc32c(bytes_of(data)), journal_->next_sequence() * 10);
    return true;
  }
  // What the Committer does, with plain calls.
  void commit() {
    Journal::Batch batch;
    {
      MutexLock lock(journal_->mutex());
      batch = journal_->cut_batch();
    }
    for (const auto& part : journal_->parts_of(batch)) {
      ASSERT_TRUE(part.file->write(part.file_offset, part.bytes));
      ASSERT_TRUE(part.file->sync_data());
    }
    MutexLock lock(journal_->mutex());
    journal_->batch_durable(batch);
  }
  void expect_contents(const Recovered& recovered) {
    for (std::size_t i = 0; i < recovered.entries.size(); ++i) {
      const Entry& entry = recovered.entries[i];
      std::string bytes(entry.data_length, '\0');
      auto into = std::as_writable_bytes(std::span(bytes));
      ASSERT_TRUE(journal_->read_back(entry.data_position(), into));
      ASSERT_EQ(bytes, contents(recovered.first_sequence + i, entry.data_length)) << i;
      ASSERT_EQ(entry.timestamp, (recovered.first_sequence + i) * 10);
    }
  }
  void overwrite(const std::string& name, std::uint64_t offset, const std::string& bytes) {
    auto file = files_.open(options_.directory + "/" + name, {.write = true});
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->write(offset, bytes_of(bytes)));
  }

  tlog::testing::TempDirectory directory_;
  io::FileSystem& files_ = io::system_files();
  JournalOptions options_;
  std::unique_ptr<Journal> journal_;
};

TEST_F(JournalTest, answered_write_survives_kill) {
  create();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(append(1 + static_cast<std::size_t>(i) * 37));
  die();
  auto recovered = reopen();
  ASSERT_TRUE(recovered) << recovered.error().message();
  EXPECT_EQ(recovered->entries.size(), 100u);
  EXPECT_EQ(recovered->from_arena, 100u);
  expect_contents(*recovered);
}

TEST_F(JournalTest, PowerLossKeepsWhatWasDurable) {
  create();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(append(4096));
  commit();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(append(4096));
  lose_power();
  auto recovered = reopen();
  ASSERT_TRUE(recovered) << recovered.error().message();
  EXPECT_EQ(recovered->entries.size(), 50u);
  EXPECT_EQ(recovered->from_arena, 0u);
  expect_contents(*recovered);
}

TEST_F(JournalTest, sequence_survives_reopen) {
  create();
  for (int life = 0; life < 20; ++life) {
    Sequence expected = static_cast<Sequence>(life) * 3 + 1;
    {
      MutexLock lock(journal_->mutex());
      EXPECT_EQ(journal_->next_sequence(), expected);
    }
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(100));
    if (life % 2 == 0) {
      die();
    } else {
      commit();
      lose_power();
    }
    auto recovered = reopen();
    ASSERT_TRUE(recovered) << recovered.error().message();
    EXPECT_EQ(recovered->entries.size(), expected + 2);
    expect_contents(*recovered);
  }
}

// Random lengths over many laps of the ring, with random ends of both kinds.
TEST_F(JournalTest, ManyLapsAndEnds) {
  std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  create();
  Sequence appended = 0, durable = 0, released = 0;
  for (int step = 0; step < 800; ++step) {
    std::uint64_t what = random() % 100;
    if (what < 80) {
      std::size_t length = random() % 10 == 0 ? random() % kRecordDataMax : random() % 9000;
      if (append(length)) {
        ++appended;
      } else {
        commit();
        durable = appended;
        Journal::Release release;
        {
          MutexLock lock(journal_->mutex());
          release = {journal_->head(), journal_->next_sequence(), appended * 10, false};
        }
        ASSERT_TRUE(journal_->release(release));
        released = appended;
      }
    } else if (what < 95) {
      commit();
      durable = appended;
    } else {
      bool power = random() % 2 == 0;
      if (power) {
        lose_power();
        appended = durable;
      } else {
        die();
      }
      auto recovered = reopen();
      ASSERT_TRUE(recovered) << recovered.error().message();
      ASSERT_EQ(recovered->first_sequence, released + 1);
      ASSERT_EQ(recovered->entries.size(), appended - released)
          << "step " << step << " power " << power;
      expect_contents(*recovered);
      if (HasFatalFailure()) return;
      durable = appended;
    }
  }
  EXPECT_GT(appended, 300u);
}

// A torn batch: a later record reached the disk, an earlier one did not. The later one must never
// come back, also not behind records that take its predecessors' place.
TEST_F(JournalTest, NothingBehindATornRecordComesBack) {
  create();
  ASSERT_TRUE(append(4032));  // fills a block exactly: header + data
  commit();
  const std::uint64_t second_at = 2 * 4096;  // behind the pad of this life and the first record
  ASSERT_TRUE(append(4032));
  ASSERT_TRUE(append(4032));
  Journal::Batch batch;
  {
    MutexLock lock(journal_->mutex());
    batch = journal_->cut_batch();
  }
  for (const auto& part :
       journal_->parts_of(batch)) {  // written, never synced: the first block of it is lost
    ASSERT_TRUE(part.file->write(part.file_offset, part.bytes));
  }
  overwrite("segment-00000", second_at, std::string(4096, '\0'));
  lose_power();
  auto recovered = reopen();
  ASSERT_TRUE(recovered) << recovered.error().message();
  EXPECT_EQ(recovered->entries.size(), 1u);
  ASSERT_TRUE(append(
      4032));  // the new record 2, where the old one was; the old record 3 is still behind it
  commit();
  lose_power();
  recovered = reopen();
  ASSERT_TRUE(recovered) << recovered.error().message();
  EXPECT_EQ(recovered->entries.size(), 2u);
}

TEST_F(JournalTest, DamageOfADurableRecordIsNotTheEnd) {
  create();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(append(4032));
    commit();
  }
  ASSERT_TRUE(append(4032));
  commit();
  lose_power();
  overwrite("segment-00000", 6 * 4096 + 100, "flipped");  // record 1 is in block 1
  auto recovered = reopen();
  ASSERT_FALSE(recovered);
  EXPECT_EQ(recovered.error().code(), Code::kCorruption);
  EXPECT_THAT(recovered.error().message(), HasSubstr("record 6 at byte 24576 is damaged"));
}

TEST_F(JournalTest, second_opener_is_refused) {
  create();
  auto second = Journal::open(options_, files_, null_logger());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::kUnavailable);
  EXPECT_THAT(second.error().message(), HasSubstr("another process serves vdisk 'vm1'"));
}

TEST_F(JournalTest, stale_lock_after_crash) {
  create();
  die();
  EXPECT_TRUE(reopen());
}

TEST_F(JournalTest, AnotherVdisksJournalIsRefused) {
  create();
  die();
  options_.format.name = "vm2";
  auto opened = reopen();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message(), HasSubstr("belongs to another vdisk ('vm1'"));
  options_.format.name = "vm1";
  options_.format.size = 2 * kGiB;
  opened = reopen();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message(), HasSubstr("cannot be changed"));
}

TEST_F(JournalTest, ANewerFormatIsRefused) {
  create();
  die();
  for (std::uint64_t slot : {0, 1})
    overwrite("superblock", slot * kSuperblockBytes + 8, std::string("\x02\x00", 2));
  auto opened = reopen();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::kNotSupported);
  EXPECT_THAT(opened.error().message(), HasSubstr("newer"));
}

TEST_F(JournalTest, ATornSuperblockFallsBackToTheOtherSlot) {
  create();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(100));
  commit();
  std::uint64_t newest = journal_->superblock().generation % 2;
  die();
  overwrite("superblock", newest * kSuperblockBytes + 200, "torn");
  auto recovered = reopen();
  ASSERT_TRUE(recovered) << recovered.error().message();
  EXPECT_EQ(recovered->entries.size(), 3u);
}

TEST_F(JournalTest, ACleanEndLeavesNoArena) {
  create();
  ASSERT_TRUE(append(100));
  commit();
  Journal::Release release;
  {
    MutexLock lock(journal_->mutex());
    release = {journal_->head(), journal_->next_sequence(), 10, true};
  }
  ASSERT_TRUE(journal_->release(release));
  die();
  auto left = files_.list(options_.arena_directory);
  ASSERT_TRUE(left);
  EXPECT_TRUE(left->empty());
  auto recovered = reopen();
  ASSERT_TRUE(recovered);
  EXPECT_TRUE(recovered->entries.empty());
  EXPECT_EQ(recovered->first_sequence, 2u);
}

// A takeover that is repeated begins its journal anew each time.
TEST_F(JournalTest, AJournalThatWasNeverCreatedLeavesNoArena) {
  for (unsigned attempt = 0; attempt < 3; ++attempt) {
    auto made = Journal::create(options_, files_, system_random(), null_logger());
    ASSERT_TRUE(made) << made.error().message();
  }
  create();
  auto left = files_.list(options_.arena_directory);
  ASSERT_TRUE(left);
  ASSERT_EQ(left->size(), 1U) << "they take memory until the next boot";
  EXPECT_EQ(left->front().name, "tlogdisk-" + journal_->superblock().journal.text());
}

TEST_F(JournalTest, RoomEndsAndComesBack) {
  create();
  Sequence appended = 0;
  while (append(64 * kKiB)) ++appended;  // the arena is full: nothing was committed
  EXPECT_LT(appended * 64 * kKiB, 2 * kMiB);
  for (;;) {
    commit();
    if (!append(64 * kKiB)) break;
    ++appended;
  }
  EXPECT_GT(appended * 64 * kKiB, 7 * kMiB);  // now the journal is
  EXPECT_LT(appended * 64 * kKiB, 8 * kMiB);
  die();
  auto recovered = reopen();
  ASSERT_TRUE(recovered) << recovered.error().message();
  EXPECT_EQ(recovered->entries.size(), appended);
  expect_contents(*recovered);
}

// Full, and its end in the segment of its tail: the scan must stop at the tail wherever in a block
// that is.
TEST_F(JournalTest, AFullJournalThatHasWrappedIsRecovered) {
  create();
  auto fill = [&] {
    Sequence appended = 0;
    for (;;) {
      commit();
      if (!append(1000)) return appended;
      ++appended;
    }
  };
  Sequence last = fill();
  const Sequence released = last / 3;
  die();
  auto recovered = reopen();
  ASSERT_TRUE(recovered) << recovered.error().message();
  const Entry& first_kept = recovered->entries[released];
  ASSERT_TRUE(journal_->release({first_kept.position, released + 1, released * 10, false}));
  last += fill();
  die();
  recovered = reopen();
  ASSERT_TRUE(recovered) << recovered.error().message();
  EXPECT_EQ(recovered->entries.size(), last - released);
  expect_contents(*recovered);
}

class CommitterTest : public JournalTest, public ::testing::WithParamInterface<io::IoMode> {};

TEST_P(CommitterTest, flush_waits_for_the_log) {
  create();
  auto loop = io::make_loop({.mode = GetParam()}, null_logger());
  if (!loop) GTEST_SKIP() << loop.error().message();
  ASSERT_TRUE((*loop)->start());
  Watermark durable;
  std::atomic<int> commits = 0;
  Committer committer(*journal_, **loop, durable,
                      {.on_commit = [&] { ++commits; },
                       .on_failure = [](const Error& error) { ADD_FAILURE() << error.message(); }});
  std::vector<std::thread> writers;
  for (int t = 0; t < 4; ++t) {
    writers.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        Sequence mine = 0;
        {
          MutexLock lock(journal_->mutex());
          ASSERT_TRUE(journal_->has_room(512));
          std::string data = contents(journal_->next_sequence(), 512);
          mine = journal_->next_sequence();
          journal_->append(Operation::kWrite, 0, 512, bytes_of(data), crc32c(bytes_of(data)),
                           mine * 10);
        }
        if (i % 3 == 0) committer.request();
        if (i % 5 == 0) {
          committer.request();
          ASSERT_EQ(durable.wait(mine, 10'000'000'000), Watermark::Outcome::kReached);
        } else {
          ASSERT_TRUE(committer.wait(mine));
          ASSERT_GE(durable.value(), mine);
        }
      }
    });
  }
  for (auto& writer : writers) writer.join();
  while (committer.busy()) io::run_on(**loop, [] {});
  // Nobody else commits now: what this thread writes and syncs itself is durable too.
  {
    MutexLock lock(journal_->mutex());
    std::string data = contents(journal_->next_sequence(), 512);
    journal_->append(Operation::kWrite, 0, 512, bytes_of(data), crc32c(bytes_of(data)), 2010);
  }
  const int before = commits;
  ASSERT_TRUE(committer.wait(201));
  EXPECT_EQ(commits, before + 1);
  (*loop)->stop();
  lose_power();
  auto recovered = reopen();
  ASSERT_TRUE(recovered) << recovered.error().message();
  EXPECT_EQ(recovered->entries.size(), 201u);
  expect_contents(*recovered);
}

INSTANTIATE_TEST_SUITE_P(Io, CommitterTest,
                         ::testing::Values(io::IoMode::kUring, io::IoMode::kPosix));

}  // namespace
}  // namespace tlog::journal
