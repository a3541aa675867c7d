#include "tlog/seal/sealer.h"

#include <fmt/format.h>

#include "tlog/base/assert.h"
#include "tlog/base/limits.h"
#include "tlog/seal/aggregation_hash.h"
#include "tlog/seal/cipher.h"
#include "tlog/seal/hash.h"
#include "tlog/seal/header.h"
#include "tlog/seal/sodium.h"

namespace tlog::seal {
namespace {

constexpr std::string_view kBlobHashContext = "tlogdisk-1 blob hash";
constexpr std::string_view kSaltContext = "tlogdisk-1 salt";
constexpr std::string_view kNonceContext = "tlogdisk-1 nonce";

// One subkey never serves two purposes or two ciphers.
std::string_view key_context(SealedKind kind, Cipher cipher) {
  const bool aes = cipher == Cipher::kAes256Gcm;
  if (kind == SealedKind::kAggregation)
    return aes ? "tlogdisk-1 aggregation aes-256-gcm" : "tlogdisk-1 aggregation xchacha20-poly1305";
  return aes ? "tlogdisk-1 blob aes-256-gcm" : "tlogdisk-1 blob xchacha20-poly1305";
}

// What follows the clear header in the associated data.
struct Binding {
  std::vector<std::byte> bytes;
  void add(ConstByteSpan more) { bytes.insert(bytes.end(), more.begin(), more.end()); }
};

Binding bind_aggregation(const Expected& identity) {
  Binding binding;
  binding.add(bytes_of(identity.vdisk.bytes));
  binding.add(bytes_of(identity.epoch));
  binding.add(bytes_of(identity.number));
  return binding;
}

Binding bind_blob(std::string_view context) {
  Binding binding;
  const std::uint64_t length = context.size();
  binding.add(bytes_of(length));
  binding.add(bytes_of(context));
  return binding;
}

// The key, nonce and associated data of one sealing.
class Subkey {
 public:
  Subkey(const MasterKey& master, const SealedHeader& header, const SealedHeaderBytes& header_bytes,
         const Binding& binding)
      : cipher_(header.cipher) {
    master.derive(key_context(header.kind, header.cipher), header.salt, key_.bytes);
    master.derive(kNonceContext, header.salt, nonce_.bytes);
    associated_.reserve(header_bytes.size() + binding.bytes.size());
    associated_.assign(header_bytes.begin(), header_bytes.end());
    associated_.insert(associated_.end(), binding.bytes.begin(), binding.bytes.end());
  }
  CipherInput input() const {
    return {.cipher = cipher_,
            .key = key_.bytes,
            .nonce = std::span<const std::byte, 32>(nonce_.bytes).first<24>(),
            .associated = associated_};
  }

