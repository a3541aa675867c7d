// Goal: with a concern of `received: 2`, what counts as received is with two servers: when one of
// them is killed at that very moment, and the host with it, the other one stores all of it. Method:
// stores that take nothing, so that everything is in the servers' memory alone, and a link that is
// held until the first of the two has all.
#include <latch>

#include "tests/fault/client/served.h"

namespace tlog::testing {
namespace {

class ReceivedKill : public Served, public ::testing::WithParamInterface<std::size_t> {
 protected:
  void refuse(std::size_t index, bool on) {
    servers[index]->contents(std::string(kServedVdisk)).refuse(on);
  }
  // What was told by the client's loop before this has been told when it returns.
  void pass_loop() {
    std::latch passed(1);
    rig.loop->post([&] { passed.count_down(); });
    passed.wait();
  }
};

TEST_P(ReceivedKill, WhatOneHadWhenItSaidSoIsStoredByTheOther) {
  const std::size_t killed = GetParam();
  const std::size_t other = 1 - killed;
  make_servers(2);
  client::ClientOptions wanted = options(1);
  wanted.concern.received = 2;
  ASSERT_TRUE(rig.open(wanted));
  rig.append(10);
  ASSERT_TRUE(complete(0));
  ASSERT_TRUE(complete(1));

  refuse(0, true);
  refuse(1, true);
  Faults held;
  held.black_hole = true;
  proxies[other]->set(held);
  rig.append(40);
  const Sequence end = rig.end();
  ASSERT_TRUE(eventually([&] { return rig.marker(killed).received == end; }));
  pass_loop();
  EXPECT_LT(rig.told_received, end) << "one server alone has it";

  proxies[other]->heal();
  ASSERT_TRUE(eventually([&] { return rig.told_received == end; }));
  kill(killed);
  proxies[other]->close_connections();  // the host's end: it says nothing
  rig.close(0);
  refuse(killed, false);
  refuse(other, false);
  EXPECT_TRUE(servers[other]->stop());
  kill(other);
  EXPECT_EQ(count_stored(other), end);
  EXPECT_EQ(count_stored(killed), 10U) << "its memory was all that it had";

  // The next client finds it, and fills the one that was killed.
  start(killed);
  start(other);
  ASSERT_TRUE(rig.open(wanted));
  ASSERT_TRUE(complete(killed));
  ASSERT_TRUE(complete(other));
  check_all_logs();
}

INSTANTIATE_TEST_SUITE_P(EitherOfThem, ReceivedKill, ::testing::Values(0U, 1U));

}  // namespace
}  // namespace tlog::testing
