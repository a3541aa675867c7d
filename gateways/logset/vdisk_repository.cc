#include "gateways/logset/vdisk_repository.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "gateways/frames/frame.h"
#include "gateways/logset/sealed_reader.h"
#include "tlog/base/clock.h"
#include "tlog/base/mutex.h"
#include "tlog/store/stores.h"
#include "tlog/walk/chain.h"

namespace tlog::logset {
namespace {

constexpr std::uint64_t kLookAgainNs = 100'000'000;
constexpr std::uint64_t kOpenAgainNs = 1'000'000'000;
constexpr std::size_t kBuiltMax = 32 * kMiB;  // of frames that are kept for who reads on

struct PlacedFrame {
  std::uint64_t offset = 0;  // in the log
  SealedFound sealed;
};

// The stores while somebody reads from them.
struct OpenLog {
  explicit OpenLog(std::vector<std::unique_ptr<store::Store>> opened) : stores(std::move(opened)) {}
  ~OpenLog() { store::close_stores(stores); }
  OpenLog(const OpenLog&) = delete;
  OpenLog& operator=(const OpenLog&) = delete;

  std::vector<std::unique_ptr<store::Store>> stores;
};

// As of one look at the metadata.
struct Reader {
  Reader(std::shared_ptr<OpenLog> opened, const format::Metadata& metadata)
      : log(std::move(opened)), sealed(metadata, store::borrow(log->stores)) {}

  const std::shared_ptr<OpenLog> log;
  const SealedReader sealed;
};

using Frame = std::vector<std::byte>;

struct PublishedEpoch {
  Epoch epoch = 0;
  std::string opening;  // the whole frame
  std::vector<PlacedFrame> frames;
  std::uint64_t bytes = 0;
};

// By somebody who may be wrong.
struct Told {
  AggregationNumber number = 0;
  Hash256 hash;
};

class VdiskRepository final : public PublishedVdisk {
 public:
  explicit VdiskRepository(VdiskPublished published) : published_(std::move(published)) {}

  Result<std::vector<LogLength>> lengths() override EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    const std::uint64_t now = system_clock().monotonic_ns();
    if (!looked_ || now - looked_at_ >= kLookAgainNs) {
      if (Status looked = look_again(); !looked) {
        if (looked.error().code() == Code::kShutdown) return fail(looked.error());
        // The next request begins anew. Pulls find no reader meanwhile.
        reader_.reset();
        log_.reset();
        return fail(looked.error());
      }
      looked_ = true;
      looked_at_ = system_clock().monotonic_ns();
    }
    std::vector<LogLength> all;
    for (const PublishedEpoch& epoch : epochs_) {
      all.push_back({.name = epoch_log_name(uuid_, epoch.epoch), .bytes = epoch.bytes});
    }
    std::sort(all.begin(), all.end(),
              [](const LogLength& a, const LogLength& b) { return a.name < b.name; });
    return all;
  }

  void is_committed(AggregationNumber number, const Hash256& hash) override EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    told_ = Told{.number = number, .hash = hash};
    looked_ = false;
  }

  Status read(const std::string& log, std::uint64_t offset, ByteSpan into) override
      EXCLUDES(mutex_) {
    const auto of = parse_epoch_log_name(log);
    while (!into.empty()) {
      TLOG_ASSIGN(const std::size_t done, read_some(of ? of->epoch : 0, offset, into));
      offset += done;
      into = into.subspan(done);
    }
    return {};
  }

  Result<std::unique_ptr<SliceTaker>> take(const SliceHead& head) override {
    return fail(Code::kFenced,
                fmt::format("logset: slice: '{}': vdisk '{}' is published here to be read only: "
                            "its writer alone adds to its log",
                            head.name, published_.vdisk));
  }

