// Goal: a log that is dealt out among real servers is whole when it is put together again; what one
// stripe lacks does not count, and keeps nobody else waiting; and nothing is written on where a
// sequence would get another content. Method: servers in the test's process on stores in memory;
// their logs are read back from the stores.
#include <gmock/gmock.h>

#include "tests/fault/client/striped.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

class ClientStripesTest : public Striped {
 protected:
  // Of one client's writing `ahead` units more than server `late` has, with everybody else storing.
  void leave_uneven(std::size_t late) {
    ASSERT_TRUE(open_striped(striped(3)));
    rig.append(3 * kStripeUnitRecords);
    ASSERT_TRUE(stored(rig.end()));
    kill(late);
    rig.append(6 * kStripeUnitRecords);
    rig.client().force(rig.end());
    for (std::size_t i = 0; i < 3; ++i) {
      if (i == late) continue;
      ASSERT_TRUE(eventually([&] { return rig.marker(i).stored >= 7 * kStripeUnitRecords; }))
          << i << rig.client().waiting_for();
    }
    rig.close(0);
    start(late);
  }
};

TEST_F(ClientStripesTest, TheStripesTogetherAreTheLog) {
  make_servers(3);
  ASSERT_TRUE(open_striped(striped(3)));
  EXPECT_TRUE(rig.client().created());
  rig.append(1000);
  ASSERT_TRUE(stored(1000));
  EXPECT_EQ(rig.told_stored, 1000U);
  const auto markers = rig.client().markers();
  ASSERT_EQ(markers.size(), 3U);
  // In the whole log's numbers: 1000 is in the 16th unit, of stripe 0; before it are 14 and 15.
  EXPECT_EQ(markers[0].stored, 1000U);
  EXPECT_EQ(markers[1].stored, 14 * kStripeUnitRecords);
  EXPECT_EQ(markers[2].stored, 15 * kStripeUnitRecords);
  EXPECT_EQ(markers[2].stripe, 2U);
  check_whole_log(3);
  EXPECT_EQ(stripe_records(1, 1).size(), 5 * kStripeUnitRecords);
}

TEST_F(ClientStripesTest, AStripeMayHaveMirrors) {
  make_servers(4);
  ASSERT_TRUE(open_striped(striped(2, 2)));
  rig.append(500);
  ASSERT_TRUE(stored(500));
  kill(3);
  rig.append(500);
  rig.client().force(rig.end());
  ASSERT_TRUE(eventually([&] { return rig.marker(0).stored > 900; }));
  EXPECT_LT(rig.client().stored(), 800U);  // of its stripe one of two has it
  start(3);
  ASSERT_TRUE(stored(1000));
  for (std::size_t i = 0; i < 4; ++i)
    ASSERT_TRUE(eventually([&] { return rig.marker(i).stored > 900; })) << i;
  check_whole_log(2, 2);
}

// What is stored by two of three does not count before the third has its part, and is said.
TEST_F(ClientStripesTest, AStripeThatIsAwayIsWaitedForAndKeepsNobodyElse) {
  make_servers(3);
  ASSERT_TRUE(open_striped(striped(3)));
  rig.append(100);
  ASSERT_TRUE(stored(100));
  kill(1);
  rig.append(1000);
  rig.client().force(rig.end());
  ASSERT_TRUE(eventually([&] {
    return rig.marker(0).stored >= 1088 - 64 && rig.marker(2).stored >= 1088 - 64;
  })) << rig.marker(0).stored
      << " " << rig.marker(2).stored;
  // Stripe 1 has what was in its first unit.
  EXPECT_EQ(rig.client().stored(), 100U);
  EXPECT_THAT(rig.client().waiting_for(), HasSubstr("stripe 1 of 3 (vm1.stripe1): 0 of 1 servers"));
  EXPECT_EQ(rig.log.held_bytes() > 0, true);
  start(1);
  ASSERT_TRUE(stored(1100));
  EXPECT_EQ(rig.client().waiting_for(), "");
  check_whole_log(3);
}

TEST_F(ClientStripesTest, AForcedRecordWaitsForNoOtherStripe) {
  make_servers(3);
  for (auto& server : servers) server->options().flush_time_ns = 3'600'000'000'000;
  for (std::size_t i = 0; i < 3; ++i) kill(i), start(i);
  ASSERT_TRUE(open_striped(striped(3)));
  for (Sequence sequence = 1; sequence <= 20; ++sequence) {
    rig.append(1);
    ASSERT_TRUE(stored(sequence));
  }
  // A flush in the third stripe stores what the others have before it as well.
  rig.append(3 * kStripeUnitRecords - 30);
  ASSERT_TRUE(stored(rig.end()));
  check_whole_log(3);
}

TEST_F(ClientStripesTest, GoesOnWithTheSameJournal) {
  make_servers(2);
  ASSERT_TRUE(open_striped(striped(2)));
  rig.append(300);
  ASSERT_TRUE(stored(300));
  rig.close();
  ASSERT_TRUE(open_striped(striped(2)));
  EXPECT_FALSE(rig.client().created());
  EXPECT_EQ(rig.client().head().sequence, 300U);
  rig.append(300);
  ASSERT_TRUE(stored(600));
  check_whole_log(2);
}

