#include "tlog/flush/scrub.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace tlog::flush {
namespace {

constexpr std::size_t kLightAtOnce = 64;
constexpr std::size_t kDeepAtOnce = 2;  // each holds all shards of an aggregation in memory
// What looking a shard up costs a store, for the rate.
constexpr std::uint64_t kLookUpBytes = 512;
constexpr std::uint64_t kRateCheckNs = 10'000'000;

// The value that most have.
template <class Value, class Of>
Value most_common(const auto& shards, Of value_of) {
  std::map<Value, std::size_t> counts;
  for (const auto& shard : shards) {
    if (std::optional<Value> value = value_of(shard)) ++counts[*value];
  }
  auto most = std::max_element(counts.begin(), counts.end(),
                               [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == counts.end() ? Value{} : most->first;
}

}  // namespace

Status Scrub::start(const ScrubOptions& options, AggregationNumber last) {
  if (status_.running) {
    return fail(Code::kUnavailable,
                fmt::format("scrub: vdisk '{}': one is running, at aggregation {} of {}; wait for "
                            "its end",
                            parts_.place->vdisk, status_.done, status_.last));
  }
  options_ = options;
  next_ = std::max<AggregationNumber>(1, options.first);
  began_ns_ = parts_.clock->monotonic_ns();
  status_ = ScrubStatus{.running = true,
                        .deep = options.deep,
                        .repair = options.repair,
                        .runs = status_.runs + 1,
                        .done = next_ - 1,
                        .last = last,
                        .first_finding = {}};
  parts_.logger->info(fmt::format("event=scrub_begins vdisk={} deep={} repair={} first={} last={}",
                                  parts_.place->vdisk, options.deep, options.repair, next_, last));
  parts_.changed();
  go_on();
  return {};
}

void Scrub::stop() {
  stopped_ = true;
  if (timer_ != 0) parts_.loop->cancel_timer(timer_);
  timer_ = 0;
}

bool Scrub::ahead_of_the_rate() {
  if (options_.bytes_per_second == 0) return false;
  const double passed = static_cast<double>(parts_.clock->monotonic_ns() - began_ns_) / 1e9;
  return static_cast<double>(status_.bytes) >
         passed * static_cast<double>(options_.bytes_per_second) + static_cast<double>(kMiB);
}

void Scrub::go_on() {
  if (stopped_ || going_ || timer_ != 0 || !status_.running) return;
  going_ = true;  // a store that answers at once calls back into here
  const std::size_t at_once = options_.deep ? kDeepAtOnce : kLightAtOnce;
  while (!stopped_ && next_ <= status_.last && under_way_.size() < at_once) {
    if (ahead_of_the_rate()) {
      timer_ = parts_.loop->add_timer(kRateCheckNs, [self = shared_from_this()] {
        self->timer_ = 0;
        self->go_on();
      });
      break;
    }
    begin_one(next_++);
  }
  going_ = false;
  if (next_ > status_.last && under_way_.empty()) end();
}

void Scrub::begin_one(AggregationNumber number) {
  auto look = std::make_shared<Look>();
  look->number = number;
  look->epoch = parts_.epoch_of(number);
  look->key = format::shard_key(parts_.place->vdisk, look->epoch, number);
  look->shards.resize(parts_.place->geometry.total());
  look->waiting = look->shards.size();
  under_way_.insert(number);
  for (unsigned i = 0; i < look->shards.size(); ++i) ask(look, i);
}

void Scrub::ask(const std::shared_ptr<Look>& look, unsigned index) {
  const std::size_t at = walk::store_of(look->number, index, parts_.place->stores.size());
  Shard& shard = look->shards[index];
  if (!parts_.lanes->may_try(at)) {
    shard.why = "the store does not answer";
    return answered(look);
  }
  store::Store& store = *parts_.place->stores[at];
  auto failed = [](Shard& into, const Error& error) {
    const Code code = error.code();
    into.verdict = code == Code::kNotFound     ? Verdict::kMissing
                   : code == Code::kCorruption ? Verdict::kWrong
                                               : Verdict::kUnreachable;
    into.why = error.message();
  };
  if (options_.deep) {
    store.get(look->key, [self = shared_from_this(), look, index, failed](Result<Buffer> value) {
      Shard& into = look->shards[index];
      if (value) {
        into.verdict = Verdict::kGood;
        into.length = value->size();
        into.value = std::move(*value);
      } else {
        failed(into, value.error());
      }
      self->answered(look);
    });
  } else {
    store.stat(look->key,
               [self = shared_from_this(), look, index, failed](Result<std::uint64_t> length) {
                 Shard& into = look->shards[index];
                 if (length) {
                   into.verdict = Verdict::kGood;
                   into.length = *length;
                 } else {
                   failed(into, length.error());
                 }
                 self->answered(look);
               });
  }
}

void Scrub::answered(const std::shared_ptr<Look>& look) {
  if (--look->waiting > 0 || stopped_) return;
  if (!options_.deep) {
    compare(*look);
    return judged(look);
  }
  parts_.run([weak = weak_from_this(), place = parts_.place, &loop = *parts_.loop, look] {
    check_values(*place, *look);
    compare(*look);
    loop.post([weak, look] {
      if (auto self = weak.lock(); self && !self->stopped_) self->judged(look);
    });
  });
}

void Scrub::check_values(const walk::LogPlace& place, Look& look) {
  for (unsigned i = 0; i < look.shards.size(); ++i) {
    Shard& shard = look.shards[i];
    if (shard.verdict != Verdict::kGood) continue;
    auto view = walk::check_shard(place, {look.epoch, look.number, i}, shard.value.span());
    if (view) {
      shard.identity = view->identity;
    } else {
      shard.verdict = Verdict::kWrong;
      shard.why = view.error().message();
    }
    shard.value = Buffer();
  }
}

// All shards of an aggregation have one length and name one hash.
void Scrub::compare(Look& look) {
  auto length = most_common<std::uint64_t>(look.shards, [](const Shard& shard) {
    return shard.verdict == Verdict::kGood ? std::optional(shard.length) : std::nullopt;
  });
  auto hash = most_common<std::array<std::uint8_t, 32>>(look.shards, [](const Shard& shard) {
    return shard.verdict == Verdict::kGood ? std::optional(shard.identity.aggregation_hash.bytes)
                                           : std::nullopt;
  });
  for (Shard& shard : look.shards) {
    if (shard.verdict != Verdict::kGood) continue;
    if (shard.length == length && shard.identity.aggregation_hash.bytes == hash) continue;
    shard.verdict = Verdict::kWrong;
    shard.why = shard.length != length
                    ? fmt::format("has {} bytes, the others {}", shard.length, length)
                    : "is a shard of other bytes than the others";
  }
}

void Scrub::judged(const std::shared_ptr<Look>& look) {
  for (unsigned i = 0; i < look->shards.size(); ++i) {
    const Shard& shard = look->shards[i];
    const std::size_t at = walk::store_of(look->number, i, parts_.place->stores.size());
    status_.bytes += options_.deep ? shard.length : kLookUpBytes;
    ++status_.checked;
    if (shard.verdict == Verdict::kGood) continue;
    const bool wrong = shard.verdict == Verdict::kWrong;
    ++(wrong                                ? status_.wrong
       : shard.verdict == Verdict::kMissing ? status_.missing
                                            : status_.unreachable);
    const std::string what = fmt::format("aggregation {}, {}: {}", look->number,
                                         parts_.place->stores[at]->name(), shard.why);
    if (status_.first_finding.empty()) status_.first_finding = what;
    if (shard.verdict == Verdict::kUnreachable) continue;
    parts_.logger->error(fmt::format("event=scrub_finds vdisk={} what=\"{}\" repair={}",
                                     parts_.place->vdisk, what, options_.repair));
    if (options_.repair) parts_.found(at, look->number, wrong);
  }
  under_way_.erase(look->number);
  status_.done = (under_way_.empty() ? next_ : *under_way_.begin()) - 1;
  parts_.changed();
  go_on();
}

void Scrub::end() {
  status_.running = false;
  status_.done = status_.last;
  parts_.logger->info(fmt::format(
      "event=scrub_ends vdisk={} deep={} checked={} missing={} wrong={} unreachable={} bytes={}",
      parts_.place->vdisk, status_.deep, status_.checked, status_.missing, status_.wrong,
      status_.unreachable, status_.bytes));
  parts_.changed();
}

}  // namespace tlog::flush