 private:
  Cipher cipher_;
  StackSecret<32> key_;
  StackSecret<32> nonce_;
  std::vector<std::byte> associated_;
};

void hash_records(const format::Aggregation& aggregation, HashLanes lanes,
                  std::span<Hash256> hashes) {
  std::vector<ConstByteSpan> messages;
  messages.reserve(aggregation.records.size());
  for (const format::Record& record : aggregation.records) messages.push_back(record.data);
  hash_many(messages, hashes, lanes);
}

// Fresh random bytes decide; the contents' keyed hash makes up for random bytes that repeat.
std::array<std::byte, kSaltBytes> make_salt(const MasterKey& master, Random& random,
                                            const Hash256& contents) {
  std::array<std::byte, kSaltBytes + sizeof(Hash256)> input;
  random.fill(std::span(input).first<kSaltBytes>());
  std::memcpy(input.data() + kSaltBytes, contents.bytes.data(), contents.bytes.size());
  std::array<std::byte, kSaltBytes> salt;
  master.derive(kSaltContext, input, salt);
  return salt;
}

// The part [offset, offset + length) of the pieces' bytes, which are known to be that long.
std::vector<ConstByteSpan> slice(std::span<const ConstByteSpan> pieces, std::size_t offset,
                                 std::size_t length) {
  std::vector<ConstByteSpan> result;
  result.reserve(pieces.size());
  for (ConstByteSpan piece : pieces) {
    if (length == 0) break;
    if (offset >= piece.size()) {
      offset -= piece.size();
      continue;
    }
    ConstByteSpan part = piece.subspan(offset, std::min(length, piece.size() - offset));
    offset = 0;
    length -= part.size();
    result.push_back(part);
  }
  TLOG_ASSERT(length == 0);
  return result;
}

void copy_out(std::span<const ConstByteSpan> pieces, std::size_t offset, ByteSpan into) {
  for (ConstByteSpan part : slice(pieces, offset, into.size())) {
    std::memcpy(into.data(), part.data(), part.size());
    into = into.subspan(part.size());
  }
}

struct SealInput {
  SealedKind kind = SealedKind::kAggregation;
  Cipher cipher = Cipher::kAes256Gcm;
  std::array<std::byte, kSaltBytes> salt;
  std::span<const ConstByteSpan> plaintext;
  std::size_t tail_room = 0;
};

Result<Buffer> seal_pieces(const MasterKey& master, const SealInput& input,
                           const Binding& binding) {
  std::size_t plain = 0;
  for (ConstByteSpan piece : input.plaintext) plain += piece.size();
  const SealedHeader header{.cipher = input.cipher,
                            .kind = input.kind,
                            .key_id = master.id(),
                            .salt = input.salt,
                            .plaintext_length = plain};
  const SealedHeaderBytes header_bytes = encode_header(header);
  Subkey subkey(master, header, header_bytes, binding);
  const std::size_t length = kSealedHeaderBytes + plain + kTagBytes;
  Buffer sealed(length + input.tail_room);
  std::memcpy(sealed.data(), header_bytes.data(), header_bytes.size());
  std::memset(sealed.data() + length, 0, input.tail_room);
  TLOG_TRY(encrypt(subkey.input(), input.plaintext,
                   sealed.span().subspan(kSealedHeaderBytes, plain),
                   sealed.span().subspan(kSealedHeaderBytes + plain).first<kTagBytes>()));
  return sealed;
}

Result<Buffer> open_pieces(const MasterKey& master, SealedKind kind,
                           std::span<const ConstByteSpan> pieces, const Binding& binding) {
  std::size_t total = 0;
  for (ConstByteSpan piece : pieces) total += piece.size();
  if (total < kSealedHeaderBytes + kTagBytes || total > kSealedMax) {
    return fail(Code::kCorruption, fmt::format("length {}", total));
  }
  SealedHeaderBytes header_bytes;
  copy_out(pieces, 0, header_bytes);
  TLOG_ASSIGN(const SealedHeader header, decode_header(header_bytes));
  if (header.kind != kind) return fail(Code::kCorruption, "sealed for another purpose");
  if (header.key_id != master.id()) {
    return fail(Code::kWrongKey,
                fmt::format("sealed with key {}, but this key is {}; use the key file of this log",
                            header.key_id.hex(), master.id().hex()));
  }
  if (header.plaintext_length != total - kSealedHeaderBytes - kTagBytes) {
    return fail(Code::kCorruption,
                fmt::format("length {}, the header says {}", total - kSealedHeaderBytes - kTagBytes,
                            header.plaintext_length));
  }
  const auto plain = static_cast<std::size_t>(header.plaintext_length);
  std::array<std::byte, kTagBytes> tag;
  copy_out(pieces, kSealedHeaderBytes + plain, tag);
  Subkey subkey(master, header, header_bytes, binding);
  Buffer plaintext(plain);
  TLOG_TRY(
      decrypt(subkey.input(), slice(pieces, kSealedHeaderBytes, plain), plaintext.span(), tag));
  return plaintext;
}

Status check_hashes(const format::Aggregation& aggregation, HashLanes lanes) {
  std::vector<Hash256> hashes(aggregation.records.size());
  hash_records(aggregation, lanes, hashes);
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    if (hashes[i] != aggregation.records[i].hash) {
      return fail(Code::kCorruption,
                  fmt::format("sequence {}: the data does not have the record's hash",
                              aggregation.records[i].sequence));
    }
  }
  return {};
}

std::string name_of(const Expected& identity) {
  return fmt::format("aggregation {} of epoch {} of vdisk {}", identity.number, identity.epoch,
                     identity.vdisk.text());
}

}  // namespace

Sealer::Sealer(const MasterKey& key, Random& random) : Sealer(key, random, best_cipher()) {}

Sealer::Sealer(const MasterKey& key, Random& random, Cipher cipher, HashLanes lanes)
    : key_(key), random_(random), cipher_(cipher), lanes_(lanes) {
  TLOG_ASSERT(cipher_available(cipher) && hash_lanes_available(lanes));
}

