#include "server/serve/wish.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tlog/config/config.h"
#include "tlog/config/names.h"

namespace tlog::server {
namespace {

constexpr std::uint64_t kFlushTimeMax = 3'600'000'000'000;
constexpr std::uint64_t kBatchBytesLeast = 1 * kMiB;  // one record of the greatest size, and more
constexpr std::size_t kClientShown = 100;

Result<std::shared_ptr<const seal::MasterKey>> key_of(const std::string& vdisk,
                                                      std::span<const std::uint8_t> handed_over,
                                                      const ServerOptions& options,
                                                      bool is_private) {
  if (handed_over.empty()) {
    if (options.key) return options.key;
    return fail(Code::kInvalidArgument,
                fmt::format("hello: {}: the client has handed over no key, and the server has none "
                            "of its own; give one of them the key file",
                            vdisk));
  }
  if (!is_private && !options.insecure) {
    return fail(Code::kInvalidArgument,
                fmt::format("hello: {}: the key came over a connection that others can read; use "
                            "TLS or a Unix socket, or start the server with --insecure; where the "
                            "network is not trusted make a new key, this one has been seen",
                            vdisk));
  }
  if (handed_over.size() != protocol::kKeyBytes) {
    return fail(Code::kInvalidArgument,
                fmt::format("hello: {}: a key of {} bytes, expected {}", vdisk, handed_over.size(),
                            protocol::kKeyBytes));
  }
  const auto bytes = std::as_bytes(handed_over).first<protocol::kKeyBytes>();
  TLOG_ASSIGN(seal::MasterKey key, seal::MasterKey::from_bytes(bytes));
  return std::make_shared<const seal::MasterKey>(std::move(key));
}

Status check_writer(const protocol::Hello& hello) {
  if (!hello.journal.is_nil()) return {};
  return fail(Code::kInvalidArgument,
              fmt::format("hello: {}: a writer without the uuid of its journal cannot be told from "
                          "others; send Hello.journal",
                          hello.format.name));
}

LogSettings settings_for(const std::string& vdisk, const ServerOptions& options) {
  if (options.settings_of) return options.settings_of(vdisk);
  return {.data_shards = options.data_shards,
          .parity_shards = options.parity_shards,
          .write_quorum = 0,
          .flush_size = options.flush_size,
          .flush_time_ns = options.flush_time_ns};
}

bool wants_standby(const std::string& vdisk, const protocol::Settings& wanted,
                   const ServerOptions& options) {
  if (options.slave_sync == nullptr) return false;
  return wanted.slave_sync || options.slave_sync->keeps(vdisk);
}

protocol::Settings in_force(const protocol::Settings& wanted, const LogSettings& own) {
  const std::uint64_t size = wanted.flush_size != 0 ? wanted.flush_size : own.flush_size;
  const std::uint64_t time_ns =
      wanted.flush_time_ns != 0 ? wanted.flush_time_ns : own.flush_time_ns;
  return {.flush_size = std::clamp<std::uint64_t>(size, 1, kAggregationRecordsMax),
          .flush_time_ns = std::min(time_ns, kFlushTimeMax),
          .write_quorum = wanted.write_quorum != 0 ? wanted.write_quorum : own.write_quorum,
          .slave_sync = wanted.slave_sync};
}

}  // namespace

std::string printable(std::string_view text) {
  std::string shown(text.substr(0, kClientShown));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '"' || c == '\\') c = '?';
  }
  return shown.empty() ? "unnamed" : shown;
}

Result<Wish> read_hello(protocol::Hello hello, const ServerOptions& options, bool is_private,
                        const std::string& peer) {
  const protocol::KeyBytes handed_over = std::exchange(hello.key, {});  // wiped when it goes
  TLOG_ASSIGN(const std::uint16_t version, protocol::choose_version(hello));
  if (!config::is_valid_name(hello.format.name)) {
    return fail(Code::kInvalidArgument,
                fmt::format("hello: {}: not a vdisk's name; expected 1 to {} letters, digits, "
                            "'.', '-' or '_'",
                            config::in_quotes(hello.format.name), kNameMax));
  }
  if (hello.role == protocol::Role::kWriter) TLOG_TRY(check_writer(hello));
  TLOG_ASSIGN(auto key, key_of(hello.format.name, handed_over, options, is_private));
  Wish wish{.version = version,
            .hello = std::move(hello),
            .settings = {},
            .key = std::move(key),
            .client = {},
            .peer = peer};
  wish.client = printable(wish.hello.client);
  format::VdiskFormat& format = wish.hello.format;
  const LogSettings own = settings_for(format.name, options);
  wish.settings = in_force(wish.hello.settings, own);
  wish.settings.slave_sync = wants_standby(format.name, wish.hello.settings, options);
  if (format.data_shards == 0 && format.parity_shards == 0) {
    format.data_shards = static_cast<std::uint8_t>(own.data_shards);
    format.parity_shards = static_cast<std::uint8_t>(own.parity_shards);
  }
  if (format.block_size == 0) format.block_size = options.block_size;
  return wish;
}

std::uint64_t batch_bytes_max(const ServerOptions& options) {
  // Of what all may hold too: one batch of each is on its way besides.
  const std::uint64_t part =
      std::min(options.session_memory_bytes / 4, options.memory_bytes_max / 16);
  return std::clamp(part, kBatchBytesLeast, protocol::kBatchFrameMax);
}

Status check_format(const format::VdiskFormat& wanted, const format::VdiskFormat& found) {
  if ((wanted.vdisk.is_nil() || wanted.vdisk == found.vdisk) &&
      (wanted.size == 0 || wanted.size == found.size) && wanted.block_size == found.block_size &&
      wanted.data_shards == found.data_shards && wanted.parity_shards == found.parity_shards) {
    return {};
  }
  return fail(
      Code::kInvalidArgument,
      fmt::format("hello: {}: the log is of vdisk {}, {} bytes in blocks of {}, {}+{} shards; the "
                  "client wants {}, {} bytes in blocks of {}, {}+{}; what a log is created with "
                  "stays, correct the client's configuration",
                  found.name, found.vdisk.text(), found.size, found.block_size, found.data_shards,
                  found.parity_shards, wanted.vdisk.text(), wanted.size, wanted.block_size,
                  wanted.data_shards, wanted.parity_shards));
}

}  // namespace tlog::server
