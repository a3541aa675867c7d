#include <fmt/format.h>

#include "tlog/io/workers.h"
#include "tlog/store/segment_folder.h"
#include "tlog/store/segment_reader.h"
#include "tlog/store/segment_writer.h"
#include "tlog/store/stores.h"

namespace tlog::store {
namespace {

// Values in append-only segment files of one folder; docs/format.md has the layout.
// Threading: puts are committed in groups on the loop's thread (segment_writer.h); whatever reads
// files runs on this store's one worker, in the order of the calls. Durability and errors: as
// store.h and segment_writer.h say.
class SegmentStore final : public Store {
 public:
  SegmentStore(const SegmentStoreOptions& options, io::FileSystem& files, io::Loop& loop,
               Logger& logger);
  ~SegmentStore() override;

  Status open(io::FileSystem& files);

  void put(std::string key, std::vector<ConstByteSpan> pieces, PutOptions options,
           PutDone done) override;
  void get(std::string key, GetDone done) override;
  void stat(std::string key, StatDone done) override;
  void remove(std::string key, PutDone done) override;
  void scan(std::string prefix, std::string after, std::size_t limit, ScanDone done) override;
  void hurry() override {
    if (writer_) writer_->hurry();
  }
  StoreStatus status() const override;
  const std::string& name() const override { return name_; }
  void close(std::function<void()> done) override;

 private:
  Status lock_folder(io::FileSystem& files);
  Status check_change(std::string_view operation, const std::string& key,
                      std::uint64_t length) const;
  // Runs `question` on the worker, and its answer on the loop.
  template <class T, class Question>
  void ask(std::string_view operation, Question question, std::function<void(Result<T>)> done);
  bool look_again();