 private:
  // Directories that could not be opened stay so until they are opened anew: a disk that is back,
  // or a log that was being made just then. Metadata without a writer yet is given as it was found
  // first: what is there already is not looked for again.
  Status open_stores() REQUIRES(mutex_) {
    const std::uint64_t now = system_clock().monotonic_ns();
    const auto is_unusable = [](const std::unique_ptr<store::Store>& store) {
      const store::StoreStatus status = store->status();
      return !status.usable && status.state == store::StoreState::kUp;
    };
    const bool may_be_old =
        epochs_.empty() ||
        (log_ && std::any_of(log_->stores.begin(), log_->stores.end(), is_unusable));
    if (log_ && (!may_be_old || now - opened_at_ < kOpenAgainNs)) return {};
    reader_.reset();
    log_.reset();
    TLOG_ASSIGN(auto opened, published_.open_stores());
    log_ = std::make_shared<OpenLog>(std::move(opened));
    opened_at_ = now;
    return {};
  }

  Status look_again() REQUIRES(mutex_) {
    TLOG_TRY(open_stores());
    const std::vector<store::Store*> stores = store::borrow(log_->stores);
    TLOG_ASSIGN(walk::MetadataFound found, walk::read_metadata(published_.vdisk, stores));
    const format::Metadata& metadata = found.metadata;
    if (!uuid_.is_nil() && uuid_ != metadata.format.vdisk) {
      return fail(Code::kCorruption,
                  fmt::format("logset: vdisk '{}': it is another one than before, {} and not {}; "
                              "start the server anew",
                              published_.vdisk, metadata.format.vdisk.text(), uuid_.text()));
    }
    uuid_ = metadata.format.vdisk;
    walk::expect_servers(metadata, stores);
    reader_ = std::make_shared<const Reader>(log_, metadata);
    TLOG_TRY(check_goes_on(metadata));
    TLOG_ASSIGN(const AggregationNumber told, take_told());
    AggregationNumber proven =
        std::max(told, metadata.last.empty() ? 0 : metadata.last.back().number);
    if (!metadata.epochs.empty()) {
      proven = std::max(proven, metadata.epochs.back().first_number - 1);
    }
    for (; next_ <= proven; ++next_) {
      TLOG_TRY(check_not_stopping());
      TLOG_ASSIGN(const SealedFound sealed, reader_->sealed.look(next_));
      TLOG_TRY(add(metadata, sealed));
    }
    while (!metadata.epochs.empty()) {
      TLOG_TRY(check_not_stopping());
      TLOG_ASSIGN(const auto sealed, reader_->sealed.look_for_committed(next_));
      if (!sealed) break;
      TLOG_TRY(add(metadata, *sealed));
      ++next_;
    }
    open_epochs(metadata, next_);
    return {};
  }

  Status check_not_stopping() const {
    if (!published_.stopping || !published_.stopping()) return {};
    return fail(Code::kShutdown,
                fmt::format("logset: vdisk '{}': its stores are not looked at further: this server "
                            "stops; ask again later",
                            published_.vdisk));
  }

  // What was shown is there still: stores that were brought back older, and written to since, have
  // another history, of which nothing may follow it.
  Status check_goes_on(const format::Metadata& metadata) const REQUIRES(mutex_) {
    for (std::size_t i = 0; i < epochs_.size(); ++i) {
      const Epoch known = epochs_[i].epoch;
      const Epoch now = i < metadata.epochs.size() ? metadata.epochs[i].epoch : 0;
      if (now != known) {
        return another_history(fmt::format("epoch {} was there, and now {}", known,
                                           now == 0 ? "is not" : fmt::format("{} is", now)));
      }
    }
    for (std::size_t i = epochs_.size(); i < metadata.epochs.size(); ++i) {
      const format::EpochEntry& entry = metadata.epochs[i];
      if (entry.first_number < next_) {
        return another_history(
            fmt::format("epoch {} begins with aggregation {}, and {} was there before it",
                        entry.epoch, entry.first_number, next_ - 1));
      }
    }
    for (const auto& reference : metadata.last) {
      if (reference.number == 0 || reference.number >= next_) continue;
      if (reference.hash != hashes_[reference.number - 1]) {
        return another_history(
            fmt::format("aggregation {} is another one than was there", reference.number));
      }
    }
    return {};
  }
  tl::unexpected<Error> another_history(const std::string& what) const {
    return fail(Code::kFenced,
                fmt::format("logset: vdisk '{}': its stores have gone back to another history: {}; "
                            "bring back those that are away, or start the server anew and publish "
                            "the vdisk under another name",
                            published_.vdisk, what));
  }