std::size_t sealed_bytes(const format::Aggregation& aggregation) {
  return kSealedHeaderBytes + format::plaintext_bytes(aggregation) + kTagBytes;
}

Result<Sealed> Sealer::seal(format::Aggregation& aggregation, std::size_t tail_room,
                            RecordHashes known) const {
  const format::AggregationHeader& header = aggregation.header;
  const Expected identity{.vdisk = header.vdisk, .epoch = header.epoch, .number = header.number};
  if (auto good = format::check(aggregation); !good) {
    return fail(good.error().within("seal: " + name_of(identity)));
  }
  if (known == RecordHashes::kUnknown) {
    std::vector<Hash256> hashes(aggregation.records.size());
    hash_records(aggregation, lanes_, hashes);
    for (std::size_t i = 0; i < hashes.size(); ++i) aggregation.records[i].hash = hashes[i];
  }

  Sealed sealed;
  sealed.hash = aggregation_hash(key_, aggregation);
  Buffer table = format::encode_table(aggregation);
  std::vector<ConstByteSpan> plaintext;
  plaintext.reserve(aggregation.records.size() + 1);
  plaintext.push_back(table.span());
  for (const format::Record& record : aggregation.records) plaintext.push_back(record.data);
  SealInput input{.kind = SealedKind::kAggregation,
                  .cipher = cipher_,
                  .salt = make_salt(key_, random_, sealed.hash),
                  .plaintext = plaintext,
                  .tail_room = tail_room};
  auto bytes = seal_pieces(key_, input, bind_aggregation(identity));
  if (!bytes) return fail(bytes.error().within("seal: " + name_of(identity)));
  sealed.bytes = std::move(*bytes);
  sealed.length = sealed.bytes.size() - tail_room;
  return sealed;
}

Result<Opened> Sealer::open(std::span<const ConstByteSpan> pieces, const Expected& expected) const {
  auto open = [&]() -> Result<Opened> {
    Opened opened;
    TLOG_ASSIGN(opened.plaintext,
                open_pieces(key_, SealedKind::kAggregation, pieces, bind_aggregation(expected)));
    TLOG_ASSIGN(opened.aggregation, format::decode(opened.plaintext.span()));
    const format::AggregationHeader& header = opened.aggregation.header;
    const Expected found{.vdisk = header.vdisk, .epoch = header.epoch, .number = header.number};
    if (found.vdisk != expected.vdisk || found.epoch != expected.epoch ||
        found.number != expected.number) {
      return fail(Code::kCorruption, "it is " + name_of(found));
    }
    TLOG_TRY(check_hashes(opened.aggregation, lanes_));
    opened.hash = aggregation_hash(key_, opened.aggregation);
    return opened;
  };
  auto opened = open();
  if (!opened) return fail(opened.error().within("open: " + name_of(expected)));
  return opened;
}

Result<Buffer> Sealer::seal_blob(ConstByteSpan plaintext, std::string_view context) const {
  if (plaintext.size() > kSealedMax - kSealedHeaderBytes - kTagBytes) {
    return fail(Code::kInvalidArgument,
                fmt::format("seal: {}: {} bytes are too many", context, plaintext.size()));
  }
  StackSecret<32> hash_key;
  key_.derive(kBlobHashContext, {}, hash_key.bytes);
  Blake2b hash(hash_key.bytes);
  hash.add_u64(context.size());
  hash.add(bytes_of(context));
  hash.add(plaintext);
  Hash256 contents;
  hash.finish(std::as_writable_bytes(std::span(contents.bytes)));
  SealInput input{.kind = SealedKind::kBlob,
                  .cipher = cipher_,
                  .salt = make_salt(key_, random_, contents),
                  .plaintext = std::span(&plaintext, 1),
                  .tail_room = 0};
  auto sealed = seal_pieces(key_, input, bind_blob(context));
  if (!sealed) return fail(sealed.error().within(fmt::format("seal: {}", context)));
  return sealed;
}

Result<Buffer> Sealer::open_blob(ConstByteSpan sealed, std::string_view context) const {
  auto plaintext = open_pieces(key_, SealedKind::kBlob, std::span(&sealed, 1), bind_blob(context));
  if (!plaintext) return fail(plaintext.error().within(fmt::format("open: {}", context)));
  return plaintext;
}

}  // namespace tlog::seal
