// tlogplay as users have it: a process with arguments, output and an exit code.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>

#include "player/output.h"
#include "player/time_point.h"
#include "tests/support/log_builder.h"
#include "tests/support/process.h"
#include "tests/support/redis_server.h"
#include "tests/support/site.h"
#include "tlog/base/clock.h"

namespace tlog::player {
namespace {

using nlohmann::json;
using testing::CommandResult;
using testing::LogBuilder;
using testing::Milliseconds;

class Program : public ::testing::Test {
 protected:
  static testing::SiteOptions site_of(std::uint64_t size_mib) {
    testing::SiteOptions options;
    options.vdisks.front().size_mib = size_mib;
    return options;
  }
  void build(std::uint64_t size_mib = 1) {
    site_ = std::make_unique<testing::Site>(site_of(size_mib));
    seed_ = std::random_device()();
    log_ = std::make_unique<LogBuilder>(site_->config_path(), "vm1", seed_);
  }
  void build_example(bool weakened = false) {
    build();
    for (int i = 0; i < 5; ++i) {
      log_->random_records(5);
      log_->close_aggregation();
    }
    log_->mark("before upgrade");
    log_->random_records(3);
    log_->new_epoch();
    log_->random_records(3);
    if (weakened) {
      log_->remove_shard(2, 1);
      Buffer shard = log_->read_shard(4, 0);
      shard.data()[shard.size() / 2] ^= std::byte{1};
      log_->write_shard(4, 0, shard.span());
    }
    log_->finish();
  }
  std::vector<std::string> command(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {TLOG_PLAY_FILE, "--config", site_->config_path()});
    return arguments;
  }
  CommandResult play(std::vector<std::string> arguments) const {
    testing::CommandOptions options;
    options.directory = site_->directory();
    return testing::run_command(command(std::move(arguments)), options);
  }
  std::string image() const { return site_->file("image"); }
  void expect_file_is(const std::string& path, Sequence sequence) const {
    std::string text = testing::read_text(path);
    auto model = log_->model_at(sequence);
    ASSERT_EQ(text.size(), model.size());
    EXPECT_EQ(std::memcmp(text.data(), model.data(), model.size()), 0)
        << "not the vdisk at sequence " << sequence << ", seed " << seed_;
  }

  std::unique_ptr<testing::Site> site_;
  std::unique_ptr<LogBuilder> log_;
  unsigned seed_ = 0;
};

TEST_F(Program, info) {
  build_example();
  auto text = play({"info", "vm1"});
  ASSERT_TRUE(text.ok()) << text.text();
  EXPECT_NE(text.output.find("before upgrade at sequence 26"), std::string::npos) << text.output;
  EXPECT_NE(text.output.find("sequence 1 to 32"), std::string::npos) << text.output;
  auto result = play({"info", "vm1", "--json"});
  ASSERT_TRUE(result.ok()) << result.text();
  json info = json::parse(result.output);
  EXPECT_EQ(info.at("vdisk"), "vm1");
  EXPECT_EQ(info.at("uuid"), log_->format().vdisk.text());
  EXPECT_EQ(info.at("size"), log_->size());
  EXPECT_EQ(info.at("data_shards"), 4);
  EXPECT_EQ(info.at("range").at("first_sequence"), 1);
  EXPECT_EQ(info.at("range").at("last_sequence"), 32);
  EXPECT_EQ(info.at("range").at("last_time"), format_time(log_->time_of(32)));
  ASSERT_EQ(info.at("marks").size(), 1U);
  EXPECT_EQ(info.at("marks").at(0).at("sequence"), 26);
  ASSERT_GE(info.at("epochs").size(), 2U);
  EXPECT_EQ(info.at("epochs").at(1).at("first_sequence"), 30);
  auto quick = play({"info", "vm1", "--no-marks", "--json"});
  EXPECT_FALSE(json::parse(quick.output).contains("marks"));
}

TEST_F(Program, list) {
  build_example();
  auto result = play({"list", "vm1", "--json"});
  ASSERT_TRUE(result.ok()) << result.text();
  json all = json::parse(result.output).at("aggregations");
  ASSERT_EQ(all.size(), log_->aggregations().size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all.at(i).at("number"), i + 1);
    EXPECT_EQ(all.at(i).at("first_sequence"), log_->aggregations()[i].first_sequence);
    EXPECT_EQ(all.at(i).at("hash"), log_->aggregations()[i].hash.hex());
  }
  auto some = play({"list", "vm1", "--records", "--from-sequence", "24", "--limit", "4", "--json"});
  ASSERT_TRUE(some.ok()) << some.text();
  json records = json::parse(some.output).at("records");
  ASSERT_EQ(records.size(), 4U);
  EXPECT_EQ(records.at(0).at("sequence"), 24);
  EXPECT_EQ(records.at(2).at("operation"), "mark");
  EXPECT_EQ(records.at(2).at("name"), "before upgrade");
  auto text = play({"list", "vm1", "--records"});
  EXPECT_EQ(std::count(text.output.begin(), text.output.end(), '\n'), 33) << text.output;
  auto beyond = play({"list", "vm1", "--from-sequence", "99"});
  EXPECT_EQ(beyond.exit_code, 1) << beyond.text();
}

