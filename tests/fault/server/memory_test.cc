// What all sessions hold together is bounded, and nobody starves: neither those whose stores are
// quick, nor who holds nothing while the others hold everything.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <list>

#include "tests/fault/server/server_rig.h"

namespace tlog::testing {
namespace {

constexpr std::uint64_t kSessionMemory = 16 * kMiB;
constexpr unsigned kStuck = 8;

// Sends as much as the server takes, in batches of half a MiB. What has been begun is ended by
// finish().
class Flooder {
 public:
  Flooder(ServerRig& rig, const std::string& vdisk, unsigned journal)
      : client_(rig.client(vdisk, journal)), vdisk_(vdisk) {
    client_.enter();
  }
  std::size_t push() {
    if (rest_.empty()) {
      const Buffer body = client_.next_batch(8, 64 * kKiB);
      const auto head = protocol::encode_head({.type = protocol::FrameType::kRecords,
                                               .length = static_cast<std::uint32_t>(body.size())});
      rest_.assign(reinterpret_cast<const char*>(head.data()), head.size());
      rest_.append(reinterpret_cast<const char*>(body.data()), body.size());
    }
    const std::size_t taken = client_.data().push(bytes_of(std::string_view(rest_)));
    rest_.erase(0, taken);
    taken_ += taken;
    return taken;
  }
  void finish() {
    client_.data().send_bytes(bytes_of(std::string_view(rest_)));
    rest_.clear();
    EXPECT_EQ(client_.flush(client_.sent()), client_.sent());
  }
  SessionClient& client() { return client_; }
  const std::string& vdisk() const { return vdisk_; }
  std::uint64_t taken() const { return taken_; }

 private:
  SessionClient client_;
  const std::string vdisk_;
  std::string rest_;
  std::uint64_t taken_ = 0;
};

struct Memory : ::testing::Test {
  void begin(std::uint64_t memory_max) {
    rig = std::make_unique<ServerRig>([&](server::ServerOptions& options) {
      options.session_memory_bytes = kSessionMemory;
      options.memory_bytes_max = memory_max;
    });
    for (unsigned i = 0; i < kStuck; ++i) {
      stuck.emplace_back(*rig, fmt::format("stuck{}", i), i + 1);
      rig->contents(stuck.back().vdisk()).refuse(true);
    }
  }
  // Until all are paused; that none of them could send without end.
  void flood() {
    const bool all_paused = rig->wait_until([&] {
      bool paused = true;
      for (Flooder& each : stuck) {
        for (int i = 0; i < 4 && each.taken() < 64 * kMiB; ++i) each.push();
        paused = paused && rig->session(each.vdisk()).paused;
      }
      return paused;
    });
    EXPECT_TRUE(all_paused);
  }
  void expect_everything_arrives() {
    for (Flooder& each : stuck) rig->contents(each.vdisk()).refuse(false);
    for (Flooder& each : stuck) each.finish();
    for (Flooder& each : stuck) rig->expect_log(each.vdisk(), each.client().model());
    const server::ServerStatus status = rig->server().status();
    for (const server::SessionStatus& each : status.sessions) EXPECT_FALSE(each.held_back);
  }

  std::unique_ptr<ServerRig> rig;
  std::list<Flooder> stuck;
};

TEST_F(Memory, is_bounded_over_all_sessions_and_quick_ones_go_on) {
  constexpr std::uint64_t kMax = 32 * kMiB;
  begin(kMax);
  flood();
  const server::ServerStatus status = rig->server().status();
  EXPECT_EQ(status.memory_bytes_max, kMax);
  std::uint64_t held = 0;
  for (const server::SessionStatus& each : status.sessions) held += each.memory_bytes;
  EXPECT_LE(held, kMax + kStuck * kMiB) << "a batch of each beside it";
  EXPECT_GT(held, kMax / 2) << "it is there to be used";
  EXPECT_TRUE(rig->session("stuck0").held_back);
  // There is something left for others, more than a batch.
  SessionClient quick = rig->client("quick", 90);
  quick.enter();
  for (int i = 0; i < 20; ++i) {
    for (int batch = 0; batch < 4; ++batch) quick.write(8, 32 * kKiB);
    EXPECT_EQ(quick.flush(quick.sent()), quick.sent());
  }
  EXPECT_TRUE(rig->session("stuck0").held_back);
  rig->expect_log("quick", quick.model());
  expect_everything_arrives();
}

// Of whom nothing is held a batch is taken, though there is no memory left.
TEST_F(Memory, that_is_used_up_stops_nobody_who_holds_nothing) {
  begin(2 * kMiB);  // each of the eight has a batch, which is more
  flood();
  EXPECT_GT(rig->server().status().memory_bytes, 2 * kMiB);
  SessionClient poor = rig->client("poor", 90);
  poor.enter();
  for (int i = 0; i < 20; ++i) {
    poor.write(8, 32 * kKiB);
    EXPECT_EQ(poor.flush(poor.sent()), poor.sent());
  }
  // Without being flushed, too: what is held is stored at once, not at its time.
  for (int i = 0; i < 10; ++i) poor.write(8, 32 * kKiB);
  poor.wait_stored(poor.sent());
  rig->expect_log("poor", poor.model());
  expect_everything_arrives();
}

}  // namespace
}  // namespace tlog::testing
