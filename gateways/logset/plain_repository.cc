#include "gateways/logset/plain_repository.h"

#include "gateways/logset/log_directory.h"

namespace tlog::logset {
namespace {

class PlainTaker final : public SliceTaker {
 public:
  PlainTaker(LogDirectory& logs, SliceHead head)
      : logs_(logs), head_(std::move(head)), slice_(logs.files(), logs.path()) {}
  Status bytes(ConstByteSpan piece) override { return slice_.write(piece); }
  Status finish() override { return logs_.append(head_, slice_); }

 private:
  LogDirectory& logs_;
  const SliceHead head_;
  SpooledSlice slice_;
};

class PlainRepository final : public Repository {
 public:
  explicit PlainRepository(std::unique_ptr<LogDirectory> logs) : logs_(std::move(logs)) {}

  Result<std::vector<LogLength>> lengths() override { return logs_->lengths(); }
  Status read(const std::string& log, std::uint64_t offset, ByteSpan into) override {
    return logs_->read(log, offset, into);
  }
  // Told at once, before anything of it is taken in; finish() looks again.
  Result<std::unique_ptr<SliceTaker>> take(const SliceHead& head) override {
    TLOG_ASSIGN(const std::uint64_t length, logs_->length(head.name));
    if (length != head.offset) return fail(not_at_end(head, length));
    TLOG_TRY(logs_->check_room(head));
    return std::make_unique<PlainTaker>(*logs_, head);
  }

 private:
  const std::unique_ptr<LogDirectory> logs_;
};

}  // namespace

Result<std::unique_ptr<Repository>> open_plain_repository(io::FileSystem& files,
                                                          const std::string& directory) {
  TLOG_ASSIGN(auto logs, LogDirectory::open(files, directory));
  return std::make_unique<PlainRepository>(std::move(logs));
}

}  // namespace tlog::logset