TEST_F(Program, verify) {
  build_example(true);
  auto good = play({"verify", "vm1", "--json"});
  ASSERT_TRUE(good.ok()) << good.text();
  json report = json::parse(good.output);
  EXPECT_EQ(report.at("intact"), true);
  EXPECT_EQ(report.at("records"), 32);
  // A shard that is missing and one that is wrong were done without, and are told.
  EXPECT_EQ(report.at("shards_worked_around"), 2);
  EXPECT_EQ(report.at("weak_aggregations"), 2);
  ASSERT_EQ(report.at("weak").size(), 2U);
  EXPECT_EQ(report.at("weak").at(0).at("aggregation"), 2);
  EXPECT_EQ(report.at("weak").at(1).at("aggregation"), 4);
  EXPECT_EQ(report.at("unusable_stores").size(), 0U);
  // A store that is not there at all, likewise.
  std::filesystem::remove_all(site_->file("log/3"));
  auto weak = play({"verify", "vm1", "--json"});
  ASSERT_TRUE(weak.ok()) << weak.text();
  report = json::parse(weak.output);
  EXPECT_EQ(report.at("intact"), true);
  EXPECT_EQ(report.at("unusable_stores").size(), 1U);
  EXPECT_NE(weak.error.find("log/3"), std::string::npos) << weak.error;
  EXPECT_EQ(weak.error.find("log/3: directory"), std::string::npos) << "twice: " << weak.error;
}

TEST_F(Program, broken_chain_is_reported) {
  build();
  for (int i = 0; i < 12; ++i) {
    log_->random_records(4);
    log_->close_aggregation();
  }
  log_->new_epoch();
  for (unsigned i = 0; i < 3; ++i) {
    Buffer shard = log_->read_shard(5, i);
    shard.data()[shard.size() / 3] ^= std::byte{0x40};
    log_->write_shard(5, i, shard.span());
  }
  log_->finish();
  auto verified = play({"verify", "vm1", "--json"});
  EXPECT_EQ(verified.exit_code, 3) << verified.text();
  json report = json::parse(verified.output);
  EXPECT_EQ(report.at("intact"), false);
  EXPECT_EQ(report.at("error").at("aggregation"), 5);
  EXPECT_EQ(report.at("error").at("sequence"), 17);
  EXPECT_EQ(play({"verify", "vm1"}).exit_code, 3);

  auto restored = play({"restore", "vm1", "--to", image(), "--json"});
  EXPECT_EQ(restored.exit_code, 3) << restored.text();
  report = json::parse(restored.output);
  EXPECT_EQ(report.at("error").at("aggregation"), 5);
  EXPECT_EQ(report.at("error").at("sequence"), 17);
  EXPECT_FALSE(std::filesystem::exists(image()));
  expect_file_is(image() + ".tlogplay-partial", 16);

  auto accepted = play({"restore", "vm1", "--to", image(), "--json", "--up-to-damage"});
  EXPECT_EQ(accepted.exit_code, 0) << accepted.text();
  report = json::parse(accepted.output);
  EXPECT_EQ(report.at("damaged"), true);
  EXPECT_EQ(report.at("sequence"), 16);
  EXPECT_NE(accepted.error.find("damaged"), std::string::npos) << accepted.error;
  expect_file_is(image(), 16);
}

