// What the tests of restores share: a site with a log, a source that reads it, restores into files
// beside it.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "player/restore.h"
#include "player/source.h"
#include "tests/support/log_builder.h"
#include "tests/support/site.h"

namespace tlog::player {

// A target that does something before each apply: stops the restore, fails, looks around.
class WatchedTarget final : public Target {
 public:
  WatchedTarget(Target& inner, std::function<Status()> before_apply)
      : inner_(inner), before_apply_(std::move(before_apply)) {}

  Result<std::string> check(bool resuming) override { return inner_.check(resuming); }
  Result<std::string> identity() override { return inner_.identity(); }
  Status prepare(bool resuming) override { return inner_.prepare(resuming); }
  Status apply(std::span<const Change> changes) override {
    if (!changes.empty()) TLOG_TRY(before_apply_());
    return inner_.apply(changes);
  }
  Status sync() override { return inner_.sync(); }
  Status commit() override { return inner_.commit(); }
  bool wants_probe() const override { return inner_.wants_probe(); }
  Status read(std::uint64_t offset, ByteSpan into) override { return inner_.read(offset, into); }
  const std::string& name() const override { return inner_.name(); }
  std::string unfinished_name() const override { return inner_.unfinished_name(); }
  std::string default_state_path() const override { return inner_.default_state_path(); }

 private:
  Target& inner_;
  std::function<Status()> before_apply_;
};

class RestoreTest : public ::testing::Test {
 protected:
  static testing::SiteOptions one_small_vdisk() {
    testing::SiteOptions options;
    options.vdisks.front().size_mib = 1;
    options.vdisks.push_back(options.vdisks.front());
    options.vdisks.back().name = "copy";
    return options;
  }
  RestoreTest() : site_(one_small_vdisk()) {}

  // A log of some aggregations of random records, in two epochs.
  void build_log(unsigned aggregations = 8, unsigned records = 6) {
    const unsigned seed = std::random_device()();
    build_log_of(aggregations, records, seed);
  }
  void build_log_of(unsigned aggregations, unsigned records, unsigned seed) {
    seed_ = seed;
    builder_ = std::make_unique<testing::LogBuilder>(site_.config_path(), "vm1", seed);
    for (unsigned i = 0; i < aggregations; ++i) {
      builder_->random_records(1 + (seed + i) % records);
      builder_->close_aggregation();
      if (i == aggregations / 2) builder_->new_epoch();
    }
  }

  void build_more(unsigned aggregations) {
    for (unsigned i = 0; i < aggregations; ++i) {
      builder_->random_records(3);
      builder_->close_aggregation();
    }
  }

  // Reads what the directories hold now.
  Result<std::unique_ptr<LogSource>> open_source() {
    auto config = config::load(io::system_files(), site_.config_path());
    if (!config) return fail(config.error());
    return LogSource::open(*config, "vm1", {io::system_files(), system_random(), null_logger()});
  }

  TargetOptions target_options(const std::string& name, bool force = false) {
    TargetOptions options;
    options.name = name;
    options.size = builder_->size();
    options.force = force;
    options.vdisk = "vm1";
    return options;
  }
  std::string image() const { return site_.file("image"); }

  // Small steps, and the position kept after each.
  static RestoreOptions in_small_steps(Until until = {}) {
    RestoreOptions options;
    options.until = std::move(until);
    options.batch_bytes = 1;
    options.sync_every_ns = 0;
    return options;
  }
  static Until until_sequence(Sequence sequence) {
    Until until;
    until.kind = Until::Kind::kSequence;
    until.sequence = sequence;
    return until;
  }

  Result<RestoreReport> restore_to(Target& target, const RestoreOptions& options) {
    auto source = open_source();
    if (!source) return fail(source.error());
    Progress progress({}, system_clock());
    notes_.clear();
    Restore restore({(*source)->reader(), target, io::system_files(), system_clock(), progress,
                     stop_, [this](const std::string& text) { notes_ += text + "\n"; }},
                    options);
    auto report = restore.run();
    last_report_ = restore.report();
    return report;
  }
  Result<RestoreReport> restore(const RestoreOptions& options = {}, bool force = false) {
    auto target = make_file_target(target_options(image(), force), io::system_files());
    return restore_to(*target, options);
  }
  // Interrupted before the `step`th change, or by an error of the target there.
  Result<RestoreReport> restore_interrupted(unsigned step, const RestoreOptions& options,
                                            bool by_error = false) {
    auto file = make_file_target(target_options(image()), io::system_files());
    unsigned steps = 0;
    WatchedTarget target(*file, [&]() -> Status {
      if (++steps < step) return {};
      if (by_error) return fail(Code::kIoError, "the target has failed");
      stop_.store(true);
      return {};
    });
    auto report = restore_to(target, options);
    stop_.store(false);
    return report;
  }

  void expect_image_is(Sequence sequence) { expect_file_is(image(), sequence); }
  void expect_file_is(const std::string& path, Sequence sequence) {
    std::string text = testing::read_text(path);
    auto model = builder_->model_at(sequence);
    ASSERT_EQ(text.size(), model.size()) << path;
    EXPECT_EQ(std::memcmp(text.data(), model.data(), model.size()), 0)
        << path << " is not the vdisk at sequence " << sequence << ", seed " << seed_;
  }
  static bool exists(const std::string& path) {
    auto found = io::system_files().exists(path);
    return found && *found;
  }
  std::string partial() const { return image() + ".tlogplay-partial"; }
  std::string state() const { return image() + ".tlogplay-state"; }
  void remove_image() {
    for (const std::string& path : {image(), partial(), state()}) {
      (void)io::system_files().remove(path);
    }
  }

  testing::Site site_;
  unsigned seed_ = 0;
  std::unique_ptr<testing::LogBuilder> builder_;
  std::atomic<bool> stop_{false};
  std::string notes_;
  RestoreReport last_report_;
};

}  // namespace tlog::player
