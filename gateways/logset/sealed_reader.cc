#include "gateways/logset/sealed_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

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

namespace {

// A store that has not answered for so long is not waited for any more when others can help.
constexpr std::chrono::milliseconds kHedgeAfter{500};
// For answers that are on their way when it is decided already.
constexpr std::chrono::milliseconds kGrace{20};

bool is_away(const store::Store& store) {
  const store::StoreStatus status = store.status();
  return !status.usable && status.state != store::StoreState::kConnecting;
}

bool is_silent(const std::optional<Result<Buffer>>& answer) {
  return !answer || (!*answer && (*answer).error().code() != Code::kNotFound);
}

}  // namespace

// Those whose stores are away come last; else data shards first.
std::vector<unsigned> SealedReader::by_readiness(AggregationNumber number) const {
  std::vector<unsigned> indices(place_.geometry.total());
  std::iota(indices.begin(), indices.end(), 0u);
  std::stable_partition(indices.begin(), indices.end(),
                        [&](unsigned index) { return !is_away(place_.store_for(number, index)); });
  return indices;
}

SealedReader::Shards SealedReader::get(AggregationNumber number, std::span<const unsigned> indices,
                                       const Enough& enough,
                                       std::chrono::nanoseconds timeout) const {
  const Epoch epoch = walk::epoch_of(metadata_, number);
  walk::Gather<Buffer> gather(indices.size());
  for (std::size_t i = 0; i < indices.size(); ++i) {
    place_.store_for(number, indices[i])
        .get(format::shard_key(place_.vdisk, epoch, number), gather.slot(i));
  }
  auto answers = gather.wait(enough, kGrace, timeout);
  Shards shards;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    std::optional<Result<Buffer>>& answer = answers[i];
    if (is_silent(answer)) {
      ++shards.silent;
      shards.why += fmt::format("; {}", answer ? (*answer).error().message() : "no answer in time");
      continue;
    }
    if (!*answer) continue;
    // Of this index too: one shard that two stores hold is one copy, not two.
    auto view = walk::check_shard(place_, {epoch, number, indices[i]}, (*answer)->span());
    if (!view) {
      shards.why += fmt::format("; shard {} {}", indices[i], view.error().message());
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

Result<SealedFound> SealedReader::look(AggregationNumber number) const {
  const std::vector<unsigned> indices = by_readiness(number);
  Shards shards;
  for (const unsigned& index : indices) {
    shards = get(number, {&index, 1}, {}, kHedgeAfter);
    if (!shards.views.empty()) return found_by(shards.views.front());
  }
  shards = get(number, indices, {}, walk::kAnswerTimeout);
  if (!shards.views.empty()) return found_by(shards.views.front());
  return fail(lacking(place_.vdisk, number, shards.silent > 0, shards.why));
}

Result<std::optional<SealedFound>> SealedReader::look_for_committed(
    AggregationNumber number) const {
  const unsigned total = place_.geometry.total();
  const unsigned wanted = walk::write_quorum_of(metadata_, number);
  std::vector<unsigned> indices(total);
  std::iota(indices.begin(), indices.end(), 0u);
  std::vector<bool> away(total);
  for (unsigned index = 0; index < total; ++index) {
    away[index] = is_away(place_.store_for(number, index));
  }
  // Nobody waits for who is away: what is not seen to be committed now may be seen next time.
  const Enough decided = [&](const std::vector<std::optional<Result<Buffer>>>& answers) {
    unsigned present = 0;
    unsigned absent = 0;
    bool all = true;
    for (unsigned index = 0; index < total; ++index) {
      const auto& answer = answers[index];
      if (!answer) {
        all = all && away[index];
      } else if (*answer) {
        ++present;
      } else if (answer->error().code() == Code::kNotFound) {
        ++absent;
      }
    }
    return all || present >= wanted || absent > total - wanted;
  };
  const Shards shards = get(number, indices, decided, walk::kAnswerTimeout);
  for (const shard::ShardView& view : shards.views) {
    const auto same =
        std::count_if(shards.views.begin(), shards.views.end(), [&](const shard::ShardView& other) {
          return other.identity == view.identity && other.sealed_length == view.sealed_length;
        });
    if (same >= static_cast<std::ptrdiff_t>(wanted)) return found_by(view);
  }
  return std::optional<SealedFound>();
}

Result<Buffer> SealedReader::read(AggregationNumber number, const SealedFound& expected) const {
  const unsigned data = place_.geometry.data;
  const std::vector<unsigned> indices = by_readiness(number);
  const auto keep_right = [&](Shards& some) {
    std::erase_if(some.views, [&](const shard::ShardView& view) {
      return view.identity != expected.identity || view.sealed_length != expected.length;
    });
  };
  Shards shards = get(number, std::span(indices).first(data), {}, kHedgeAfter);
  keep_right(shards);
  Shards more;
  if (shards.views.size() < data) {
    // Of all that have not answered as they should, those that were asked already among them.
    std::vector<unsigned> others;
    for (const unsigned index : indices) {
      const bool is_there = std::any_of(shards.views.begin(), shards.views.end(),
                                        [&](const auto& view) { return view.index == index; });
      if (!is_there) others.push_back(index);
    }
    const std::size_t missing = data - shards.views.size();
    const Enough enough = [&](const std::vector<std::optional<Result<Buffer>>>& answers) {
      return static_cast<std::size_t>(std::count_if(
                 answers.begin(), answers.end(),
                 [](const auto& answer) { return answer && answer->has_value(); })) >= missing;
    };
    more = get(number, others, enough, walk::kAnswerTimeout);
    keep_right(more);
    shards.views.insert(shards.views.end(), more.views.begin(), more.views.end());
  }
  if (shards.views.size() < data) {
    return fail(lacking(place_.vdisk, number, more.silent > 0, shards.why + more.why));
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