TEST_F(Program, restore) {
  build_example();
  auto result = play({"restore", "vm1", "--to", image(), "--until-mark", "before upgrade"});
  ASSERT_TRUE(result.ok()) << result.text();
  EXPECT_NE(result.output.find("to sequence 26 at " + format_time(log_->time_of(26))),
            std::string::npos)
      << result.output;
  EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1);
  expect_file_is(image(), 26);
  EXPECT_EQ(play({"restore", "vm1", "--to", image()}).exit_code, 1)
      << "overwritten without --force";
  expect_file_is(image(), 26);
  auto forced = play({"restore", "vm1", "--to", image(), "--force", "--json", "--progress",
                      "--until-time", format_time(log_->time_of(20))});
  ASSERT_TRUE(forced.ok()) << forced.text();
  EXPECT_EQ(json::parse(forced.output).at("sequence"), 20);
  EXPECT_NE(forced.error.find("100/100\n"), std::string::npos) << forced.error;
  expect_file_is(image(), 20);
}

TEST_F(Program, exit_codes_and_messages) {
  build_example();
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{},
        {"frobnicate"},
        {"info"},
        {"restore", "vm1"},
        {"restore", "vm1", "--to", image(), "--until-sequence", "1", "--until-mark", "x"},
        {"restore", "vm1", "--to", image(), "--until-time", "yesterday"},
        {"restore", "vm1", "--to", image(), "--until-sequence", "-1"},
        {"info", "vm1", "--progress=sometimes"}}) {
    auto result = play(wrong);
    EXPECT_EQ(result.exit_code, 2) << result.text();
    EXPECT_FALSE(result.error.empty());
  }
  auto unreachable = play({"restore", "vm1", "--to", image(), "--until-sequence", "33", "--json"});
  EXPECT_EQ(unreachable.exit_code, 1);
  EXPECT_NE(unreachable.error.find("sequence 1 to 32"), std::string::npos) << unreachable.error;
  EXPECT_EQ(json::parse(unreachable.output).at("error").at("code"), "not found");
  auto unknown = play({"info", "vm2"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_NE(unknown.error.find("it has: vm1"), std::string::npos) << unknown.error;
  auto storage = play({"restore", "vm1", "--to", site_->file("blocks/vm1"), "--force"});
  EXPECT_EQ(storage.exit_code, 1);
  EXPECT_NE(storage.error.find("block storage of vdisk vm1"), std::string::npos) << storage.error;
  auto itself = play({"restore", "vm1", "--to", "vdisk:vm1"});
  EXPECT_EQ(itself.exit_code, 1);
  auto dry = play({"restore", "vm1", "--to", image(), "--dry-run"});
  EXPECT_TRUE(dry.ok()) << dry.text();
  EXPECT_NE(dry.output.find("nothing was changed"), std::string::npos) << dry.output;
  EXPECT_FALSE(std::filesystem::exists(image()));
  EXPECT_TRUE(play({"--help"}).ok());
  EXPECT_NE(play({"--version"}).output.find("tlogplay "), std::string::npos);
  std::filesystem::remove(site_->config_path());
  auto gone = play({"info", "vm1", "--json"});
  EXPECT_EQ(gone.exit_code, 1);
  EXPECT_TRUE(json::parse(gone.output).contains("error"));
}

TEST_F(Program, wrong_key_is_told_from_corruption) {
  build_example();
  testing::write_text(site_->file("tlogdisk.key"), "tlogdisk-key-1:" + std::string(64, '7') + "\n",
                      0600);
  auto result = play({"verify", "vm1", "--json"});
  EXPECT_EQ(result.exit_code, 1) << result.text();
  EXPECT_EQ(result.text().find(site_->key_hex()), std::string::npos);
}

// Onto a new vdisk: it gets a log of its own, which begins with what was restored.
TEST_F(Program, new_vdisk) {
  build();
  testing::SiteOptions options = site_of(1);
  options.vdisks.push_back(options.vdisks.front());
  options.vdisks.back().name = "copy";
  options.vdisks.push_back(options.vdisks.front());
  options.vdisks.back().name = "large";
  options.vdisks.back().size_mib = 2;
  site_->configure(options);
  for (int i = 0; i < 5; ++i) {
    log_->random_records(5);
    log_->close_aggregation();
  }
  log_->finish();
  auto dry = play({"restore", "vm1", "--to", "vdisk:copy", "--dry-run"});
  ASSERT_TRUE(dry.ok()) << dry.text();
  EXPECT_FALSE(std::filesystem::exists(site_->file("log/0/copy")));
  auto large = play({"restore", "vm1", "--to", "vdisk:large"});
  EXPECT_EQ(large.exit_code, 1) << large.text();
  EXPECT_NE(large.error.find("size"), std::string::npos) << large.error;
  EXPECT_EQ(play({"restore", "vm1", "--to", "vdisk:nobody"}).exit_code, 1);

  auto restored = play({"restore", "vm1", "--to", "vdisk:copy", "--until-sequence", "19"});
  ASSERT_TRUE(restored.ok()) << restored.text();
  expect_file_is(site_->file("blocks/copy"), 19);
  auto back = play({"restore", "copy", "--to", image()});
  ASSERT_TRUE(back.ok()) << back.text();
  expect_file_is(image(), 19);

  auto again = play({"restore", "vm1", "--to", "vdisk:copy", "--force"});
  EXPECT_EQ(again.exit_code, 1) << again.text();
  EXPECT_NE(again.error.find("exists already"), std::string::npos) << again.error;
  expect_file_is(site_->file("blocks/copy"), 19);
}

TEST_F(Program, new_vdisk_with_blocks_on_servers) {
  if (!testing::RedisServer::available()) GTEST_SKIP() << "no redis-server";
  testing::RedisFleet fleet(2);
  build();
  testing::SiteOptions options = site_of(1);
  options.clusters = fmt::format(
      "  local: {{directories: [log/0, log/1, log/2, log/3, log/4, log/5]}}\n"
      "  primary: {{servers: [{{address: \"{}\"}}, {{address: \"{}\"}}]}}\n",
      fleet[0].address(), fleet[1].address());
  options.vdisks.push_back(options.vdisks.front());
  options.vdisks.back().name = "copy";
  options.vdisks.back().storage = "{cluster: primary}";
  site_->configure(options);
  for (int i = 0; i < 5; ++i) {
    log_->random_records(5);
    log_->close_aggregation();
  }
  log_->finish();
  auto restored = play({"restore", "vm1", "--to", "vdisk:copy", "--until-sequence", "19"});
  ASSERT_TRUE(restored.ok()) << restored.text();
  EXPECT_EQ(fleet[0].command({"DBSIZE"}), "1");
  EXPECT_EQ(fleet[1].command({"DBSIZE"}), "1");
  auto back = play({"restore", "copy", "--to", image()});
  ASSERT_TRUE(back.ok()) << back.text();
  expect_file_is(image(), 19);
}

// A log that takes a while to restore: records of 64 KiB all over a vdisk.
class LongRestore : public Program {
 protected:
  void build_long(std::uint64_t mib) {
    build(32);
    log_->keep_data(false);
    for (std::uint64_t i = 0; i < mib; ++i) {
      for (int j = 0; j < 16; ++j) {
        log_->write_random((i * 16 + static_cast<std::uint64_t>(j) * 7) % 512 * 64 * kKiB,
                           64 * kKiB);
      }
      log_->close_aggregation();
    }
    log_->finish();
    auto reference = play({"restore", "vm1", "--to", site_->file("reference")});
    ASSERT_TRUE(reference.ok()) << reference.text();
  }
  bool same_as_reference() {
    return testing::run_command({"cmp", image(), site_->file("reference")}).ok();
  }
};

// SIGINT and SIGKILL at random moments: the same command, again and again, comes to the same bytes,
// and gets on.
TEST_F(LongRestore, interrupted_restore_resumes) {
  build_long(96);
  SCOPED_TRACE("seed " + std::to_string(seed_));
  std::mt19937 random(seed_);
  auto timed = std::chrono::steady_clock::now();
  ASSERT_TRUE(play({"restore", "vm1", "--to", image()}).ok());
  auto whole_ms =
      std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - timed);
  unsigned continued = 0;
  unsigned orderly = 0;
  for (int number : {SIGINT, SIGKILL}) {
    for (int round = 0; round < 3; ++round) {
      std::filesystem::remove(image());
      for (int attempt = 0;; ++attempt) {
        ASSERT_LT(attempt, 100) << "it does not get on";
        testing::ProcessOptions options;
        options.arguments = command({"restore", "vm1", "--to", image(), "--sync-every", "10ms"});
        options.output_path = site_->file("output");
        testing::Process process(options);
        // A random moment of the time that it takes; later with every attempt, so that it ends.
        auto moment = whole_ms * (random() % 100) / 100 * (attempt + 1) / 2;
        auto code = process.wait(moment);
        if (!code) {
          process.signal(number);
          code = process.wait(Milliseconds(60'000));
        }
        ASSERT_TRUE(code);
        std::string output = testing::read_text(site_->file("output"));
        if (*code == 0) {
          if (output.find("continued after sequence") != std::string::npos) ++continued;
          break;
        }
        // A process that is not yet far enough to catch SIGINT ends by it.
        if (number == SIGKILL || *code != kExitFailed) {
          ASSERT_EQ(*code, 128 + number) << output;
        } else {
          EXPECT_NE(output.find("interrupted"), std::string::npos) << output;
          ++orderly;
        }
        // Only a complete one has the name: the process was killed between the renaming and its
        // end.
        if (std::filesystem::exists(image())) break;
      }
      EXPECT_TRUE(same_as_reference());
    }
  }
  EXPECT_GE(continued, 1U);
  EXPECT_GE(orderly, 1U);
}

// Memory does not grow with the log.
TEST_F(LongRestore, memory_stays_bounded) {
  build_long(256);
  auto peak = testing::peak_memory_kib(
      {TLOG_PLAY_FILE, "--config", site_->config_path(), "restore", "vm1", "--to", image()});
  ASSERT_TRUE(peak) << "it failed";
  EXPECT_LT(*peak, TLOG_PLAY_MEMORY_MIB * 1024ULL);
  EXPECT_TRUE(same_as_reference());
}

// A block device: refused while mounted or not blank, cleared with --force.
TEST_F(Program, block_device) {
  if (::geteuid() != 0 || !testing::has_program("losetup"))
    GTEST_SKIP() << "needs root and losetup";
  build_example();
  const std::string backing = site_->file("backing");
  testing::write_text(backing, "");
  std::filesystem::resize_file(backing, 2 * kMiB);
  auto attached = testing::run_command({"losetup", "--find", "--show", backing});
  if (!attached.ok()) GTEST_SKIP() << "no loop devices: " << attached.text();
  std::string device = attached.output.substr(0, attached.output.find('\n'));
  struct Detach {
    std::string device;
    ~Detach() { testing::run_command({"losetup", "--detach", device}); }
  } detach{device};

  auto blank = play({"restore", "vm1", "--to", device});
  EXPECT_TRUE(blank.ok()) << blank.text();
  auto contents = [&] { return testing::read_text(device).substr(0, log_->size()); };
  auto model = log_->model_at(32);
  EXPECT_EQ(std::memcmp(contents().data(), model.data(), model.size()), 0);

  auto refused = play({"restore", "vm1", "--to", device, "--until-sequence", "3"});
  EXPECT_EQ(refused.exit_code, 1) << refused.text();
  EXPECT_NE(refused.error.find("--force"), std::string::npos);
  EXPECT_EQ(std::memcmp(contents().data(), model.data(), model.size()), 0);
  auto forced = play({"restore", "vm1", "--to", device, "--until-sequence", "3", "--force"});
  EXPECT_TRUE(forced.ok()) << forced.text();
  model = log_->model_at(3);
  EXPECT_EQ(std::memcmp(contents().data(), model.data(), model.size()), 0);

  int holder = ::open(device.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC);
  ASSERT_GE(holder, 0);
  auto used = play({"restore", "vm1", "--to", device, "--force"});
  ::close(holder);
  EXPECT_EQ(used.exit_code, 1);
  EXPECT_NE(used.error.find("in use"), std::string::npos) << used.error;
}

}  // namespace
}  // namespace tlog::player
