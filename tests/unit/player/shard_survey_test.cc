// Goal: a survey files every shard by what it says of itself, counts what it could not use, asks no
// more of what does not answer, and never guesses which vdisk was meant. Method: a pile in memory.
#include "player/shard_survey.h"

#include <gtest/gtest.h>

#include "tests/support/log_samples.h"

namespace tlog::player {
namespace {

// Parts 0, 1, ...: each a vdisk's name.
class FakePile final : public ShardPile {
 public:
  void add(std::uint32_t where, const std::string& item, Result<std::string> bytes) {
    items_.push_back({where, item});
    contents_.emplace(item, std::move(bytes));
  }
  std::vector<std::string> labels{"vm1", "vm2", ""};
  std::vector<std::uint32_t> given_up;
  unsigned reads = 0;

  std::uint64_t count() override { return items_.size(); }
  std::vector<PileItem> next(std::size_t limit) override {
    std::vector<PileItem> some;
    while (some.size() < limit && at_ < items_.size()) {
      PileItem& item = items_[at_++];
      if (std::find(given_up.begin(), given_up.end(), item.where) != given_up.end()) continue;
      some.push_back(item);
    }
    return some;
  }
  void read(const PileItem& item, store::GetDone done) override {
    ++reads;
    const Result<std::string>& bytes = contents_.at(item.name);
    if (!bytes) return done(fail(bytes.error()));
    done(Buffer::copy_of(bytes_of(std::string_view(*bytes))));
  }
  void give_up(std::uint32_t where, const std::string&) override { given_up.push_back(where); }
  std::string usual_name(std::uint32_t, const shard::Identity& identity,
                         unsigned index) const override {
    return std::to_string(identity.number) + "." + std::to_string(index);
  }
  std::optional<ExpectedShard> expected(const PileItem& item) const override {
    const auto dot = item.name.find('.');
    if (dot == std::string::npos) return std::nullopt;
    return ExpectedShard{{}, {1, std::stoull(item.name.substr(0, dot))}};
  }
  const std::string& label(std::uint32_t where) const override { return labels.at(where); }
  unsigned unseen(const shard::Geometry&) const override { return 0; }
  std::vector<std::string> problems() const override { return {}; }
  const std::string& name() const override { return name_; }

 private:
  const std::string name_ = "pile";
  std::vector<PileItem> items_;
  std::map<std::string, Result<std::string>> contents_;
  std::size_t at_ = 0;
};

class Survey : public ::testing::Test {
 protected:
  Survey() : first_(random_.next_uuid()), second_(random_.next_uuid()) {}

  // Shard `index` of 2+1.
  static std::string shard_of(const Uuid& vdisk, AggregationNumber number, unsigned index) {
    Buffer sealed(1000);
    std::memset(sealed.data(), 7, sealed.size());
    shard::Identity identity;
    identity.vdisk = vdisk;
    identity.epoch = 1;
    identity.number = number;
    shard::ShardSet shards({2, 1}, identity, std::move(sealed), 1000);
    std::string bytes;
    for (ConstByteSpan piece : shards.pieces(index)) {
      for (std::byte byte : piece) bytes.push_back(static_cast<char>(byte));
    }
    return bytes;
  }
  Result<ShardSurvey> survey() { return survey_shards(pile_, {"scanning", progress_, stop_}); }

