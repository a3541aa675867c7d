#include "gateways/cas/log_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace tlog::cas {
namespace {

std::string place_of(const Piece& piece) {
  return fmt::format("epoch {} offset {}", piece.epoch, piece.offset);
}

bool is_behind(const Piece& piece, const Piece& other) {
  return std::pair(piece.epoch, piece.offset) > std::pair(other.epoch, other.offset);
}

std::vector<Piece> oldest_first(const Page& page) {
  std::vector<Piece> pieces;
  pieces.reserve(page.pairs.size());
  for (auto pair = page.pairs.rbegin(); pair != page.pairs.rend(); ++pair) {
    pieces.push_back(pair->piece);
  }
  return pieces;
}

}  // namespace

LogIndex::LogIndex(Contents& names, std::string name, Contents* contents)
    : names_(names), name_(std::move(name)), contents_(contents != nullptr ? *contents : names) {}

Status LogIndex::refresh_head() {
  TLOG_ASSIGN(std::string bytes, names_.fetch(name_));
  if (bytes.empty()) return fail(Code::kNotFound, fmt::format("name '{}': it is empty", name_));
  auto page = decode_page(bytes);
  if (!page) return fail(page.error().within(fmt::format("name '{}'", name_)));
  head_ = std::move(*page);
  head_bytes_ = std::move(bytes);
  overlap_ = 0;
  closed_.clear();
  pages_.clear();
  return {};
}

Result<Page> LogIndex::get_page(const Address& address, std::size_t behind) {
  const std::string what =
      fmt::format("name '{}': page {}, {} behind the newest", name_, text_of(address), behind);
  auto bytes = contents_.get(address);
  if (!bytes && bytes.error().code() == Code::kNotFound) {
    return fail(Code::kCorruption, fmt::format("{}: it is missing", what));
  }
  if (!bytes) return fail(bytes.error().within(what));
  if (!may_be_of(address, *bytes)) {
    return fail(Code::kCorruption,
                fmt::format("{}: altered: its bytes are not those of its address", what));
  }
  auto page = decode_page(*bytes);
  if (!page) return fail(page.error().within(what));
  return page;
}

// The pages behind the name's, back to one that is known, oldest last.
Status LogIndex::read_older(std::vector<ClosedPage>& pages,
                            std::vector<std::vector<Piece>>& pieces) {
  std::set<Address> seen;
  for (Address at = head_.tail; !at.empty();) {
    if (!pages_.empty() && at == pages_.back().address) return {};
    if (!seen.insert(at).second) {
      return fail(Code::kCorruption,
                  fmt::format("name '{}': page {} comes again behind itself: the pages form a loop",
                              name_, text_of(at)));
    }
    if (stopping_ && stopping_()) {
      return fail(Code::kShutdown,
                  fmt::format("name '{}': it was told to stop, {} behind the newest page", name_,
                              pages.size()));
    }
    TLOG_ASSIGN(const Page page, get_page(at, pages.size() + 1));
    if (page.vdisk != head_.vdisk) {
      return fail(Code::kCorruption, fmt::format("name '{}': page {} is of another vdisk, {}",
                                                 name_, text_of(at), page.vdisk.text()));
    }
    // With addresses of its own kind a service could go on for ever.
    const Piece& newer = pieces.empty() ? head_.pairs.back().piece : pieces.back().front();
    const Piece& oldest = page.pairs.back().piece;
    const Piece& newest = page.pairs.front().piece;
    if (!is_behind(newer, oldest) || (is_behind(newer, newest) && !adjoin(newest, newer))) {
      return fail(
          Code::kCorruption,
          fmt::format("name '{}': page {}, {} behind the newest: {} does not adjoin what is "
                      "before it, {}: a page is missing, or they are out of order",
                      name_, text_of(at), pages.size() + 1, place_of(newer), place_of(newest)));
    }
    pages.push_back({.address = at, .first = 0, .skipped = 0, .is_oldest = page.tail.empty()});
    pieces.push_back(oldest_first(page));
    at = page.tail;
  }
  return {};
}

// Appends what closed_ lacks. What it has already must be the same.
Status LogIndex::join(std::vector<Piece> pieces, const std::string& what, std::size_t& skipped) {
  skipped = 0;
  // Over epochs too: the end of an earlier one may not be left out.
  const auto newest = std::find_if(closed_.rbegin(), closed_.rend(),
                                   [](const Piece& known) { return known.number != 0; });
  AggregationNumber last = newest == closed_.rend() ? 0 : newest->number;
  for (Piece& piece : pieces) {
    if (!closed_.empty() && !is_behind(piece, closed_.back())) {
      const auto known =
          std::lower_bound(closed_.begin(), closed_.end(), piece,
                           [](const Piece& a, const Piece& b) { return is_behind(b, a); });
      if (!known->is_same(piece)) {
        return fail(Code::kCorruption,
                    fmt::format("name '{}': {}: {} is not what another page says of it", name_,
                                what, place_of(piece)));
      }
      ++skipped;
      continue;
    }
    const bool fits =
        closed_.empty() ? piece.offset == 0 && piece.number == 0 : adjoin(closed_.back(), piece);
    if (!fits) {
      return fail(Code::kCorruption,
                  fmt::format("name '{}': {}: {} does not adjoin what is before it{}: a page is "
                              "missing, or they are out of order",
                              name_, what, place_of(piece),
                              closed_.empty() ? std::string() : ", " + place_of(closed_.back())));
    }
    if (piece.number != 0 && piece.number != last && piece.number != last + 1) {
      return fail(
          Code::kCorruption,
          fmt::format("name '{}': {}: {} is aggregation {}, behind {}: something is missing", name_,
                      what, place_of(piece), piece.number, last));
    }
    if (piece.number != 0) last = piece.number;
    closed_.push_back(std::move(piece));
  }
  return {};
}

