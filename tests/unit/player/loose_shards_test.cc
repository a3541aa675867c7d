// A vdisk from a folder of loose shard files, with no store, no configuration, nothing but the key.
// Goal: what export-shards wrote comes back from it, however the files were moved, renamed, mixed
// with others or lost; two vdisks are never mixed. Method: export a log, delete everything else,
// recover; tlogplay as a process.
#include "player/loose_shard.h"

#include "tests/unit/player/scan_fixture.h"

namespace tlog::player {
namespace {

namespace fs = std::filesystem;

class LooseShards : public ScanTest {
 protected:
  std::string folder() const { return site_.file("loose"); }
  // The log in a folder; nothing else of it but the key.
  void build_loose(unsigned aggregations = 10) {
    build_bare(aggregations);
    builder_->finish();
    auto exported = export_to(folder());
    ASSERT_TRUE(exported.ok()) << exported.text();
    EXPECT_EQ(json_of(exported).at("vdisks").at(0).at("files"), aggregations * kTotal);
    forget_the_rest();
  }
  void forget_the_rest() {
    fs::remove_all(site_.file("log"));
    fs::remove(site_.config_path());
  }
  static void write_bytes(const std::string& path, ConstByteSpan bytes) {
    testing::write_text(path,
                        std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }
};

TEST(LooseShardNames, round_trip) {
  LooseShard shard;
  shard.vdisk = "vm.1-a";
  shard.uuid = *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");
  shard.epoch = 12;
  shard.number = 0x1a2b;
  shard.index = 5;
  EXPECT_EQ(loose_shard_name(shard),
            "vm.1-a.00112233-4455-6677-8899-aabbccddeeff.12.0000000000001a2b.5.tlogshard");
  EXPECT_EQ(loose_shard_folder(shard), "vm.1-a/0000000000001");
  auto parsed = parse_loose_shard_name(loose_shard_name(shard));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->vdisk, shard.vdisk);
  EXPECT_EQ(parsed->uuid, shard.uuid);
  EXPECT_EQ(parsed->epoch, shard.epoch);
  EXPECT_EQ(parsed->number, shard.number);
  EXPECT_EQ(parsed->index, shard.index);
  for (const char* other :
       {"", ".tlogshard", "a.tlogshard", "1.2.3.4.5.tlogshard",
        "vm1.00112233-4455-6677-8899-aabbccddeeff.12.1a2b.5.tlogshard",
        "vm1.00112233-4455-6677-8899-aabbccddeeff.012.0000000000001a2b.5.tlogshard",
        "vm1.00112233-4455-6677-8899-aabbccddeeff.12.0000000000001A2B.5.tlogshard",
        ".00112233-4455-6677-8899-aabbccddeeff.12.0000000000001a2b.5.tlogshard",
        "vm1.00112233-4455-6677-8899-aabbccddeeff.12.0000000000001a2b.5.tlogshard.part"}) {
    EXPECT_FALSE(parse_loose_shard_name(other)) << other;
  }
}

TEST_F(LooseShards, loose_shard_files) {
  build_loose();
  auto result = recover_folder(folder(), {"--vdisk", "vm1"});
  expect_recovered(result, builder_->last_sequence());
  EXPECT_EQ(json_of(result).at("vdisk"), "vm1");
  remove_image();
  // Nobody need know the name, and its uuid will do.
  expect_recovered(recover_folder(folder()), builder_->last_sequence());
  remove_image();
  expect_recovered(recover_folder(folder(), {"--vdisk", builder_->format().vdisk.text()}),
                   builder_->last_sequence());
  auto nobody = recover_folder(folder(), {"--vdisk", "nobody"});
  EXPECT_EQ(nobody.exit_code, 1) << nobody.text();
  EXPECT_NE(nobody.error.find("vm1"), std::string::npos) << nobody.error;
}

// Two of six of each are gone, the others have been renamed and moved about, among other files.
TEST_F(LooseShards, moved_renamed_and_mixed_with_others) {
  build_loose();
  const std::string heap = site_.file("heap");
  unsigned count = 0;
  for (const std::string& file : files_of(folder())) {
    auto shard = parse_loose_shard_name(fs::path(file).filename().string());
    ASSERT_TRUE(shard) << file;
    if ((shard->index + shard->number) % 3 == 0) continue;
    const std::string place = heap + "/" + std::to_string(count % 4) + "/deep/er";
    fs::create_directories(place);
    fs::copy_file(file, place + "/" + std::to_string(count++));
  }
  fs::create_directories(heap + "/empty");
  testing::write_text(heap + "/README", "shards of a disk");
  testing::write_text(heap + "/0/notes.tlogshard", std::string(5000, 'n'));
  testing::write_text(heap + "/0/magic alone", "TLOGSHRD" + std::string(500, '?'));
  fs::resize_file(heap + "/README", 100 * kMiB);
  fs::create_symlink("nowhere", heap + "/dangling");
  fs::create_directory_symlink(heap, heap + "/0/circle");
  ASSERT_TRUE(testing::run_command({"mkfifo", heap + "/pipe"}).ok());
  auto result = recover_folder(heap, {"--vdisk", "vm1"});
  expect_recovered(result, builder_->last_sequence());
  auto scan = json_of(result).at("scan");
  EXPECT_EQ(scan.at("shards"), 40);
  EXPECT_EQ(scan.at("damaged"), 1);
  EXPECT_EQ(json_of(result).at("vdisk"), "vm1");
}

TEST_F(LooseShards, two_vdisks_in_one_folder) {
  build_bare();
  builder_->finish();
  testing::LogBuilder other(site_.config_path(), "copy", seed_ + 1);
  other.random_records(40);
  other.close_aggregation();
  other.random_records(5);
  other.finish();
  auto exported = export_to(folder(), {});
  ASSERT_TRUE(exported.ok()) << exported.text();
  EXPECT_EQ(json_of(exported).at("vdisks").size(), 2U);
  forget_the_rest();
  auto refused = recover_folder(folder());
  EXPECT_EQ(refused.exit_code, 1) << refused.text();
  for (const std::string& named : {builder_->format().vdisk.text(), other.format().vdisk.text(),
                                   std::string("(vm1)"), std::string("(copy)")}) {
    EXPECT_NE(refused.error.find(named), std::string::npos) << named << " in " << refused.error;
  }
  EXPECT_FALSE(exists(image()));
  // All in one folder, side by side.
  const std::string flat = site_.file("flat");
  fs::create_directory(flat);
  for (const std::string& file : files_of(folder())) {
    fs::rename(file, flat + "/" + fs::path(file).filename().string());
  }
  expect_recovered(recover_folder(flat, {"--vdisk", "vm1"}), builder_->last_sequence());
  remove_image();
  auto second = recover_folder(flat, {"--uuid", other.format().vdisk.text()});
  ASSERT_TRUE(second.ok()) << second.text();
  EXPECT_EQ(json_of(second).at("vdisk"), "copy");
  EXPECT_GT(json_of(second).at("scan").at("shards_of_others"), 0);
  const auto model = other.model_at(other.last_sequence());
  const std::string text = testing::read_text(image());
  ASSERT_EQ(text.size(), model.size());
  EXPECT_EQ(std::memcmp(text.data(), model.data(), model.size()), 0);
}

// An authentic aggregation of the same number and epoch that is not the chain's (a cloned machine
// wrote it): the one that its successor names is taken.
TEST_F(LooseShards, twins_are_told_apart_by_the_chain) {
  build_bare();
  const auto& fifth = builder_->aggregations().at(4);
  const auto& fourth = builder_->aggregations().at(3);
  Made twin = make(fifth.epoch, 5, fifth.first_sequence, fourth.hash);
  builder_->finish();
  ASSERT_TRUE(export_to(folder()).ok());
  for (unsigned i = 0; i < kTotal; ++i) {
    write_bytes(folder() + "/twin" + std::to_string(i), bytes_of_shard(twin.shards, i).span());
  }
  forget_the_rest();
  auto result = recover_folder(folder(), {"--vdisk", "vm1"});
  expect_recovered(result, builder_->last_sequence());
  EXPECT_EQ(json_of(result).at("scan").at("superseded"), 1);
}

TEST_F(LooseShards, rotten_files) {
  build_loose();
  unsigned rotten = 0;
  for (const std::string& file : files_of(folder())) {
    auto shard = parse_loose_shard_name(fs::path(file).filename().string());
    ASSERT_TRUE(shard);
    if ((shard->index + shard->number) % 3 != 0) continue;
    ++rotten;
    std::string bytes = testing::read_text(file);
    // Its beginning, its middle, its length.
    if (shard->number % 3 == 0) bytes[0] = 'X';
    if (shard->number % 3 == 1) bytes[bytes.size() / 2] ^= 1;
    if (shard->number % 3 == 2) bytes.resize(bytes.size() / 2);
    testing::write_text(file, bytes);
  }
  auto result = recover_folder(folder(), {"--vdisk", "vm1"});
  expect_recovered(result, builder_->last_sequence());
  EXPECT_EQ(json_of(result).at("scan").at("damaged"), rotten);
}

// The end of the other vdisk's log is not this one's.
TEST_F(LooseShards, damage_of_another_vdisk_is_its_own) {
  build_bare(3);
  builder_->finish();
  testing::LogBuilder other(site_.config_path(), "copy", seed_ + 1);
  for (unsigned i = 0; i < 5; ++i) {
    other.random_records(3);
    other.close_aggregation();
  }
  other.finish();
  ASSERT_TRUE(export_to(folder(), {}).ok());
  for (const std::string& file : files_of(folder())) {
    auto shard = parse_loose_shard_name(fs::path(file).filename().string());
    ASSERT_TRUE(shard);
    if (shard->number == 5) fs::resize_file(file, 100);
  }
  forget_the_rest();
  expect_recovered(recover_folder(folder(), {"--vdisk", "vm1"}), builder_->last_sequence());
  remove_image();
  EXPECT_EQ(recover_folder(folder(), {"--vdisk", "copy"}).exit_code, 3);
}

TEST_F(LooseShards, what_is_needed_is_named) {
  build_loose(3);
  const std::string key = site_.file("tlogdisk.key");
  auto no_size =
      play({"recover", "--scan", "--shards", folder(), "--key-file", key, "--to", image()});
  EXPECT_EQ(no_size.exit_code, 1);
  EXPECT_NE(no_size.error.find("--size"), std::string::npos) << no_size.error;
  auto no_key =
      play({"recover", "--scan", "--shards", folder(), "--size", "1MiB", "--to", image()});
  EXPECT_EQ(no_key.exit_code, 1);
  EXPECT_NE(no_key.error.find("--config"), std::string::npos) << no_key.error;
  auto small = play({"recover", "--scan", "--shards", folder(), "--key-file", key, "--size", "4KiB",
                     "--to", image()});
  EXPECT_EQ(small.exit_code, 3) << small.text();
  EXPECT_NE(small.error.find("beyond the vdisk's end"), std::string::npos) << small.error;
  auto nothing = recover_folder(site_.file("blocks-nowhere"));
  EXPECT_EQ(nothing.exit_code, 1) << nothing.text();
  fs::create_directory(site_.file("empty"));
  auto empty = recover_folder(site_.file("empty"));
  EXPECT_EQ(empty.exit_code, 1) << empty.text();
  EXPECT_FALSE(exists(image()));
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"recover", "--shards", folder(), "--to", image()},
        {"recover", "--scan", "--to", image()},
        {"recover", "--scan", "--shards", folder()},
        {"recover", "--scan", "--shards", folder(), "--cluster", "local", "--to", image()},
        {"recover", "--scan", "--shards", folder(), "--size", "much", "--to", image()},
        {"recover", "--scan", "--shards", folder(), "--uuid", "vm1", "--to", image()},
        {"export-shards", "vm1"}}) {
    EXPECT_EQ(play(wrong).exit_code, 2) << ::testing::PrintToString(wrong);
  }
}

