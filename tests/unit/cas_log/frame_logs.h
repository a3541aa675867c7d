// FrameLogs: the log of a vdisk as it is published, made of arbitrary bytes in real frames: what
// publishes and follows it has no key, and cannot tell. Threading: one thread appends.
#pragma once

#include <map>

#include "gateways/frames/frame.h"
#include "gateways/logset/repository.h"
#include "tests/support/log_samples.h"

namespace tlog::testing {

inline constexpr const char* kVdiskName = "vdisk/vm1";  // under which tests publish

class FrameLogs final : public logset::Repository {
 public:
  explicit FrameLogs(std::uint8_t vdisk = 7, std::uint64_t seed = 1) : random_(seed) {
    metadata_.format.vdisk.bytes.fill(vdisk);
    metadata_.format.name = "vm1";
    metadata_.format.size = 16 * kMiB;
    metadata_.format.block_size = 4096;
    metadata_.format.data_shards = 4;
    metadata_.format.parity_shards = 2;
    metadata_.key_id.assign(16, 5);
  }

  void open_epoch(Epoch epoch) {
    format::EpochEntry entry;
    entry.epoch = epoch;
    entry.first_number = next_;
    entry.first_sequence = next_;
    metadata_.epochs.push_back(entry);
    const Buffer payload = logset::make_opening_payload(metadata_, epoch);
    append(logset::FrameKind::kOpening, payload.span());
  }
  void add(std::size_t bytes) {
    Buffer sealed(bytes + shard::tail_room_max({.data = 1, .parity = 0}));
    random_.fill(sealed.span());
    shard::Identity identity;
    identity.vdisk = vdisk();
    identity.epoch = epoch();
    identity.number = next_;
    random_.fill(std::as_writable_bytes(std::span(identity.aggregation_hash.bytes)));
    const Buffer payload = logset::make_aggregation_payload(identity, std::move(sealed), bytes);
    append(logset::FrameKind::kAggregation, payload.span());
    last_ = identity.aggregation_hash;
    ++next_;
  }
  void add_many(unsigned count, std::size_t bytes = 100) {
    for (unsigned i = 0; i < count; ++i) add(bytes);
  }

  const Uuid& vdisk() const { return metadata_.format.vdisk; }
  Epoch epoch() const { return metadata_.epochs.back().epoch; }
  AggregationNumber last_number() const { return next_ - 1; }
  const std::map<std::string, std::string>& logs() const { return logs_; }
  std::uint64_t bytes() const {
    std::uint64_t bytes = 0;
    for (const auto& [name, log] : logs_) bytes += log.size();
    return bytes;
  }
  // Takes the newest frame back: an older copy.
  void take_back() {
    auto& log = logs_[logset::epoch_log_name(vdisk(), epoch())];
    log.resize(before_);
    --next_;
  }

  Result<std::vector<logset::LogLength>> lengths() override {
    std::vector<logset::LogLength> all;
    for (const auto& [name, log] : logs_) all.push_back({name, log.size()});
    return all;
  }
  Status read(const std::string& log, std::uint64_t offset, ByteSpan into) override {
    const auto found = logs_.find(log);
    if (found == logs_.end() || offset + into.size() > found->second.size()) {
      return fail(Code::kNotFound, "nothing so far in this log");
    }
    std::memcpy(into.data(), found->second.data() + offset, into.size());
    return {};
  }
  Result<std::unique_ptr<logset::SliceTaker>> take(const logset::SliceHead&) override {
    return fail(Code::kFenced, "to be read only");
  }

 private:
  void append(logset::FrameKind kind, ConstByteSpan payload) {
    const auto head = logset::encode_frame_head(
        {.kind = kind, .number = next_, .payload_bytes = payload.size(), .prev = last_});
    std::string& log = logs_[logset::epoch_log_name(vdisk(), epoch())];
    before_ = log.size();
    log.append(reinterpret_cast<const char*>(head.data()), head.size());
    log.append(reinterpret_cast<const char*>(payload.data()), payload.size());
  }

  SeededRandom random_;
  format::Metadata metadata_;
  std::map<std::string, std::string> logs_;
  AggregationNumber next_ = 1;
  Hash256 last_;
  std::size_t before_ = 0;
};

}  // namespace tlog::testing
