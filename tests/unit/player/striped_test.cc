// A log of two stripes is played as one: in order, to any point, and as far as both have it. What
// is damaged, lacks or does not belong together is said, and nothing behind it is applied.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "player/restore.h"
#include "player/source.h"
#include "tests/support/log_builder.h"
#include "tests/support/site.h"
#include "tests/unit/player/restore_fixture.h"
#include "tlog/base/random.h"
#include "tlog/format/stripes.h"

namespace tlog::player {
namespace {

using ::testing::HasSubstr;
using tlog::testing::LogBuilder;
using tlog::testing::Site;
using tlog::testing::SiteOptions;

constexpr std::uint64_t kDiskBytes = kMiB;
constexpr std::uint64_t kPiece = 4 * kKiB;

SiteOptions two_clusters() {
  SiteOptions options;
  std::string both;
  for (const char* name : {"left", "right"}) {
    both += fmt::format("  {}: {{directories: [", name);
    for (unsigned i = 0; i < 6; ++i) both += fmt::format("{0}/{1}, ", name, i);
    both += "]}\n";
  }
  options.clusters = both;
  options.tlog = "flushTime: 500ms, cluster: left";
  options.vdisks.clear();
  options.more =
      "  vm1: {size: 1MiB, storage: {file: b0}, tlog: {cluster: left}}\n"
      "  striped: {size: 1MiB, storage: {file: b1}}\n";
  return options;
}

class StripedRestore : public ::testing::Test {
 protected:
  StripedRestore() {
    write_config("left, right");
    const Uuid vdisk = *Uuid::parse("11111111-2222-3333-4444-555555555555");
    for (unsigned i = 0; i < 2; ++i) {
      builders_.push_back(
          std::make_unique<LogBuilder>(config_path(), format::stripe_name("vm1", i), seed_ + i,
                                       format::stripe_uuid(vdisk, {.index = i, .count = 2})));
    }
  }
  std::string config_path() const { return site_.file("striped.yml"); }
  void write_config(const std::string& stripe_clusters) {
    std::string text = "keyFile: tlogdisk.key\nclusters:\n" + two_clusters().clusters;
    text += "vdisks:\n  vm1: {size: 1MiB, storage: {file: b0}, tlog: {stripeClusters: [" +
            stripe_clusters + "]}}\n";
    text += "  vm1.stripe0: {size: 1MiB, storage: {file: b1}, tlog: {cluster: left}}\n";
    text += "  vm1.stripe1: {size: 1MiB, storage: {file: b2}, tlog: {cluster: right}}\n";
    text += "  vm2.stripe1: {size: 1MiB, storage: {file: b3}, tlog: {cluster: right}}\n";
    tlog::testing::write_text(config_path(), text);
  }

  // The next record of the whole log: random bytes somewhere, sometimes a discard or a mark.
  void add() {
    const Sequence sequence = ++end_;
    LogBuilder& builder = *builders_[map_.stripe_of(sequence)];
    builder.next_at(time_of(sequence));
    const std::uint64_t offset = random_() % (kDiskBytes / kPiece) * kPiece;
    if (sequence % 50 == 0) {
      builder.mark(fmt::format("mark {}", sequence));
    } else if (random_() % 10 == 0) {
      builder.discard(offset, kPiece);
      std::fill_n(model_.begin() + static_cast<std::ptrdiff_t>(offset), kPiece, '\0');
    } else {
      std::string data(kPiece, static_cast<char>(1 + random_() % 255));
      data.replace(0, 8, fmt::format("{:08}", sequence));
      std::copy(data.begin(), data.end(), model_.begin() + static_cast<std::ptrdiff_t>(offset));
      builder.write(offset, std::move(data));
    }
    models_.push_back(model_);
    if (random_() % 20 == 0) builder.close_aggregation();
  }
  void add(unsigned count) {
    for (unsigned i = 0; i < count; ++i) add();
  }
  void finish() {
    for (auto& builder : builders_) builder->finish();
  }
  static TimestampNs time_of(Sequence sequence) {
    return LogBuilder::kStart + sequence * LogBuilder::kStep;
  }

