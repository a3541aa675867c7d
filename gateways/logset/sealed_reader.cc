#include "gateways/logset/sealed_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/walk/chain.h"
#include "tlog/walk/gather.h"
#include "tlog/walk/shard_check.h"

namespace tlog::logset {

// Intact shards of one aggregation.
struct SealedReader::Shards {
  std::vector<Buffer> values;
  std::vector<shard::ShardView> views;
  unsigned silent = 0;
  std::string why;
};

SealedReader::Shards SealedReader::get(AggregationNumber number, unsigned first, unsigned count) {
  const Epoch epoch = walk::epoch_of(metadata_, number);
  walk::Gather<Buffer> gather(count);
  for (unsigned i = 0; i < count; ++i) {
    place_.store_for(number, first + i)
        .get(format::shard_key(place_.vdisk, epoch, number), gather.slot(i));
  }
  auto answers = gather.wait();
  Shards shards;
  for (unsigned i = 0; i < count; ++i) {
    std::optional<Result<Buffer>>& answer = answers[i];
    if (!answer || (!*answer && (*answer).error().code() != Code::kNotFound)) {
      ++shards.silent;
      shards.why += fmt::format("; {}", answer ? (*answer).error().message() : "no answer in time");
      continue;
    }
    if (!*answer) continue;
    // Of this index too: one shard that two stores hold is one copy, not two.
    auto view = walk::check_shard(place_, {epoch, number, first + i}, (*answer)->span());
    if (!view) {
      shards.why += fmt::format("; shard {} {}", first + i, view.error().message());
      continue;
    }
    // The view points into memory that moving the buffer leaves where it is.
    shards.views.push_back(*view);
    shards.values.push_back(std::move(**answer));
  }
  return shards;
}

namespace {

Error lacking(const std::string& vdisk, AggregationNumber number, bool silent,
              const std::string& why) {
  return {silent ? Code::kUnavailable : Code::kCorruption,
          fmt::format("logset: vdisk '{}': aggregation {}: too few intact shards{}", vdisk, number,
                      why)};
}

SealedFound found_by(const shard::ShardView& view) {
  return {.identity = view.identity, .length = view.sealed_length};
}

}  // namespace

Result<SealedFound> SealedReader::look(AggregationNumber number) {
  Shards shards;
  for (unsigned index = 0; index < place_.geometry.total(); ++index) {
    shards = get(number, index, 1);
    if (!shards.views.empty()) return found_by(shards.views.front());
  }
  return fail(lacking(place_.vdisk, number, shards.silent > 0, shards.why));
}

Result<std::optional<SealedFound>> SealedReader::look_for_committed(AggregationNumber number) {
  const Shards shards = get(number, 0, place_.geometry.total());
  const unsigned wanted = walk::write_quorum_of(metadata_, number);
  for (const shard::ShardView& view : shards.views) {
    const auto same =
        std::count_if(shards.views.begin(), shards.views.end(), [&](const shard::ShardView& other) {
          return other.identity == view.identity && other.sealed_length == view.sealed_length;
        });
    if (same >= static_cast<std::ptrdiff_t>(wanted)) return found_by(view);
  }
  return std::optional<SealedFound>();
}

Result<Buffer> SealedReader::read(AggregationNumber number, const SealedFound& expected) {
  const unsigned data = place_.geometry.data;
  Shards shards = get(number, 0, data);
  const auto keep_right = [&](Shards& some) {
    std::erase_if(some.views, [&](const shard::ShardView& view) {
      return view.identity != expected.identity || view.sealed_length != expected.length;
    });
  };
  keep_right(shards);
  Shards more;
  if (shards.views.size() < data) {
    more = get(number, data, place_.geometry.parity);
    keep_right(more);
    shards.views.insert(shards.views.end(), more.views.begin(), more.views.end());
  }
  if (shards.views.size() < data) {
    return fail(
        lacking(place_.vdisk, number, shards.silent + more.silent > 0, shards.why + more.why));
  }
  TLOG_ASSIGN(const shard::Decoded decoded, shard::decode(shards.views));
  Buffer sealed(expected.length + shard::tail_room_max({.data = 1, .parity = 0}));
  std::size_t at = 0;
  for (ConstByteSpan piece : decoded.pieces) {
    std::memcpy(sealed.data() + at, piece.data(), piece.size());
    at += piece.size();
  }
  return sealed;
}

}  // namespace tlog::logset
