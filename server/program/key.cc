#include "server/program/key.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "tlog/base/hex.h"
#include "tlog/base/wipe.h"

namespace tlog::program {
namespace {

constexpr std::size_t kKeyBytes = 32;

struct Wiped {
  std::array<std::byte, kKeyBytes> bytes{};
  ~Wiped() { wipe(bytes); }
};

std::shared_ptr<const seal::MasterKey> shared(seal::MasterKey key) {
  return std::make_shared<const seal::MasterKey>(std::move(key));
}

}  // namespace

Result<seal::MasterKey> key_of_text(const SecretText& text) {
  Wiped key;
  const std::string_view characters = text.text();
  if (text.length() == kKeyBytes) {
    std::memcpy(key.bytes.data(), characters.data(), kKeyBytes);
  } else if (text.length() != 2 * kKeyBytes || !read_hex(characters, key.bytes)) {
    return fail(Code::kInvalidArgument,
                fmt::format("--priv-key: {} characters that are no key; expected {} characters or "
                            "{} hex digits; better a file of `tlogctl keygen` with "
                            "--priv-key-file",
                            text.length(), kKeyBytes, 2 * kKeyBytes));
  }
  return seal::MasterKey::from_bytes(key.bytes);
}

Result<std::shared_ptr<const seal::MasterKey>> choose_key(const KeyChoice& choice,
                                                          io::FileSystem& files, Random& random,
                                                          Logger& logger) {
  if (choice.text != nullptr) {
    TLOG_ASSIGN(seal::MasterKey key, key_of_text(*choice.text));
    logger.warning(
        "event=key_on_command_line consequence=\"lists of processes, histories and unit files show "
        "it\" remedy=\"--priv-key-file\"");
    return shared(std::move(key));
  }
  if (!choice.flag_file.empty()) {
    auto key = seal::MasterKey::load(files, choice.flag_file);
    if (!key) return fail(key.error().within("--priv-key-file"));
    return shared(std::move(*key));
  }
  std::string absent;
  if (!choice.config_file.empty()) {
    auto key = seal::MasterKey::load(files, choice.config_file);
    if (key) return shared(std::move(*key));
    if (key.error().code() != Code::kNotFound) return fail(key.error().within("--config"));
    absent = fmt::format(" absent=\"{}\"", choice.config_file);
  }
  if (choice.only_memory) {
    TLOG_ASSIGN(seal::MasterKey key, seal::MasterKey::generate(random));
    logger.info("event=key_of_this_process reason=\"--memorystorage: nothing outlives it\"");
    return shared(std::move(key));
  }
  logger.warning(
      fmt::format("event=no_key{} consequence=\"only clients that hand their key over are served\" "
                  "remedy=\"--priv-key-file, made by tlogctl keygen, to serve the others too\"",
                  absent));
  return std::shared_ptr<const seal::MasterKey>();
}

}  // namespace tlog::program
