// File: tests/support/gated_store.h
// Gate and GatedStore: stores that let so many calls through, together, and hold the others: what
// writes to them stands at that very call until it is ended. Threading: any thread.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tlog/base/mutex.h"
#include "tlog/format/metadata.h"
#include "tlog/io/loop.h"
#include "tlog/store/store.h"

namespace tlog::testing {

// What all stores of one server share: which of their calls are held, and how many.
class Gate {
 public:
  enum class Holds {
    kNothing,
    kPuts,        // not done: as if they had never left the server
    kPutAnswers,  // done, and not answered: the server does not know
    kGets,
  };
  explicit Gate(std::string vdisk) : vdisk_(std::move(vdisk)) {}

  // `only_new`: of puts only shards of aggregations with greater numbers than all before: what a
  // writer mends meanwhile is neither counted nor held.
  void hold(Holds what, unsigned behind, bool only_new = false) {
    MutexLock lock(mutex_);
    holds_ = what;
    left_ = behind;
    held_ = 0;
    before_ = only_new ? newest_ : 0;
  }
  // Whether this call is one of those that are held.
  bool holds_put(Holds what, const std::string& key) {
    const auto shard = format::parse_shard_key(vdisk_, key);
    MutexLock lock(mutex_);
    if (!shard) return false;
    newest_ = std::max(newest_, shard->number);
    return shard->number > before_ && holds(what);
  }
  bool holds_get() {
    MutexLock lock(mutex_);
    return holds(Holds::kGets);
  }
  void keep(std::function<void()> fail_it) {
    MutexLock lock(mutex_);
    kept_.push_back(std::move(fail_it));
    ++held_;
  }
  // Its process ends: nobody waits for an answer any more.
  void end(io::Loop& loop) {
    MutexLock lock(mutex_);
    for (auto& fail_it : kept_) loop.post(std::move(fail_it));
    kept_.clear();
  }
  unsigned held() const {
    MutexLock lock(mutex_);
    return held_;
  }

 private:
  bool holds(Holds what) REQUIRES(mutex_) {
    if (holds_ != what) return false;
    if (left_ == 0) return true;
    --left_;
    return false;
  }

  const std::string vdisk_;
  mutable Mutex mutex_;
  AggregationNumber newest_ GUARDED_BY(mutex_) = 0;  // that has been put
  AggregationNumber before_ GUARDED_BY(mutex_) = 0;  // likewise, at hold()
  Holds holds_ GUARDED_BY(mutex_) = Holds::kNothing;
  unsigned left_ GUARDED_BY(mutex_) = 0;
  unsigned held_ GUARDED_BY(mutex_) = 0;
  std::vector<std::function<void()>> kept_ GUARDED_BY(mutex_);
};

class GatedStore final : public store::Store {
 public:
  GatedStore(std::unique_ptr<store::Store> inner, Gate& gate, io::Loop& loop)
      : inner_(std::move(inner)), gate_(gate), loop_(loop) {}

  void put(std::string key, std::vector<ConstByteSpan> pieces, store::PutOptions options,
           store::PutDone done) override {
    const auto keep = [&] { gate_.keep([done] { done(ended()); }); };
    if (gate_.holds_put(Gate::Holds::kPuts, key)) return keep();
    if (gate_.holds_put(Gate::Holds::kPutAnswers, key)) {
      keep();
      done = [](const Status&) {};
    }
    inner_->put(std::move(key), std::move(pieces), options, std::move(done));
  }
  void get(std::string key, store::GetDone done) override {
    if (gate_.holds_get()) return gate_.keep([done] { done(ended()); });
    inner_->get(std::move(key), std::move(done));
  }
  void stat(std::string key, store::StatDone done) override {
    inner_->stat(std::move(key), std::move(done));
  }
  void remove(std::string key, store::PutDone done) override {
    inner_->remove(std::move(key), std::move(done));
  }
  void scan(std::string prefix, std::string after, std::size_t limit,
            store::ScanDone done) override {
    inner_->scan(std::move(prefix), std::move(after), limit, std::move(done));
  }
  void hurry() override { inner_->hurry(); }
  store::StoreStatus status() const override { return inner_->status(); }
  const std::string& name() const override { return inner_->name(); }
  void close(std::function<void()> done) override {
    gate_.end(loop_);
    inner_->close(std::move(done));
  }

 private:
  static tl::unexpected<Error> ended() { return fail(Code::kUnavailable, "the server has died"); }

  const std::unique_ptr<store::Store> inner_;
  Gate& gate_;
  io::Loop& loop_;
};

}  // namespace tlog::testing
