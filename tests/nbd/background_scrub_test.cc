// Goal: a served vdisk is scrubbed and mended without anybody asking for it, and its status tells:
// also after the process was killed, and when the configuration turns it on and off.
#include <gmock/gmock.h>

#include <filesystem>

#include "tests/nbd/controlled.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

constexpr Milliseconds kSoon{30'000};

class NbdBackgroundScrub : public Controlled {
 protected:
  static SiteOptions scrubbed(const std::string& settings) {
    SiteOptions options;
    options.tlog = "cluster: local, flushTime: 500ms, " + settings;
    return options;
  }
  void write_some() {
    NbdClient client(server->uri("vm1"));
    for (std::uint64_t i = 0; i < 200; i++) client.write(i * 4096, pattern(4096, i));
    ASSERT_TRUE(tlogctl({"flush"}).ok());
  }
  // The first of its name in the report is the light scrub's.
  bool comes(const std::string& name, std::uint64_t least) {
    return wait_until([&] { return number(name) >= least; }, kSoon);
  }
};

TEST_F(NbdBackgroundScrub, what_a_store_lost_comes_back_by_itself) {
  serve({}, scrubbed("scrubEvery: 1s, scrubDeepEvery: 0s"));
  write_some();
  // A directory comes back empty, as after the exchange of a disk.
  ASSERT_EQ(server->stop(), 0);
  std::filesystem::remove_all(site->file("log/2"));
  std::filesystem::create_directory(site->file("log/2"));
  start();
  NbdClient client(server->uri("vm1"));
  client.write(0, pattern(4096, 7));
  // The writer looks its newest shards up by itself, too: whoever was quicker.
  ASSERT_TRUE(comes("finishedNs", 1));
  ASSERT_TRUE(wait_until([&] { return number("missingShards") == 0; }, kSoon));
  const CommandResult deep = tlogctl({"scrub", "--deep"});
  EXPECT_TRUE(deep.ok()) << deep.text();
  EXPECT_TRUE(status_says("\n  lightscrub ")) << tlogctl({"status"}).text();
  EXPECT_FALSE(status_says("\n  deepscrub ")) << "turned off, and there never was one";
}

TEST_F(NbdBackgroundScrub, it_is_turned_on_and_off_and_remembered) {
  serve({}, scrubbed("scrubEvery: 0s, scrubDeepEvery: 0s"));
  write_some();
  EXPECT_EQ(number("nextNs"), 0u);
  site->configure(scrubbed("scrubEvery: 1s, scrubDeepEvery: 0s"));
  ASSERT_TRUE(tlogctl({"reload"}).ok());
  ASSERT_TRUE(comes("finishedNs", 1));
  EXPECT_THAT(tlogctl({"status"}).output, HasSubstr(": 0 missing, 0 wrong, 0 mended"));
  site->configure(scrubbed("scrubEvery: 0s, scrubDeepEvery: 0s"));
  ASSERT_TRUE(tlogctl({"reload"}).ok());
  ASSERT_TRUE(wait_until([&] { return number("nextNs") == 0 && number("beganNs") == 0; }, kSoon));
  const std::uint64_t finished = number("finishedNs");
  server->kill();
  start();
  { NbdClient client(server->uri("vm1")); }
  EXPECT_TRUE(comes("finishedNs", 1)) << "forgotten";
  EXPECT_EQ(number("finishedNs"), finished);
  EXPECT_TRUE(status_says("lightscrub no next one; last ")) << tlogctl({"status"}).text();
}

}  // namespace
}  // namespace tlog::testing