// An export that was cut off is completed, and says what the stores no longer have.
TEST_F(LooseShards, export_again_and_with_damage) {
  build_bare();
  flip(3, 1);
  builder_->finish();
  auto exported = export_to(folder());
  ASSERT_TRUE(exported.ok()) << exported.text();
  EXPECT_EQ(json_of(exported).at("vdisks").at(0).at("files"), 59);
  EXPECT_EQ(json_of(exported).at("vdisks").at(0).at("damaged"), 1);
  auto files = files_of(folder());
  ASSERT_EQ(files.size(), 59U);
  const std::string torn = testing::read_text(files.at(20));
  testing::write_text(files.at(20), torn.substr(0, torn.size() / 2));
  fs::remove(files.at(30));
  auto again = export_to(folder());
  ASSERT_TRUE(again.ok()) << again.text();
  EXPECT_EQ(json_of(again).at("vdisks").at(0).at("files"), 2);
  EXPECT_EQ(json_of(again).at("vdisks").at(0).at("kept"), 57);
  EXPECT_EQ(testing::read_text(files.at(20)), torn);
  // Three stores are gone: nothing can be read from what is exported.
  for (const char* gone : {"log/1", "log/3", "log/4"}) fs::remove_all(site_.file(gone));
  auto weak = export_to(site_.file("weak"));
  EXPECT_EQ(weak.exit_code, 3) << weak.text();
  EXPECT_EQ(json_of(weak).at("vdisks").at(0).at("incomplete_aggregations"), 10);
  EXPECT_EQ(export_to(site_.file("none"), {"nobody"}).exit_code, 1);
}

}  // namespace
}  // namespace tlog::player
