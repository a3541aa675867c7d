#include "slave-sync/receipts.h"

#include <fmt/format.h>

#include <charconv>

#include "tlog/session/receipt.h"

namespace tlog::standby {
namespace {

constexpr std::string_view kPrefix = "failover-";
constexpr std::string_view kSuffix = ".json";

// When the failover began, by the name of its file; none: it is not a receipt's.
std::optional<TimestampNs> began_of(std::string_view name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return std::nullopt;
  const std::string_view rest = name.substr(kPrefix.size());
  TimestampNs began = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), began);
  const bool is_number = error == std::errc() && end != rest.data() + rest.size() && *end == '-';
  return is_number ? std::optional(began) : std::nullopt;
}

}  // namespace

Status keep_receipt(io::FileSystem& files, const std::string& directory,
                    session::Receipt& receipt) {
  TLOG_TRY(files.make_directories(directory));
  const std::string path = io::join_path(directory, fmt::format("{}{}-{}{}", kPrefix, receipt.began,
                                                                receipt.standby.sequence, kSuffix));
  TLOG_TRY(io::write_file_atomically(files, path,
                                     bytes_of(std::string_view(session::receipt_json(receipt)))));
  receipt.path = path;
  return {};
}

Result<std::optional<session::Receipt>> newest_receipt(io::FileSystem& files,
                                                       const std::string& directory) {
  auto entries = files.list(directory);
  if (!entries && entries.error().code() == Code::kNotFound) return std::nullopt;
  if (!entries) return fail(entries.error());
  std::string newest;
  TimestampNs newest_began = 0;
  for (const io::DirectoryEntry& entry : *entries) {
    const std::optional<TimestampNs> began = began_of(entry.name);
    if (!began || *began < newest_began) continue;
    newest_began = *began;
    newest = entry.name;
  }
  if (newest.empty()) return std::nullopt;
  const std::string path = io::join_path(directory, newest);
  TLOG_ASSIGN(const std::string text, io::read_file(files, path, session::kReceiptBytesMax));
  auto receipt = session::parse_receipt(text);
  if (!receipt) return fail(receipt.error().within(path));
  receipt->path = path;
  return std::optional(*std::move(receipt));
}

}  // namespace tlog::standby
