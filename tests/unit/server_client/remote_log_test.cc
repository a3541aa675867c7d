// Goal: every record of a vdisk's journal reaches every server, whoever of them asks for it first.
// Method: the log side of a vdisk over a real journal whose batches end when the test says so, and
// servers of the test's own.
#include "server/client/remote_log.h"

#include "tests/unit/server_client/rigged.h"
#include "tlog/base/crc32c.h"
#include "tlog/base/random.h"
#include "tlog/session/core.h"
#include "tlog/session/opening.h"

namespace tlog::testing {
namespace {

class RemoteLogTest : public Rigged {
 protected:
  ~RemoteLogTest() override {
    if (log) log->close(0);
  }

  void serve(unsigned servers_wanted, unsigned received = 0) {
    make_servers(servers_wanted);
    vdisk.name = "vm1";
    vdisk.size = 16 * kMiB;
    vdisk.tlog.servers = addresses();
    vdisk.tlog.write_concern = servers_wanted;
    vdisk.tlog.received = received;
    vdisk.tlog.stall_timeout_ns = 30'000'000'000;
    session::Core::Parts parts{.config = vdisk,
                               .uuid = *Uuid::parse("11111111-2222-3333-4444-555555555555"),
                               .records_max = 1000,
                               .journal = make_journal(),
                               .storage = nullptr,
                               .loop = rig.loop.get(),
                               .workers = &rig.workers,
                               .clock = &system_clock(),
                               .logger = &rig.logger};
    core = std::make_unique<session::Core>(std::move(parts));
    session::Environment environment{io::system_files(), system_clock(), system_random(),
                                     rig.logger};
    const config::Config config;
    const seal::Sealer sealer(key, system_random());
    const session::OpeningContext context{.config = config,
                                          .vdisk = vdisk,
                                          .environment = environment,
                                          .loop = *rig.loop,
                                          .workers = rig.workers,
                                          .sealer = sealer};
    auto opened = client::open_remote_log({.context = context,
                                           .format = core->journal->superblock().format,
                                           .journal = core->journal->superblock().journal,
                                           .may_create = true});
    ASSERT_TRUE(opened) << opened.error().message();
    log = std::move(*opened);
    log->attach(*core, {.on_stored = [this](Sequence sequence) { core->stored.advance(sequence); },
                        .on_fenced = [](const std::string&) {}});
    log->start();
  }

  // Answered, and not durable yet.
  void append(Sequence count) {
    MutexLock lock(core->mutex());
    for (; count > 0; --count) {
      const std::string text = ClientRig::text_of(core->table_end());
      const ConstByteSpan bytes = std::as_bytes(std::span(text));
      core->table.push_back(core->journal->append(Operation::kWrite, 0, bytes.size(), bytes,
                                                  crc32c(bytes), system_clock().wall_ns()));
    }
  }
  // The two steps in which a batch ends.
  void become_durable() {
    Sequence last = 0;
    {
      MutexLock lock(core->mutex());
      last = core->table_end() - 1;
    }
    core->durable.advance(last);
  }
  void tell() {
    MutexLock lock(core->mutex());
    log->work_changed();
  }
  bool gets(std::size_t index, Sequence wanted) {
    return eventually([&] { return server(index).stored().size() == wanted; });
  }

  const seal::MasterKey key = seal::MasterKey::generate(system_random()).value();
  config::Vdisk vdisk;
  std::unique_ptr<session::Core> core;
  std::unique_ptr<session::LogSide> log;

