#include "tlog/seal/key.h"

#include <fmt/format.h>

#include "tlog/base/hex.h"
#include "tlog/seal/sodium.h"

namespace tlog::seal {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::string_view kFilePrefix = "tlogdisk-key-1:";
constexpr std::size_t kFileBytes =
    kFilePrefix.size() + 2 * kKeyBytes + 1;  // a newline ends the line

Error malformed(const std::string& path, std::string_view reason) {
  return {Code::kInvalidArgument, fmt::format("key file: {}: {}; expected one line '{}' and {} hex "
                                              "digits, as `tlogctl keygen` makes it; restore "
                                              "the file from its backup",
                                              path, reason, kFilePrefix, 2 * kKeyBytes)};
}

// Reads the key out of the file's text. Messages tell of lengths and places, never of the contents.
Status parse(std::string_view text, const std::string& path, ByteSpan key) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (!text.starts_with(kFilePrefix)) return fail(malformed(path, "it is not a key file"));
  text.remove_prefix(kFilePrefix.size());
  if (text.size() != 2 * kKeyBytes) {
    return fail(malformed(
        path, text.size() < 2 * kKeyBytes ? "the key is too short" : "the key is too long"));
  }
  if (!read_hex(text, key))
    return fail(malformed(path, "the key has a character that is no hex digit"));
  return {};
}

void write_text(ConstByteSpan key, ByteSpan into) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::memcpy(into.data(), kFilePrefix.data(), kFilePrefix.size());
  std::byte* at = into.data() + kFilePrefix.size();
  for (std::byte byte : key) {
    *at++ = static_cast<std::byte>(kDigits[std::to_integer<unsigned>(byte) >> 4]);
    *at++ = static_cast<std::byte>(kDigits[std::to_integer<unsigned>(byte) & 15]);
  }
  *at = std::byte{'\n'};
}

}  // namespace

std::string KeyId::hex() const {
  return to_hex(std::as_bytes(std::span(bytes)));
}

struct MasterKey::Secret {
  SecretBytes key{kKeyBytes};
  KeyId id;
};

MasterKey::MasterKey(std::unique_ptr<Secret> secret) : secret_(std::move(secret)) {
  std::array<std::byte, 32> derived{};
  derive("tlogdisk-1 key id", {}, derived);
  std::memcpy(secret_->id.bytes.data(), derived.data(), secret_->id.bytes.size());
  secret_->key.make_read_only();
}
MasterKey::~MasterKey() = default;
MasterKey::MasterKey(MasterKey&&) noexcept = default;
MasterKey& MasterKey::operator=(MasterKey&&) noexcept = default;

Result<MasterKey> MasterKey::generate(Random& random) {
  if (!sodium_ready()) return fail(Code::kUnavailable, "key: libsodium cannot be initialised");
  auto secret = std::make_unique<Secret>();
  random.fill(secret->key.span());
  return MasterKey(std::move(secret));
}

Result<MasterKey> MasterKey::from_bytes(std::span<const std::byte, kKeyBytes> bytes) {
  if (!sodium_ready()) return fail(Code::kUnavailable, "key: libsodium cannot be initialised");
  auto secret = std::make_unique<Secret>();
  std::memcpy(secret->key.span().data(), bytes.data(), bytes.size());
  return MasterKey(std::move(secret));
}

void MasterKey::copy_to(std::span<std::byte, kKeyBytes> into) const {
  std::memcpy(into.data(), secret_->key.span().data(), into.size());
}

Result<MasterKey> MasterKey::load(io::FileSystem& files, const std::string& path) {
  if (!sodium_ready()) return fail(Code::kUnavailable, "key: libsodium cannot be initialised");
  auto file = files.open(path, {});
  if (!file && file.error().code() == Code::kNotFound) {
    return fail(
        Code::kNotFound,
        fmt::format("key file: {}: there is none; make one with `tlogctl keygen`, or for an "
                    "existing log restore it from its backup",
                    path));
  }
  if (!file) return fail(file.error().within("key file"));
  auto mode = files.mode(path);
  if (!mode) return fail(mode.error().within("key file"));
  if ((*mode & 0077) != 0) {
    return fail(Code::kInvalidArgument,
                fmt::format("key file: {}: mode {:04o} lets others use it; chmod 600 {}", path,
                            *mode, path));
  }
  // One byte more than a key file has, to see that it ends. The text never leaves guarded memory.
  SecretBytes text(kFileBytes + 2);
  auto length = (*file)->read(0, text.span());
  if (!length) return fail(length.error().within("key file"));
  auto secret = std::make_unique<Secret>();
  TLOG_TRY(parse({reinterpret_cast<const char*>(text.data()), *length}, path, secret->key.span()));
  return MasterKey(std::move(secret));
}

Status MasterKey::save(io::FileSystem& files, const std::string& path) const {
  SecretBytes text(kFileBytes);
  write_text(secret_->key.span(), text.span());
  // Exclusive, not renamed into place: whatever happens at the same time, a key that exists is
  // never replaced.
  auto file = files.open(path, {.write = true, .create = true, .exclusive = true});
  if (!file && file.error().code() == Code::kAlreadyExists) {
    return fail(
        Code::kAlreadyExists,
        fmt::format("key file: {}: it exists, and what it sealed cannot be read without it; "
                    "choose another path or move it away",
                    path));
  }
  if (!file) return fail(file.error().within("key file"));
  Status written = (*file)->write(0, ConstByteSpan(text.span()));
  if (written) written = (*file)->sync_data();
  if (written) written = files.sync_directory(io::parent_path(path));
  if (!written) {
    (void)files.remove(
        path);  // nothing is sealed with it yet; what is left of it would only be in the way
    return fail(written.error().within("key file"));
  }
  return {};
}

const KeyId& MasterKey::id() const {
  return secret_->id;
}

void MasterKey::derive(std::string_view context, ConstByteSpan salt,
                       std::span<std::byte, 32> into) const {
  Blake2b hash(secret_->key.span());
  hash.add_u64(context.size());
  hash.add(bytes_of(context));
  hash.add(salt);
  hash.finish(into);
}

}  // namespace tlog::seal
