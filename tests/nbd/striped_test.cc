// Goal: a vdisk whose log is dealt out between two tlogservers is as good as any other: what is
// flushed is in both parts, whoever dies, and tlogplay puts them together again, to any point; what
// one part lacks ends it there, and is said. Method: nbdkit, tlogservers and six redis-servers as
// processes, a real client, everything killed, tlogplay on the stores.
#include <gmock/gmock.h>

#include <random>

#include "tests/nbd/on_tlogservers.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

class NbdStriped : public OnTlogservers {
 protected:
  static constexpr std::uint64_t kDiskBlocks = 256;

  SiteOptions striped(unsigned count = 2, const std::string& more = "") const {
    SiteOptions site_options;
    std::string addresses;
    for (unsigned i = 0; i < count; ++i) addresses += "\"" + servers[i]->address() + "\", ";
    site_options.tlog = "servers: [" + addresses +
                        "], distribution: stripe, durability: cluster, flushTime: 200ms, "
                        "stallTimeout: 60s" +
                        more;
    return site_options;
  }
  // With nothing but the key and the stores of the servers, in that order.
  CommandResult play_stripes(std::vector<unsigned> databases,
                             std::vector<std::string> words) const {
    const std::string config = directory.file("stripes.yml");
    std::string text = "keyFile: " + site->file("tlogdisk.key") + "\nclusters:\n";
    std::string names;
    for (std::size_t i = 0; i < databases.size(); ++i) {
      text += fmt::format("  c{}: {{servers: [", i);
      for (const std::string& address : fleet->addresses())
        text += fmt::format("{{address: \"{}\", db: \"{}\"}}, ", address, databases[i]);
      text += "]}\n";
      names += fmt::format("c{}, ", i);
    }
    text += "vdisks:\n  vm1: {size: 64MiB, storage: {file: none}, tlog: {stripeClusters: [" +
            names +
            "]}}\n  vm1.stripe0: {size: 64MiB, storage: {file: none0}, tlog: {cluster: c0}}\n";
    write_text(config, text);
    std::vector<std::string> arguments = {TLOG_TLOGPLAY, "--config", config};
    arguments.insert(arguments.end(), words.begin(), words.end());
    return run_command(arguments);
  }
  Bytes restored_from(const std::vector<unsigned>& databases,
                      const std::vector<std::string>& until = {}) const {
    const std::string image = directory.file("image");
    std::vector<std::string> words = {"restore", "vm1", "--to", image, "--force"};
    words.insert(words.end(), until.begin(), until.end());
    const CommandResult result = play_stripes(databases, words);
    EXPECT_TRUE(result.ok()) << result.text();
    const std::string text = result.ok() ? read_text(image) : "";
    const auto* begin = reinterpret_cast<const std::byte*>(text.data());
    return Bytes(begin, begin + text.size());
  }
  void empty_database(unsigned database) {
    const std::string script =
        fmt::format("redis.call('SELECT', {}) return redis.call('FLUSHDB')", database);
    for (unsigned i = 0; i < fleet->size(); ++i) (*fleet)[i].command({"EVAL", script, "0"});
  }
};

TEST_F(NbdStriped, everything_is_killed_and_the_disk_comes_back_to_any_point) {
  serve({}, striped());
  std::mt19937_64 random(std::random_device{}());
  Bytes at_mark;
  {
    NbdClient client(server->uri("vm1"));
    for (std::uint64_t i = 0; i < 700; ++i) {
      client.write(random() % kDiskBlocks * 4096, pattern(4096, i));
      if (i % 50 == 7) client.flush();
    }
    ASSERT_TRUE(tlogctl({"mark", "vm1", "half"}).ok());
    client.flush();
    at_mark = whole();
    for (std::uint64_t i = 0; i < 300; ++i)
      client.write(random() % kDiskBlocks * 4096, pattern(4096, 1000 + i));
    client.trim(4096, 8192);
    client.flush();
  }
  EXPECT_GE(number("stored"), number("appended"));
  const std::string status = tlogctl({"status"}).output;
  EXPECT_THAT(status, HasSubstr(servers[0]->address() + " (stripe 0 of 2)"));
  EXPECT_THAT(status, HasSubstr(servers[1]->address() + " (stripe 1 of 2)"));
  EXPECT_THAT(tlogctl({"server-status", servers[1]->address()}).output, HasSubstr("vm1.stripe1"));
  const std::uint64_t records = number("appended");
  const Bytes disk = whole();
  server->kill();
  for (unsigned i = 0; i < 2; ++i) servers[i]->kill();
  std::filesystem::remove_all(site->file("journal"));
  std::filesystem::remove_all(site->file("arena"));

  EXPECT_TRUE(restored_from({0, 1}) == disk);
  EXPECT_TRUE(restored_from({0, 1}, {"--until-mark", "half"}) == at_mark);
  const CommandResult verified = play_stripes({0, 1}, {"verify", "vm1"});
  EXPECT_TRUE(verified.ok()) << verified.text();
  EXPECT_THAT(verified.output, HasSubstr(fmt::format("{} records", records)));
  const CommandResult info = play_stripes({0, 1}, {"info", "vm1"});
  EXPECT_TRUE(info.ok()) << info.text();
  EXPECT_THAT(info.output, HasSubstr("stripe 1 of 2 (vm1.stripe1): "));
  EXPECT_THAT(info.output, HasSubstr("half at sequence"));
  // One stripe is no disk.
  const CommandResult half =
      play_stripes({0, 1}, {"restore", "vm1.stripe0", "--to", directory.file("half")});
  EXPECT_EQ(half.exit_code, 1) << half.text();
  EXPECT_THAT(half.text(), HasSubstr("has a part of its writes only"));

  empty_database(1);
  const CommandResult lost =
      play_stripes({0, 1}, {"restore", "vm1", "--to", directory.file("lost"), "--force"});
  EXPECT_EQ(lost.exit_code, 3) << lost.text();
  EXPECT_THAT(lost.text(), HasSubstr("stripe 1 of 2 (vm1.stripe1)"));
  const CommandResult broken = play_stripes({0, 1}, {"verify", "vm1"});
  EXPECT_EQ(broken.exit_code, 3) << broken.text();
  EXPECT_THAT(broken.output, HasSubstr("broken at unit 2, sequence 65"));
}

