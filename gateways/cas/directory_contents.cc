#include "gateways/cas/directory_contents.h"

#include <fmt/format.h>

#include <array>
#include <atomic>

#include "gateways/cas/name_file.h"
#include "tlog/base/assert.h"
#include "tlog/base/hex.h"
#include "tlog/base/mutex.h"

namespace tlog::cas {
namespace {

constexpr std::uint64_t kRoomKept = 16 * kMiB;  // a full disk is told before, not in the middle
constexpr std::size_t kNameLocks = 16;

Status check_size(std::string_view what, std::size_t bytes, std::size_t least, std::size_t most) {
  if (bytes >= least && bytes <= most) return {};
  return fail(Code::kInvalidArgument, fmt::format("cas: {}: it has {} bytes; {} to {} are taken",
                                                  what, bytes, least, most));
}

class DirectoryContents final : public Contents {
 public:
  DirectoryContents(io::FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}

  Status open();

  Result<Address> add(std::string_view content) override;
  Result<std::string> get(const Address& address) override;
  Status update(const std::string& name, std::string_view content) override;
  Result<std::string> fetch(const std::string& name) override;

 private:
  std::string below(std::string_view place) const { return io::join_path(directory_, place); }
  std::string place_of(const Address& address) const;
  std::string place_of_name(const std::string& name) const;
  Mutex& lock_of(const std::string& name) {
    return name_locks_[std::hash<std::string>()(name) % kNameLocks];
  }
  Status check_room(std::size_t bytes);
  Status put(const std::string& path, std::string_view bytes);
  Status write_new(const std::string& path, std::string_view bytes);
  Status sync(const std::string& directory);
  Status prepare_part(const std::string& path);
  bool is_kept(const std::string& path, const Address& address);

