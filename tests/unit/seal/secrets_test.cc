// Goal: the master key is in nothing that leaves the process: sealed bytes, shards, metadata,
// messages.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "tests/support/log_samples.h"
#include "tests/support/temp_directory.h"
#include "tlog/seal/sealer.h"
#include "tlog/shard/shard.h"

namespace tlog::seal {
namespace {

using tlog::testing::SampleAggregation;
using tlog::testing::SeededRandom;

class Secrets : public ::testing::Test {
 protected:
  tlog::testing::TempDirectory directory_;
  const std::string path_ = io::join_path(directory_.path(), "tlogdisk.key");
  io::FileSystem& files_ = io::system_files();
  SeededRandom random_{77};
  std::string raw_, hex_;

  void SetUp() override {
    // The key is what the first 32 bytes of the generator are; the file says so in hex.
    auto key = MasterKey::generate(random_);
    ASSERT_TRUE(key->save(files_, path_));
    std::string text = *io::read_file(files_, path_, 4096);
    hex_ = text.substr(text.find(':') + 1, 64);
    SeededRandom again(77);
    raw_.resize(32);
    again.fill(std::as_writable_bytes(std::span(raw_)));
    ASSERT_EQ(to_hex(bytes_of(std::string_view(raw_))), hex_);
  }

  // No 8 bytes of the key in a row, raw or as hex digits of either case.
  void expect_clean(std::string_view text, std::string_view what) {
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (std::size_t i = 0; i + 8 <= raw_.size(); ++i) {
      EXPECT_EQ(text.find(raw_.substr(i, 8)), std::string_view::npos) << what;
      EXPECT_EQ(lower.find(hex_.substr(2 * i, 16)), std::string::npos) << what;
    }
  }
  void expect_clean(ConstByteSpan bytes, std::string_view what) {
    expect_clean({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, what);
  }
  void rewrite(std::string_view text) {
    ASSERT_TRUE(files_.remove(path_));
    ASSERT_TRUE((*files_.open(path_, {.write = true, .create = true}))->write(0, bytes_of(text)));
  }
};

TEST_F(Secrets, key_is_nowhere) {
  auto key = MasterKey::load(files_, path_);
  ASSERT_TRUE(key);
  expect_clean(key->id().hex(), "key id");
  SampleAggregation sample;
  sample.fill_mixed();
  const Expected expected{.vdisk = sample.value.header.vdisk, .epoch = 3, .number = 7};
  for (Cipher cipher : {Cipher::kAes256Gcm, Cipher::kXChaCha20Poly1305}) {
    Sealer sealer(*key, random_, cipher);
    auto sealed = sealer.seal(sample.value, 0);
    expect_clean(sealed->bytes.span(), "sealed");
    expect_clean(sealed->hash.hex(), "hash");
    shard::ShardSet set(
        {2, 1},
        {.vdisk = expected.vdisk, .epoch = 3, .number = 7, .aggregation_hash = sealed->hash},
        Buffer::copy_of(sealed->bytes.span()), sealed->length);
    for (unsigned i = 0; i < 3; ++i) {
      for (ConstByteSpan piece : set.pieces(i)) expect_clean(piece, "shard");
    }
    format::Metadata metadata = tlog::testing::sample_metadata();
    metadata.key_id.assign(key->id().bytes.begin(), key->id().bytes.end());
    Buffer encoded = format::encode_metadata(metadata);
    expect_clean(encoded.span(), "metadata");
    expect_clean(sealer.seal_blob(encoded.span(), "context")->span(), "blob");
    // Every way to fail that has a message.
    for (std::size_t i = 0; i < sealed->length; i += 7) {
      Buffer bad = Buffer::copy_of(sealed->bytes.span());
      bad.data()[i] ^= std::byte{1};
      ConstByteSpan piece = bad.span();
      expect_clean(sealer.open(std::span(&piece, 1), expected).error().message(), "message");
      expect_clean(sealer.open_blob(piece, "context").error().message(), "message");
    }
    SeededRandom other_random(5);
    auto other_key = MasterKey::generate(other_random);
    ConstByteSpan piece = sealed->bytes.span();
    expect_clean(Sealer(*other_key, random_).open(std::span(&piece, 1), expected).error().message(),
                 "wrong key");
  }
}

TEST_F(Secrets, key_is_in_no_message_of_the_key_file) {
  auto key = MasterKey::load(files_, path_);
  expect_clean(key->save(files_, path_).error().message(), "exists");
  for (const std::string& text :
       {"tlogdisk-key-1:" + hex_ + "0\n", "tlogdisk-key-1:" + hex_.substr(1), hex_,
        "tlogdisk-key-2:" + hex_, "tlogdisk-key-1:" + hex_.substr(1) + "x"}) {
    rewrite(text);
    auto loaded = MasterKey::load(files_, path_);
    ASSERT_FALSE(loaded);
    expect_clean(loaded.error().message(), "malformed");
  }
  rewrite("tlogdisk-key-1:" + hex_ + "\n");
  ASSERT_EQ(::chmod(path_.c_str(), 0644), 0);
  expect_clean(MasterKey::load(files_, path_).error().message(), "mode");
}

}  // namespace
}  // namespace tlog::seal
