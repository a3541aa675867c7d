// A vdisk's log as it is published, while its stores come and go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateways/logset/copy_repository.h"
#include "gateways/logset/gateway.h"
#include "gateways/logset/sealed_reader.h"
#include "gateways/logset/vdisk_repository.h"
#include "tests/support/fault_files.h"
#include "tests/support/served_log_rig.h"
#include "tests/support/temp_directory.h"
#include "tlog/store/unusable_store.h"
#include "tlog/walk/chain.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

// A pull reads on while another request has found that the stores do not answer, and let them go.
TEST(PublishedVdisk, a_pull_outlives_its_stores) {
  ServedLogRig rig;
  {
    Heard heard;
    auto log = rig.open(heard);
    ASSERT_TRUE(log->take(rig.records().batch(1, 100)));
    ASSERT_TRUE(log->close(kBudgetNs));
  }
  const auto published =
      logset::make_vdisk_repository({.vdisk = "vm1", .open_stores = [&] { return rig.stores(); }});
  const auto lengths = published->lengths();
  ASSERT_TRUE(lengths.has_value()) << lengths.error().message();
  ASSERT_EQ(lengths->size(), 1u);
  const logset::LogLength whole = lengths->front();
  const auto read_last = [&] {
    std::byte last{};
    return published->read(whole.name, whole.bytes - 1, {&last, 1});
  };
  const auto refuse = [&](bool on) {
    for (unsigned i = 0; i < ServedLogRig::kStores; ++i) rig.contents(i).refuse(on);
  };
  refuse(true);
  const auto deadline = steady_now() + std::chrono::seconds(20);
  while (published->lengths() && steady_now() < deadline) {
  }
  const Status lost = read_last();
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code(), Code::kUnavailable);
  EXPECT_THAT(lost.error().message(), HasSubstr("ask again"));
  refuse(false);
  const auto again = published->lengths();
  ASSERT_TRUE(again.has_value()) << again.error().message();
  EXPECT_EQ(again->front().bytes, whole.bytes);
  EXPECT_TRUE(read_last());
}

// A directory that could not be opened at first: what it has counts as soon as it is back, though
// nothing has failed meanwhile.
TEST(PublishedVdisk, stores_that_were_away_at_first_are_opened_again) {
  ServedLogRig rig;
  {
    Heard heard;
    auto log = rig.open(heard);
    ASSERT_TRUE(log->take(rig.records().batch(1, 100)));
    ASSERT_TRUE(log->close(kBudgetNs));
  }
  std::atomic<int> openings{0};
  const auto open = [&]() -> Result<std::vector<std::unique_ptr<store::Store>>> {
    auto stores = rig.stores();
    if (openings++ > 0) return stores;
    store::close_and_wait(*stores[1]);
    stores[1] = store::make_unusable_store("away", Error(Code::kNotFound, "away"), rig.loop());
    return stores;
  };
  const auto published = logset::make_vdisk_repository({.vdisk = "vm1", .open_stores = open});
  const auto deadline = steady_now() + std::chrono::seconds(20);
  while (openings < 2 && steady_now() < deadline) {
    const auto lengths = published->lengths();
    ASSERT_TRUE(lengths.has_value()) << lengths.error().message();
    ASSERT_EQ(lengths->size(), 1u);
  }
  EXPECT_EQ(openings, 2);
}

// Who asks has asked rightly: a client that was told 400 would look for the fault on its own side.
TEST(PublishedVdisk, damage_in_its_stores_is_no_fault_of_who_asks) {
  ServedLogRig rig;
  {
    Heard heard;
    auto log = rig.open(heard);
    ASSERT_TRUE(log->take(rig.records().batch(1, 100)));
    ASSERT_TRUE(log->close(kBudgetNs));
  }
  for (unsigned i = 0; i < ServedLogRig::kStores; ++i) {
    rig.contents(i).edit([](store::MemoryStoreContents::Values& values) {
      for (auto& [key, value] : values) {
        if (format::parse_shard_key("vm1", key)) value[value.size() / 2] ^= 1;
      }
    });
  }
  const auto handler =
      logset::make_handler({{"pub",
                             {.repository = logset::make_vdisk_repository(
                                  {.vdisk = "vm1", .open_stores = [&] { return rig.stores(); }}),
                              .traffic = std::make_shared<logset::Traffic>(system_clock())}}},
                           rig.logger());
  gateway::HttpRequest request;
  request.method = "GET";
  request.path = "/pub/offsets";
  const auto answer = handler(request)->answer();
  EXPECT_EQ(answer.status, 500u);
  EXPECT_THAT(answer.body, HasSubstr("too few intact shards"));
}

// The next try brings the same slice: it is no fork of what could not be kept.
TEST(CopyRepository, a_slice_that_the_disk_had_no_room_for_is_taken_later) {
  ServedLogRig rig;
  {
    Heard heard;
    auto log = rig.open(heard);
    ASSERT_TRUE(log->take(rig.records().batch(1, 100)));
    ASSERT_TRUE(log->close(kBudgetNs));
  }
  const auto published =
      logset::make_vdisk_repository({.vdisk = "vm1", .open_stores = [&] { return rig.stores(); }});
  const logset::LogLength whole = published->lengths().value().at(0);
  std::vector<std::byte> bytes(whole.bytes);
  ASSERT_TRUE(published->read(whole.name, 0, bytes));

  const TempDirectory directory;
  FaultFiles files(io::system_files());
  const auto copy = logset::open_copy_repository(files, directory.file("copy")).value();
  const auto push = [&]() -> Status {
    TLOG_ASSIGN(const auto taker,
                copy->take({.name = whole.name, .offset = 0, .length = whole.bytes}));
    TLOG_TRY(taker->bytes(bytes));
    return taker->finish();
  };
  files.inject(
      {.operations = kWriteFile, .error_number = ENOSPC, .path_contains = "/" + whole.name});
  const Status full = push();
  ASSERT_TRUE(!full && files.fired());
  EXPECT_EQ(full.error().code(), Code::kNoSpace);
  files.clear();
  const Status taken = push();
  EXPECT_TRUE(taken) << taken.error().message();
  EXPECT_EQ(copy->lengths().value().at(0).bytes, whole.bytes);
}