  io::FileSystem& files_;
  const std::string directory_;
  std::unique_ptr<io::File> lock_;
  std::atomic<std::uint64_t> written_{0};  // the next name under new/
  std::atomic<bool> failed_{false};
  std::array<std::atomic<bool>, 256> is_part_synced_{};  // contents/<2 hex>, in this life
  // Held while a name changes, so that nobody reads what is not synced yet.
  std::array<Mutex, kNameLocks> name_locks_;
};

Status DirectoryContents::open() {
  for (const char* part : {"contents", "names", "new"}) {
    TLOG_TRY(files_.make_directories(below(part)));
  }
  TLOG_ASSIGN(lock_, files_.open(below(".lock"), {.write = true, .create = true}));
  if (Status locked = lock_->try_lock(); !locked) {
    return fail(
        locked.error().code(),
        fmt::format("cas: {}: another process has this directory; end it, or name another one",
                    directory_));
  }
  // A process that was killed may have made them and no more.
  TLOG_TRY(files_.sync_directory(io::parent_path(directory_)));
  TLOG_TRY(files_.sync_directory(directory_));
  // What was being written when a process was killed.
  TLOG_ASSIGN(const auto left, files_.list(below("new")));
  for (const io::DirectoryEntry& entry : left) {
    TLOG_TRY(files_.remove(io::join_path(below("new"), entry.name)));
  }
  return {};
}

std::string DirectoryContents::place_of(const Address& address) const {
  const std::string digest = text_of(digest_in(address));
  return below(fmt::format("contents/{}/{}", digest.substr(0, 2), digest));
}

std::string DirectoryContents::place_of_name(const std::string& name) const {
  return below("names/" + text_of(digest_of(name)));
}

Status DirectoryContents::check_room(std::size_t bytes) {
  TLOG_ASSIGN(const std::uint64_t free, files_.free_bytes(directory_));
  if (bytes < free && free - bytes > kRoomKept) return {};
  return fail(Code::kNoSpace, fmt::format("cas: {}: {} bytes are free, {} come; make room",
                                          directory_, free, bytes));
}

Status DirectoryContents::write_new(const std::string& path, std::string_view bytes) {
  TLOG_ASSIGN(const auto file,
              files_.open(path, {.write = true, .create = true, .exclusive = true}));
  TLOG_TRY(file->write(0, std::as_bytes(std::span(bytes))));
  return file->sync_data();
}

// After one that failed nobody knows what the disk has.
Status DirectoryContents::sync(const std::string& directory) {
  if (failed_) {
    return fail(Code::kIoError, fmt::format("cas: {}: it could not be synced; look at the disk and "
                                            "start the server anew",
                                            directory_));
  }
  Status synced = files_.sync_directory(directory);
  if (!synced) failed_ = true;
  return synced;
}

// The directory that the content belongs into: made, and certainly there after a loss of power,
// whoever made it.
Status DirectoryContents::prepare_part(const std::string& path) {
  const std::string part = io::parent_path(path);
  std::byte number{};
  TLOG_ASSERT(read_hex(std::string_view(part).substr(part.size() - 2), ByteSpan(&number, 1)));
  std::atomic<bool>& is_synced = is_part_synced_[std::to_integer<std::size_t>(number)];
  if (is_synced) return {};
  TLOG_TRY(files_.make_directories(part));
  TLOG_TRY(sync(io::parent_path(part)));
  is_synced = true;
  return {};
}

Status DirectoryContents::put(const std::string& path, std::string_view bytes) {
  TLOG_TRY(check_room(bytes.size()));
  const std::string fresh = below(fmt::format("new/{}", written_++));
  Status moved = write_new(fresh, bytes);
  if (moved) moved = files_.rename(fresh, path);
  if (!moved) {
    (void)files_.remove(fresh);  // what stays goes at the next opening
    return moved;
  }
  return sync(io::parent_path(path));
}

bool DirectoryContents::is_kept(const std::string& path, const Address& address) {
  const auto kept = read_file(files_, path, kContentBytesMax);
  return kept && address_of(*kept) == address;
}

Result<Address> DirectoryContents::add(std::string_view content) {
  TLOG_TRY(check_size("content", content.size(), 0, kContentBytesMax));
  const Address address = address_of(content);
  const std::string path = place_of(address);
  TLOG_TRY(prepare_part(path));
  // Its bytes were synced before it came there; whether its directory was, only its writer knew.
  if (is_kept(path, address)) {
    TLOG_TRY(sync(io::parent_path(path)));
    return address;
  }
  TLOG_TRY(put(path, content));
  return address;
}

Result<std::string> DirectoryContents::get(const Address& address) {
  TLOG_TRY(check_size("address", address.size(), 1, kAddressBytesMax));
  const auto absent = [&] {
    return fail(Code::kNotFound,
                fmt::format("cas: get: {}: there is no content of this address", text_of(address)));
  };
  if (!is_multihash(address)) return absent();
  const std::string path = place_of(address);
  auto content = read_file(files_, path, kContentBytesMax);
  if (!content && content.error().code() == Code::kNotFound) return absent();
  // Longer than what is taken is as wrong as any other bytes.
  const bool is_too_long = !content && content.error().code() == Code::kInvalidArgument;
  if (!content && !is_too_long) return content;
  if (!is_too_long && address_of(*content) == address) return content;
  return fail(Code::kCorruption,
              fmt::format("cas: get: {}: the file is damaged; add the content again", path));
}

Status DirectoryContents::update(const std::string& name, std::string_view content) {
  TLOG_TRY(check_size("name", name.size(), 1, kNameBytesMax));
  TLOG_TRY(check_size("content", content.size(), 0, kContentBytesMax));
  const std::string file = encode_name_file(name, content);
  MutexLock lock(lock_of(name));
  return put(place_of_name(name), file);
}

Result<std::string> DirectoryContents::fetch(const std::string& name) {
  TLOG_TRY(check_size("name", name.size(), 1, kNameBytesMax));
  const std::string path = place_of_name(name);
  MutexLock lock(lock_of(name));
  auto file = read_file(files_, path, kNameFileBytesAround + kNameBytesMax + kContentBytesMax);
  if (!file && file.error().code() == Code::kNotFound) {
    return fail(Code::kNotFound, fmt::format("cas: fetch: {}: there is no such name", name));
  }
  const bool is_too_long = !file && file.error().code() == Code::kInvalidArgument;
  if (!file && !is_too_long) return file;
  auto content = is_too_long ? Result<std::string>(fail(Code::kCorruption, "it is too long"))
                             : decode_name_file(*file, name);
  if (content) return content;
  return fail(content.error().code(), fmt::format("cas: fetch: {}: {}; update the name again", path,
                                                  content.error().message()));
}

}  // namespace

Result<std::unique_ptr<Contents>> open_directory_contents(io::FileSystem& files,
                                                          const std::string& path) {
  auto contents = std::make_unique<DirectoryContents>(files, path);
  TLOG_TRY(contents->open());
  return contents;
}

}  // namespace tlog::cas
