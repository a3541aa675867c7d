// Logs that are damaged: what is before the damage is all that is restored, and the position is
// named.
#include <filesystem>
#include <set>

#include "tests/unit/player/restore_fixture.h"
#include "tlog/seal/sealer.h"

namespace tlog::player {
namespace {

using RestoreDamage = RestoreTest;

constexpr AggregationNumber kBad = 5;

// Restores a log whose aggregation kBad is damaged, in every way one may ask for.
class BrokenLog : public RestoreTest {
 protected:
  Sequence before() const { return builder_->aggregations().at(kBad - 1).first_sequence - 1; }

  void expect_reported() {
    testing::write_text(image(), "precious");
    auto report = restore(in_small_steps(), true);
    ASSERT_FALSE(report);
    const std::string& message = report.error().message();
    EXPECT_EQ(report.error().code(), Code::kCorruption) << message;
    EXPECT_NE(message.find("aggregation " + std::to_string(kBad)), std::string::npos) << message;
    EXPECT_NE(message.find("--up-to-damage"), std::string::npos) << message;
    EXPECT_EQ(testing::read_text(image()), "precious") << "replaced by an incomplete restore";
    expect_file_is(partial(), before());
    EXPECT_EQ(last_report_.sequence, before());

    RestoreOptions accepting = in_small_steps();
    accepting.up_to_damage = true;
    auto accepted = restore(accepting, true);
    ASSERT_TRUE(accepted) << accepted.error().message();
    EXPECT_EQ(accepted->sequence, before());
    EXPECT_NE(accepted->damage, "");
    expect_image_is(before());

    // A point before the damage is not concerned by it, not even the one right before.
    for (Sequence sequence : {before(), before() - 1, Sequence{1}}) {
      remove_image();
      auto point = restore(in_small_steps(until_sequence(sequence)));
      ASSERT_TRUE(point) << point.error().message();
      EXPECT_EQ(point->damage, "");
      expect_image_is(sequence);
    }
  }
  void build_ten() {
    build_log(10);
    ASSERT_EQ(builder_->aggregations().size(), 10U);
    builder_->new_epoch();  // everything is in the stores
  }
  unsigned shards() const {
    return builder_->format().data_shards + builder_->format().parity_shards;
  }
};

// What is intact is found, whatever is damaged beside it.
TEST_F(BrokenLog, sequences_beside_damage_are_found) {
  build_ten();
  const auto found_in = [&](Sequence sequence) -> AggregationNumber {
    auto source = open_source();
    EXPECT_TRUE(source);
    const auto number = (*source)->reader().find_sequence(sequence);
    EXPECT_TRUE(number) << number.error().message();
    return number ? *number : 0;
  };
  for (const AggregationNumber damaged : {5, 6, 2, 4}) {  // a hole that grows
    for (unsigned i = 0; i < shards(); ++i) builder_->remove_shard(damaged, i);
    for (const auto& aggregation : builder_->aggregations()) {
      const bool is_lost = std::set<AggregationNumber>{5, 6, 2, 4}.contains(aggregation.number);
      if (is_lost) continue;
      EXPECT_EQ(found_in(aggregation.first_sequence), aggregation.number) << "lost: " << damaged;
      EXPECT_EQ(found_in(aggregation.last_sequence), aggregation.number) << "lost: " << damaged;
    }
  }
}

TEST_F(BrokenLog, broken_chain_is_reported_missing) {
  build_ten();
  for (unsigned i = 0; i < shards(); ++i) builder_->remove_shard(kBad, i);
  builder_->finish();
  expect_reported();
}

TEST_F(BrokenLog, broken_chain_is_reported_altered) {
  build_ten();
  for (unsigned i = 0; i < 3; ++i) {
    Buffer shard = builder_->read_shard(kBad, i);
    shard.data()[shard.size() / 2] ^= std::byte{1};
    builder_->write_shard(kBad, i, shard.span());
  }
  builder_->finish();
  expect_reported();
}

TEST_F(BrokenLog, broken_chain_is_reported_reordered) {
  build_ten();
  for (unsigned i = 0; i < shards(); ++i) {
    Buffer other = builder_->read_shard(kBad + 1, i);
    builder_->write_shard(kBad, i, other.span());
  }
  builder_->finish();
  expect_reported();
}

TEST_F(BrokenLog, broken_chain_is_reported_at_the_end) {
  build_log(kBad);
  builder_->new_epoch();  // everything is in the stores
  for (unsigned i = 0; i < 3; ++i) {
    Buffer shard = builder_->read_shard(kBad, i);
    shard.data()[shard.size() / 2] ^= std::byte{1};
    builder_->write_shard(kBad, i, shard.span());
  }
  builder_->finish();
  expect_reported();
}

// Well sealed with the right key, for the right number, but not a link of this chain.
TEST_F(BrokenLog, broken_chain_is_reported_foreign) {
  build_ten();
  auto config = config::load(io::system_files(), site_.config_path());
  ASSERT_TRUE(config);
  auto key = seal::MasterKey::load(io::system_files(), config->key_file);
  ASSERT_TRUE(key);
  seal::Sealer sealer(*key, system_random());
  const auto& reference = builder_->aggregations()[kBad - 1];
  format::Aggregation aggregation;
  aggregation.header.vdisk = builder_->format().vdisk;
  aggregation.header.number = kBad;
  aggregation.header.epoch = reference.epoch;
  aggregation.header.first_sequence = reference.first_sequence;
  aggregation.header.last_sequence = reference.first_sequence;
  aggregation.header.timestamp = reference.last_timestamp;
  aggregation.header.prev.bytes.fill(7);
  format::Record record;
  record.sequence = reference.first_sequence;
  record.timestamp = reference.first_timestamp;
  const std::string data(4096, 'x');
  record.size = data.size();
  record.data = bytes_of(std::string_view(data));
  aggregation.records.push_back(record);
  const shard::Geometry geometry{4, 2};
  auto sealed = sealer.seal(aggregation, shard::tail_room_max(geometry));
  ASSERT_TRUE(sealed);
  builder_->put_shards(
      shard::ShardSet(geometry, {builder_->format().vdisk, reference.epoch, kBad, sealed->hash},
                      std::move(sealed->bytes), sealed->length));
  builder_->finish();
  expect_reported();
}

// As many stores as there are parity shards may be gone altogether.
TEST_F(RestoreDamage, parity_stores_may_be_missing) {
  build_log(8);
  builder_->finish();
  for (const char* gone : {"log/1", "log/4"}) std::filesystem::remove_all(site_.file(gone));
  auto report = restore();
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->damage, "");
  expect_image_is(builder_->last_sequence());
}

// One more is not a damaged log, and not an empty one: it is one that cannot be read now.
TEST_F(RestoreDamage, too_few_stores_are_not_the_end_of_the_log) {
  build_log(8);
  builder_->finish();
  for (const char* gone : {"log/1", "log/3", "log/4"}) {
    std::filesystem::rename(site_.file(gone), site_.file(gone) + ".away");
  }
  auto report = restore();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), Code::kUnavailable) << report.error().message();
  EXPECT_FALSE(exists(image()));
  for (const char* gone : {"log/1", "log/3", "log/4"}) {
    std::filesystem::rename(site_.file(gone) + ".away", site_.file(gone));
  }
  ASSERT_TRUE(restore());
  expect_image_is(builder_->last_sequence());
}

TEST_F(RestoreDamage, wrong_key_is_told_from_corruption) {
  build_log(3);
  builder_->finish();
  testing::write_text(site_.file("tlogdisk.key"), "tlogdisk-key-1:" + std::string(64, '7') + "\n",
                      0600);
  auto report = restore();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), Code::kWrongKey) << report.error().message();
  EXPECT_EQ(report.error().message().find(site_.key_hex()), std::string::npos);
}

}  // namespace
}  // namespace tlog::player