 private:
  std::unique_ptr<journal::Journal> make_journal() {
    journal::JournalOptions options;
    options.directory = rig.directory.path() + "/journal";
    options.arena_directory = rig.directory.path();
    options.size = 16 * kMiB;
    options.arena_size = 4 * kMiB;
    options.format.name = vdisk.name;
    options.format.size = vdisk.size;
    options.format.block_size = vdisk.block_size;
    options.format.data_shards = 4;
    options.format.parity_shards = 2;
    options.format.vdisk = *Uuid::parse("11111111-2222-3333-4444-555555555555");
    EXPECT_TRUE(io::system_files().make_directories(options.directory));
    auto made = journal::Journal::create(options, io::system_files(), system_random(), rig.logger);
    EXPECT_TRUE(made) << made.error().message();
    EXPECT_TRUE((*made)->recover());
    return std::move(*made);
  }
};

TEST_F(RemoteLogTest, AllServersGetWhatIsWritten) {
  serve(2);
  append(10);
  become_durable();
  tell();
  EXPECT_TRUE(gets(0, 10));
  EXPECT_TRUE(gets(1, 10));
  EXPECT_EQ(core->stored.wait(10, 60'000'000'000), Watermark::Outcome::kReached);
}

// A server that asks for itself, because it has just come back, is quicker than the news that there
// is more: that is still news to the others.
TEST_F(RemoteLogTest, WhatOneServerHasTakenAlreadyTheOthersAreToldOf) {
  serve(2);
  append(10);
  become_durable();
  tell();
  ASSERT_TRUE(gets(0, 10));
  ASSERT_TRUE(gets(1, 10));
  append(10);
  become_durable();
  server(0).disconnect(Code::kUnavailable, "again");
  ASSERT_TRUE(gets(0, 20));
  tell();
  ASSERT_TRUE(gets(1, 20));
  EXPECT_EQ(core->stored.wait(20, 60'000'000'000), Watermark::Outcome::kReached);
}

// A flush that comes when both servers that had received it have died.
TEST_F(RemoteLogTest, WhatWasReceivedByServersThatDiedIsReceivedByNobody) {
  serve(2, 2);
  for (auto& one : servers) one->script({.holds = true});
  append(10);
  become_durable();
  tell();
  ASSERT_EQ(core->received.wait(10, 60'000'000'000), Watermark::Outcome::kReached);
  for (auto& one : servers) one->stop();
  EXPECT_TRUE(eventually([&] { return core->received.value() == 0; }));
  EXPECT_EQ(core->received.wait(10, 50'000'000), Watermark::Outcome::kTimeout);
  for (auto& one : servers) one->start();
  EXPECT_EQ(core->received.wait(10, 60'000'000'000), Watermark::Outcome::kReached);
}

TEST_F(RemoteLogTest, AWaitForTheStandbysEndsWhenItIsToldTo) {
  serve(1);
  server(0).script({.holds = true});
  append(10);
  become_durable();
  tell();
  std::atomic<bool> has_ended{false};
  std::thread waiting([&] {
    const auto synced = log->wait_slave_sync(10, 600'000'000'000);
    has_ended = true;
    ASSERT_TRUE(synced && !*synced);
    EXPECT_EQ(synced->error().code(), Code::kShutdown) << synced->error().message();
  });
  ASSERT_TRUE(eventually([&] { return server(0).forces() > 0; }));
  EXPECT_FALSE(has_ended);
  log->stop_waiting();
  EXPECT_TRUE(eventually([&] { return has_ended.load(); }));
  core->stored.poison();  // else it would wait for ever
  waiting.join();
  // In the second half of it, too.
  server(0).script({});
  server(0).store_received();
  const auto synced = log->wait_slave_sync(10, 600'000'000'000);
  ASSERT_TRUE(synced && !*synced);
  EXPECT_EQ(synced->error().code(), Code::kShutdown) << synced->error().message();
}

TEST_F(RemoteLogTest, AWaitForTheStandbysSaysWhyTheVdiskHasFailed) {
  serve(1);
  server(0).script({.holds = true});
  append(10);
  core->fail_for_good("another host has taken the vdisk over");
  const auto synced = log->wait_slave_sync(10, 600'000'000'000);
  ASSERT_TRUE(synced && !*synced);
  EXPECT_EQ(synced->error().code(), Code::kIoError);
  EXPECT_NE(synced->error().message().find("another host has taken"), std::string::npos)
      << synced->error().message();
}

}  // namespace
}  // namespace tlog::testing
