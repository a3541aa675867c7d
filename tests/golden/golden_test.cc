// Goal: what an earlier version wrote is read, and nobody changes a format without noticing.
// Method: every encoder is fed fixed values and a fixed Random, and must make the bytes that are
// kept in tests/golden/files; every decoder reads them and must find the values.
#include <gtest/gtest.h>

#include "tests/golden/golden_file.h"
#include "tests/support/log_samples.h"
#include "tests/support/temp_directory.h"
#include "tlog/journal/layout.h"
#include "tlog/seal/sealer.h"
#include "tlog/shard/shard.h"

namespace tlog {
namespace {

using testing::golden;
using testing::golden_path;
using testing::SampleAggregation;
using testing::SeededRandom;
using testing::text_of;

constexpr shard::Geometry kGeometry{.data = 4, .parity = 2};

class Golden : public ::testing::Test {
 protected:
  SampleAggregation sample_;
  std::optional<seal::MasterKey> key_;

  void SetUp() override {
    sample_.fill_mixed();
    SeededRandom random(2026);
    key_.emplace(std::move(*seal::MasterKey::generate(random)));
  }
  seal::Sealed seal(seal::Cipher cipher) {
    SeededRandom random(11);
    return std::move(*seal::Sealer(*key_, random, cipher).seal(sample_.value, 0));
  }
  seal::Expected expected() const {
    return {.vdisk = sample_.value.header.vdisk,
            .epoch = sample_.value.header.epoch,
            .number = sample_.value.header.number};
  }
  void expect_sample(const format::Aggregation& aggregation) {
    EXPECT_EQ(aggregation.header.vdisk, sample_.value.header.vdisk);
    EXPECT_EQ(aggregation.header.number, 7u);
    EXPECT_EQ(aggregation.header.epoch, 3u);
    EXPECT_EQ(aggregation.header.first_sequence, 100u);
    EXPECT_EQ(aggregation.header.last_sequence, 106u);
    EXPECT_EQ(aggregation.header.timestamp, 1'700'000'000'500'000'000u);
    EXPECT_EQ(aggregation.header.prev, sample_.value.header.prev);
    ASSERT_EQ(aggregation.records.size(), sample_.value.records.size());
    for (std::size_t i = 0; i < aggregation.records.size(); ++i) {
      const format::Record& kept = aggregation.records[i];
      const format::Record& known = sample_.value.records[i];
      EXPECT_EQ(kept.sequence, known.sequence);
      EXPECT_EQ(kept.offset, known.offset);
      EXPECT_EQ(kept.size, known.size);
      EXPECT_EQ(kept.operation, known.operation);
      EXPECT_EQ(kept.timestamp, known.timestamp);
      EXPECT_EQ(to_hex(kept.data), to_hex(known.data));
    }
  }
};

TEST_F(Golden, plaintext) {
  (void)seal(seal::Cipher::kAes256Gcm);  // fills the hashes
  const std::string kept =
      golden("aggregation.plaintext", testing::plaintext_of(sample_.value).span());
  auto decoded = format::decode(bytes_of(std::string_view(kept)));
  ASSERT_TRUE(decoded) << decoded.error().message();
  expect_sample(*decoded);
}

TEST_F(Golden, sealed) {
  for (auto [cipher, name] :
       {std::pair(seal::Cipher::kAes256Gcm, "aggregation.aes-256-gcm.sealed"),
        std::pair(seal::Cipher::kXChaCha20Poly1305, "aggregation.xchacha20-poly1305.sealed")}) {
    seal::Sealed sealed = seal(cipher);
    const std::string kept = golden(name, sealed.bytes.span());
    ConstByteSpan bytes = bytes_of(std::string_view(kept));
    seal::Sealer reader(*key_, system_random());
    auto opened = reader.open(std::span(&bytes, 1), expected());
    ASSERT_TRUE(opened) << opened.error().message();
    expect_sample(opened->aggregation);
    // The chain's hash, which is in no sealed byte: other aggregations' prev depend on it.
    EXPECT_EQ(opened->hash.hex(),
              "0b59150061828237bd4d13bfc5239c692d51b17ab1d4d8b601aefaa56a58f232");
  }
}

TEST_F(Golden, shards) {
  seal::Sealed sealed = seal(seal::Cipher::kAes256Gcm);
  const std::string whole = text_of(sealed.bytes.span());
  shard::ShardSet set(
      kGeometry,
      {.vdisk = expected().vdisk, .epoch = 3, .number = 7, .aggregation_hash = sealed.hash},
      std::move(sealed.bytes), sealed.length);
  std::vector<std::string> kept;
  for (unsigned i : {0u, 2u, 4u, 5u}) {
    std::string made;
    for (ConstByteSpan piece : set.pieces(i)) made += text_of(piece);
    kept.push_back(
        golden("aggregation.shard-" + std::to_string(i), bytes_of(std::string_view(made))));
  }
  std::vector<shard::ShardView> views;
  for (const std::string& bytes : kept) {
    auto view = shard::parse(bytes_of(std::string_view(bytes)));
    ASSERT_TRUE(view) << view.error().message();
    EXPECT_EQ(view->identity, set.identity());
    EXPECT_EQ(view->geometry, kGeometry);
    views.push_back(*view);
  }
  auto decoded = shard::decode(views);
  ASSERT_TRUE(decoded) << decoded.error().message();
  std::string joined;
  for (ConstByteSpan piece : decoded->pieces) joined += text_of(piece);
  EXPECT_EQ(joined, whole);
}

TEST_F(Golden, metadata) {
  const format::Metadata known = testing::sample_metadata();
  const std::string kept = golden("metadata-4", format::encode_metadata(known).span());
  auto decoded = format::decode_metadata(bytes_of(std::string_view(kept)));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(decoded->generation, 42u);
  EXPECT_EQ(decoded->format, known.format);
  ASSERT_EQ(decoded->epochs.size(), 2u);
  EXPECT_EQ(decoded->epochs[1].writer, "host pid 2");
  EXPECT_EQ(decoded->epochs[1].first_sequence, 80u);
  EXPECT_EQ(decoded->epochs[0].write_quorum, 0u);
  EXPECT_EQ(decoded->epochs[1].write_quorum, 6u);
  EXPECT_EQ(decoded->epochs[1].journal, known.epochs[1].journal);
  EXPECT_TRUE(decoded->epochs[0].journal.is_nil());
  ASSERT_EQ(decoded->last.size(), 5u);
  EXPECT_EQ(decoded->last[4].hash, known.last[4].hash);
  EXPECT_EQ(decoded->key_id, known.key_id);
  EXPECT_EQ(decoded->servers, known.servers);
  EXPECT_EQ(decoded->blocks, known.blocks);
  EXPECT_EQ(decoded->log, known.log);
  EXPECT_EQ(decoded->complete, 6u);
  EXPECT_EQ(known.format.fingerprint(), 1'120'615'435u);
}

TEST_F(Golden, metadata_of_version_3_is_still_read) {
  const std::string kept = testing::read_text(golden_path("metadata-3"));
  auto decoded = format::decode_metadata(bytes_of(std::string_view(kept)));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(decoded->generation, 42u);
  EXPECT_EQ(decoded->blocks, testing::sample_metadata().blocks);
  EXPECT_TRUE(decoded->log.is_nil());
  EXPECT_EQ(decoded->complete, 0u);
}

TEST_F(Golden, metadata_of_version_2_is_still_read) {
  const std::string kept = testing::read_text(golden_path("metadata-2"));
  auto decoded = format::decode_metadata(bytes_of(std::string_view(kept)));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(decoded->generation, 42u);
  EXPECT_EQ(decoded->servers, testing::sample_metadata().servers);
  EXPECT_EQ(decoded->epochs[1].write_quorum, 6u);
  EXPECT_EQ(decoded->blocks, format::BlockPlace{});
}

TEST_F(Golden, metadata_of_version_1_is_still_read) {
  const std::string kept = testing::read_text(golden_path("metadata"));
  auto decoded = format::decode_metadata(bytes_of(std::string_view(kept)));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(decoded->generation, 42u);
  EXPECT_EQ(decoded->last.size(), 5u);
  EXPECT_TRUE(decoded->servers.empty());
  EXPECT_EQ(decoded->epochs[1].write_quorum, 0u);
  EXPECT_EQ(decoded->blocks, format::BlockPlace{});
}

TEST_F(Golden, index_page) {
  const std::string kept =
      golden("index-page", format::encode_index_page(testing::sample_page()).span());
  auto decoded = format::decode_index_page(bytes_of(std::string_view(kept)));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(decoded->page, 2u);
  ASSERT_EQ(decoded->entries.size(), 8u);
  EXPECT_EQ(decoded->entries[7].number, 520u);
  EXPECT_EQ(decoded->entries[7].last_timestamp, 520'900u);
}

TEST_F(Golden, blob) {
  SeededRandom random(12);
  Buffer page = format::encode_index_page(testing::sample_page());
  auto made =
      seal::Sealer(*key_, random, seal::Cipher::kAes256Gcm).seal_blob(page.span(), "golden");
  const std::string kept = golden("index-page.sealed", made->span());
  auto opened = seal::Sealer(*key_, random).open_blob(bytes_of(std::string_view(kept)), "golden");
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(text_of(opened->span()), text_of(page.span()));
}

TEST_F(Golden, key_file) {
  testing::TempDirectory directory;
  ASSERT_TRUE(key_->save(io::system_files(), directory.file("made")));
  const std::string made = testing::read_text(directory.file("made"));
  const std::string kept = golden("tlogdisk.key", bytes_of(std::string_view(made)));
  // git keeps no modes as strict as a key file's.
  testing::write_text(directory.file("kept"), kept, 0600);
  auto loaded = seal::MasterKey::load(io::system_files(), directory.file("kept"));
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->id(), key_->id());
  EXPECT_EQ(loaded->id().hex(), "bb0a0764750a42e44efec566b944c7ea");
}

TEST_F(Golden, store_keys) {
  EXPECT_EQ(format::shard_key("vm1", 12, 255), "tlog:vm1:12:00000000000000ff");
  EXPECT_EQ(format::metadata_key("vm1"), "tlog:vm1:meta");
  EXPECT_EQ(format::metadata_key("vm1", 0), "tlog:vm1:meta");
  EXPECT_EQ(format::metadata_key("vm1", 17), "tlog:vm1:meta:17");
  EXPECT_EQ(format::index_page_key("vm1", 10), "tlog:vm1:page:000000000000000a");
}

TEST(GoldenJournal, SuperblockAndRecordHeader) {
  journal::Superblock superblock;
  superblock.generation = 9;
  superblock.journal.bytes.fill(1);
  superblock.format.vdisk.bytes.fill(2);
  superblock.format.name = "vm1";
  superblock.format.size = 3 * kGiB;
  superblock.segment_bytes = 32 * kMiB;
  superblock.segments = 32;
  superblock.incarnation = 4;
  superblock.created = true;
  superblock.tail = 64 * 5;
  superblock.tail_sequence = 6;
  superblock.tail_timestamp = 7;
  superblock.tail_incarnation = 3;
  std::string kept = golden("journal-superblock-1", journal::encode_superblock(superblock).span());
  auto read = journal::decode_superblock(bytes_of(std::string_view(kept)), "superblock");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->generation, 9u);
  EXPECT_EQ(read->format, superblock.format);
  EXPECT_EQ(read->tail, superblock.tail);
  EXPECT_EQ(read->tail_sequence, 6u);
  EXPECT_EQ(read->tail_incarnation, 3u);

  journal::RecordHeader header{.position = 4096,
                               .sequence = 11,
                               .timestamp = 12,
                               .offset = 13 * 4096,
                               .size = 4096,
                               .data_length = 4096,
                               .data_crc = 0x01020304,
                               .incarnation = 4,
                               .operation = 1,
                               .durable_distance = 2};
  Buffer bytes(journal::kRecordHeaderBytes);
  journal::encode_record_header(header, 77, bytes.data());
  kept = golden("journal-record-1", bytes.span());
  auto record = journal::decode_record_header(bytes_of(std::string_view(kept)).data(), 77);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->sequence, 11u);
  EXPECT_EQ(record->offset, header.offset);
  EXPECT_EQ(record->durable_distance, 2u);
  EXPECT_FALSE(journal::decode_record_header(bytes_of(std::string_view(kept)).data(), 78));
}

}  // namespace
}  // namespace tlog
