// File: tlog/flush/pages.cc
#include "tlog/flush/pages.h"

#include <fmt/format.h>

#include "tlog/base/limits.h"
#include "tlog/walk/chain.h"
#include "tlog/walk/index_page.h"

namespace tlog::flush {
namespace {

constexpr std::size_t kEntriesMax =
    16 * kIndexPageAggregations;  // more are read from the log again

}  // namespace

Pages::Pages(Parts parts, std::uint64_t pages, AggregationNumber committed)
    : parts_(std::move(parts)), page_(pages), committed_(committed) {
  if (page_ == 0) previous_ = Hash256{};
}

void Pages::add(const format::AggregationReference& committed) {
  committed_ = committed.number;
  if (entries_.size() < kEntriesMax) entries_.emplace(committed.number, committed);
  go_on();
}

void Pages::go_on() {
  if (stopped_ || busy_ || timer_ != 0 || committed_ < walk::page_last(page_)) return;
  busy_ = true;
  read_missing();
}

// One at a time: nobody waits for it.
void Pages::read_missing() {
  AggregationNumber number = walk::page_first(page_);
  while (number <= walk::page_last(page_) && entries_.contains(number)) ++number;
  if (number > walk::page_last(page_)) {
    if (previous_) return write_page();
    previous_lost_ = true;
    return find_previous(0);
  }
  walk::Fetch::start(
      parts_.place, parts_.epoch_of(number), number, parts_.run,
      [weak = weak_from_this(), place = parts_.place, &loop = *parts_.loop,
       &sealer = *parts_.sealer, number](Result<walk::Fetched> fetched, const walk::FetchCounts&) {
        // Loop and sealer are the log's, which may end meanwhile.
        const walk::LogPlace::Use use(*place);
        if (!use) return;
        Result<format::AggregationReference> reference =
            [&]() -> Result<format::AggregationReference> {
          if (!fetched) return fail(fetched.error());
          const shard::Identity& identity = fetched->identity;
          TLOG_ASSIGN(auto opened,
                      sealer.open(fetched->decoded.pieces, {.vdisk = identity.vdisk,
                                                            .epoch = identity.epoch,
                                                            .number = identity.number}));
          return walk::reference_of(opened);
        }();
        loop.post([weak, number, reference = std::move(reference)] {
          if (auto self = weak.lock()) self->took(number, reference);
        });
      });
}

void Pages::took(AggregationNumber number, Result<format::AggregationReference> reference) {
  if (stopped_) return;
  if (!reference) {
    return try_later(
        fmt::format("aggregation {} cannot be read: {}", number, reference.error().message()));
  }
  entries_.emplace(number, std::move(*reference));
  read_missing();
}

void Pages::find_previous(std::size_t store) {
  if (store >= parts_.place->stores.size()) {
    if (!previous_lost_) return try_later("the page before it cannot be read");
    // It is nowhere: it is made anew, from the log.
    parts_.logger->warning(
        fmt::format("event=index_page_lost vdisk={} page={} action=\"making it anew\"",
                    parts_.place->vdisk, page_ - 1));
    --page_;
    if (page_ == 0) previous_ = Hash256{};
    return read_missing();
  }
  parts_.place->stores[store]->get(format::index_page_key(parts_.place->vdisk, page_ - 1),
                                   [self = shared_from_this(), store](Result<Buffer> stored) {
                                     if (!self->stopped_)
                                       self->previous_answered(store, std::move(stored));
                                   });
}

void Pages::previous_answered(std::size_t store, Result<Buffer> stored) {
  if (stored) {
    auto page = walk::open_page(*parts_.sealer, parts_.place->uuid, page_ - 1, stored->span());
    if (page) {
      previous_ = walk::page_hash(*page);
      return write_page();
    }
  } else if (stored.error().code() != Code::kNotFound &&
             stored.error().code() != Code::kCorruption) {
    previous_lost_ = false;
  }
  find_previous(store + 1);
}

struct Pages::Round {
  std::uint64_t page = 0;
  Hash256 hash;
  Buffer sealed;
  std::size_t stored = 0;
  std::size_t failed = 0;
  bool decided = false;
  std::string why;
};

void Pages::write_page() {
  format::IndexPage page{.page = page_, .entries = {}, .previous_page = *previous_};
  for (AggregationNumber n = walk::page_first(page_); n <= walk::page_last(page_); ++n) {
    page.entries.push_back(entries_.at(n));
  }
  auto sealed = walk::seal_page(*parts_.sealer, parts_.place->uuid, page);
  if (!sealed) return try_later(sealed.error().message());
  auto round = std::make_shared<Round>();
  round->page = page_;
  round->hash = walk::page_hash(page);
  round->sealed = std::move(*sealed);
  const std::string key = format::index_page_key(parts_.place->vdisk, page_);
  for (store::Store* store : parts_.place->stores) {
    store->put(
        key, {round->sealed.span()}, {.urgent = false},
        [self = shared_from_this(), round](Status status) { self->page_put(round, status); });
  }
}

void Pages::page_put(const std::shared_ptr<Round>& round, const Status& status) {
  ++(status ? round->stored : round->failed);
  if (!status) round->why = status.error().message();
  if (stopped_ || round->decided) return;
  if (round->stored >= parts_.quorum) {
    round->decided = true;
    entries_.erase(entries_.begin(), entries_.upper_bound(walk::page_last(page_)));
    previous_ = round->hash;
    ++page_;
    busy_ = false;
    backoff_.reset();
    parts_.written(page_);
    go_on();
  } else if (parts_.place->stores.size() - round->failed < parts_.quorum) {
    round->decided = true;
    try_later(fmt::format("too few stores take it: {}", round->why));
  }
}

void Pages::try_later(const std::string& why) {
  parts_.logger->warning(fmt::format("event=index_page_delayed vdisk={} page={} reason=\"{}\"",
                                     parts_.place->vdisk, page_, why));
  busy_ = false;
  timer_ = parts_.loop->add_timer(backoff_.next_ns(*parts_.random), [self = shared_from_this()] {
    self->timer_ = 0;
    self->go_on();
  });
}

void Pages::stop() {
  stopped_ = true;
  if (timer_ != 0) parts_.loop->cancel_timer(timer_);
  timer_ = 0;
}

}  // namespace tlog::flush