  testing::SeededRandom random_{1};
  const Uuid first_;
  const Uuid second_;
  FakePile pile_;
  Progress progress_{{}, system_clock()};
  std::atomic<bool> stop_{false};
};

TEST_F(Survey, everything_is_counted) {
  pile_.add(0, "1.0", shard_of(first_, 1, 0));
  pile_.add(0, "1.1", shard_of(first_, 1, 2));  // another index's place
  std::string rotten = shard_of(first_, 2, 0);
  rotten[200] ^= 1;
  pile_.add(0, "2.0", rotten);
  pile_.add(0, "2.1", Result<std::string>(fail(Code::kInvalidArgument, "too short")));
  pile_.add(0, "2.2", Result<std::string>(fail(Code::kIoError, "bad sector")));
  pile_.add(0, "letter", Result<std::string>(fail(Code::kInvalidArgument, "no shard")));
  pile_.add(1, "odd", shard_of(second_, 9, 1));
  auto found = survey();
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->shards, 3U);
  EXPECT_EQ(found->rotten, 2U);
  EXPECT_EQ(found->unreadable, 1U);
  EXPECT_EQ(found->unreadable_why, "bad sector");
  EXPECT_EQ(found->foreign, 1U);
  ASSERT_EQ(found->odd.size(), 2U);
  EXPECT_EQ(found->odd[0].name, "1.1");
  ASSERT_EQ(found->lost.size(), 3U);
  for (const auto& lost : found->lost) EXPECT_EQ(lost.number, 2U);
  ASSERT_EQ(found->vdisks.size(), 2U);
  EXPECT_EQ(found->vdisks.at(first_).index.size(), 2U);
  EXPECT_TRUE(found->vdisks.at(second_).labels.contains("vm2"));
}

TEST_F(Survey, what_does_not_answer_is_given_up) {
  for (unsigned i = 0; i < 500; ++i) {
    pile_.add(1, std::to_string(i + 10) + ".0", Result<std::string>(fail(Code::kTimeout, "gone")));
  }
  pile_.add(0, "1.0", shard_of(first_, 1, 0));
  auto found = survey();
  ASSERT_TRUE(found);
  EXPECT_EQ(pile_.given_up, std::vector<std::uint32_t>{1});
  EXPECT_LT(pile_.reads, 200U);
  EXPECT_EQ(found->shards, 1U);
}

TEST_F(Survey, vdisk_is_chosen_and_never_guessed) {
  pile_.add(0, "1.0", shard_of(first_, 1, 0));
  pile_.add(1, "1.1", shard_of(second_, 1, 1));
  auto found = survey();
  ASSERT_TRUE(found);
  auto none = choose_vdisk(*found, pile_, "", "");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Code::kInvalidArgument);
  for (const std::string& named : {first_.text(), second_.text(), std::string("--uuid")}) {
    EXPECT_NE(none.error().message().find(named), std::string::npos) << none.error().message();
  }
  auto by_name = choose_vdisk(*found, pile_, "vm2", "");
  ASSERT_TRUE(by_name);
  EXPECT_EQ(by_name->uuid, second_);
  auto by_uuid = choose_vdisk(*found, pile_, first_.text(), "");
  ASSERT_TRUE(by_uuid);
  EXPECT_EQ(by_uuid->uuid, first_);
  EXPECT_EQ(by_uuid->name, "vm1");
  // A uuid wins over the name under which it was found.
  auto both = choose_vdisk(*found, pile_, "vm1", second_.text());
  ASSERT_TRUE(both);
  EXPECT_EQ(both->uuid, second_);
  EXPECT_EQ(both->name, "vm1");
  auto unknown = choose_vdisk(*found, pile_, "vm3", "");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), Code::kNotFound);
}

TEST_F(Survey, a_name_that_no_file_has) {
  pile_.add(2, "a", shard_of(first_, 1, 0));
  auto found = survey();
  ASSERT_TRUE(found);
  auto choice = choose_vdisk(*found, pile_, "vm7", "");
  ASSERT_TRUE(choice) << choice.error().message();
  EXPECT_EQ(choice->name, "vm7");
  auto unnamed = choose_vdisk(*found, pile_, "", "");
  ASSERT_TRUE(unnamed);
  EXPECT_EQ(unnamed->name, "");
}

TEST_F(Survey, stops_when_asked) {
  pile_.add(0, "1.0", shard_of(first_, 1, 0));
  stop_.store(true);
  auto found = survey();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), Code::kShutdown);
}

}  // namespace
}  // namespace tlog::player