  Result<std::unique_ptr<LogSource>> open() {
    auto config = config::load(io::system_files(), config_path());
    if (!config) return fail(config.error());
    return LogSource::open(*config, "vm1", {io::system_files(), system_random(), null_logger()});
  }
  std::string image() const { return site_.file("image"); }
  Result<RestoreReport> restore(const RestoreOptions& options = {}, unsigned stop_at = 0) {
    TLOG_ASSIGN(auto source, open());
    Progress progress({}, system_clock());
    TargetOptions target_options;
    target_options.name = image();
    target_options.size = kDiskBytes;
    target_options.force = true;
    auto target = make_file_target(target_options, io::system_files());
    std::atomic<bool> stop{stop_at != 0};
    notes_.clear();
    Restore run({source->reader(), *target, io::system_files(), system_clock(), progress, stop,
                 [this](const std::string& text) { notes_ += text + "\n"; }},
                options);
    return run.run();
  }
  static RestoreOptions until(Until::Kind kind, std::uint64_t value, std::string mark = "") {
    RestoreOptions options;
    options.until.kind = kind;
    options.until.sequence = value;
    options.until.time = value;
    options.until.mark = std::move(mark);
    options.batch_bytes = 64 * kKiB;
    return options;
  }
  // That the image is the disk as it was after that record.
  void expect_restored(const Result<RestoreReport>& report, Sequence sequence) {
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->sequence, sequence);
    const std::string found = tlog::testing::read_text(image());
    ASSERT_EQ(found.size(), kDiskBytes);
    EXPECT_TRUE(found == models_[sequence - 1]) << "of sequence " << sequence;
  }
  void damage(unsigned stripe, AggregationNumber number) {
    for (unsigned i = 0; i < 6; ++i) builders_[stripe]->remove_shard(number, i);
  }
  // The first of the whole log's records that is in the aggregation.
  Sequence first_in(unsigned stripe, AggregationNumber number) const {
    return map_.global_of(stripe, builders_[stripe]->aggregations()[number - 1].first_sequence);
  }

  const std::uint64_t seed_ = std::random_device()();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937_64 random_{seed_};
  Site site_;
  const format::StripeMap map_{2};
  std::vector<std::unique_ptr<LogBuilder>> builders_;
  Sequence end_ = 0;
  std::string model_ = std::string(kDiskBytes, '\0');
  std::vector<std::string> models_;
  std::string notes_;
};

TEST_F(StripedRestore, is_the_disk_at_any_point) {
  add(700);
  finish();
  expect_restored(restore(), 700);
  for (const Sequence sequence : {1, 63, 64, 65, 128, 129, 399, 640, 641, 699}) {
    expect_restored(restore(until(Until::Kind::kSequence, sequence)), sequence);
    expect_restored(restore(until(Until::Kind::kTime, time_of(sequence))), sequence);
    expect_restored(restore(until(Until::Kind::kTime, time_of(sequence) + 5)), sequence);
  }
  expect_restored(restore(until(Until::Kind::kMark, 0, "mark 450")), 450);
  expect_restored(restore(until(Until::Kind::kMark, 0, "mark 100")), 100);
  auto beyond = restore(until(Until::Kind::kSequence, 701));
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code(), Code::kNotFound);
}

TEST_F(StripedRestore, new_epochs_and_one_lonely_stripe_are_no_gaps) {
  add(30);
  builders_[0]->new_epoch();
  builders_[1]->new_epoch();
  add(20);
  finish();
  expect_restored(restore(), 50);
}

// What one of them has alone cannot be used; it is not passed over in silence.
TEST_F(StripedRestore, ends_where_one_stripe_ends) {
  add(300);
  builders_[1]->finish();
  end_ = 320;  // nobody has written these
  builders_[0]->finish();
  add(0);
  {
    auto source = open();
    ASSERT_TRUE(source) << source.error().message();
    EXPECT_EQ((*source)->striped()->uneven(), "");
  }
  expect_restored(restore(), 300);
}

TEST_F(StripedRestore, what_only_one_stripe_has_is_said) {
  add(64);
  // Stripe 1 gets none of its unit; stripe 0 its next one.
  for (Sequence sequence = 129; sequence <= 140; ++sequence) {
    builders_[0]->next_at(time_of(sequence));
    builders_[0]->write(0, "beyond");
  }
  finish();
  auto source = open();
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ((*source)->reader().head().sequence, 64U);
  EXPECT_EQ((*source)->reader().head().timestamp, time_of(64));
  EXPECT_EQ((*source)->reader().damage(), nullptr);
  EXPECT_THAT((*source)->striped()->uneven(),
              HasSubstr("up to sequence 64, stripe 1 of 2 (vm1.stripe1) has no more"));
  EXPECT_THAT((*source)->striped()->uneven(), HasSubstr("vm1.stripe0) up to 140"));
  source->reset();
  expect_restored(restore(), 64);
}

