// nbdkit's own filters over the plugin: those of docs/operations.md.
#include <libnbd.h>

#include <filesystem>

#include "tests/nbd/serving.h"

namespace tlog::testing {
namespace {

constexpr std::size_t kMi = 1024 * 1024;

class NbdFilters : public Serving {
 protected:
  void serve_with(std::vector<std::string> arguments, std::vector<std::string> parameters) {
    site = std::make_unique<Site>();
    start(std::move(arguments), std::move(parameters));
  }
};

// A scratch copy: what is written through cow is not in the vdisk.
TEST_F(NbdFilters, CowLeavesTheVdiskAlone) {
  serve();
  {
    NbdClient client(server->uri("vm1"));
    client.write(0, pattern(kMi, 1), LIBNBD_CMD_FLAG_FUA);
  }
  ASSERT_EQ(server->stop(), 0) << server->log();
  start({"--filter=cow"});
  {
    NbdClient client(server->uri("vm1"));
    client.write(4096, pattern(kMi, 2));
    client.trim(0, 4096);
    client.flush();
    EXPECT_EQ(client.read(4096, kMi), pattern(kMi, 2));
  }
  ASSERT_EQ(server->stop(), 0) << server->log();
  start();
  NbdClient client(server->uri("vm1"));
  EXPECT_EQ(client.read(0, kMi), pattern(kMi, 1));
}

TEST_F(NbdFilters, StatsCountsWhatPassed) {
  site = std::make_unique<Site>();
  start({"--filter=stats"}, {"statsfile=" + site->file("stats")});
  {
    NbdClient client(server->uri("vm1"));
    client.write(0, pattern(kMi, 1));
    client.read(0, kMi);
    client.flush();
  }
  ASSERT_EQ(server->stop(), 0) << server->log();
  const std::string stats = read_text(site->file("stats"));
  for (const char* expected : {"read: 1 ops", "write: 1 ops", "flush: 1 ops"}) {
    EXPECT_NE(stats.find(expected), std::string::npos) << expected << "\n" << stats;
  }
}

TEST_F(NbdFilters, RateSlowsDown) {
  serve_with({"--filter=rate"}, {"rate=16M"});  // bits: 2 MiB a second, after 4 MiB at once
  NbdClient client(server->uri("vm1"));
  const auto begin = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < 10; i++) client.write(i * kMi / 2, pattern(kMi / 2, i));
  client.flush();
  EXPECT_GT(std::chrono::steady_clock::now() - begin, Milliseconds(300));
  EXPECT_EQ(client.read(7 * kMi / 2, kMi / 2), pattern(kMi / 2, 7));
}

TEST_F(NbdFilters, ExitlastEndsInOrder) {
  serve_with({"--filter=exitlast"}, {});
  {
    NbdClient client(server->uri("vm1"));
    client.write(0, pattern(4096, 1));
  }
  EXPECT_EQ(server->process().wait(Milliseconds(30'000)).value_or(124), 0) << server->log();
  start();
  NbdClient client(server->uri("vm1"));
  EXPECT_EQ(client.read(0, 4096), pattern(4096, 1));
}

// The filter says so when a plugin lets it do nothing.
TEST_F(NbdFilters, ReadaheadHasWhatItNeeds) {
  serve_with({"--filter=readahead"}, {});
  NbdClient client(server->uri("vm1"));
  const Bytes bytes = pattern(4 * kMi, 1);
  client.write(0, bytes);
  Bytes back;
  for (std::uint64_t offset = 0; offset < bytes.size(); offset += 65536) {
    const Bytes piece = client.read(offset, 65536);
    back.insert(back.end(), piece.begin(), piece.end());
  }
  EXPECT_EQ(back, bytes);
  EXPECT_EQ(server->log().find("readahead"), std::string::npos) << server->log();
}

TEST_F(NbdFilters, BlocksizePolicyEnforcesAlignment) {
  serve_with({"--filter=blocksize-policy"},
             {"blocksize-minimum=4096", "blocksize-preferred=4096", "blocksize-maximum=32M",
              "blocksize-error-policy=error"});
  NbdClient client(server->uri("vm1"));
  client.write(4096, pattern(4096, 1));
  EXPECT_ANY_THROW(client.write(1, pattern(512, 1)));
  EXPECT_EQ(client.errno_of_last(), EINVAL);
}

// fuamode=force: write-through for those who trust no cache.
TEST_F(NbdFilters, FuaForce) {
  serve_with({"--filter=fua"}, {"fuamode=force"});
  {
    NbdClient client(server->uri("vm1"));
    client.write(0, pattern(4096, 1));
  }
  server->kill();
  start();
  EXPECT_EQ(NbdClient(server->uri("vm1")).read(0, 4096), pattern(4096, 1));
}

TEST_F(NbdFilters, ExportnameChoosesTheDefault) {
  SiteOptions options;
  options.journal_mib = 16;
  options.vdisks = {{"vm1", 64, false, "", ""}, {"vm2", 16, false, "", ""}};
  site = std::make_unique<Site>(options);
  start({"--filter=exportname"}, {"default-export=vm2", "exportname-list=defaultonly"});
  NbdClient client(server->uri());
  EXPECT_EQ(client.size(), 16u << 20);
}

}  // namespace
}  // namespace tlog::testing
