// File: tests/support/gated_store.h
// Gate and GatedStore: stores that let so many calls through, together, and hold the others: what
// writes to them stands at that very call until it is ended. Threading: any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tlog/base/mutex.h"
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
  void hold(Holds what, unsigned behind) {
    MutexLock lock(mutex_);
    holds_ = what;
    left_ = behind;
    held_ = 0;
  }
  // Whether this call is one of those that are held.
  bool holds(Holds what) {
    MutexLock lock(mutex_);
    if (holds_ != what) return false;
    if (left_ == 0) return true;
    --left_;
    return false;
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
  mutable Mutex mutex_;
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
    if (gate_.holds(Gate::Holds::kPuts)) return keep();
    if (gate_.holds(Gate::Holds::kPutAnswers)) {
      keep();
      done = [](const Status&) {};
    }
    inner_->put(std::move(key), std::move(pieces), options, std::move(done));
  }
  void get(std::string key, store::GetDone done) override {
    if (gate_.holds(Gate::Holds::kGets)) return gate_.keep([done] { done(ended()); });
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
