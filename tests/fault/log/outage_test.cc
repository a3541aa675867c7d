// Goal: stores come and go; nothing committed is lost, nothing missing is forgotten, nobody has to
// help.
#include <gtest/gtest.h>

#include "tests/support/log_rig.h"
#include "tests/support/temp_directory.h"

namespace tlog::flush {
namespace {

using testing::FaultStore;
using testing::LogRig;

bool nothing_missing(LogRig& rig) {
  return rig.wait_until([&] { return rig.writer().status().missing_shards == 0; });
}

// Every store has its shard of every aggregation, and each is needed by somebody.
void expect_all_shards(LogRig& rig) {
  for (const testing::Appended& each : rig.model()) {
    for (unsigned i = 0; i < 6; ++i) {
      store::Store& store =
          rig.inner(static_cast<unsigned>(walk::store_of(each.reference.number, i, 6)));
      auto value = store::get_and_wait(store, rig.key(each.reference.number));
      ASSERT_TRUE(value) << store.name() << " misses " << each.reference.number;
      auto view = shard::parse(value->span());
      ASSERT_TRUE(view) << view.error().message();
      EXPECT_EQ(view->index, i);
      EXPECT_EQ(view->identity.aggregation_hash, each.reference.hash);
    }
  }
}

TEST(LogWriter, one_store_down_does_not_stop_writes) {
  LogRig rig;
  ASSERT_TRUE(rig.begin());
  for (auto mode : {FaultStore::Mode::kDown, FaultStore::Mode::kFull, FaultStore::Mode::kHang}) {
    for (unsigned store = 0; store < 6; ++store) {
      rig.fault(store).set(mode);
      rig.append(3);
      ASSERT_TRUE(rig.wait_committed(rig.model().size())) << store;
      EXPECT_EQ(rig.writer().status().waiting_for, "");
      rig.fault(store).set(FaultStore::Mode::kUp);
    }
  }
  ASSERT_TRUE(nothing_missing(rig));
  expect_all_shards(rig);
  rig.close_writer();
  rig.expect_log_is_model();
}

TEST(LogWriter, failed_put_is_not_forgotten) {
  testing::TempDirectory directory;
  LogRig rig({.hints_path = directory.file("hints")});
  ASSERT_TRUE(rig.begin(3));
  rig.fault(4).set(FaultStore::Mode::kDown);
  rig.append(20);
  ASSERT_TRUE(rig.wait_committed(23));
  EXPECT_GE(rig.writer().status().missing_shards, 20U);
  // A clean restart, one at once without a chance to write anything down, and one while the store
  // is still gone.
  rig.close_writer();
  ASSERT_TRUE(rig.open_writer());
  rig.append(20);
  ASSERT_TRUE(rig.wait_committed(43));
  rig.crash_writer();
  ASSERT_TRUE(rig.open_writer());
  ASSERT_TRUE(rig.wait_until([&] { return rig.writer().status().missing_shards >= 20; }));
  rig.fault(4).set(FaultStore::Mode::kUp);
  ASSERT_TRUE(rig.wait_until([&] {
    auto value = store::get_and_wait(rig.inner(4), rig.key(43));
    return value.has_value() && rig.writer().status().missing_shards == 0;
  }));
  expect_all_shards(rig);
  // Two others may go now: the shards that came late carry.
  rig.crash_writer();
  for (unsigned i : {0U, 1U}) rig.fault(i).set(FaultStore::Mode::kDown);
  rig.expect_log_is_model();
}

TEST(LogWriter, no_spin_when_stores_are_gone) {
  LogRig rig;
  ASSERT_TRUE(rig.begin(2));
  ASSERT_TRUE(nothing_missing(rig));
  std::uint64_t before = 0;
  for (unsigned i = 0; i < 6; ++i) {
    rig.fault(i).set(FaultStore::Mode::kDown);
    before += rig.fault(i).calls();
  }
  rig.append(50);
  const std::uint64_t end_ns = system_clock().monotonic_ns() + 1'500'000'000;
  ASSERT_TRUE(rig.wait_until([&] { return system_clock().monotonic_ns() > end_ns; }));
  std::uint64_t after = 0;
  for (unsigned i = 0; i < 6; ++i) after += rig.fault(i).calls();
  // 50 first attempts a store at most, then one at a time: at 25..50, 50..100, 100..200, ... ms.
  EXPECT_LE(after - before, 6 * (50 + 10));
  const std::string why = rig.writer().status().waiting_for;
  EXPECT_NE(why.find("0 of 6 stores reachable, 5 needed: "), std::string::npos) << why;
  EXPECT_NE(why.find("memory 3: connection refused"), std::string::npos) << why;
  EXPECT_EQ(rig.committed(), 2U);
  for (unsigned i = 0; i < 6; ++i) rig.fault(i).set(FaultStore::Mode::kUp);
  ASSERT_TRUE(rig.wait_committed(52)) << "it resumes by itself";
  EXPECT_EQ(rig.writer().status().waiting_for, "");
  ASSERT_TRUE(nothing_missing(rig));
  expect_all_shards(rig);
}

TEST(LogWriter, store_restart_heals_without_reopen) {
  LogRig rig;
  ASSERT_TRUE(rig.begin());
  for (unsigned round = 0; round < 5; ++round) {
    const unsigned gone = round % 2 == 0 ? 1 : 3;  // below the quorum every other time
    for (unsigned i = 0; i < gone; ++i) rig.fault((round + i) % 6).set(FaultStore::Mode::kDown);
    rig.append(10);
    ASSERT_TRUE(rig.wait_until([&] {
      const LogWriterStatus status = rig.writer().status();
      return gone == 1 ? status.in_flight == 0 : !status.waiting_for.empty();
    }));
    for (unsigned i = 0; i < 6; ++i) rig.fault(i).set(FaultStore::Mode::kUp);
    ASSERT_TRUE(rig.wait_committed(rig.model().size()));
  }
  ASSERT_TRUE(nothing_missing(rig));
  expect_all_shards(rig);
  rig.close_writer();
  rig.expect_log_is_model();
}

// Success was said, and it is not there: only reading tells, and k others are enough.
TEST(LogWriter, a_store_that_lies_is_worked_around) {
  LogRig rig;
  ASSERT_TRUE(rig.begin());
  rig.fault(2).set(FaultStore::Mode::kForgetful);
  rig.append(12);
  ASSERT_TRUE(rig.wait_committed(12));
  ASSERT_TRUE(nothing_missing(rig));
  rig.close_writer();
  rig.expect_log_is_model();
}

}  // namespace
}  // namespace tlog::flush