  // 0: nothing beyond what is known anyway. One that is not there must not end every look.
  Result<AggregationNumber> take_told() REQUIRES(mutex_) {
    if (!told_) return 0;
    const Told told = *std::exchange(told_, std::nullopt);
    if (told.number < next_) return 0;
    const auto found = reader_->sealed.look(told.number);
    if (!found && found.error().code() == Code::kUnavailable) return fail(found.error());
    if (!found || found->identity.aggregation_hash != told.hash) return 0;
    return told.number;
  }

  Status add(const format::Metadata& metadata, const SealedFound& sealed) REQUIRES(mutex_) {
    open_epochs(metadata, sealed.identity.number);
    // What the stores' metadata says wrote it; epochs are opened in their order.
    if (epochs_.empty() || epochs_.back().epoch != sealed.identity.epoch) {
      return fail(Code::kCorruption,
                  fmt::format("logset: vdisk '{}': aggregation {}: its shards are of epoch {}, its "
                              "metadata says {}; look for it with tlogctl scrub",
                              published_.vdisk, sealed.identity.number, sealed.identity.epoch,
                              epochs_.empty() ? 0 : epochs_.back().epoch));
    }
    PublishedEpoch& epoch = epochs_.back();
    epoch.frames.push_back({.offset = epoch.bytes, .sealed = sealed});
    epoch.bytes += kFrameHeadBytes + aggregation_payload_bytes(sealed.length);

    hashes_.push_back(sealed.identity.aggregation_hash);
    return {};
  }

  // Epochs that begin at or before `number`, with what is known of all before them.
  void open_epochs(const format::Metadata& metadata, AggregationNumber number) REQUIRES(mutex_) {
    for (const format::EpochEntry& entry : metadata.epochs) {
      const bool known = !epochs_.empty() && entry.epoch <= epochs_.back().epoch;
      if (known || entry.first_number > number) continue;
      const Buffer payload = make_opening_payload(metadata, entry.epoch);
      const auto head = encode_frame_head({.kind = FrameKind::kOpening,
                                           .number = entry.first_number,
                                           .payload_bytes = payload.size(),
                                           .prev = hash_before(entry.first_number)});
      PublishedEpoch epoch{.epoch = entry.epoch, .opening = {}, .frames = {}};
      epoch.opening.append(reinterpret_cast<const char*>(head.data()), head.size());
      epoch.opening.append(reinterpret_cast<const char*>(payload.data()), payload.size());
      epoch.bytes = epoch.opening.size();
      epochs_.push_back(std::move(epoch));
    }
  }

  Hash256 hash_before(AggregationNumber number) const REQUIRES(mutex_) {
    return number < 2 ? Hash256{} : hashes_[number - 2];
  }