  const SegmentStoreOptions options_;
  const SegmentFolderOptions folder_options_;
  const std::string name_;
  io::Loop& loop_;
  Logger& logger_;
  SegmentCatalog catalog_;
  SegmentFolder folder_;
  SegmentReader reader_;  // the worker's
  io::Workers worker_;
  std::unique_ptr<io::File> lock_;
  std::unique_ptr<SegmentWriter> writer_;  // none when reading only
  bool opened_ = false;
  std::atomic<bool> closed_ = false;
  std::atomic<std::uint64_t> get_bytes_ = 0;
  std::atomic<std::uint64_t> errors_ = 0;
};

SegmentFolderOptions folder_options(const SegmentStoreOptions& options) {
  SegmentFolderOptions folder;
  folder.path = io::join_path(options.directory, options.vdisk);
  folder.vdisk = options.vdisk;
  folder.name = "directory " + options.directory;
  folder.segment_bytes = options.segment_bytes;
  return folder;
}

SegmentStore::SegmentStore(const SegmentStoreOptions& options, io::FileSystem& files,
                           io::Loop& loop, Logger& logger)
    : options_(options),
      folder_options_(folder_options(options)),
      name_(folder_options_.name),
      loop_(loop),
      logger_(logger),
      folder_(folder_options_, files, catalog_, logger),
      reader_({&files, &catalog_, &logger, name_, options.index_cache_bytes}) {}

SegmentStore::~SegmentStore() {
  if (opened_ && !closed_) close_and_wait(*this);
  worker_.stop();
}

Status SegmentStore::lock_folder(io::FileSystem& files) {
  std::string path = io::join_path(folder_options_.path, "lock");
  TLOG_ASSIGN(lock_, files.open(path, {.write = true, .create = true}));
  Status locked = lock_->try_lock();
  if (locked || locked.error().code() != Code::kUnavailable) return locked;
  return fail(Code::kUnavailable,
              fmt::format("open: {}: another process writes vdisk {} here; stop that process first",
                          folder_options_.path, options_.vdisk));
}

Status SegmentStore::open(io::FileSystem& files) {
  if (options_.read_only) {
    TLOG_ASSIGN(bool exists, files.exists(folder_options_.path));
    if (!exists) {
      return fail(
          Code::kNotFound,
          fmt::format("open: {}: there is no such folder; nothing of vdisk {} is stored here",
                      folder_options_.path, options_.vdisk));
    }
    std::vector<std::uint64_t> changed;
    TLOG_TRY(folder_.refresh(changed));
  } else {
    TLOG_TRY(files.make_directories(folder_options_.path));
    TLOG_TRY(lock_folder(files));
    TLOG_ASSIGN(WriterPosition position, folder_.recover());
    SegmentWriter::Parts parts;
    parts.files = &files;
    parts.loop = &loop_;
    parts.worker = &worker_;
    parts.catalog = &catalog_;
    parts.reader = &reader_;
    parts.logger = &logger_;
    parts.folder = folder_options_;
    parts.gather_bytes = options_.gather_bytes;
    parts.gather_ns = options_.gather_ns;
    parts.retry_min_ns = options_.retry_min_ns;
    parts.retry_max_ns = options_.retry_max_ns;
    writer_ = std::make_unique<SegmentWriter>(std::move(parts), std::move(position));
  }
  worker_.start(1, "tlog-segment");
  opened_ = true;
  return {};
}

Status SegmentStore::check_change(std::string_view operation, const std::string& key,
                                  std::uint64_t length) const {
  auto refuse = [&](Code code, std::string_view reason) {
    return fail(code, fmt::format("{}: {}: {}: {}", operation, name_, key.substr(0, 80), reason));
  };
  if (closed_) return refuse(Code::kShutdown, "the store has been closed");
  if (!writer_) return refuse(Code::kInvalidArgument, "the store is open for reading only");
  if (key.empty() || key.size() > kStoreKeyBytesMax) {
    return refuse(Code::kInvalidArgument, "a key has 1 to 512 bytes");
  }
  if (length <= kStoreValueBytesMax) return {};
  return refuse(Code::kInvalidArgument, "the value is too long");
}

void SegmentStore::put(std::string key, std::vector<ConstByteSpan> pieces, PutOptions options,
                       PutDone done) {
  std::uint64_t length = 0;
  for (ConstByteSpan piece : pieces) length += piece.size();
  Status allowed = check_change("put", key, length);
  if (!allowed) {
    ++errors_;
    return loop_.post([done = std::move(done), allowed = std::move(allowed)] { done(allowed); });
  }
  writer_->submit(PendingEntry(EntryKind::kPut, std::move(key), std::move(pieces), options.urgent,
                               std::move(done)));
}

void SegmentStore::remove(std::string key, PutDone done) {
  Status allowed = check_change("remove", key, 0);
  if (!allowed) {
    ++errors_;
    return loop_.post([done = std::move(done), allowed = std::move(allowed)] { done(allowed); });
  }
  writer_->submit(PendingEntry(EntryKind::kRemove, std::move(key), {}, false, std::move(done)));
}

// On the worker, after a miss: whether there is something new to look into.
bool SegmentStore::look_again() {
  std::vector<std::uint64_t> changed;
  Status refreshed = folder_.refresh(changed);
  for (std::uint64_t segment : changed) reader_.forget(segment);
  if (refreshed) return true;
  logger_.warning(fmt::format("event=store_refresh_failed store=\"{}\" reason=\"{}\"", name_,
                              refreshed.error().message()));
  return false;
}

template <class T, class Question>
void SegmentStore::ask(std::string_view operation, Question question,
                       std::function<void(Result<T>)> done) {
  if (closed_) {
    std::string message = fmt::format("{}: {}: the store has been closed", operation, name_);
    return loop_.post([done = std::move(done), message] { done(fail(Code::kShutdown, message)); });
  }
  worker_.submit([this, question = std::move(question), done = std::move(done)] {
    auto answer = std::make_shared<Result<T>>(question());
    // Beside a writer what was looked up may be old: a value that has moved, or one that came
    // later.
    bool stale = !writer_ && !*answer;
    if (stale && look_again()) *answer = question();
    if (!*answer && answer->error().code() != Code::kNotFound) ++errors_;
    loop_.post([answer = std::move(answer), done] { done(std::move(*answer)); });
  });
}

void SegmentStore::get(std::string key, GetDone done) {
  auto question = [this, key = std::move(key)] {
    Result<Buffer> value = reader_.get(key);
    if (value) get_bytes_ += value->size();
    return value;
  };
  ask<Buffer>("get", std::move(question), std::move(done));
}

void SegmentStore::stat(std::string key, StatDone done) {
  ask<std::uint64_t>(
      "stat", [this, key = std::move(key)] { return reader_.stat(key); }, std::move(done));
}

void SegmentStore::scan(std::string prefix, std::string after, std::size_t limit, ScanDone done) {
  auto question = [this, prefix = std::move(prefix), after = std::move(after), limit] {
    // A scan misses nothing that it could notice: a reader always looks again.
    if (!writer_) look_again();
    return reader_.scan(prefix, after, limit);
  };
  ask<std::vector<std::string>>("scan", std::move(question), std::move(done));
}

StoreStatus SegmentStore::status() const {
  StoreStatus status;
  status.name = name_;
  std::string damage = catalog_.damage();
  status.condition = closed_ ? "closed" : writer_ ? writer_->condition() : "up, reading only";
  status.usable = !closed_ && (!writer_ || status.condition == "up");
  if (!damage.empty()) status.condition += "; damaged: " + damage;
  status.get_bytes = get_bytes_;
  status.errors = errors_;
  if (!writer_) return status;
  status.put_bytes = writer_->put_bytes();
  status.errors += writer_->errors();
  status.queued_bytes = writer_->queued_bytes();
  return status;
}

void SegmentStore::close(std::function<void()> done) {
  if (closed_.exchange(true)) return loop_.post(std::move(done));
  // Answers that the worker still owes come before: it works in order, and so does the loop.
  if (writer_) {
    loop_.post([this, done = std::move(done)]() mutable { writer_->close(std::move(done)); });
  } else {
    worker_.submit([this, done = std::move(done)]() mutable { loop_.post(std::move(done)); });
  }
}

}  // namespace

Result<std::unique_ptr<Store>> open_segment_store(const SegmentStoreOptions& options,
                                                  io::FileSystem& files, io::Loop& loop,
                                                  Logger& logger) {
  std::string name = "directory " + options.directory;
  bool plain = !options.vdisk.empty() && options.vdisk.size() <= 200 && options.vdisk[0] != '.' &&
               options.vdisk.find('/') == std::string::npos;
  if (!plain) {
    return fail(
        Code::kInvalidArgument,
        fmt::format("open: {}: vdisk {}: the name cannot be a folder's", name, options.vdisk));
  }
  if (options.segment_bytes <= 2 * kSegmentHeaderBytes ||
      options.segment_bytes > kSegmentBytesMax / 2) {
    return fail(Code::kInvalidArgument,
                fmt::format("open: {}: segments of {} bytes; take 64 KiB to 32 GiB", name,
                            options.segment_bytes));
  }
  auto store = std::make_unique<SegmentStore>(options, files, loop, logger);
  Status opened = store->open(files);
  if (!opened) return fail(opened.error().within(name));
  return store;
}

}  // namespace tlog::store
