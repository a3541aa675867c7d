// Goal and method as in golden_test.cc: the file of hinted shards, made of the kept shards. The
// kept file is read, and the file that is written has the same shards at the same places.
#include <gtest/gtest.h>

#include <cstdlib>
#include <future>

#include "tests/support/log_samples.h"
#include "tests/support/temp_directory.h"
#include "tlog/flush/hinted_shards.h"

namespace tlog::flush {
namespace {

std::string golden_path(const std::string& name) {
  return std::string(TLOG_GOLDEN_DIRECTORY) + "/" + name;
}

class GoldenHinted : public ::testing::Test {
 protected:
  GoldenHinted() : loop_(std::move(io::make_loop({}, null_logger()).value())) {
    EXPECT_TRUE(loop_->start());
  }
  ~GoldenHinted() override { loop_->stop(); }

  std::shared_ptr<HintedShards> open(const std::string& path) {
    auto shards = HintedShards::open({.files = &io::system_files(),
                                      .loop = loop_.get(),
                                      .path = path,
                                      .vdisk = testing::SampleAggregation::sample_uuid(),
                                      .geometry = {.data = 4, .parity = 2},
                                      .bytes_max = kMiB});
    EXPECT_TRUE(shards) << shards.error().message();
    return std::move(*shards);
  }
  std::string read(const std::shared_ptr<HintedShards>& shards, const HintedShards::Name& name) {
    std::promise<std::string> done;
    io::run_on(*loop_, [&] {
      shards->read(name, [&](const Result<Buffer>& stored) {
        done.set_value(
            stored ? std::string(reinterpret_cast<const char*>(stored->data()), stored->size())
                   : stored.error().message());
      });
    });
    return done.get_future().get();
  }

  testing::TempDirectory directory_;
  const std::string path_ = directory_.file("hinted-shards");
  std::unique_ptr<io::Loop> loop_;
};

// The set that the kept shards are of: decoded from four of them, and coded again.
std::shared_ptr<const PutItem> kept_set(const std::vector<std::string>& kept) {
  std::vector<shard::ShardView> views;
  for (const std::string& stored : kept)
    views.push_back(shard::parse(bytes_of(std::string_view(stored))).value());
  const shard::Decoded decoded = shard::decode(views).value();
  std::string sealed;
  for (ConstByteSpan piece : decoded.pieces)
    sealed.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  return std::make_shared<const PutItem>(
      shard::ShardSet(views[0].geometry, views[0].identity,
                      Buffer::copy_of(bytes_of(std::string_view(sealed))), sealed.size()),
      "key", false);
}

TEST_F(GoldenHinted, file) {
  std::vector<std::string> kept;
  for (const char* index : {"0", "2", "4", "5"}) {
    kept.push_back(testing::read_text(golden_path(std::string("aggregation.shard-") + index)));
  }
  {
    auto shards = open(path_);
    std::promise<bool> done;
    const auto set = kept_set(kept);
    io::run_on(*loop_, [&] {
      shards->keep({{set, 2}, {set, 5}},
                   [&](const Status& status) { done.set_value(status.has_value()); });
    });
    ASSERT_TRUE(done.get_future().get());
  }
  const std::string written = testing::read_text(path_);
  if (std::getenv("TLOG_GOLDEN_WRITE") != nullptr)
    testing::write_text(golden_path("hinted-shards"), written);
  EXPECT_EQ(written, testing::read_text(golden_path("hinted-shards"))) << "the format has changed";

  testing::write_text(path_, testing::read_text(golden_path("hinted-shards")));
  auto shards = open(path_);
  const std::vector<HintedShards::Name> names = {{7, 3, 2}, {7, 3, 5}};
  EXPECT_EQ(shards->names(), names);
  EXPECT_EQ(read(shards, names[0]), kept[1]);
  EXPECT_EQ(read(shards, names[1]), kept[3]);
}

}  // namespace
}  // namespace tlog::flush
