#include "player/followed_store.h"

#include <fmt/format.h>

#include <chrono>

#include "gateways/cas/frame_check.h"
#include "gateways/frames/frame.h"

namespace tlog::player {
namespace {

// Near what a reader waits for (walk/read_ahead.cc).
constexpr std::chrono::seconds kSlow{5};
constexpr std::size_t kSlowFramesMax = 8;

class FollowedStore final : public store::Store {
 public:
  FollowedStore(const FollowedStoreParts& parts, std::shared_ptr<const Buffer> metadata)
      : parts_(parts), metadata_(std::move(metadata)) {}

  void put(std::string, std::vector<ConstByteSpan>, store::PutOptions,
           store::PutDone done) override {
    refuse<Status>(std::move(done));
  }
  void remove(std::string, store::PutDone done) override { refuse<Status>(std::move(done)); }
  void scan(std::string, std::string, std::size_t, store::ScanDone done) override {
    refuse<Result<std::vector<std::string>>>(std::move(done));
  }
  void get(std::string key, store::GetDone done) override {
    if (key == format::metadata_key(parts_.vdisk)) {
      return parts_.loop->post([metadata = metadata_, done = std::move(done)] {
        done(Buffer::copy_of(metadata->span()));
      });
    }
    const auto of = format::parse_shard_key(parts_.vdisk, key);
    if (!of || of->number == 0 || of->number > parts_.places->count()) {
      return parts_.loop->post(
          [done = std::move(done)] { done(fail(Code::kNotFound, "not found")); });
    }
    parts_.in_flight->begin();
    parts_.workers->submit([this, in_flight = parts_.in_flight, loop = parts_.loop, key = *of,
                            done = std::move(done)] {
      auto bytes = std::make_shared<Result<Buffer>>(read(key));
      // Who has the answer may let this store go.
      loop->post([bytes, done] { done(std::move(*bytes)); });
      in_flight->end();
    });
  }
  void stat(std::string key, store::StatDone done) override {
    get(std::move(key), [done = std::move(done)](Result<Buffer> value) {
      if (!value) return done(fail(std::move(value).error()));
      done(static_cast<std::uint64_t>(value->size()));
    });
  }
  void hurry() override {}

  store::StoreStatus status() const override {
    store::StoreStatus status;
    status.name = name_;
    status.usable = true;
    status.condition = "up, reading only";
    return status;
  }
  const std::string& name() const override { return name_; }
  void close(std::function<void()> done) override { parts_.loop->post(std::move(done)); }

 private:
  Result<Buffer> read(const format::ShardKey& key) const {
    const std::size_t first = parts_.places->firsts[key.number - 1];
    const std::size_t end = parts_.places->firsts[key.number];
    if (parts_.index->piece(first).epoch != key.epoch) return fail(Code::kNotFound, "not found");
    if (auto kept = parts_.slow->take(key.number)) return std::move(*kept);
    const auto began = std::chrono::steady_clock::now();
    std::string frame;
    for (std::size_t i = first; i < end; ++i) {
      // An opening of a later epoch, behind it.
      if (parts_.index->piece(i).number != key.number) break;
      TLOG_ASSIGN(const std::string content, parts_.index->content(i));
      frame += content;
    }
    TLOG_TRY(cas::check_frame(parts_.index->piece(first), frame));
    auto payload = frame_payload(frame, fmt::format("aggregation {}", key.number));
    if (payload && std::chrono::steady_clock::now() - began > kSlow) {
      parts_.slow->keep(key.number, *payload);
    }
    return payload;
  }
  template <class Answer, class Done>
  void refuse(Done done) {
    parts_.loop->post([done = std::move(done)] {
      done(Answer(fail(Code::kNotSupported, "a log that is followed is only read")));
    });
  }

  const FollowedStoreParts parts_;
  const std::shared_ptr<const Buffer> metadata_;
  const std::string name_ = "remote log";
};

}  // namespace

std::optional<Buffer> SlowFrames::take(AggregationNumber number) {
  MutexLock lock(mutex_);
  for (auto kept = kept_.begin(); kept != kept_.end(); ++kept) {
    if (kept->first != number) continue;
    Buffer payload = std::move(kept->second);
    kept_.erase(kept);
    return payload;
  }
  return std::nullopt;
}

void SlowFrames::keep(AggregationNumber number, const Buffer& payload) {
  MutexLock lock(mutex_);
  kept_.emplace_back(number, Buffer::copy_of(payload.span()));
  if (kept_.size() > kSlowFramesMax) kept_.pop_front();
}

Result<FollowedPlaces> find_places(const cas::LogIndex& index) {
  FollowedPlaces places;
  AggregationNumber last = 0;
  for (std::size_t i = 0; i < index.size(); ++i) {
    const cas::Piece piece = index.piece(i);
    if (piece.number == 0) {
      places.newest_opening = i;
      continue;
    }
    if (piece.number == last) continue;
    if (piece.number != last + 1) {
      return fail(Code::kCorruption,
                  fmt::format("follow: epoch {} offset {}: aggregation {} comes behind {}",
                              piece.epoch, piece.offset, piece.number, last));
    }
    last = piece.number;
    places.firsts.push_back(static_cast<std::uint32_t>(i));
  }
  if (last != 0) places.firsts.push_back(static_cast<std::uint32_t>(index.size()));
  return places;
}

Result<Buffer> frame_payload(std::string_view frame, const std::string& what) {
  const ConstByteSpan bytes = std::as_bytes(std::span(frame));
  if (bytes.size() < logset::kFrameHeadBytes) {
    return fail(Code::kCorruption, what + ": it is no frame");
  }
  auto head = logset::decode_frame_head(bytes.first<logset::kFrameHeadBytes>());
  if (!head) return fail(head.error().within(what));
  const ConstByteSpan payload = bytes.subspan(logset::kFrameHeadBytes);
  if (payload.size() != head->payload_bytes) {
    return fail(Code::kCorruption, what + ": its frame says another length");
  }
  return Buffer::copy_of(payload);
}

std::unique_ptr<store::Store> make_followed_store(const FollowedStoreParts& parts,
                                                  std::shared_ptr<const Buffer> metadata) {
  return std::make_unique<FollowedStore>(parts, std::move(metadata));
}

}  // namespace tlog::player