TEST_F(StripedRestore, ends_at_damage_with_the_stripes_name) {
  add(600);
  for (auto& builder : builders_) builder->end_log();
  const AggregationNumber broken = builders_[1]->aggregations().size() / 2;
  const Sequence first = first_in(1, broken);
  damage(1, broken);
  finish();
  auto report = restore();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), Code::kCorruption) << report.error().message();
  EXPECT_THAT(report.error().message(), HasSubstr("stripe 1 of 2 (vm1.stripe1)"));
  EXPECT_THAT(report.error().message(), HasSubstr(fmt::format("sequence {}: ", first)));
  EXPECT_FALSE(std::filesystem::exists(image()));
  RestoreOptions anyway;
  anyway.up_to_damage = true;
  expect_restored(restore(anyway), first - 1);
  expect_restored(restore(until(Until::Kind::kSequence, first - 1)), first - 1);
}

TEST_F(StripedRestore, ends_at_a_stripe_that_is_gone) {
  add(600);
  finish();
  std::filesystem::remove_all(site_.file("right"));
  auto report = restore();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), Code::kCorruption) << report.error().message();
  EXPECT_THAT(report.error().message(), HasSubstr("stripe 1 of 2 (vm1.stripe1)"));
  RestoreOptions anyway;
  anyway.up_to_damage = true;
  expect_restored(restore(anyway), 64);
  std::filesystem::remove_all(site_.file("left"));
  auto nothing = open();
  ASSERT_FALSE(nothing);
  EXPECT_THAT(nothing.error().message(), HasSubstr("there is no such folder"));
}

TEST_F(StripedRestore, nothing_is_left_without_the_first_stripe) {
  add(600);
  finish();
  std::filesystem::remove_all(site_.file("left"));
  auto report = restore();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), Code::kCorruption) << report.error().message();
  EXPECT_THAT(report.error().message(), HasSubstr("sequence 1: stripe 0 of 2 (vm1.stripe0)"));
}

// Interrupted wherever it is: the same command continues.
TEST_F(StripedRestore, goes_on_after_an_interruption) {
  add(700);
  finish();
  RestoreOptions options;
  options.batch_bytes = 1;
  options.sync_every_ns = 0;
  options.until.kind = Until::Kind::kSequence;
  options.until.sequence = 300;
  auto part = restore(options);
  expect_restored(part, 300);
  std::filesystem::remove(image());
  options.until = {};
  std::atomic<bool> stop{false};
  {
    auto source = open();
    ASSERT_TRUE(source);
    Progress progress({}, system_clock());
    TargetOptions target_options;
    target_options.name = image();
    target_options.size = kDiskBytes;
    auto file = make_file_target(target_options, io::system_files());
    unsigned steps = 0;
    WatchedTarget target(*file, [&]() -> Status {
      if (++steps == 5) stop = true;
      return {};
    });
    Restore run({(*source)->reader(), target, io::system_files(), system_clock(), progress, stop,
                 [](const std::string&) {}},
                options);
    auto interrupted = run.run();
    ASSERT_FALSE(interrupted);
    EXPECT_EQ(interrupted.error().code(), Code::kShutdown);
  }
  auto report = restore();
  expect_restored(report, 700);
  EXPECT_EQ(report->resumed_after, 5 * 64U) << notes_;
}

TEST_F(StripedRestore, what_are_not_these_stripes_is_refused) {
  add(300);
  finish();
  write_config("right, left");
  auto turned = open();
  ASSERT_FALSE(turned);
  // Neither has the other's name: there is no log at all.
  EXPECT_THAT(turned.error().message(), HasSubstr("stripe 0 of 2 (vm1.stripe0): "));
  EXPECT_THAT(turned.error().message(), HasSubstr("there is no such folder"));
  write_config("left, right, left");
  auto three = open();
  ASSERT_FALSE(three);
  EXPECT_EQ(three.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(three.error().message(), HasSubstr("the log there is stripe 0 of 2"));
}

TEST_F(StripedRestore, stripes_of_two_logs_are_not_mixed) {
  add(300);
  builders_[0]->finish();
  builders_.erase(builders_.begin() + 1);
  std::filesystem::remove_all(site_.file("right"));
  LogBuilder other(config_path(), "vm1.stripe1", 5,
                   format::stripe_uuid(*Uuid::parse("11111111-2222-3333-4445-555555555555"),
                                       {.index = 1, .count = 2}));
  other.write(0, "other");
  other.finish();
  auto mixed = open();
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(mixed.error().message(), HasSubstr("of another vdisk"));
}

}  // namespace
}  // namespace tlog::player
