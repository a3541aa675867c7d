// File: tests/nbd/on_fleet.h
// A vdisk with a 4+2 log on six redis servers that keep what they confirm, and its blocks in a file
// or on three more, with tlogctl beside it. Skipped without redis-server.
#pragma once

#include "tests/nbd/controlled.h"
#include "tests/support/redis_server.h"

namespace tlog::testing {

class OnFleet : public Controlled {
 protected:
  void SetUp() override {
    if (!RedisServer::available()) GTEST_SKIP() << "no redis-server";
    kept.arguments = {"--appendonly", "yes", "--appendfsync", "always"};
    fleet = std::make_unique<RedisFleet>(6, kept);
    addresses = fleet->addresses();
  }
  // The log on six servers, 4+2; the blocks in a file, or on the three of `blocks`.
  SiteOptions options() const {
    SiteOptions site_options;
    site_options.clusters = list("c", addresses);
    if (!blocks.empty()) {
      site_options.clusters += list("b", blocks);
      site_options.vdisks[0].storage = "{cluster: b, cache: 0}";
    }
    site_options.tlog = "cluster: c, flushTime: 100ms";
    return site_options;
  }
  // Long, as nothing here waits for a server that is silent: on a busy machine none is taken for
  // one.
  static std::string list(const std::string& name, const std::vector<std::string>& servers) {
    std::string text = "  " + name + ": {requestTimeout: 10s, servers: [";
    for (const std::string& address : servers) text += "{address: \"" + address + "\"}, ";
    return text + "]}\n";
  }
  CommandResult reload() {
    site->configure(options());
    return tlogctl({"reload"});
  }
  void write_all(std::uint64_t seed) {
    NbdClient client(server->uri("vm1"));
    for (std::uint64_t i = 0; i < kBlocks; ++i) client.write(i * 4096, pattern(4096, seed + i));
    client.flush();
  }
  // Every block is what was written or cannot be read; true when all can.
  bool all_there(std::uint64_t seed) {
    NbdClient client(server->uri("vm1"));
    try {
      for (std::uint64_t i = 0; i < kBlocks; ++i) {
        if (client.read(i * 4096, 4096) != pattern(4096, seed + i)) {
          ADD_FAILURE() << "block " << i << " is wrong";
          return false;
        }
      }
    } catch (const std::runtime_error&) {
      return false;
    }
    return true;
  }
  bool all_up() {
    return wait_until(
        [&] {
          const std::string status = tlogctl({"status"}).output;
          std::size_t up = 0;
          for (std::size_t at = 0; (at = status.find("  up ", at)) != std::string::npos; ++at) ++up;
          return up >= addresses.size() && number("missingShards") == 0;
        },
        kSoon);
  }

  // Of the only vdisk.
  void scrub_is_clean() {
    ASSERT_TRUE(tlogctl({"flush"}).ok());
    const CommandResult scrub = tlogctl({"scrub", "--deep"});
    EXPECT_TRUE(scrub.ok()) << scrub.text();
  }

  static constexpr Milliseconds kSoon{60'000};
  static constexpr std::uint64_t kBlocks = 100;

  RedisOptions kept;
  std::unique_ptr<RedisFleet> fleet;
  std::vector<std::string> addresses;
  std::vector<std::string> blocks;
};

}  // namespace tlog::testing