Status LogIndex::refresh() {
  TLOG_ASSIGN(std::string bytes, names_.fetch(name_));
  if (bytes.empty()) return fail(Code::kNotFound, fmt::format("name '{}': it is empty", name_));
  if (!head_bytes_.empty() && bytes == head_bytes_) return {};
  auto head = decode_page(bytes);
  if (!head) return fail(head.error().within(fmt::format("name '{}'", name_)));
  const bool is_first = head_bytes_.empty();
  if (!is_first && head->vdisk != head_.vdisk) return fail(another_history(piece(0)));

  Before before{.closed = closed_.size(),
                .pages = pages_.size(),
                .overlap = overlap_,
                .head = std::exchange(head_, std::move(*head)),
                .known = {},
                .known_pages = {}};
  Status done = advance(before);
  if (done) {
    head_bytes_ = std::move(bytes);
    return {};
  }
  if (!before.known.empty()) closed_ = std::move(before.known);
  if (!before.known_pages.empty()) pages_ = std::move(before.known_pages);
  closed_.resize(before.closed);
  pages_.resize(before.pages);
  overlap_ = before.overlap;
  head_ = std::move(before.head);
  return done;
}

// To the new head, with what comes behind it.
Status LogIndex::advance(Before& before) {
  std::vector<ClosedPage> pages;
  std::vector<std::vector<Piece>> pieces;
  TLOG_TRY(read_older(pages, pieces));
  if (!pages_.empty() && (pages.empty() ? head_.tail.empty() : pages.back().is_oldest)) {
    // None of them was known: the name has other pages than before, of the same log.
    before.known = std::exchange(closed_, {});
    before.known_pages = std::exchange(pages_, {});
  }
  for (std::size_t i = pages.size(); i-- > 0;) {
    pages[i].first = closed_.size();
    TLOG_TRY(join(std::move(pieces[i]), "page " + text_of(pages[i].address), pages[i].skipped));
    pages_.push_back(std::move(pages[i]));
  }
  const std::size_t closed = closed_.size();
  Status joined = join(oldest_first(head_), "its newest page", overlap_);
  if (joined) joined = check_goes_on(before);
  closed_.resize(closed);
  return joined;
}

// closed_ has the head's pieces too, just now.
Status LogIndex::check_goes_on(const Before& before) const {
  const std::vector<Piece> open = oldest_first(before.head);
  const std::size_t total = before.closed + open.size() - before.overlap;
  for (std::size_t i = before.known.empty() ? before.closed : 0; i < total; ++i) {
    const Piece& known =
        i < before.closed ? before.known[i] : open[i - before.closed + before.overlap];
    if (i >= closed_.size()) {
      return fail(Code::kUnavailable,
                  fmt::format("name '{}': it has gone back, behind {}; ask again later", name_,
                              place_of(known)));
    }
    if (!known.is_same(closed_[i])) return fail(another_history(known));
  }
  return {};
}

Error LogIndex::another_history(const Piece& known) const {
  return Error(
      Code::kFenced,
      fmt::format("name '{}': it tells another history than before, from {} of vdisk {} on", name_,
                  place_of(known), head_.vdisk.text()));
}

Piece LogIndex::piece(std::size_t at) const {
  if (at < closed_.size()) return closed_[at];
  const std::size_t of_head = at - closed_.size() + overlap_;
  return head_.pairs[head_.pairs.size() - 1 - of_head].piece;
}

Result<std::string> LogIndex::content(std::size_t at) {
  const Piece wanted = piece(at);
  const auto of_head = std::find_if(
      head_.pairs.begin(), head_.pairs.end(),
      [&](const PagePair& pair) { return !pair.data.empty() && pair.piece.is_same(wanted); });
  if (of_head != head_.pairs.end()) return of_head->data;
  if (wanted.address.empty()) return embedded(at);
  const std::string what = fmt::format("{}: content {}", place_of(wanted), text_of(wanted.address));
  auto content = contents_.get(wanted.address);
  if (!content && content.error().code() == Code::kNotFound) {
    return fail(Code::kCorruption, what + ": it is missing");
  }
  if (!content) return fail(content.error().within(what));
  if (content->size() != wanted.length || !may_be_of(wanted.address, *content)) {
    return fail(Code::kCorruption, what + ": altered: its bytes are not those of its address");
  }
  return content;
}

// Only in a page: that page is read again, and kept, since its neighbours are wanted next.
Result<std::string> LogIndex::embedded(std::size_t at) {
  const auto after = std::upper_bound(
      pages_.begin(), pages_.end(), at,
      [](std::size_t place, const ClosedPage& page) { return place < page.first; });
  const ClosedPage& page = *(after - 1);
  MutexLock lock(mutex_);
  if (cached_ != page.address) {
    TLOG_ASSIGN(
        cached_page_,
        get_page(page.address, pages_.size() - static_cast<std::size_t>(&page - pages_.data())));
    cached_ = page.address;
  }
  const std::size_t from_oldest = at - page.first + page.skipped;
  if (from_oldest >= cached_page_.pairs.size()) {
    return fail(Code::kCorruption, fmt::format("name '{}': page {}: it has become shorter", name_,
                                               text_of(page.address)));
  }
  return cached_page_.pairs[cached_page_.pairs.size() - 1 - from_oldest].data;
}

}  // namespace tlog::cas