// Whoever says that something is committed may be wrong, and may be mended.
TEST(PublishedVdisk, what_its_stores_do_not_have_is_not_believed) {
  ServedLogRig rig;
  {
    Heard heard;
    auto log = rig.open(heard);
    ASSERT_TRUE(log->take(rig.records().batch(1, 100)));
    ASSERT_TRUE(log->close(kBudgetNs));
  }
  const auto published =
      logset::make_vdisk_repository({.vdisk = "vm1", .open_stores = [&] { return rig.stores(); }});
  Hash256 hash;
  hash.bytes.fill(7);
  for (const AggregationNumber number : {1u, 2u, 1000u}) {
    published->is_committed(number, hash);
    const auto lengths = published->lengths();
    ASSERT_TRUE(lengths) << number << ": " << lengths.error().message();
    EXPECT_EQ(lengths->size(), 1u);
  }
}

// Stores that come back older, and are written to again, while somebody follows.
TEST(PublishedVdisk, another_history_does_not_follow_what_was_shown) {
  ServedLogRig rig;
  const auto write = [&](Sequence first, std::uint64_t count) {
    Heard heard;
    auto log = rig.open(heard);
    ASSERT_TRUE(log->take(rig.records().batch(first, count)));
    ASSERT_TRUE(log->close(kBudgetNs));
  };
  write(1, 100);
  std::vector<store::MemoryStoreContents::Values> older;
  for (unsigned i = 0; i < ServedLogRig::kStores; ++i) {
    rig.contents(i).edit(
        [&](store::MemoryStoreContents::Values& values) { older.push_back(values); });
  }
  write(101, 100);
  const auto published =
      logset::make_vdisk_repository({.vdisk = "vm1", .open_stores = [&] { return rig.stores(); }});
  const auto expect_fenced = [&](const std::string& why) {
    published->is_committed(1, {});  // looks again at once
    const auto lengths = published->lengths();
    ASSERT_FALSE(lengths) << "expected: " << why;
    EXPECT_EQ(lengths.error().code(), Code::kFenced);
    EXPECT_THAT(lengths.error().message(), HasSubstr(why));
  };
  ASSERT_EQ(published->lengths().value().size(), 2u);
  for (unsigned i = 0; i < ServedLogRig::kStores; ++i) {
    rig.contents(i).edit([&](store::MemoryStoreContents::Values& values) { values = older[i]; });
  }
  expect_fenced("epoch 2 was there");
  write(101, 90);  // the same epoch once more
  expect_fenced("is another one than was there");
}

// Whoever ends the server does not wait for a look at all of a log.
TEST(PublishedVdisk, a_look_is_ended_and_goes_on_later) {
  ServedLogRig rig;
  {
    Heard heard;
    auto log = rig.open(heard);
    ASSERT_TRUE(log->take(rig.records().batch(1, 100)));
    ASSERT_TRUE(log->close(kBudgetNs));
  }
  bool stopping = true;
  const auto published = logset::make_vdisk_repository({.vdisk = "vm1",
                                                        .open_stores = [&] { return rig.stores(); },
                                                        .stopping = [&] { return stopping; }});
  const auto stopped = published->lengths();
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), Code::kShutdown);
  stopping = false;
  EXPECT_TRUE(published->lengths());
}

// What makes it committed is that many different shards are there: one that a mended or copied
// store holds under other indices too counts once, and nothing can be decoded from it.
TEST(SealedReader, one_shard_in_all_stores_is_no_quorum) {
  ServedLogRig rig;
  {
    Heard heard;
    auto log = rig.open(heard);
    ASSERT_TRUE(log->take(rig.records().batch(1, 100)));
    ASSERT_TRUE(log->close(kBudgetNs));
  }
  auto opened = rig.stores();
  const auto stores = store::borrow(opened);
  const auto found = walk::read_metadata("vm1", stores);
  ASSERT_TRUE(found.has_value()) << found.error().message();
  logset::SealedReader reader(found->metadata, stores);
  const auto whole = reader.look_for_committed(1);
  ASSERT_TRUE(whole.has_value()) << whole.error().message();
  ASSERT_TRUE(whole->has_value());

  const std::string key = format::shard_key("vm1", walk::epoch_of(found->metadata, 1), 1);
  std::string first;
  const auto keep = [&](unsigned index, const auto& change) {
    rig.contents(static_cast<unsigned>(walk::store_of(1, index, ServedLogRig::kStores)))
        .edit([&](store::MemoryStoreContents::Values& values) { change(values.at(key)); });
  };
  keep(0, [&](const std::string& value) { first = value; });
  for (unsigned index = 1; index < ServedLogRig::kStores; ++index)
    keep(index, [&](std::string& value) { value = first; });
  const auto copies = reader.look_for_committed(1);
  ASSERT_TRUE(copies.has_value()) << copies.error().message();
  EXPECT_FALSE(copies->has_value()) << "one shard of six was taken for six";
  const auto read = reader.read(1, **whole);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code(), Code::kCorruption);
  EXPECT_THAT(read.error().message(), HasSubstr("shard 1 is shard 0"));
  store::close_stores(opened);
}

}  // namespace
}  // namespace tlog::testing
