// File: tests/support/fault_store.h
// FaultStore: any store with an outage on demand. It sits in front of the real one; what it lets
// through is untouched. Threading: every call from any thread; a mode applies to the calls that
// come afterwards.
#pragma once

#include <atomic>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "tlog/base/mutex.h"
#include "tlog/store/store.h"

namespace tlog::testing {

class FaultStore final : public store::Store {
 public:
  enum class Mode {
    kUp,
    kDown,      // every call answers kUnavailable
    kFull,      // puts answer kNoSpace
    kHang,      // calls are answered only when another mode is set: with kTimeout
    kForgetful  // says success to puts and drops them
  };
  FaultStore(store::Store& inner, io::Loop& loop) : inner_(inner), loop_(loop) {}

  void set(Mode mode) {
    std::deque<std::function<void(Error)>> held;
    {
      MutexLock lock(mutex_);
      mode_ = mode;
      if (mode != Mode::kHang) held.swap(held_);
    }
    for (auto& fail_it : held) {
      loop_.post([fail_it] { fail_it(Error(Code::kTimeout, "no answer within the deadline")); });
    }
  }
  // This many of a hundred puts fail, by chance.
  void fail_some_puts(unsigned percent, std::uint64_t seed) {
    MutexLock lock(mutex_);
    percent_ = percent;
    chance_ = seed;
  }
  std::uint64_t calls() const { return calls_.load(); }
  std::uint64_t gets() const { return gets_.load(); }  // of them

  void put(std::string key, std::vector<ConstByteSpan> pieces, store::PutOptions options,
           store::PutDone done) override {
    if (unlucky()) return answer([done] { done(fail(Code::kIoError, "put: bad luck")); });
    switch (act<store::PutDone, Status>(done, true)) {
      case Mode::kUp:
        return inner_.put(std::move(key), std::move(pieces), options, std::move(done));
      case Mode::kForgetful:
        return answer([done] { done({}); });
      default:
        return;
    }
  }
  void get(std::string key, store::GetDone done) override {
    ++gets_;
    if (act<store::GetDone, Result<Buffer>>(done, false) == Mode::kUp)
      inner_.get(std::move(key), std::move(done));
  }
  void stat(std::string key, store::StatDone done) override {
    if (act<store::StatDone, Result<std::uint64_t>>(done, false) == Mode::kUp) {
      inner_.stat(std::move(key), std::move(done));
    }
  }
  void remove(std::string key, store::PutDone done) override {
    if (act<store::PutDone, Status>(done, false) == Mode::kUp)
      inner_.remove(std::move(key), std::move(done));
  }
  void scan(std::string prefix, std::string after, std::size_t limit,
            store::ScanDone done) override {
    if (act<store::ScanDone, Result<std::vector<std::string>>>(done, false) == Mode::kUp) {
      inner_.scan(std::move(prefix), std::move(after), limit, std::move(done));
    }
  }
  void hurry() override { inner_.hurry(); }
  store::ServerIdentity* identity() override { return inner_.identity(); }
  store::StoreStatus status() const override { return inner_.status(); }
  const std::string& name() const override { return inner_.name(); }
  void close(std::function<void()> done) override {
    set(Mode::kDown);
    inner_.close(std::move(done));
  }

 private:
  bool unlucky() {
    MutexLock lock(mutex_);
    chance_ = chance_ * 6364136223846793005U + 1442695040888963407U;
    return mode_ == Mode::kUp && (chance_ >> 33) % 100 < percent_;
  }
  void answer(std::function<void()> task) {
    ++calls_;
    loop_.post(std::move(task));
  }
  // kUp (go on to the real store), kForgetful, or anything else when the call has been dealt with.
  template <class Done, class Answer>
  Mode act(const Done& done, bool is_put) {
    ++calls_;
    MutexLock lock(mutex_);
    if (mode_ == Mode::kHang) {
      held_.emplace_back([done](Error error) { done(Answer(fail(std::move(error)))); });
    } else if (mode_ == Mode::kDown) {
      loop_.post([done] { done(Answer(fail(Code::kUnavailable, "connection refused"))); });
    } else if (mode_ == Mode::kFull && is_put) {
      loop_.post([done] { done(Answer(fail(Code::kNoSpace, "No space left on device"))); });
    } else {
      return is_put ? mode_ : Mode::kUp;
    }
    return Mode::kHang;
  }

  store::Store& inner_;
  io::Loop& loop_;
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<std::uint64_t> gets_{0};
  Mutex mutex_;
  Mode mode_ GUARDED_BY(mutex_) = Mode::kUp;
  unsigned percent_ GUARDED_BY(mutex_) = 0;
  std::uint64_t chance_ GUARDED_BY(mutex_) = 0;
  std::deque<std::function<void(Error)>> held_ GUARDED_BY(mutex_);
};

}  // namespace tlog::testing
