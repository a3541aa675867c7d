// File: tlog/flush/hinted_shards.cc
#include "tlog/flush/hinted_shards.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/assert.h"
#include "tlog/base/limits.h"

namespace tlog::flush {
namespace {

constexpr std::uint64_t kNowhere = ~std::uint64_t{0};

std::uint64_t room(std::uint64_t length) {
  return round_up(length, kBlockAlignment);
}

}  // namespace

// The shards of one keep(), and where they go.
struct HintedShards::Batch {
  std::vector<std::pair<Name, Place>> places;
  std::vector<std::shared_ptr<const PutItem>> items;  // whose bytes are being written
  std::size_t writes = 0;                             // that have not ended
  Status status;
  std::function<void(Status)> done;
};

Result<std::shared_ptr<HintedShards>> HintedShards::open(Parts parts) {
  std::shared_ptr<HintedShards> shards(new HintedShards(std::move(parts)));
  TLOG_TRY(shards->scan());
  return shards;
}

Status HintedShards::scan() {
  const std::uint64_t usable = round_down(parts_.bytes_max, kBlockAlignment);
  TLOG_ASSIGN(bool present, parts_.files->exists(parts_.path));
  if (usable == 0 && !present) return {};
  TLOG_ASSIGN(file_, parts_.files->open(parts_.path, {.write = true, .create = true}));
  TLOG_TRY(parts_.files->sync_directory(io::parent_path(parts_.path)));
  TLOG_ASSIGN(file_end_, file_->size());
  if (usable > 0) free_.emplace(0, usable);
  for (std::uint64_t offset = 0; offset < file_end_;) {
    TLOG_ASSIGN(std::uint64_t used, take_up(offset, file_end_));
    offset += used;
  }
  if (kept_.empty() && file_end_ > 0) {
    TLOG_TRY(file_->resize(0));
    file_end_ = 0;
  }
  return {};
}

// Takes up the shard at `offset`, if there is one: how far to go on.
Result<std::uint64_t> HintedShards::take_up(std::uint64_t offset, std::uint64_t file_size) {
  Buffer header(shard::kShardHeaderBytes);
  TLOG_ASSIGN(std::size_t got, file_->read(offset, header.span()));
  if (got < header.size()) return kBlockAlignment;
  const std::optional<std::uint64_t> length = shard::stored_length(header.span());
  if (!length || *length > file_size - offset) return kBlockAlignment;
  Buffer stored(static_cast<std::size_t>(*length));
  TLOG_ASSIGN(got, file_->read(offset, stored.span()));
  auto view = shard::parse(stored.span());
  if (got < stored.size() || !view || view->identity.vdisk != parts_.vdisk ||
      view->geometry != parts_.geometry) {
    return kBlockAlignment;
  }
  const Name name{view->identity.number, view->identity.epoch, view->index};
  const Place place{offset, *length};
  if (!kept_.emplace(name, place).second) return room(*length);
  bytes_ += room(*length);
  // What it uses is not free: of the part of the file that may be used.
  auto hole = free_.upper_bound(offset);
  if (hole == free_.begin()) return room(*length);
  const auto [from, size] = *--hole;
  if (offset >= from + size) return room(*length);
  free_.erase(hole);
  if (from < offset) free_.emplace(from, offset - from);
  const std::uint64_t end = offset + room(*length);
  if (end < from + size) free_.emplace(end, from + size - end);
  return room(*length);
}

std::vector<HintedShards::Name> HintedShards::names() const {
  std::vector<Name> names;
  for (const auto& [name, place] : kept_) names.push_back(name);
  return names;
}

std::uint64_t HintedShards::length(const Name& name) const {
  auto found = kept_.find(name);
  return found == kept_.end() ? 0 : found->second.length;
}

bool HintedShards::takes(std::uint64_t shard_bytes) const {
  return writable_ && std::any_of(free_.begin(), free_.end(), [&](const auto& hole) {
           return hole.second >= room(shard_bytes);
         });
}

std::uint64_t HintedShards::allocate(std::uint64_t length) {
  for (auto hole = free_.begin(); hole != free_.end(); ++hole) {
    const auto [offset, size] = *hole;
    if (size < room(length)) continue;
    free_.erase(hole);
    if (size > room(length)) free_.emplace(offset + room(length), size - room(length));
    bytes_ += room(length);
    return offset;
  }
  return kNowhere;
}

void HintedShards::free(const Place& place) {
  std::uint64_t begin = place.offset;
  std::uint64_t end = begin + room(place.length);
  bytes_ -= end - begin;
  // A smaller file is configured than the one that was found.
  end = std::min(end, round_down(parts_.bytes_max, kBlockAlignment));
  if (begin >= end) return;
  auto next = free_.upper_bound(begin);
  if (next != free_.end() && next->first == end) {
    end += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    auto before = std::prev(next);
    if (before->first + before->second == begin) {
      begin = before->first;
      free_.erase(before);
    }
  }
  free_.emplace(begin, end - begin);
}

void HintedShards::keep(const std::vector<Given>& shards, std::function<void(Status)> done) {
  TLOG_ASSERT(writable());
  auto batch = std::make_shared<Batch>();
  batch->done = std::move(done);
  for (const Given& given : shards) {
    const shard::Identity& identity = given.item->set.identity();
    const Place place{allocate(given.item->set.shard_bytes()), given.item->set.shard_bytes()};
    if (place.offset == kNowhere) break;
    batch->places.emplace_back(Name{identity.number, identity.epoch, given.index}, place);
    batch->items.push_back(given.item);
  }
  writing_ = true;
  batch->writes = batch->places.size();
  if (batch->writes == 0) return ended(batch);
  for (std::size_t i = 0; i < batch->places.size(); ++i) {
    const auto& [name, place] = batch->places[i];
    file_end_ = std::max(file_end_, place.offset + place.length);
    parts_.loop->write(
        *file_, place.offset, batch->items[i]->set.pieces(name.index),
        [self = shared_from_this(), batch](Status status) { self->written(batch, status); });
  }
}

void HintedShards::written(const std::shared_ptr<Batch>& batch, const Status& status) {
  if (!status) batch->status = status;
  if (--batch->writes > 0) return;
  if (!batch->status) return ended(batch);
  parts_.loop->sync(*file_, [self = shared_from_this(), batch](Status synced) {
    batch->status = std::move(synced);
    self->ended(batch);
  });
}

void HintedShards::ended(const std::shared_ptr<Batch>& batch) {
  writing_ = false;
  if (batch->status) {
    for (const auto& [name, place] : batch->places) {
      if (!kept_.emplace(name, place).second) free(place);
    }
  } else {
    writable_ = false;  // nobody knows what the file has: its room is not used again
  }
  batch->items.clear();
  batch->done(batch->status);
}

Status HintedShards::check(const Name& name, ConstByteSpan stored) const {
  TLOG_ASSIGN(shard::ShardView view, shard::parse(stored));
  if (view.identity.vdisk == parts_.vdisk && view.identity.number == name.number &&
      view.identity.epoch == name.epoch && view.index == name.index &&
      view.geometry == parts_.geometry) {
    return {};
  }
  return fail(Code::kCorruption, "it is another shard");
}

void HintedShards::read(const Name& name, std::function<void(Result<Buffer>)> done) {
  auto found = kept_.find(name);
  if (found == kept_.end()) return done(fail(Code::kNotFound, "no such hinted shard"));
  auto stored = std::make_shared<Buffer>(static_cast<std::size_t>(found->second.length));
  parts_.loop->read(
      *file_, found->second.offset, stored->span(),
      [self = shared_from_this(), name, stored, done = std::move(done)](Result<std::size_t> got) {
        Status good = got ? Status{} : Status(fail(got.error()));
        if (good && *got != stored->size()) good = fail(Code::kCorruption, "the file is too short");
        if (good) good = self->check(name, stored->span());
        if (good) return done(std::move(*stored));
        done(fail(Code::kCorruption,
                  fmt::format("read hinted shard: {}: aggregation {}: {}", self->parts_.path,
                              name.number, good.error().message())));
      });
}

void HintedShards::forget(const Name& name) {
  auto found = kept_.find(name);
  if (found == kept_.end()) return;
  const Place place = found->second;
  kept_.erase(found);
  free(place);
}

void HintedShards::give_back(const std::function<void(std::function<void()>)>& run) {
  if (!kept_.empty() || file_end_ == 0 || !writable()) return;
  emptying_ = true;
  run([self = shared_from_this()] {
    Status resized = self->file_->resize(0);
    self->parts_.loop->post([self, good = resized.has_value()] {
      self->emptying_ = false;
      if (good) self->file_end_ = 0;
    });
  });
}

}  // namespace tlog::flush
