// A vdisk from the shards in its cluster's stores, when all of its metadata is gone.
// Goal: what the shards still hold comes back, exactly, and nothing else: no wrong shard, no branch
// that was superseded, no record behind a gap, and never without a word. Method: a log of random
// records, its metadata deleted, its shards damaged one way at a time; tlogplay as a process.
#include "player/scan_source.h"
#include "player/time_point.h"
#include "tests/support/redis_server.h"
#include "tests/unit/player/scan_fixture.h"
#include "tlog/io/loop.h"
#include "tlog/store/stores.h"

namespace tlog::player {
namespace {

using Recovery = ScanTest;

TEST_F(Recovery, scan_only_recovery) {
  build_bare();
  builder_->finish();
  auto restored =
      play({"--config", site_.config_path(), "restore", "vm1", "--to", image(), "--json"});
  ASSERT_NE(restored.exit_code, 0) << "the metadata is not gone";
  auto result = recover();
  expect_recovered(result, builder_->last_sequence());
  auto scan = json_of(result).at("scan");
  EXPECT_EQ(scan.at("uuid"), builder_->format().vdisk.text());
  EXPECT_EQ(scan.at("aggregations"), 10);
  EXPECT_EQ(scan.at("shards"), 60);
  EXPECT_EQ(scan.at("epochs").size(), 2U);
  EXPECT_EQ(scan.at("gaps").size(), 0U);
}

// Index pages were written too, and the epochs go on behind them.
TEST_F(Recovery, scan_only_recovery_of_a_longer_log) {
  build_bare(300);
  builder_->finish();
  expect_recovered(recover(), builder_->last_sequence());
}

TEST_F(Recovery, parity_stores_are_missing) {
  build_bare();
  builder_->finish();
  for (const char* gone : {"log/1", "log/4"}) std::filesystem::remove_all(site_.file(gone));
  auto result = recover();
  expect_recovered(result, builder_->last_sequence());
  EXPECT_NE(result.error.find("log/1"), std::string::npos) << result.error;
}

TEST_F(Recovery, too_many_stores_are_missing) {
  build_bare();
  builder_->finish();
  testing::write_text(image(), "precious");
  for (const char* gone : {"log/1", "log/3", "log/4"})
    std::filesystem::remove_all(site_.file(gone));
  auto result = recover({"--force"});
  EXPECT_EQ(result.exit_code, 3) << result.text();
  for (const char* gone : {"log/1", "log/3", "log/4"}) {
    EXPECT_NE(result.error.find(gone), std::string::npos) << result.error;
  }
  EXPECT_EQ(testing::read_text(image()), "precious");
}

// Rotten, cut short, at another index's place, at another aggregation's place: as many of them as
// there is parity, in every aggregation.
TEST_F(Recovery, rotten_truncated_and_swapped_shards) {
  build_bare();
  flip(1, 0);
  flip(1, 3);
  Buffer cut = builder_->read_shard(2, 1);
  builder_->write_shard(2, 1, cut.span().first(cut.size() / 2));
  builder_->write_shard(2, 2, cut.span().first(40));
  // A ring of three: none is where it belongs, all are there.
  Buffer first = builder_->read_shard(3, 0);
  Buffer second = builder_->read_shard(3, 1);
  Buffer third = builder_->read_shard(3, 5);
  builder_->write_shard(3, 0, second.span());
  builder_->write_shard(3, 1, third.span());
  builder_->write_shard(3, 5, first.span());
  // Those of two aggregations have changed places altogether: by what they say they are all intact.
  for (unsigned i = 0; i < kTotal; ++i) {
    Buffer four = builder_->read_shard(4, i);
    Buffer five = builder_->read_shard(5, i);
    builder_->write_shard(4, i, five.span());
    builder_->write_shard(5, i, four.span());
  }
  // An older shard, again, over a newer one.
  Buffer old = builder_->read_shard(6, 0);
  builder_->write_shard(7, 0, old.span());
  builder_->finish();
  auto result = recover();
  expect_recovered(result, builder_->last_sequence());
  auto scan = json_of(result).at("scan");
  EXPECT_EQ(scan.at("damaged"), 4);
  EXPECT_EQ(scan.at("copies"), 1);
  EXPECT_GE(scan.at("misplaced"), 13);
}

TEST_F(Recovery, one_rotten_shard_too_many_is_a_gap) {
  build_bare();
  const auto before = builder_->aggregations().at(4).last_sequence;
  for (unsigned i : {0U, 2U, 5U}) flip(6, i);
  builder_->finish();
  testing::write_text(image(), "precious");
  auto result = recover({"--force"});
  ASSERT_EQ(result.exit_code, 3) << result.text();
  auto error = json_of(result).at("error");
  EXPECT_EQ(error.at("aggregation"), 6);
  EXPECT_EQ(error.at("sequence"), before + 1);
  const std::string message = error.at("message");
  EXPECT_NE(message.find("behind aggregation 6 there are 7 to 10"), std::string::npos) << message;
  EXPECT_NE(message.find("up to sequence " + std::to_string(builder_->last_sequence())),
            std::string::npos)
      << message;
  EXPECT_EQ(testing::read_text(image()), "precious");
  expect_file_is(partial(), before);

  auto accepted = recover({"--force", "--up-to-damage"});
  ASSERT_EQ(accepted.exit_code, 0) << accepted.text();
  EXPECT_EQ(json_of(accepted).at("damaged"), true);
  EXPECT_EQ(json_of(accepted).at("scan").at("gaps").at(0).at("first"), 6);
  expect_image_is(before);
  remove_image();
  expect_recovered(recover({"--until-sequence", std::to_string(before)}), before);
}

// The newest aggregation has too few intact shards to be read, and enough to have been stored.
TEST_F(Recovery, undecided_tail_is_never_cut_silently) {
  build_bare();
  const auto before = builder_->aggregations().at(8).last_sequence;
  for (unsigned i : {0U, 2U, 5U}) flip(10, i);
  builder_->finish();
  auto result = recover();
  ASSERT_EQ(result.exit_code, 3) << result.text();
  EXPECT_EQ(json_of(result).at("error").at("aggregation"), 10);
  EXPECT_EQ(json_of(result).at("error").at("sequence"), before + 1);
  EXPECT_FALSE(exists(image()));
  EXPECT_FALSE(exists(partial()));
  EXPECT_EQ(recover({"--dry-run"}).exit_code, 3);
  auto accepted = recover({"--up-to-damage"});
  ASSERT_EQ(accepted.exit_code, 0) << accepted.text();
  EXPECT_EQ(json_of(accepted).at("damaged"), true);
  expect_image_is(before);
  remove_image();
  expect_recovered(recover({"--until-sequence", std::to_string(before)}), before);
}

// Nothing of it is intact: its keys alone are left to say that there was something.
TEST_F(Recovery, rotten_tail_is_never_cut_silently) {
  build_bare();
  for (unsigned i = 0; i < kTotal; ++i) flip(10, i);
  builder_->finish();
  auto result = recover();
  ASSERT_EQ(result.exit_code, 3) << result.text();
  EXPECT_EQ(json_of(result).at("error").at("aggregation"), 10);
}

// What a crash left half stored was never promised to anybody.
TEST_F(Recovery, unfinished_tail_is_no_loss) {
  build_bare();
  const auto& newest = builder_->aggregations().back();
  put(make(newest.epoch, 11, newest.last_sequence + 1, newest.hash).shards, 3);
  builder_->finish();
  auto result = recover();
  expect_recovered(result, builder_->last_sequence());
  EXPECT_EQ(json_of(result).at("scan").at("unfinished"), 1);
  // With two stores gone that may have had it, it may have been promised.
  for (const char* gone : {"log/2", "log/3"}) std::filesystem::remove_all(site_.file(gone));
  remove_image();
  auto undecided = recover();
  EXPECT_EQ(undecided.exit_code, 3) << undecided.text();
  EXPECT_EQ(json_of(undecided).at("error").at("aggregation"), 11);
}

// A writer that was fenced went on storing: its branch ends where the next epoch began, also when
// it is the longer one.
TEST_F(Recovery, stale_epochs_are_superseded) {
  build_bare();
  const auto& aggregations = builder_->aggregations();
  const Epoch first = aggregations.front().epoch;
  ASSERT_LT(first, aggregations.back().epoch);
  const auto fork = std::find_if(aggregations.begin(), aggregations.end(),
                                 [&](const auto& one) { return one.epoch != first; });
  put_branch(first, fork->number, 9);
  builder_->finish();
  auto result = recover();
  expect_recovered(result, builder_->last_sequence());
  EXPECT_EQ(json_of(result).at("scan").at("superseded"), 9);
}

// Of the newer epoch's first aggregation nothing is left: the older epoch's branch must not be
// taken for it.
TEST_F(Recovery, stale_branch_does_not_fill_a_gap) {
  build_bare();
  const auto& aggregations = builder_->aggregations();
  const auto fork = std::find_if(aggregations.begin(), aggregations.end(), [&](const auto& one) {
    return one.epoch != aggregations.front().epoch;
  });
  const Sequence before = fork->first_sequence - 1;
  put_branch(aggregations.front().epoch, fork->number, 2);
  for (unsigned i = 0; i < kTotal; ++i) builder_->remove_shard(fork->number, i);
  builder_->finish();
  auto result = recover();
  ASSERT_EQ(result.exit_code, 3) << result.text();
  EXPECT_EQ(json_of(result).at("error").at("aggregation"), fork->number);
  EXPECT_EQ(json_of(result).at("error").at("sequence"), before + 1);
  expect_file_is(partial(), before);
}

// A shard of a later epoch than any other: its writer may have promised what it stored.
TEST_F(Recovery, newer_epoch_in_fragments_is_told) {
  build_bare();
  const auto& eighth = builder_->aggregations().at(7);
  const auto& seventh = builder_->aggregations().at(6);
  Made made = make(eighth.epoch + 5, 8, eighth.first_sequence, seventh.hash);
  put(made.shards, 3);
  builder_->finish();
  // All stores answer: three of six were never enough.
  expect_recovered(recover(), builder_->last_sequence());
  remove_image();
  for (const char* gone : {"log/5", "log/0"}) std::filesystem::remove_all(site_.file(gone));
  auto result = recover();
  ASSERT_EQ(result.exit_code, 3) << result.text();
  EXPECT_EQ(json_of(result).at("error").at("aggregation"), 8);
  auto accepted = recover({"--up-to-damage"});
  ASSERT_EQ(accepted.exit_code, 0) << accepted.text();
  expect_image_is(seventh.last_sequence);
}

TEST_F(Recovery, wrong_key_is_told_from_corruption) {
  build_bare(3);
  builder_->finish();
  testing::write_text(site_.file("tlogdisk.key"), "tlogdisk-key-1:" + std::string(64, '7') + "\n",
                      0600);
  auto result = recover();
  EXPECT_EQ(result.exit_code, 1) << result.text();
  EXPECT_EQ(json_of(result).at("error").at("code"), "wrong key");
  EXPECT_EQ(result.text().find(site_.key_hex()), std::string::npos);
  EXPECT_FALSE(exists(image()));
}

TEST_F(Recovery, until_is_exact) {
  build_bare();
  builder_->finish();
  const Sequence last = builder_->last_sequence();
  for (Sequence sequence : {Sequence{1}, last / 3, last / 2, last - 1, last}) {
    expect_recovered(recover({"--until-sequence", std::to_string(sequence)}), sequence);
    remove_image();
    expect_recovered(recover({"--until-time", format_time(builder_->time_of(sequence))}), sequence);
    remove_image();
  }
  auto beyond = recover({"--until-sequence", std::to_string(last + 1)});
  EXPECT_EQ(beyond.exit_code, 1) << beyond.text();
  EXPECT_NE(beyond.error.find("the log reaches from"), std::string::npos) << beyond.error;
}

// The targets and refusals of a restore are those of a recovery.
TEST_F(Recovery, targets_are_those_of_restore) {
  build_bare();
  builder_->finish();
  auto dry = recover({"--dry-run"});
  ASSERT_TRUE(dry.ok()) << dry.text();
  EXPECT_FALSE(exists(image()));
  testing::write_text(image(), "precious");
  EXPECT_EQ(recover().exit_code, 1);
  EXPECT_EQ(testing::read_text(image()), "precious");
  auto onto_new = play({"--config", site_.config_path(), "recover", "--scan", "--cluster", "local",
                        "--vdisk", "vm1", "--to", "vdisk:copy"});
  ASSERT_TRUE(onto_new.ok()) << onto_new.text();
  expect_file_is(site_.file("blocks/copy"), builder_->last_sequence());
}

// What a recovery keeps in memory is an index, not the log.
TEST_F(Recovery, memory_stays_bounded) {
  build_log(1);
  builder_->keep_data(false);
  for (unsigned i = 0; i < 200; ++i) {
    for (unsigned j = 0; j < 16; ++j) builder_->write_random(j * 64 * kKiB, 64 * kKiB);
    builder_->close_aggregation();
  }
  builder_->end_log();
  delete_metadata();
  builder_->finish();
  auto reference = recover({"--until-sequence", "1"});
  ASSERT_TRUE(reference.ok()) << reference.text();
  auto peak = testing::peak_memory_kib({TLOG_PLAY_FILE, "--config", site_.config_path(), "recover",
                                        "--scan", "--cluster", "local", "--vdisk", "vm1", "--force",
                                        "--to", image()});
  ASSERT_TRUE(peak) << "it failed";
  EXPECT_LT(*peak, TLOG_PLAY_MEMORY_MIB * 1024ULL);
}

// An interrupted recovery goes on where it was.
TEST_F(Recovery, interrupted_recovery_resumes) {
  build_bare(12);
  builder_->finish();
  auto config = config::load(io::system_files(), site_.config_path());
  ASSERT_TRUE(config);
  SourceEnvironment environment{io::system_files(), system_random(), null_logger()};
  Progress progress({}, system_clock());
  ScanRequest request;
  request.cluster = "local";
  request.vdisk = "vm1";
  auto restore_once = [&](unsigned stop_at) {
    stop_.store(false);
    auto source = ScanSource::open(request, {*config, environment, progress, stop_});
    EXPECT_TRUE(source) << source.error().message();
    auto file = make_file_target(target_options(image()), io::system_files());
    unsigned steps = 0;
    WatchedTarget target(*file, [&]() -> Status {
      if (++steps == stop_at) stop_.store(true);
      return {};
    });
    Restore restore({(*source)->reader(), target, io::system_files(), system_clock(), progress,
                     stop_, [](const std::string&) {}},
                    in_small_steps());
    return restore.run();
  };
  auto interrupted = restore_once(4);
  ASSERT_FALSE(interrupted);
  EXPECT_EQ(interrupted.error().code(), Code::kShutdown);
  auto continued = restore_once(1000);
  ASSERT_TRUE(continued) << continued.error().message();
  EXPECT_GT(continued->resumed_after, 0U);
  expect_image_is(builder_->last_sequence());
}

// Without a name: the only one is meant; of several none.
TEST_F(Recovery, vdisk_must_be_named_among_several) {
  build_bare();
  builder_->finish();
  expect_recovered(recover_unnamed(), builder_->last_sequence());
  remove_image();
  testing::LogBuilder other(site_.config_path(), "copy", 7);
  other.random_records(3);
  other.finish();
  auto refused = recover_unnamed();
  EXPECT_EQ(refused.exit_code, 1) << refused.text();
  EXPECT_NE(refused.error.find("copy vm1"), std::string::npos) << refused.error;
  EXPECT_FALSE(exists(image()));
  expect_recovered(recover(), builder_->last_sequence());
}

// The same over redis-protocol servers, one of them gone, one emptied.
TEST_F(Recovery, scan_only_recovery_from_redis) {
  if (!testing::RedisServer::available()) GTEST_SKIP() << "redis-server is not installed";
  build_bare();
  testing::RedisFleet fleet(kTotal);
  auto loop = io::make_loop({}, null_logger());
  ASSERT_TRUE(loop);
  ASSERT_TRUE((*loop)->start());
  std::string servers;
  for (unsigned i = 0; i < kTotal; ++i) {
    servers += (i == 0 ? "" : ", ") + ("{address: \"" + fleet[i].address() + "\"}");
    store::RespStoreOptions how;
    how.address = fleet[i].address();
    auto redis = store::open_resp_store(how, **loop, null_logger());
    ASSERT_TRUE(redis);
    auto keys = store::scan_and_wait(builder_->store(i), "tlog:vm1:", "", 1000);
    ASSERT_TRUE(keys);
    for (const std::string& key : *keys) {
      auto value = store::get_and_wait(builder_->store(i), key);
      ASSERT_TRUE(value);
      Status stored = store::put_and_wait(**redis, key, value->span());
      ASSERT_TRUE(stored) << stored.error().message();
    }
    store::close_and_wait(**redis);
  }
  (*loop)->stop();
  builder_->finish();
  testing::SiteOptions options = one_small_vdisk();
  options.clusters = "  local: {servers: [" + servers + "]}\n";
  site_.configure(options);
  // Keys that are not of a vdisk are none; those of another one make a name necessary.
  fleet[0].command({"SET", "tlog:stranger", "1"});
  expect_recovered(recover_unnamed(), builder_->last_sequence());
  remove_image();
  fleet[1].command({"SET", "tlog:other:meta", "1"});
  auto refused = recover_unnamed();
  EXPECT_EQ(refused.exit_code, 1) << refused.text();
  EXPECT_NE(refused.error.find("other vm1"), std::string::npos) << refused.error;
  fleet[2].kill();
  fleet[5].command({"FLUSHALL"});
  auto result = recover();
  expect_recovered(result, builder_->last_sequence());
  EXPECT_EQ(json_of(result).at("scan").at("shards"), 40);
}

}  // namespace
}  // namespace tlog::player
