// File: tlog/flush/metadata_keeper.cc
#include "tlog/flush/metadata_keeper.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/walk/metadata_ask.h"

namespace tlog::flush {

void MetadataKeeper::publish(const format::Metadata& metadata, std::function<void()> on_quorum) {
  generation_ = metadata.generation;
  encoded_ = std::make_shared<const Buffer>(format::encode_metadata(metadata));
  if (on_quorum) waiting_.emplace_back(generation_, std::move(on_quorum));
  for (std::size_t i = 0; i < channels_.size(); ++i) send(i);
}

void MetadataKeeper::send(std::size_t store) {
  Channel& channel = channels_[store];
  if (stopped_ || channel.in_flight || channel.timer != 0 || channel.stored >= generation_) return;
  channel.in_flight = true;
  parts_.stores[store]->put(
      walk::metadata_key_in(*parts_.stores[store], parts_.vdisk, parts_.epoch), {encoded_->span()},
      {.urgent = true},
      [self = shared_from_this(), store, generation = generation_,
       bytes = encoded_](Status status) { self->answered(store, generation, status); });
}

void MetadataKeeper::answered(std::size_t store, std::uint64_t generation, const Status& status) {
  Channel& channel = channels_[store];
  channel.in_flight = false;
  if (stopped_) return;
  if (status) {
    channel.stored = generation;
    channel.reason.clear();
    channel.backoff.reset();
    tidy(store);
    check_quorum();
    send(store);
    return;
  }
  channel.reason = status.error().message();
  channel.timer = parts_.loop->add_timer(channel.backoff.next_ns(*parts_.random),
                                         [self = shared_from_this(), store] {
                                           self->channels_[store].timer = 0;
                                           self->send(store);
                                         });
}

// The metadata of an epoch before the last. Should it fail, it only takes room.
void MetadataKeeper::tidy(std::size_t store) {
  if (channels_[store].tidied || !parts_.forget) return;
  channels_[store].tidied = true;
  store::Store& where = *parts_.stores[store];
  if (where.identity() == nullptr) return;  // it has one key only
  where.remove(format::metadata_key(parts_.vdisk, *parts_.forget), [](const Status&) {});
}

void MetadataKeeper::check_quorum() {
  std::vector<std::uint64_t> stored;
  for (const Channel& channel : channels_) stored.push_back(channel.stored);
  std::sort(stored.begin(), stored.end(), std::greater<>());
  const std::uint64_t reached = stored[parts_.quorum - 1];
  std::vector<std::function<void()>> ready;
  std::erase_if(waiting_, [&](auto& waiting) {
    if (waiting.first > reached) return false;
    ready.push_back(std::move(waiting.second));
    return true;
  });
  for (auto& done : ready) done();
}

void MetadataKeeper::forget(std::size_t store) {
  channels_[store].stored = 0;
  if (encoded_) send(store);
}

void MetadataKeeper::stop() {
  stopped_ = true;
  waiting_.clear();
  for (Channel& channel : channels_) {
    if (channel.timer != 0) parts_.loop->cancel_timer(channel.timer);
    channel.timer = 0;
  }
}

std::string MetadataKeeper::describe() const {
  std::size_t good = 0;
  std::string reasons;
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    if (channels_[i].stored >= generation_) {
      ++good;
      continue;
    }
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", parts_.stores[i]->name(),
                           channels_[i].reason.empty() ? "no answer yet" : channels_[i].reason);
  }
  return fmt::format("{} of {} stores reachable, {} needed: {}", good, channels_.size(),
                     parts_.quorum, reasons);
}

}  // namespace tlog::flush
