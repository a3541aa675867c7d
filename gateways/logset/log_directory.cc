#include "gateways/logset/log_directory.h"

#include <fmt/format.h>

#include <algorithm>

#include "gateways/frames/frame.h"

namespace tlog::logset {
namespace {

constexpr std::string_view kMarkerPrefix = kAppendMarkerPrefix;
constexpr std::string_view kHalfWrittenEnding = ".tmp";  // write_file_atomically()'s
constexpr std::uint64_t kRoomKept = 16 * kMiB;  // a full disk is told before, not in the middle

}  // namespace

Error not_at_end(const SliceHead& head, std::uint64_t length) {
  return {Code::kFenced, fmt::format("logset: slice: log '{}' ends at {}, the slice begins at {}; "
                                     "ask for the offsets and send what is missing",
                                     head.name, length, head.offset)};
}

Result<std::unique_ptr<LogDirectory>> LogDirectory::open(io::FileSystem& files,
                                                         const std::string& directory,
                                                         std::size_t logs_max) {
  TLOG_TRY(files.make_directories(directory));
  std::unique_ptr<LogDirectory> logs(new LogDirectory(files, directory, logs_max));
  TLOG_ASSIGN(logs->lock_, files.open(logs->place(".lock"), {.write = true, .create = true}));
  if (Status locked = logs->lock_->try_lock(); !locked) {
    return fail(locked.error().code(),
                fmt::format("logset: {}: another process has this directory; end it, or name "
                            "another one",
                            directory));
  }
  TLOG_TRY(logs->recover());
  TLOG_ASSIGN(const std::size_t count, logs->count_files());
  MutexLock lock(logs->mutex_);
  logs->count_ = count;
  return logs;
}

// What a process left that was killed.
Status LogDirectory::recover() {
  TLOG_ASSIGN(const auto entries, files_.list(directory_));
  for (const io::DirectoryEntry& entry : entries) {
    const bool is_half_marker =
        entry.name.starts_with(kMarkerPrefix) && entry.name.ends_with(kHalfWrittenEnding);
    if (entry.name.starts_with(kSpoolPrefix) || is_half_marker) {
      TLOG_TRY(files_.remove(place(entry.name)));
    } else if (entry.name.starts_with(kMarkerPrefix)) {
      TLOG_TRY(cut_back(entry.name));
    }
  }
  return files_.sync_directory(directory_);
}

Status LogDirectory::cut_back(const std::string& marker) {
  const std::string name = marker.substr(kMarkerPrefix.size());
  if (!is_log_name(name)) return {};  // not ours: the file's writer has another ending for it
  TLOG_ASSIGN(const std::string text, read_file(files_, place(marker), kLineMax));
  OffsetsParser parser;
  auto read = parser.take(std::as_bytes(std::span(text)));
  if (!read || !parser.done() || !parser.lengths().contains(name)) {
    return fail(Code::kCorruption,
                fmt::format("logset: {}: it does not say how long '{}' was; look at both, cut the "
                            "log back by hand and remove it",
                            place(marker), name));
  }
  const std::uint64_t length = parser.lengths().at(name);
  auto file = files_.open(place(name), {.write = true});
  if (!file && file.error().code() != Code::kNotFound) return fail(file.error());
  if (file) {
    TLOG_ASSIGN(const std::uint64_t size, (*file)->size());
    if (size < length) {
      return fail(Code::kCorruption,
                  fmt::format("logset: {}: it has {} bytes and had {}; bring it back from another "
                              "site",
                              place(name), size, length));
    }
    TLOG_TRY((*file)->resize(length));
    TLOG_TRY((*file)->sync_data());
    if (length == 0) TLOG_TRY(files_.remove(place(name)));
  }
  TLOG_TRY(files_.sync_directory(directory_));
  return files_.remove(place(marker));
}

Status LogDirectory::take_back(const std::string& name) {
  const std::string marker = std::string(kMarkerPrefix) + name;
  TLOG_ASSIGN(const bool is_begun, files_.exists(place(marker)));
  return is_begun ? cut_back(marker) : Status();
}

LogDirectory::Log& LogDirectory::log(const std::string& name) {
  MutexLock lock(mutex_);
  auto& entry = logs_[name];
  if (!entry) entry = std::make_unique<Log>();
  return *entry;
}

Result<std::uint64_t> LogDirectory::length_of(const std::string& name, Log& log) {
  MutexLock lock(log.mutex);
  if (log.appending || log.failed) return log.bytes;
  auto file = files_.open(place(name), {});
  if (!file && file.error().code() == Code::kNotFound) return std::uint64_t{0};
  if (!file) return fail(file.error());
  return (*file)->size();
}

Result<std::uint64_t> LogDirectory::length(const std::string& name) {
  return length_of(name, log(name));
}

Result<std::vector<LogLength>> LogDirectory::lengths() {
  TLOG_ASSIGN(const auto entries, files_.list(directory_));
  std::vector<LogLength> all;
  for (const io::DirectoryEntry& entry : entries) {
    if (entry.is_directory || !is_log_name(entry.name)) continue;
    if (all.size() == logs_max_) {
      return fail(Code::kNoSpace, fmt::format("logset: {}: more than {} logs; split the repository",
                                              directory_, logs_max_));
    }
    TLOG_ASSIGN(const std::uint64_t bytes, length(entry.name));
    all.push_back({.name = entry.name, .bytes = bytes});
  }
  return all;
}

Status LogDirectory::read(const std::string& log, std::uint64_t offset, ByteSpan into) {
  if (into.empty()) return {};
  TLOG_ASSIGN(const auto file, files_.open(place(log), {}));
  TLOG_ASSIGN(const std::size_t got, file->read(offset, into));
  if (got == into.size()) return {};
  return fail(Code::kIoError, fmt::format("logset: {}: it became shorter than it was; nobody else "
                                          "may cut logs",
                                          place(log)));
}

Status LogDirectory::check_room(const SliceHead& head) {
  if (head.offset == 0) {
    TLOG_ASSIGN(const bool is_new, make_new(head.name));
    if (is_new) made(false);  // append() has the last word
  }
  TLOG_ASSIGN(const std::uint64_t free, files_.free_bytes(directory_));
  if (head.length < free && free - head.length > kRoomKept) return {};
  return fail(Code::kNoSpace, fmt::format("logset: {}: {} bytes are free, the slice has {}; make "
                                          "room",
                                          directory_, free, head.length));
}

Result<std::size_t> LogDirectory::count_files() {
  TLOG_ASSIGN(const auto entries, files_.list(directory_));
  return static_cast<std::size_t>(
      std::count_if(entries.begin(), entries.end(), [](const io::DirectoryEntry& entry) {
        return !entry.is_directory && is_log_name(entry.name);
      }));
}

Result<bool> LogDirectory::make_new(const std::string& name) {
  TLOG_ASSIGN(const bool exists, files_.exists(place(name)));
  if (exists) return false;
  MutexLock lock(mutex_);
  if (count_ + making_ >= logs_max_) {
    TLOG_ASSIGN(count_, count_files());  // what is being made may be counted twice, which passes
  }
  if (count_ + making_ >= logs_max_) {
    return fail(Code::kNoSpace,
                fmt::format("logset: slice: '{}' would be log {} of {}, at most {} are taken; use "
                            "another repository, or fewer and longer logs",
                            name, count_ + making_ + 1, directory_, logs_max_));
  }
  ++making_;
  return true;
}

void LogDirectory::made(bool is_there) {
  MutexLock lock(mutex_);
  --making_;
  count_ += is_there ? 1 : 0;
}

Status LogDirectory::append(const SliceHead& head, SpooledSlice& slice, const Check& check) {
  Log& entry = log(head.name);
  MutexLock one_at_a_time(entry.append_mutex);
  TLOG_ASSIGN(const std::uint64_t length, length_of(head.name, entry));
  if (length != head.offset) return fail(not_at_end(head, length));
  if (check) TLOG_TRY(check());
  {
    MutexLock lock(entry.mutex);
    if (entry.failed) {
      return fail(Code::kIoError,
                  fmt::format("logset: {}: it could not be written; look at the disk and start the "
                              "server anew",
                              place(head.name)));
    }
    entry.bytes = length;
    entry.appending = true;
  }
  Status written = write_new_or_old(head, slice);
  // A full disk is no broken one: what got there is taken back, and the next slice may have room.
  const bool is_as_before =
      !written && written.error().code() == Code::kNoSpace && take_back(head.name);
  MutexLock lock(entry.mutex);
  entry.appending = false;
  entry.failed = !written && !is_as_before;
  return written;
}

Status LogDirectory::write_new_or_old(const SliceHead& head, SpooledSlice& slice) {
  if (head.offset != 0) return write(head, slice);
  TLOG_ASSIGN(const bool is_new, make_new(head.name));
  Status written = write(head, slice);
  if (is_new) made(written.has_value());
  return written;
}

Status LogDirectory::write(const SliceHead& head, SpooledSlice& slice) {
  const std::string marker = place(std::string(kMarkerPrefix) + head.name);
  const std::string text = fmt::format("{} {}\n\n", head.name, head.offset);
  TLOG_TRY(write_file_atomically(files_, marker, std::as_bytes(std::span(text))));
  TLOG_ASSIGN(const auto file, files_.open(place(head.name), {.write = true, .create = true}));
  TLOG_TRY(slice.copy_to(*file, head.offset));
  TLOG_TRY(file->sync_data());
  if (head.offset == 0) TLOG_TRY(files_.sync_directory(directory_));
  TLOG_TRY(files_.remove(marker));
  return files_.sync_directory(directory_);
}

}  // namespace tlog::logset
