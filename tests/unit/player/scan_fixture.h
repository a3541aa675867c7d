// What the tests of recovery from shards alone share: a log whose metadata is deleted, damage of
// many kinds, and tlogplay as a process.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/process.h"
#include "tests/unit/player/restore_fixture.h"
#include "tlog/format/metadata.h"
#include "tlog/seal/sealer.h"

namespace tlog::player {

class ScanTest : public RestoreTest {
 protected:
  static constexpr unsigned kTotal = 6;

  // Nothing but shards is left: no index pages, no epochs, no format, no head.
  void delete_metadata() {
    const std::string vdisk = builder_->format().name;
    unsigned deleted = 0;
    for (unsigned i = 0; i < kTotal; ++i) {
      auto keys = store::scan_and_wait(builder_->store(i), format::key_prefix(vdisk), "", 100'000);
      ASSERT_TRUE(keys) << keys.error().message();
      for (const std::string& key : *keys) {
        if (format::parse_shard_key(vdisk, key)) continue;
        Status removed = store::remove_and_wait(builder_->store(i), key);
        ASSERT_TRUE(removed) << removed.error().message();
        ++deleted;
      }
    }
    EXPECT_GE(deleted, kTotal) << "there was no metadata to delete";
  }
  // A log in two epochs; the stores have everything and no metadata.
  void build_bare(unsigned aggregations = 10) {
    build_log(aggregations);
    builder_->end_log();  // at its end a writer stores metadata once more
    delete_metadata();
  }

  // One authentic aggregation of a few records, as a writer of that epoch would have stored it.
  struct Made {
    shard::ShardSet shards;
    Hash256 hash;
  };
  Made make(Epoch epoch, AggregationNumber number, Sequence first, const Hash256& prev) {
    auto config = config::load(io::system_files(), site_.config_path());
    auto key = seal::MasterKey::load(io::system_files(), config->key_file);
    seal::Sealer sealer(*key, system_random());
    format::Aggregation aggregation;
    aggregation.header.vdisk = builder_->format().vdisk;
    aggregation.header.number = number;
    aggregation.header.epoch = epoch;
    aggregation.header.first_sequence = first;
    aggregation.header.last_sequence = first + 1;
    aggregation.header.prev = prev;
    const std::string data(4096, 'x');
    for (Sequence sequence = first; sequence < first + 2; ++sequence) {
      format::Record record;
      record.sequence = sequence;
      record.timestamp = aggregation.header.timestamp =
          builder_->time_of(builder_->last_sequence()) + sequence;
      record.size = data.size();
      record.data = bytes_of(std::string_view(data));
      aggregation.records.push_back(record);
    }
    const shard::Geometry geometry{4, 2};
    auto sealed = sealer.seal(aggregation, shard::tail_room_max(geometry));
    const Hash256 hash = sealed->hash;
    return {shard::ShardSet(geometry, {builder_->format().vdisk, epoch, number, hash},
                            std::move(sealed->bytes), sealed->length),
            hash};
  }
  static Buffer bytes_of_shard(const shard::ShardSet& shards, unsigned index) {
    Buffer bytes(shards.shard_bytes());
    std::size_t at = 0;
    for (ConstByteSpan piece : shards.pieces(index)) {
      std::memcpy(bytes.data() + at, piece.data(), piece.size());
      at += piece.size();
    }
    return bytes;
  }
  // Where its writer would have put it.
  void put(const shard::ShardSet& shards, unsigned count = kTotal) {
    const shard::Identity& identity = shards.identity();
    for (unsigned i = 0; i < count; ++i) {
      auto& store = builder_->store(walk::store_of(identity.number, i, kTotal));
      Status stored =
          store::put_and_wait(store, format::shard_key("vm1", identity.epoch, identity.number),
                              bytes_of_shard(shards, i).span());
      ASSERT_TRUE(stored) << stored.error().message();
    }
  }
  // A branch of `count` aggregations off the one before `number`, in `epoch`.
  void put_branch(Epoch epoch, AggregationNumber number, unsigned count) {
    const auto& before = builder_->aggregations().at(number - 2);
    Hash256 prev = before.hash;
    Sequence sequence = before.last_sequence + 1;
    for (unsigned i = 0; i < count; ++i, sequence += 2) {
      Made made = make(epoch, number + i, sequence, prev);
      put(made.shards);
      prev = made.hash;
    }
  }
  void flip(AggregationNumber number, unsigned index) {
    Buffer shard = builder_->read_shard(number, index);
    shard.data()[shard.size() / 2] ^= std::byte{1};
    builder_->write_shard(number, index, shard.span());
  }

  testing::CommandResult play(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), TLOG_PLAY_FILE);
    testing::CommandOptions options;
    options.directory = site_.directory();
    return testing::run_command(std::move(arguments), options);
  }
  // Of vm1 from the stores of the cluster.
  testing::CommandResult recover(std::vector<std::string> more = {}) const {
    std::vector<std::string> all{"--config", site_.config_path(), "recover", "--scan", "--cluster",
                                 "local",    "--vdisk",           "vm1",     "--to",   image(),
                                 "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return play(std::move(all));
  }
  testing::CommandResult recover_unnamed() const {
    return play({"--config", site_.config_path(), "recover", "--scan", "--cluster", "local", "--to",
                 image(), "--json"});
  }
  testing::CommandResult export_to(const std::string& folder,
                                   std::vector<std::string> more = {"vm1"}) const {
    std::vector<std::string> all{"--config", site_.config_path(), "export-shards", "--to", folder,
                                 "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return play(std::move(all));
  }
  // From a folder, a key and a size alone.
  testing::CommandResult recover_folder(const std::string& folder,
                                        std::vector<std::string> more = {}) const {
    std::vector<std::string> all{"recover",    "--scan",
                                 "--shards",   folder,
                                 "--key-file", site_.file("tlogdisk.key"),
                                 "--size",     std::to_string(builder_->size()),
                                 "--to",       image(),
                                 "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return play(std::move(all));
  }
  static nlohmann::json json_of(const testing::CommandResult& result) {
    return nlohmann::json::parse(result.output);
  }
  void expect_recovered(const testing::CommandResult& result, Sequence sequence) {
    ASSERT_EQ(result.exit_code, 0) << result.text() << "seed " << seed_;
    EXPECT_EQ(json_of(result).at("sequence"), sequence);
    EXPECT_EQ(json_of(result).at("damaged"), false);
    expect_image_is(sequence);
  }
  // The regular files below `folder`.
  static std::vector<std::string> files_of(const std::string& folder) {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
  }
};

}  // namespace tlog::player
