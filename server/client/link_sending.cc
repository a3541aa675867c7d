// The way of the records: from the source's batches, or another server's, into frames.
#include <fmt/format.h>

#include <algorithm>

#include "server/client/link.h"

namespace tlog::client {
namespace {

// The table of a frame is made on the loop's thread, which must not be kept.
constexpr std::size_t kFrameRecordsMax = 1024;
constexpr std::uint64_t kFrameRest = 64;  // besides table and payload: a checksum

}  // namespace

bool Link::unsent_is_full() const {
  return unsent_bytes_ >= place_.options->unsent_bytes_max;
}

void Link::pump() {
  Batches* batches = place_.owner->batches();
  if (batches == nullptr || !attached_ || asking_ || filling_ || unsent_is_full()) return;
  const Sequence first = must_compare_ ? welcome_.stored.sequence : sent_ + 1;
  if (first > batches->end()) return show_sending();
  asking_ = true;
  batches->request(first, [this, session = std::weak_ptr<int>(session_),
                           first](const Result<SharedBatch>& batch) {
    if (!session.expired()) take(first, batch);
  });
}

void Link::take(Sequence first, const Result<SharedBatch>& batch) {
  asking_ = false;
  if (place_.owner->batches() == nullptr || filling_) return;
  if (!batch) return place_.owner->source_failed(batch.error());
  if (!*batch) return place_.owner->lacks(*this, first);
  if (must_compare_) {
    if (auto same = compare((*batch)->records[first - first_of(**batch)], nullptr); !same)
      return refuse_as_other(same.error());
    compared(/*for_certain=*/true);
  }
  show_sending();
  if (first_of(**batch) <= sent_ + 1 && sent_ + 1 <= last_of(**batch) && !send(*batch)) return;
  pump();
}

void Link::forward(const SharedBatch& batch) {
  if (attached_ && first_of(*batch) <= sent_ + 1 && sent_ + 1 <= last_of(*batch)) send(batch);
}

Status Link::compare(const format::Record& record, const Link* other) {
  if (record.timestamp == welcome_.stored.timestamp) return {};
  believed_.reset();
  const bool is_certain = other == nullptr || other->is_certain();
  return fail(
      Code::kInvalidArgument,
      fmt::format("compare: {}: its record {} is of another time ({} ns) than {}'s ({} ns): {}",
                  address(), record.sequence, welcome_.stored.timestamp,
                  other == nullptr ? "this log" : other->address(), record.timestamp,
                  is_certain ? "it has records that no other server has and that were never "
                               "acknowledged; empty its stores, and it is filled again"
                             : "their logs have gone different ways, and which of them was "
                               "acknowledged is not known here: find that out (`tlogplay list` on "
                               "the stores of each) before the stores of either are emptied"));
}

// From the one behind sent() on. False: it is not connected any more.
bool Link::send(const SharedBatch& batch) {
  std::span<const format::Record> rest(batch->records);
  rest = rest.subspan(sent_ + 1 - first_of(*batch));
  while (!rest.empty()) {
    const std::size_t count = fitting(rest);
    if (count == 0) {
      refuse(Error(Code::kNotSupported,
                   fmt::format("send: {}: record {} of {} bytes does not fit into its frames of at "
                               "most {}; update the server",
                               address(), rest.front().sequence, rest.front().data.size(),
                               welcome_.batch_bytes_max)));
      return false;
    }
    if (!send_frame(batch, rest.first(count))) return false;
    rest = rest.subspan(count);
  }
  place_.board->update(index_, [this](Mark& mark) { mark.marker.sent = sent_; });
  ask_to_store();
  return true;
}

// How many of them go into one frame.
std::size_t Link::fitting(std::span<const format::Record> records) const {
  const std::uint64_t frame_max =
      welcome_.batch_bytes_max == 0 ? protocol::kBatchFrameMax
                                    : std::min(welcome_.batch_bytes_max, protocol::kBatchFrameMax);
  const std::size_t count_max = std::min(records.size(), kFrameRecordsMax);
  std::uint64_t payload = 0;
  std::size_t count = 0;
  while (count < count_max) {
    payload += records[count].data.size();
    if (payload > protocol::kBatchBytesMax ||
        payload + format::table_bytes(count + 1) + kFrameRest > frame_max)
      break;
    ++count;
  }
  return count;
}

bool Link::send_frame(const SharedBatch& batch, std::span<const format::Record> records) {
  auto encoded = protocol::encode_batch(welcome_.format.vdisk, welcome_.epoch, ++number_, records);
  if (!encoded) {
    place_.owner->source_failed(encoded.error());
    return false;
  }
  auto frame = std::make_shared<protocol::EncodedBatch>(std::move(*encoded));
  const std::uint64_t bytes = frame->length;
  unsent_bytes_ += bytes;
  const Sequence last = records.back().sequence;
  const Sequence resent = std::min(last, sent_max_);
  if (resent >= records.front().sequence) {
    place_.board->update(index_, [&](Mark& mark) {
      mark.marker.resent_records += resent - records.front().sequence + 1;
    });
  }
  sent_ = last;
  sent_max_ = std::max(sent_max_, sent_);
  connection_->send_records(frame->pieces, [this, session = std::weak_ptr<int>(session_), frame,
                                            batch, bytes](const Status& status) {
    if (session.expired() || !status) return;
    const bool was_full = unsent_is_full();
    unsent_bytes_ -= bytes;
    if (was_full && !unsent_is_full()) place_.owner->has_room(*this);
  });
  return true;
}

}  // namespace tlog::client
