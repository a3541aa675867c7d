#include "gateways/logset/copy_repository.h"

#include <fmt/format.h>

#include "gateways/frames/frame.h"
#include "gateways/logset/log_directory.h"

namespace tlog::logset {
namespace {

constexpr std::size_t kBlock = kMiB;

// What is known of the logs: where each chain ends.
class Chains {
 public:
  FrameChain chain(const std::string& name) {
    MutexLock lock(mutex_);
    const auto found = chains_.find(name);
    return found == chains_.end() ? FrameChain() : found->second;
  }
  // Takes `chain` for the log's, unless it does not fit to the vdisk's other epochs.
  Status set(const std::string& name, const EpochLog& log, const FrameChain& chain) {
    MutexLock lock(mutex_);
    for (const auto& [other_name, other] : chains_) {
      const auto other_log = parse_epoch_log_name(other_name);
      if (!other_log || other.frames == 0 || other_log->vdisk != log.vdisk) continue;
      if (other_log->epoch < log.epoch) TLOG_TRY(check_order(other, chain, log));
      if (other_log->epoch > log.epoch) TLOG_TRY(check_order(chain, other, log));
    }
    chains_[name] = chain;
    return {};
  }
  // What was set for a slice that then could not be appended.
  void set_back(const std::string& name, const FrameChain& chain) {
    MutexLock lock(mutex_);
    if (chain.frames == 0) {
      chains_.erase(name);
    } else {
      chains_[name] = chain;
    }
  }
  Mutex& appending() { return appending_; }  // from set() until it is known what became of it

 private:
  // An earlier epoch's log ends before a later one's begins, and is what that goes on from.
  static Status check_order(const FrameChain& earlier, const FrameChain& later,
                            const EpochLog& log) {
    const bool has_any = earlier.next > earlier.first;
    if (earlier.next <= later.first &&
        (!has_any || earlier.next != later.first || earlier.last == later.first_prev)) {
      return {};
    }
    return fail(Code::kFenced,
                fmt::format("logset: fork: epoch {} of vdisk {} does not fit to another epoch "
                            "that is here, at aggregation {}; keep the one whose vdisk is in use",
                            log.epoch, log.vdisk.text(), later.first));
  }

  Mutex appending_;
  Mutex mutex_;
  std::map<std::string, FrameChain> chains_ GUARDED_BY(mutex_);
};

class CopyTaker final : public SliceTaker {
 public:
  CopyTaker(LogDirectory& logs, Chains& chains, SliceHead head, const EpochLog& log,
            const FrameChain& chain)
      : logs_(logs),
        chains_(chains),
        head_(std::move(head)),
        log_(log),
        verifier_(log, chain),
        slice_(logs.files(), logs.path()) {}

  Status bytes(ConstByteSpan piece) override {
    if (Status good = verifier_.take(piece); !good) return fail(of_the_sender(good.error()));
    return slice_.write(piece);
  }
  Status finish() override {
    if (!verifier_.at_frame_end()) {
      return fail(Code::kInvalidArgument,
                  fmt::format("logset: slice: it ends inside of a frame of '{}'; send whole ones",
                              head_.name));
    }
    MutexLock one_at_a_time(chains_.appending());
    const FrameChain before = chains_.chain(head_.name);
    Status appended = logs_.append(
        head_, slice_, [this] { return chains_.set(head_.name, log_, verifier_.chain()); });
    // A log that the disk had no room for takes the same slice again later.
    if (!appended) chains_.set_back(head_.name, before);
    return appended;
  }

 private:
  // Damage in what is sent is the sender's; corruption would say that this side's copy is damaged.
  static Error of_the_sender(const Error& error) {
    const bool damaged = error.code() == Code::kCorruption;
    return {damaged ? Code::kInvalidArgument : error.code(), error.message()};
  }

  LogDirectory& logs_;
  Chains& chains_;
  const SliceHead head_;
  const EpochLog log_;
  FrameVerifier verifier_;
  SpooledSlice slice_;
};

class CopyRepository final : public Repository {
 public:
  explicit CopyRepository(std::unique_ptr<LogDirectory> logs) : logs_(std::move(logs)) {}

  Status verify() {
    TLOG_ASSIGN(const auto all, logs_->lengths());
    for (const LogLength& log : all) TLOG_TRY(verify(log));
    return {};
  }

  Result<std::vector<LogLength>> lengths() override { return logs_->lengths(); }
  Status read(const std::string& log, std::uint64_t offset, ByteSpan into) override {
    return logs_->read(log, offset, into);
  }
  Result<std::unique_ptr<SliceTaker>> take(const SliceHead& head) override {
    const auto log = parse_epoch_log_name(head.name);
    if (!log) {
      return fail(Code::kInvalidArgument,
                  fmt::format("logset: slice: '{}' is no name of a vdisk's log", head.name));
    }
    // In this order: a chain that is too new is found out by append(), which looks at the length.
    TLOG_ASSIGN(const std::uint64_t length, logs_->length(head.name));
    if (length != head.offset) return fail(not_at_end(head, length));
    TLOG_TRY(logs_->check_room(head));
    return std::make_unique<CopyTaker>(*logs_, chains_, head, *log, chains_.chain(head.name));
  }

 private:
  Status verify(const LogLength& log) {
    const std::string path = io::join_path(logs_->path(), log.name);
    const auto of = parse_epoch_log_name(log.name);
    if (!of) {
      return fail(Code::kCorruption,
                  fmt::format("logset: {}: not a log of a vdisk; a copy has those alone", path));
    }
    FrameVerifier verifier(*of, {});
    std::vector<std::byte> block(kBlock);
    for (std::uint64_t at = 0; at < log.bytes;) {
      const ByteSpan piece = ByteSpan(block).first(std::min<std::uint64_t>(kBlock, log.bytes - at));
      TLOG_TRY(logs_->read(log.name, at, piece));
      if (Status good = verifier.take(piece); !good) return fail(good.error().within(path));
      at += piece.size();
    }
    if (!verifier.at_frame_end()) {
      return fail(Code::kCorruption,
                  fmt::format("logset: {}: it ends inside of a frame; bring it back from another "
                              "site",
                              path));
    }
    return chains_.set(log.name, *of, verifier.chain());
  }

  const std::unique_ptr<LogDirectory> logs_;
  Chains chains_;
};

}  // namespace

Result<std::unique_ptr<Repository>> open_copy_repository(io::FileSystem& files,
                                                         const std::string& directory) {
  TLOG_ASSIGN(auto logs, LogDirectory::open(files, directory));
  auto repository = std::make_unique<CopyRepository>(std::move(logs));
  TLOG_TRY(repository->verify());
  return repository;
}

}  // namespace tlog::logset
