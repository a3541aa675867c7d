#include "gateways/cas/publisher.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "gateways/cas/log_index.h"
#include "gateways/frames/frame.h"

namespace tlog::cas {
namespace {

constexpr std::size_t kPagePairs = 256;
// What pages embed, so that with their lists they stay below a content's limit.
constexpr std::size_t kEmbeddedMax = 3 * 1024 * 1024;

// Null: there is none but in closed pages.
const Piece* newest_aggregation(const Page& page) {
  for (const PagePair& pair : page.pairs) {
    if (pair.piece.number != 0) return &pair.piece;
  }
  return nullptr;
}

}  // namespace

Publisher::Publisher(const Parts& parts, Options options)
    : parts_(parts), options_(std::move(options)) {
  if (parts_.view != nullptr) parts_.view->claim(options_.name);
}

Result<Publisher::Logs> Publisher::look_at_log() {
  TLOG_ASSIGN(Logs logs, parts_.log->lengths());
  std::erase_if(logs, [&](const logset::LogLength& log) {
    const auto parsed = logset::parse_epoch_log_name(log.name);
    if (parsed) vdisk_ = parsed->vdisk;
    return !parsed;
  });
  return logs;
}

Result<Published> Publisher::publish() {
  TLOG_ASSIGN(Logs logs, look_at_log());
  round_ = {};
  if (!resumed_) {
    if (logs.empty()) return round_;
    TLOG_TRY(resume(logs));
    resumed_ = true;
  }
  std::vector<std::pair<Epoch, std::uint64_t>> epochs;
  for (const logset::LogLength& log : logs) {
    epochs.emplace_back(logset::parse_epoch_log_name(log.name)->epoch, log.bytes);
  }
  std::sort(epochs.begin(), epochs.end());
  for (const auto& [epoch, bytes] : epochs) {
    if (Status done = publish_epoch(epoch, bytes); !done) {
      // What was added and not told of is found again by the next round.
      resumed_ = false;
      return fail(done.error());
    }
  }
  if (Status moved = move_name(); !moved) {
    resumed_ = false;
    return fail(moved.error());
  }
  round_.contents = closed_pairs_ + open_.size();
  return round_;
}

// `logs` is brought up to what the name tells.
Status Publisher::resume(Logs& logs) {
  open_.clear();
  closed_.clear();
  last_.reset();
  chain_.reset();
  told_.clear();
  rebuilds_ = false;
  LogIndex index(*parts_.to, options_.name);
  // What cannot be read any more is made again: everything is in the log.
  const auto told = parts_.to->fetch(options_.name);
  const bool is_damaged = !told && told.error().code() == Code::kCorruption;
  Status read = is_damaged ? Status() : index.refresh_head();
  if (is_damaged || (!read && read.error().code() == Code::kNotFound)) {
    return begin_anew(is_damaged);
  }
  TLOG_TRY(read);
  if (index.head().vdisk != vdisk_) {
    return fail(
        Code::kFenced,
        fmt::format("publish: '{}' tells of vdisk {} and not {}: another vdisk had its name; "
                    "empty the name (NS.Update without content) to publish this one, or keep "
                    "it and name this vdisk otherwise",
                    options_.name, index.head().vdisk.text(), vdisk_.text()));
  }
  LogIndex whole(*parts_.to, options_.name);
  whole.stop_when(parts_.stopping);
  read = whole.refresh();
  if (!read && read.error().code() != Code::kCorruption) return read;
  if (read) offer_all(whole);
  const Page& head = index.head();
  const Piece* newest = newest_aggregation(head);
  if (parts_.is_committed && newest != nullptr) {
    parts_.is_committed(newest->number, newest->hash);
    auto looked = look_at_log();
    if (!looked) {
      return fail(looked.error().within(
          fmt::format("publish: '{}' tells of aggregation {}", options_.name, newest->number)));
    }
    logs = std::move(*looked);
  }
  TLOG_TRY(check_is_in_log(head.pairs.front(), logs));
  if (!read) return begin_anew(/*rebuilds=*/true);  // the name is right, older pages are lost
  open_.assign(head.pairs.rbegin(), head.pairs.rend());
  closed_ = head.tail;
  closed_pairs_ = whole.size() > open_.size() ? whole.size() - open_.size() : 0;
  last_ = head.pairs.front().piece;
  if (last_->number != 0) chain_ = last_->hash;
  told_ = index.head_bytes();
  return {};
}

Status Publisher::begin_anew(bool rebuilds) {
  rebuilds_ = rebuilds;
  closed_pairs_ = 0;
  // What is made again is told to be missing by nobody until all of it is there.
  if (parts_.view != nullptr && !rebuilds) parts_.view->has_offered_all(options_.name);
  return {};
}

void Publisher::offer_all(const LogIndex& index) {
  if (parts_.view == nullptr) return;
  for (std::size_t i = 0; i < index.size(); ++i) {
    const Piece piece = index.piece(i);
    if (!piece.address.empty()) parts_.view->offer(*parts_.log, vdisk_, piece);
  }
  parts_.view->has_offered_all(options_.name);
}

// The name and the log are of one history: what was published last is there, byte for byte.
Status Publisher::check_is_in_log(const PagePair& newest, const Logs& logs) {
  const Piece& piece = newest.piece;
  const std::string log = logset::epoch_log_name(vdisk_, piece.epoch);
  const auto found =
      std::find_if(logs.begin(), logs.end(), [&](const auto& each) { return each.name == log; });
  std::string content(piece.length, '\0');
  bool is_same = found != logs.end() && found->bytes >= piece.end();
  if (is_same) {
    TLOG_TRY(parts_.log->read(log, piece.offset, std::as_writable_bytes(std::span(content))));
    is_same = newest.data.empty() ? may_be_of(piece.address, content) : newest.data == content;
  }
  if (is_same) return {};
  return fail(
      Code::kFenced,
      fmt::format(
          "publish: '{}' tells of epoch {} up to byte {}, which the log of vdisk {} "
          "does not have: it was published from another history, or the log is "
          "an older copy; to tell of this log from now on, empty the name (NS.Update without "
          "content)",
          options_.name, piece.epoch, piece.end(), vdisk_.text()));
}

// A first round may take hours: whoever ends the program does not wait for it.
Status Publisher::check_not_stopping() const {
  if (!parts_.stopping || !parts_.stopping()) return {};
  return fail(Code::kShutdown,
              fmt::format("publish: '{}': it was told to stop; the next round goes on from there",
                          options_.name));
}

Status Publisher::publish_epoch(Epoch epoch, std::uint64_t bytes) {
  if (last_ && epoch < last_->epoch) return {};
  std::uint64_t at = last_ && epoch == last_->epoch ? last_->end() : 0;
  std::string frame;
  while (at < bytes) {
    TLOG_TRY(check_not_stopping());
    TLOG_ASSIGN(const Piece piece, read_frame(epoch, at, frame));
    TLOG_TRY(add_frame(piece, frame));
    at = piece.end();
  }
  return {};
}

Result<Piece> Publisher::read_frame(Epoch epoch, std::uint64_t offset, std::string& frame) {
  const std::string log = logset::epoch_log_name(vdisk_, epoch);
  std::array<std::byte, logset::kFrameHeadBytes> bytes{};
  TLOG_TRY(parts_.log->read(log, offset, bytes));
  TLOG_ASSIGN(const logset::FrameHead head, logset::decode_frame_head(bytes));
  if (chain_ && head.prev != *chain_) {
    return fail(
        Code::kFenced,
        fmt::format("publish: '{}': epoch {}, offset {}: aggregation {} does not go on from "
                    "what was published last",
                    options_.name, epoch, offset, head.number));
  }
  frame.resize(bytes.size() + head.payload_bytes);
  std::memcpy(frame.data(), bytes.data(), bytes.size());
  const ByteSpan payload = std::as_writable_bytes(std::span(frame)).subspan(bytes.size());
  TLOG_TRY(parts_.log->read(log, offset + bytes.size(), payload));
  Piece piece{.epoch = epoch,
              .offset = offset,
              .length = static_cast<std::uint32_t>(frame.size()),
              .number = 0,
              .hash = {},
              .address = {}};
  if (head.kind == logset::FrameKind::kOpening) {
    const Address address = address_of(frame);
    std::memcpy(piece.hash.bytes.data(), address.data() + address.size() - sizeof(Hash256),
                sizeof(Hash256));
    chain_ = head.prev;
  } else {
    TLOG_ASSIGN(const shard::ShardView view, shard::parse(payload));
    piece.number = head.number;
    piece.hash = view.identity.aggregation_hash;
    chain_ = piece.hash;
  }
  return piece;
}

Status Publisher::add_frame(const Piece& frame, std::string_view bytes) {
  bool closed = false;
  for (Piece& piece : cut_frame(frame)) {
    const std::string_view content = bytes.substr(piece.offset - frame.offset, piece.length);
    const bool is_small = content.size() <= kEmbeddedMax;
    const bool only_embedded = options_.embed.mode == Embed::Mode::kAll && is_small;
    if (!only_embedded) {
      TLOG_ASSIGN(piece.address, add_content(piece, content));
    }
    for (; page_is_full(only_embedded ? content.size() : 0); closed = true) {
      TLOG_TRY(close_page(std::min(open_.size(), kPagePairs)));
    }
    const bool keeps = is_small && options_.embed.mode != Embed::Mode::kNone;
    last_ = piece;
    open_.push_back({std::move(piece), keeps ? std::string(content) : std::string()});
    round_.bytes += content.size();
  }
  forget_old_data();
  // Never in the middle of a frame: the next publisher goes on from there.
  // Nor back, when it is only made again.
  return closed && !rebuilds_ ? move_name() : Status();
}

// Of the older ones the address is enough.
void Publisher::forget_old_data() {
  if (options_.embed.mode == Embed::Mode::kAll) return;
  unsigned aggregations = 0;
  std::size_t embedded = 0;
  // Those of another mode have no address: they stay, and with them there is less room for others.
  for (const PagePair& pair : open_) {
    if (pair.piece.address.empty()) embedded += pair.data.size();
  }
  AggregationNumber newest = 0;
  for (auto pair = open_.rbegin(); pair != open_.rend(); ++pair) {
    const AggregationNumber number = pair->piece.number;
    if (number != 0 && number != newest) ++aggregations;
    newest = number;
    if (!pair->piece.address.empty()) embedded += pair->data.size();
    const bool is_wanted = options_.embed.mode == Embed::Mode::kLast &&
                           aggregations <= options_.embed.last && embedded <= kEmbeddedMax;
    if (!is_wanted && !pair->piece.address.empty()) std::string().swap(pair->data);
  }
}

Result<Address> Publisher::add_content(const Piece& piece, std::string_view content) {
  if (parts_.view == nullptr) return parts_.to->add(content);
  Piece offered = piece;
  offered.address = address_of(content);
  parts_.view->offer(*parts_.log, vdisk_, offered);
  return offered.address;
}

std::size_t Publisher::embedded_bytes() const {
  std::size_t bytes = 0;
  for (const PagePair& pair : open_) bytes += pair.data.size();
  return bytes;
}

bool Publisher::page_is_full(std::size_t more) const {
  if (options_.embed.mode == Embed::Mode::kAll) {
    return open_.size() >= kPagePairs || (!open_.empty() && embedded_bytes() + more > kEmbeddedMax);
  }
  // The name's page has the last ones itself, whatever is in closed pages.
  const bool keeps = options_.embed.mode == Embed::Mode::kLast;
  return open_.size() >=
         kPagePairs + (keeps ? std::min<std::size_t>(options_.embed.last, kPagePairs) : 0);
}

Status Publisher::close_page(std::size_t pairs) {
  Page page{.vdisk = vdisk_, .pairs = {}, .tail = closed_, .cas = {}};
  for (std::size_t i = pairs; i-- > 0;) {
    page.pairs.push_back(open_[i]);
    PagePair& pair = page.pairs.back();
    if (options_.embed.mode != Embed::Mode::kAll && !pair.piece.address.empty()) pair.data.clear();
  }
  TLOG_ASSIGN(closed_, parts_.to->add(encode_page(page)));
  open_.erase(open_.begin(), open_.begin() + static_cast<std::ptrdiff_t>(pairs));
  closed_pairs_ += pairs;
  return {};
}

Status Publisher::move_name() {
  if (open_.empty()) return {};
  Page page{.vdisk = vdisk_,
            .pairs = {open_.rbegin(), open_.rend()},
            .tail = closed_,
            .cas = options_.cas};
  std::string bytes = encode_page(page);
  if (bytes == told_) return {};
  TLOG_TRY(parts_.to->update(options_.name, bytes));
  if (rebuilds_ && parts_.view != nullptr) parts_.view->has_offered_all(options_.name);
  rebuilds_ = false;
  told_ = std::move(bytes);
  round_.moved = true;
  return {};
}

}  // namespace tlog::cas