// The journal has what one stripe lacks: it is sent, and the others are not sent theirs again.
TEST_F(ClientStripesTest, UnevenEndsAreEvenedFromTheJournal) {
  make_servers(3);
  rig.release = false;
  leave_uneven(1);
  ASSERT_TRUE(open_striped(striped(3)));
  EXPECT_EQ(rig.client().head().sequence, 4 * kStripeUnitRecords);
  EXPECT_GT(rig.client().newest(), 8 * kStripeUnitRecords - 64);
  rig.append(100);
  ASSERT_TRUE(stored(rig.end()));
  check_whole_log(3);
}

// Nobody has it: another one would be in its place, and the stripes that are ahead would go with
// what never was.
TEST_F(ClientStripesTest, UnevenEndsWithoutTheJournalAreRefused) {
  make_servers(3);
  leave_uneven(1);
  ClientRig other;  // which has nothing
  client::ClientOptions wanted = striped(3);
  auto refused = [&] { return client::LogClient::open(wanted, other.parts(), 10'000'000'000); };
  wanted.take_over = true;
  auto taken_over = refused();
  ASSERT_FALSE(taken_over);
  EXPECT_EQ(taken_over.error().code(), Code::kCorruption);
  EXPECT_THAT(taken_over.error().message(), HasSubstr("end at different places"));
  EXPECT_THAT(taken_over.error().message(), HasSubstr("up to sequence 256"));
  EXPECT_THAT(taken_over.error().message(), HasSubstr("restore it to another vdisk"));
  // The same journal, emptied: it is not even begun.
  wanted.take_over = false;
  wanted.journal = rig.journal;
  ASSERT_TRUE(other.open(wanted));
  ASSERT_TRUE(eventually([&] { return other.failures == 1; }));
  EXPECT_EQ(other.failure, Code::kCorruption);
  other.append(500);
  EXPECT_EQ(other.client().stored(), 0U);
  for (const client::Marker& marker : other.client().markers())
    EXPECT_EQ(marker.resent_records, 0U);
  other.close();
  for (std::size_t i = 0; i < 3; ++i) kill(i);
  const auto records = whole_log(3);
  EXPECT_EQ(records.size(), 4 * kStripeUnitRecords);
  EXPECT_EQ(rig.difference(records, records.size()), "");
}

TEST_F(ClientStripesTest, AnotherNumberOrOrderIsRefused) {
  make_servers(3);
  ASSERT_TRUE(open_striped(striped(3)));
  rig.append(300);
  ASSERT_TRUE(stored(300));
  rig.close();
  rig.begin_behind_head = false;
  const auto refusal = [&](const client::ClientOptions& wanted) {
    auto opened = rig.open(wanted, 5'000'000'000);
    return opened ? Error(Code::kShutdown, "opened") : opened.error();
  };
  client::ClientOptions fewer = striped(2);
  fewer.servers.resize(2);
  EXPECT_EQ(refusal(fewer).code(), Code::kInvalidArgument) << refusal(fewer).message();
  EXPECT_THAT(refusal(fewer).message(), HasSubstr("stripe 0 of 2 (vm1.stripe0): "));
  EXPECT_THAT(refusal(fewer).message(), HasSubstr("created with another number of stripes"));
  client::ClientOptions turned = striped(3);
  std::swap(turned.servers[0], turned.servers[2]);
  turned.may_create = false;  // it has been written
  EXPECT_EQ(refusal(turned).code(), Code::kNotFound) << refusal(turned).message();
  EXPECT_THAT(refusal(turned).message(), HasSubstr("in the same order"));
  client::ClientOptions odd = striped(2);
  EXPECT_EQ(refusal(odd).code(), Code::kInvalidArgument);
  EXPECT_THAT(refusal(odd).message(), HasSubstr("divided evenly"));
  client::ClientOptions concerned = striped(3, 2);
  EXPECT_THAT(refusal(concerned).message(), HasSubstr("there are 1 for each stripe"));
  ASSERT_TRUE(open_striped(striped(3)));
  check_whole_log(3);
}

// Under another name there is all that was written: an empty log beside it would be a blank disk.
TEST_F(ClientStripesTest, AnotherDistributionIsNotCreatedBeside) {
  make_servers(3);
  client::ClientOptions whole = options(1);
  whole.servers.resize(1);
  ASSERT_TRUE(rig.open(whole));
  rig.append(100);
  ASSERT_TRUE(stored(100));
  rig.close();
  ClientRig other;  // whose journal is lost
  const auto refusal = [&](client::ClientOptions wanted) {
    wanted.journal = other.journal;
    auto opened = client::LogClient::open(wanted, other.parts(), 5'000'000'000);
    return opened ? Error(Code::kShutdown, "opened") : opened.error();
  };
  EXPECT_EQ(refusal(striped(3)).code(), Code::kAlreadyExists) << refusal(striped(3)).message();
  EXPECT_THAT(refusal(striped(3)).message(), HasSubstr("has a log 'vm1' already"));
  // A striped one, on the other two; and these two in another order.
  client::ClientOptions two = striped(2);
  two.servers.erase(two.servers.begin());
  ClientRig third;
  two.journal = third.journal;
  ASSERT_TRUE(third.open(two));
  third.append(200);
  third.client().force(200);
  ASSERT_TRUE(third.wait_stored(200));
  third.close();
  std::swap(two.servers[0], two.servers[1]);
  EXPECT_EQ(refusal(two).code(), Code::kAlreadyExists) << refusal(two).message();
  EXPECT_THAT(refusal(two).message(), HasSubstr("has a log 'vm1.stripe0' already"));
}

}  // namespace
}  // namespace tlog::testing
