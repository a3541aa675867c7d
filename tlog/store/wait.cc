// The calls of store.h and stores.h that wait.
#include <latch>
#include <optional>

#include "tlog/base/mutex.h"
#include "tlog/store/store.h"
#include "tlog/store/stores.h"

namespace tlog::store {
namespace {

// The answer of one asynchronous call. The store promises exactly one, so the wait ends.
template <class T>
class Answer {
 public:
  void set(T value) {
    // Notified under the lock: this object, on the waiter's stack, may be gone right after.
    MutexLock lock(mutex_);
    value_ = std::move(value);
    changed_.notify_all();
  }
  T wait() {
    MutexLock lock(mutex_);
    while (!value_) changed_.wait(mutex_);
    return std::move(*value_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::optional<T> value_ GUARDED_BY(mutex_);
};

}  // namespace

Status put_and_wait(Store& store, std::string key, ConstByteSpan value) {
  Answer<Status> answer;
  store.put(std::move(key), {value}, {.urgent = true}, [&](Status s) { answer.set(std::move(s)); });
  return answer.wait();
}

Status remove_and_wait(Store& store, std::string key) {
  Answer<Status> answer;
  store.remove(std::move(key), [&](Status s) { answer.set(std::move(s)); });
  store.hurry();
  return answer.wait();
}

Result<Buffer> get_and_wait(Store& store, std::string key) {
  Answer<Result<Buffer>> answer;
  store.get(std::move(key), [&](Result<Buffer> r) { answer.set(std::move(r)); });
  return answer.wait();
}

Result<std::uint64_t> stat_and_wait(Store& store, std::string key) {
  Answer<Result<std::uint64_t>> answer;
  store.stat(std::move(key), [&](Result<std::uint64_t> r) { answer.set(std::move(r)); });
  return answer.wait();
}

Result<std::vector<std::string>> scan_and_wait(Store& store, std::string prefix, std::string after,
                                               std::size_t limit) {
  Answer<Result<std::vector<std::string>>> answer;
  store.scan(std::move(prefix), std::move(after), limit,
             [&](Result<std::vector<std::string>> r) { answer.set(std::move(r)); });
  return answer.wait();
}

void close_and_wait(Store& store) {
  Answer<bool> answer;
  store.close([&] { answer.set(true); });
  answer.wait();
}

void close_stores(Stores& stores) {
  std::latch closed(static_cast<std::ptrdiff_t>(stores.size()));
  for (auto& store : stores) store->close([&] { closed.count_down(); });
  closed.wait();
}

std::vector<Store*> borrow(const Stores& stores) {
  std::vector<Store*> pointers;
  pointers.reserve(stores.size());
  for (const auto& store : stores) pointers.push_back(store.get());
  return pointers;
}

}  // namespace tlog::store