// The host, either server, or all of them, at any moment; the host has its journal.
TEST_F(NbdStriped, nothing_flushed_is_lost_whoever_is_killed) {
  serve({}, striped());
  std::mt19937_64 random(std::random_device{}());
  std::vector<std::uint64_t> last(kDiskBlocks);
  std::uint64_t operation = 0;
  auto client = std::make_unique<NbdClient>(server->uri("vm1"));
  const auto write = [&](unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      const std::uint64_t block = random() % kDiskBlocks;
      client->write(block * 4096, pattern(4096, ++operation));
      last[block] = operation;
    }
  };
  for (unsigned round = 0; round < 20; ++round) {
    write(random() % 100 + 1);
    TlogserverProcess& victim = *servers[random() % 2];
    victim.kill();
    write(random() % 100);  // the other one carries on, the journal keeps the rest
    const std::int64_t flush = client->send_flush();
    if (round % 5 != 4) {
      victim.start();
      ASSERT_EQ(client->await(flush, 60'000), 0) << "round " << round;
      continue;
    }
    client.reset();  // the flush is not answered; what was is in the journal
    server->kill();
    victim.start();  // an opening wants all stripes
    start();
    client = std::make_unique<NbdClient>(server->uri("vm1"));
    client->flush();
  }
  for (std::uint64_t block = 0; block < kDiskBlocks; ++block) {
    if (last[block] == 0) continue;
    ASSERT_EQ(client->read(block * 4096, 4096), pattern(4096, last[block])) << block;
  }
  client.reset();
  const Bytes disk = whole();
  EXPECT_EQ(server->stop(), 0);
  for (unsigned i = 0; i < 2; ++i) servers[i]->kill();
  EXPECT_TRUE(restored_from({0, 1}) == disk);
}

// A flush needs both; what it waits for has a name.
TEST_F(NbdStriped, a_flush_waits_for_all_stripes) {
  serve({}, striped());
  NbdClient client(server->uri("vm1"));
  for (std::uint64_t i = 0; i < 64; ++i) client.write(i * 4096, pattern(4096, i));
  client.flush();
  servers[1]->kill();
  for (std::uint64_t i = 0; i < 200; ++i) client.write(i * 4096, pattern(4096, 100 + i));
  const std::int64_t flush = client.send_flush();
  EXPECT_EQ(client.await(flush, 1'000), ETIMEDOUT);
  EXPECT_THAT(tlogctl({"status"}).output, HasSubstr("stripe 1 of 2 (vm1.stripe1): "));
  EXPECT_EQ(number("stored"), 64U);
  servers[1]->start();
  EXPECT_EQ(client.await(flush, 60'000), 0);
}

TEST_F(NbdStriped, another_number_of_stripes_is_refused) {
  serve({}, striped(2));
  {
    NbdClient client(server->uri("vm1"));
    for (std::uint64_t i = 0; i < 300; ++i) client.write(i * 4096, pattern(4096, i));
    client.flush();
  }
  EXPECT_EQ(server->stop(), 0);
  server.reset();
  SiteOptions wrong = striped(3);
  wrong.tlog.replace(wrong.tlog.find("stallTimeout: 60s"), 17, "stallTimeout: 2s");
  site->configure(wrong);
  auto started = NbdkitServer::start(site->nbdkit());
  std::string reason;
  if (started) {
    EXPECT_THROW(NbdClient((*started)->uri("vm1")), std::runtime_error);
    reason = (*started)->log();
  } else {
    reason = started.error().message();
  }
  EXPECT_THAT(reason, HasSubstr("stripe 0 of 3 (vm1.stripe0)"));
  EXPECT_THAT(reason, HasSubstr("another number of stripes"));
}

}  // namespace
}  // namespace tlog::testing
