#include "gateways/logset/vdisk_repository.h"

#include <fmt/format.h>

#include <algorithm>

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

struct PlacedFrame {
  std::uint64_t offset = 0;  // in the log
  SealedFound sealed;
};

struct PublishedEpoch {
  Epoch epoch = 0;
  std::string opening;  // the whole frame
  std::vector<PlacedFrame> frames;
  std::uint64_t bytes = 0;
};

class VdiskRepository final : public Repository {
 public:
  explicit VdiskRepository(VdiskPublished published) : published_(std::move(published)) {}
  ~VdiskRepository() override { store::close_stores(stores_); }

  Result<std::vector<LogLength>> lengths() override EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    const std::uint64_t now = system_clock().monotonic_ns();
    if (!looked_ || now - looked_at_ >= kLookAgainNs) {
      if (Status looked = look_again(); !looked) {
        // The next request begins anew. Pulls that are under way find no reader meanwhile.
        reader_.reset();
        store::close_stores(stores_);
        stores_.clear();
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

  Status read(const std::string& log, std::uint64_t offset, ByteSpan into) override
      EXCLUDES(mutex_) {
    const auto of = parse_epoch_log_name(log);
    while (!into.empty()) {
      MutexLock lock(mutex_);
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
    const bool has_unusable =
        std::any_of(stores_.begin(), stores_.end(), [](const std::unique_ptr<store::Store>& store) {
          const store::StoreStatus status = store->status();
          return !status.usable && status.state == store::StoreState::kUp;
        });
    const bool may_be_old = has_unusable || epochs_.empty();
    if (!stores_.empty() && (!may_be_old || now - opened_at_ < kOpenAgainNs)) return {};
    reader_.reset();
    store::close_stores(stores_);
    stores_.clear();
    TLOG_ASSIGN(stores_, published_.open_stores());
    opened_at_ = now;
    return {};
  }

  Status look_again() REQUIRES(mutex_) {
    TLOG_TRY(open_stores());
    const std::vector<store::Store*> stores = store::borrow(stores_);
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
    reader_.emplace(metadata, stores);
    AggregationNumber proven = metadata.last.empty() ? 0 : metadata.last.back().number;
    if (!metadata.epochs.empty()) {
      proven = std::max(proven, metadata.epochs.back().first_number - 1);
    }
    for (; next_ <= proven; ++next_) {
      TLOG_ASSIGN(const SealedFound sealed, reader_->look(next_));
      add(metadata, sealed);
    }
    while (!metadata.epochs.empty()) {
      TLOG_ASSIGN(const auto sealed, reader_->look_for_committed(next_));
      if (!sealed) break;
      add(metadata, *sealed);
      ++next_;
    }
    open_epochs(metadata, next_);
    return {};
  }

  void add(const format::Metadata& metadata, const SealedFound& sealed) REQUIRES(mutex_) {
    open_epochs(metadata, sealed.identity.number);
    // What the stores' metadata says wrote it; epochs are opened in their order.
    auto& epoch = *std::find_if(epochs_.begin(), epochs_.end(), [&](const PublishedEpoch& known) {
      return known.epoch == sealed.identity.epoch;
    });
    epoch.frames.push_back({.offset = epoch.bytes, .sealed = sealed});
    epoch.bytes += kFrameHeadBytes + aggregation_payload_bytes(sealed.length);

    hashes_.push_back(sealed.identity.aggregation_hash);
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

  // From one frame.
  Result<std::size_t> read_some(Epoch epoch_number, std::uint64_t offset, ByteSpan into)
      REQUIRES(mutex_) {
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
        [](std::uint64_t at, const PlacedFrame& frame) { return at < frame.offset; });
    const PlacedFrame& frame = *(after - 1);
    TLOG_TRY(load(frame));
    const std::size_t from = offset - frame.offset;
    const std::size_t size = std::min(into.size(), frame_.size() - from);
    std::memcpy(into.data(), frame_.data() + from, size);
    return size;
  }

  Status load(const PlacedFrame& placed) REQUIRES(mutex_) {
    const shard::Identity& identity = placed.sealed.identity;
    if (frame_of_ == identity) return {};
    frame_of_ = {};
    if (!reader_) {
      return fail(Code::kUnavailable,
                  fmt::format("logset: read: vdisk '{}': its stores did not answer just now; ask "
                              "again",
                              published_.vdisk));
    }
    TLOG_ASSIGN(Buffer sealed, reader_->read(identity.number, placed.sealed));
    const Buffer payload =
        make_aggregation_payload(identity, std::move(sealed), placed.sealed.length);
    const auto head = encode_frame_head({.kind = FrameKind::kAggregation,
                                         .number = identity.number,
                                         .payload_bytes = payload.size(),
                                         .prev = hash_before(identity.number)});
    frame_.assign(head.begin(), head.end());
    frame_.insert(frame_.end(), payload.data(), payload.data() + payload.size());
    frame_of_ = identity;
    return {};
  }

  const VdiskPublished published_;
  Mutex mutex_;
  std::vector<std::unique_ptr<store::Store>> stores_ GUARDED_BY(mutex_);
  std::uint64_t opened_at_ GUARDED_BY(mutex_) = 0;
  std::optional<SealedReader> reader_ GUARDED_BY(mutex_);
  Uuid uuid_ GUARDED_BY(mutex_);
  bool looked_ GUARDED_BY(mutex_) = false;
  std::uint64_t looked_at_ GUARDED_BY(mutex_) = 0;
  AggregationNumber next_ GUARDED_BY(mutex_) = 1;
  std::vector<Hash256> hashes_ GUARDED_BY(mutex_);  // [i] of aggregation i + 1
  std::vector<PublishedEpoch> epochs_ GUARDED_BY(mutex_);
  shard::Identity frame_of_ GUARDED_BY(mutex_);  // the frame that was built last
  std::vector<std::byte> frame_ GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Repository> make_vdisk_repository(VdiskPublished published) {
  return std::make_unique<VdiskRepository>(std::move(published));
}

}  // namespace tlog::logset
