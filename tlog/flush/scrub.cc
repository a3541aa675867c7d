#include "tlog/flush/scrub.h"

#include <fmt/format.h>

#include <algorithm>

namespace tlog::flush {
namespace {

constexpr std::size_t kLightAtOnce = 64;
constexpr std::size_t kDeepAtOnce = 2;  // each holds all shards of an aggregation in memory
// In the background nothing is gained by having much under way, and what is stands in the way of
// writes in the stores' queues.
constexpr std::size_t kLightInBackground = 8;
constexpr std::size_t kDeepInBackground = 1;
// What looking a shard up costs a store, for the rate.
constexpr std::uint64_t kLookUpBytes = 512;
constexpr std::uint64_t kRateCheckMinNs = 10'000'000;
constexpr std::uint64_t kRateCheckMaxNs = 100'000'000;  // the rate changes when writing begins
// A store that has lost everything would fill the log of events with it.
constexpr std::uint64_t kFindingsTold = 100;

}  // namespace

Scrub::Scrub(Parts parts)
    : parts_(std::move(parts)),
      awaited_(parts_.place->stores.size()),
      rate_(parts_.clock->monotonic_ns()) {}

Status Scrub::check_idle() const {
  if (!status_.running) return {};
  return fail(Code::kUnavailable,
              fmt::format("scrub: vdisk '{}': one is running, at aggregation {} of {}; wait for "
                          "its end",
                          parts_.place->vdisk, status_.done, status_.last));
}

Status Scrub::start(const ScrubOptions& options, AggregationNumber last) {
  TLOG_TRY(check_idle());
  options_ = options;
  next_ = std::max<AggregationNumber>(1, options.first);
  rate_ = ByteRate(parts_.clock->monotonic_ns());
  const std::uint64_t run = status_.runs + 1;
  if (!options.continues) {
    awaited_ = AwaitedShards(parts_.place->stores.size());
    told_ = 0;
    status_ = {};
  }
  status_.running = true;
  status_.complete = false;
  status_.deep = options.deep;
  status_.repair = options.repair;
  status_.runs = run;
  status_.done = next_ - 1;
  status_.last = last;
  note_left();
  parts_.logger->info(fmt::format(
      "event=scrub_begins vdisk={} deep={} repair={} background={} first={} last={}",
      parts_.place->vdisk, options.deep, options.repair, options.background, next_, last));
  parts_.changed();
  go_on();
  return {};
}

// What is still under way answers to nobody: it is of an earlier run.
void Scrub::end() {
  if (!status_.running) return;
  status_.running = false;
  under_way_.clear();
  if (timer_ != 0) parts_.loop->cancel_timer(timer_);
  timer_ = 0;
  parts_.logger->info(fmt::format("event=scrub_interrupted vdisk={} deep={} done={} last={}",
                                  parts_.place->vdisk, status_.deep, status_.done, status_.last));
  parts_.changed();
}

void Scrub::stop() {
  end();
  stopped_ = true;
}

std::uint64_t Scrub::rate() const {
  const std::uint64_t rate = options_.bytes_per_second;
  if (!options_.background || !parts_.writing()) return rate;
  // Without a limit of its own it goes as fast as a command's does by default, at most.
  return std::max<std::uint64_t>(1, (rate == 0 ? ScrubOptions{}.bytes_per_second : rate) / kYield);
}

std::size_t Scrub::at_once() const {
  if (options_.background) return options_.deep ? kDeepInBackground : kLightInBackground;
  return options_.deep ? kDeepAtOnce : kLightAtOnce;
}

void Scrub::go_on() {
  if (stopped_ || going_ || timer_ != 0 || !status_.running) return;
  going_ = true;  // a store that answers at once calls back into here
  while (status_.running && next_ <= status_.last && under_way_.size() < at_once()) {
    const std::uint64_t now_rate = rate();
    if (!rate_.may_read(now_rate, parts_.clock->monotonic_ns())) {
      timer_ = parts_.loop->add_timer(
          std::clamp(rate_.wait_ns(now_rate), kRateCheckMinNs, kRateCheckMaxNs),
          [self = shared_from_this()] {
            self->timer_ = 0;
            self->go_on();
          });
      break;
    }
    begin_one(next_++);
  }
  going_ = false;
  if (status_.running && next_ > status_.last && under_way_.empty()) complete();
}

void Scrub::begin_one(AggregationNumber number) {
  auto look = std::make_shared<ScrubLook>();
  look->run = status_.runs;
  look->number = number;
  look->epoch = parts_.epoch_of(number);
  look->key = format::shard_key(parts_.place->vdisk, look->epoch, number);
  look->shards.resize(parts_.place->geometry.total());
  look->waiting = look->shards.size();
  under_way_.insert(number);
  for (unsigned i = 0; i < look->shards.size(); ++i) ask(look, i);
}

void Scrub::ask(const LookPtr& look, unsigned index) {
  const std::size_t at = walk::store_of(look->number, index, parts_.place->stores.size());
  if (!parts_.lanes->may_try(at)) {
    look->shards[index].why = "the store does not answer";
    return answered(look);
  }
  store::Store& store = *parts_.place->stores[at];
  if (options_.deep) {
    store.get(look->key, [self = shared_from_this(), look, index](Result<Buffer> value) {
      ScrubbedShard& shard = look->shards[index];
      if (value) {
        shard.has(value->size());
        shard.value = std::move(*value);
      } else {
        shard.has_failed(value.error());
      }
      self->answered(look);
    });
  } else {
    store.stat(look->key, [self = shared_from_this(), look, index](Result<std::uint64_t> length) {
      if (length) {
        look->shards[index].has(*length);
      } else {
        look->shards[index].has_failed(length.error());
      }
      self->answered(look);
    });
  }
}

void Scrub::answered(const LookPtr& look) {
  if (--look->waiting > 0 || !is_of_this_run(*look)) return;
  if (!options_.deep) {
    compare_shards(*look);
    return judged(look);
  }
  parts_.run([weak = weak_from_this(), place = parts_.place, &loop = *parts_.loop, look] {
    check_values(*place, *look);
    compare_shards(*look);
    loop.post([weak, look] {
      if (auto self = weak.lock()) self->judged(look);
    });
  });
}

void Scrub::judged(const LookPtr& look) {
  if (!is_of_this_run(*look)) return;
  std::uint64_t bytes = 0;
  for (unsigned i = 0; i < look->shards.size(); ++i) {
    const ScrubbedShard& shard = look->shards[i];
    bytes += options_.deep ? shard.length : kLookUpBytes;
    ++status_.checked;
    if (shard.verdict != ShardVerdict::kGood) bad(*look, i);
  }
  status_.bytes += bytes;
  rate_.has_read(bytes);
  under_way_.erase(look->number);
  status_.done = (under_way_.empty() ? next_ : *under_way_.begin()) - 1;
  note_left();
  parts_.changed();
  go_on();
}

void Scrub::bad(const ScrubLook& look, unsigned index) {
  const ScrubbedShard& shard = look.shards[index];
  const std::size_t at = walk::store_of(look.number, index, parts_.place->stores.size());
  const bool wrong = shard.verdict == ShardVerdict::kWrong;
  const bool unreachable = shard.verdict == ShardVerdict::kUnreachable;
  const std::string what = fmt::format("aggregation {}, {}: {}", look.number,
                                       parts_.place->stores[at]->name(), shard.why);
  if (status_.first_finding.empty()) status_.first_finding = what;
  if (unreachable) {
    ++status_.unreachable;
    return;
  }
  // One that an earlier part of the same pass has found already is still the same one.
  if (options_.repair && !awaited_.add(at, look.number, wrong)) return;
  ++(wrong ? status_.wrong : status_.missing);
  if (++told_ <= kFindingsTold) {
    parts_.logger->error(fmt::format("event=scrub_finds vdisk={} what=\"{}\" repair={}{}",
                                     parts_.place->vdisk, what, options_.repair,
                                     told_ == kFindingsTold ? " next=\"no more are told\"" : ""));
  }
  if (options_.repair) parts_.found(at, look.number, wrong);
}

void Scrub::came_back(std::size_t store, AggregationNumber number, bool replaced) {
  const unsigned ended = awaited_.came_back(store, number, replaced);
  if (ended == 0) return;
  status_.mended += ended;
  note_left();
  parts_.changed();
}

void Scrub::note_left() {
  status_.settled = awaited_.settled(status_.done);
  status_.missing_left = awaited_.missing();
  status_.wrong_left = awaited_.wrong();
}

void Scrub::complete() {
  status_.running = false;
  status_.complete = true;
  status_.done = status_.last;
  note_left();
  parts_.logger->info(fmt::format(
      "event=scrub_ends vdisk={} deep={} checked={} missing={} wrong={} unreachable={} bytes={}",
      parts_.place->vdisk, status_.deep, status_.checked, status_.missing, status_.wrong,
      status_.unreachable, status_.bytes));
  parts_.changed();
}

}  // namespace tlog::flush