  // From one frame. The stores are asked without the lock: others read meanwhile.
  Result<std::size_t> read_some(Epoch epoch_number, std::uint64_t offset, ByteSpan into)
      EXCLUDES(mutex_) {
    PlacedFrame placed;
    Hash256 before;
    std::shared_ptr<const Reader> reader;
    std::shared_ptr<const Frame> frame;
    {
      MutexLock lock(mutex_);
      const auto epoch =
          std::find_if(epochs_.begin(), epochs_.end(),
                       [&](const PublishedEpoch& known) { return known.epoch == epoch_number; });
      if (epoch == epochs_.end() || offset >= epoch->bytes) {
        return fail(Code::kNotFound, "logset: read: there is nothing so far in this log");
      }
      if (offset < epoch->opening.size()) {
        const std::size_t size = std::min(into.size(), epoch->opening.size() - offset);
        std::memcpy(into.data(), epoch->opening.data() + offset, size);
        return size;
      }
      const auto after = std::upper_bound(
          epoch->frames.begin(), epoch->frames.end(), offset,
          [](std::uint64_t at, const PlacedFrame& known) { return at < known.offset; });
      placed = *(after - 1);
      before = hash_before(placed.sealed.identity.number);
      reader = reader_;
      frame = find_built(placed.sealed.identity);
    }
    if (!frame) {
      TLOG_ASSIGN(frame, build(placed, before, reader));
      MutexLock lock(mutex_);
      keep_built(placed.sealed.identity, frame);
    }
    const std::size_t from = offset - placed.offset;
    const std::size_t size = std::min(into.size(), frame->size() - from);
    std::memcpy(into.data(), frame->data() + from, size);
    return size;
  }

  Result<std::shared_ptr<const Frame>> build(const PlacedFrame& placed, const Hash256& before,
                                             const std::shared_ptr<const Reader>& reader) const {
    const shard::Identity& identity = placed.sealed.identity;
    if (!reader) {
      return fail(Code::kUnavailable,
                  fmt::format("logset: read: vdisk '{}': its stores did not answer just now; ask "
                              "again",
                              published_.vdisk));
    }
    TLOG_ASSIGN(Buffer sealed, reader->sealed.read(identity.number, placed.sealed));
    const Buffer payload =
        make_aggregation_payload(identity, std::move(sealed), placed.sealed.length);
    const auto head = encode_frame_head({.kind = FrameKind::kAggregation,
                                         .number = identity.number,
                                         .payload_bytes = payload.size(),
                                         .prev = before});
    auto frame = std::make_shared<Frame>(head.size() + payload.size());
    std::memcpy(frame->data(), head.data(), head.size());
    std::memcpy(frame->data() + head.size(), payload.data(), payload.size());
    return std::shared_ptr<const Frame>(std::move(frame));
  }

  // Who reads a frame reads all of it, in pieces.
  std::shared_ptr<const Frame> find_built(const shard::Identity& identity) const REQUIRES(mutex_) {
    for (const auto& [of, frame] : built_) {
      if (of == identity) return frame;
    }
    return nullptr;
  }
  void keep_built(const shard::Identity& identity, std::shared_ptr<const Frame> frame)
      REQUIRES(mutex_) {
    built_bytes_ += frame->size();
    built_.emplace_back(identity, std::move(frame));
    while (built_.size() > 1 && built_bytes_ > kBuiltMax) {
      built_bytes_ -= built_.front().second->size();
      built_.pop_front();
    }
  }

  const VdiskPublished published_;
  Mutex mutex_;
  std::shared_ptr<OpenLog> log_ GUARDED_BY(mutex_);
  std::uint64_t opened_at_ GUARDED_BY(mutex_) = 0;
  std::shared_ptr<const Reader> reader_ GUARDED_BY(mutex_);
  Uuid uuid_ GUARDED_BY(mutex_);
  bool looked_ GUARDED_BY(mutex_) = false;
  std::uint64_t looked_at_ GUARDED_BY(mutex_) = 0;
  AggregationNumber next_ GUARDED_BY(mutex_) = 1;
  std::optional<Told> told_ GUARDED_BY(mutex_);     // is_committed()
  std::vector<Hash256> hashes_ GUARDED_BY(mutex_);  // [i] of aggregation i + 1
  std::vector<PublishedEpoch> epochs_ GUARDED_BY(mutex_);
  // The frames that were built last.
  std::deque<std::pair<shard::Identity, std::shared_ptr<const Frame>>> built_ GUARDED_BY(mutex_);
  std::size_t built_bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace

std::unique_ptr<PublishedVdisk> make_vdisk_repository(VdiskPublished published) {
  return std::make_unique<VdiskRepository>(std::move(published));
}

}  // namespace tlog::logset
