#include "tlog/store/memory_store.h"

#include <fmt/format.h>

#include <utility>

#include "tlog/store/stores.h"

namespace tlog::store {

// Values in a map. The work is done at once in the calling thread; only the answer goes through the
// loop. Threading: as store.h says. Durability: none. Errors: only those that a test asked for, and
// kShutdown after close().
class MemoryStore final : public Store {
 public:
  MemoryStore(std::string name, io::Loop& loop, std::shared_ptr<MemoryStoreContents> contents)
      : shared_(std::make_shared<Shared>(std::move(name), loop, std::move(contents))) {}

  void put(std::string key, std::vector<ConstByteSpan> pieces, PutOptions options,
           PutDone done) override;
  void get(std::string key, GetDone done) override;
  void stat(std::string key, StatDone done) override;
  void remove(std::string key, PutDone done) override;
  void scan(std::string prefix, std::string after, std::size_t limit, ScanDone done) override;
  void hurry() override {}
  StoreStatus status() const override;
  const std::string& name() const override { return shared_->name; }
  void close(std::function<void()> done) override;

 private:
  // Lives on in answers that are still to come.
  struct Shared {
    Shared(std::string name_, io::Loop& loop_, std::shared_ptr<MemoryStoreContents> contents_)
        : name(std::move(name_)), loop(loop_), contents(std::move(contents_)) {}

    const std::string name;
    io::Loop& loop;
    const std::shared_ptr<MemoryStoreContents> contents;

    mutable Mutex mutex;
    bool closed GUARDED_BY(mutex) = false;
    unsigned under_way GUARDED_BY(mutex) = 0;
    std::function<void()> close_done GUARDED_BY(mutex);
    std::uint64_t put_bytes GUARDED_BY(mutex) = 0;
    std::uint64_t get_bytes GUARDED_BY(mutex) = 0;
    std::uint64_t errors GUARDED_BY(mutex) = 0;
  };

  struct Admission {
    std::uint64_t delay_ns = 0;
    Status status;
  };
  Admission admit(std::string_view operation, const std::string& key, bool changes);
  // Calls `answer` on the loop, exactly once, after the delay.
  static void deliver(const std::shared_ptr<Shared>& shared, std::uint64_t delay_ns,
                      std::function<void()> answer);
  static void answered(const std::shared_ptr<Shared>& shared);
  void change(std::string_view operation, std::string key,
              std::function<void(MemoryStoreContents::Values&)> apply, PutDone done);

  const std::shared_ptr<Shared> shared_;
};

MemoryStore::Admission MemoryStore::admit(std::string_view operation, const std::string& key,
                                          bool changes) {
  Admission admission;
  std::string what = fmt::format("{}: {}: {}", operation, shared_->name, key);
  MutexLock lock(shared_->mutex);
  ++shared_->under_way;
  MemoryStoreContents& contents = *shared_->contents;
  MutexLock contents_lock(contents.mutex_);
  admission.delay_ns = contents.delay_ns_;
  if (shared_->closed) {
    admission.status = fail(Code::kShutdown, what + ": the store has been closed");
  } else if (contents.refuses_) {
    admission.status =
        fail(Code::kUnavailable, what + ": the store refuses everything, as a test asked for");
  } else if (changes && contents.puts_to_fail_ > 0) {
    --contents.puts_to_fail_;
    admission.status = fail(contents.put_code_, what + ": failed, as a test asked for");
  }
  if (!admission.status) ++shared_->errors;
  return admission;
}

void MemoryStore::answered(const std::shared_ptr<Shared>& shared) {
  std::function<void()> close_done;
  {
    MutexLock lock(shared->mutex);
    if (--shared->under_way == 0 && shared->closed)
      close_done = std::exchange(shared->close_done, nullptr);
  }
  if (close_done) close_done();
}

void MemoryStore::deliver(const std::shared_ptr<Shared>& shared, std::uint64_t delay_ns,
                          std::function<void()> answer) {
  auto task = [shared, answer = std::move(answer)] {
    answer();
    answered(shared);
  };
  if (delay_ns == 0) return shared->loop.post(std::move(task));
  shared->loop.post([shared, delay_ns, task = std::move(task)]() mutable {
    shared->loop.add_timer(delay_ns, std::move(task));
  });
}

void MemoryStore::change(std::string_view operation, std::string key,
                         std::function<void(MemoryStoreContents::Values&)> apply, PutDone done) {
  Admission admission = admit(operation, key, true);
  // A delayed change happens when it is answered: until then nobody may count on it.
  if (admission.status && admission.delay_ns == 0) shared_->contents->edit(apply);
  deliver(shared_, admission.delay_ns,
          [shared = shared_, admission, apply = std::move(apply), done = std::move(done)] {
            if (admission.status && admission.delay_ns != 0) shared->contents->edit(apply);
            done(admission.status);
          });
}

void MemoryStore::put(std::string key, std::vector<ConstByteSpan> pieces, PutOptions,
                      PutDone done) {
  std::string value;
  std::size_t length = 0;
  for (ConstByteSpan piece : pieces) length += piece.size();
  value.reserve(length);
  for (ConstByteSpan piece : pieces) {
    value.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  }
  {
    MutexLock lock(shared_->mutex);
    shared_->put_bytes += length;
  }
  auto apply = [key, value = std::move(value)](MemoryStoreContents::Values& values) mutable {
    values[key] = std::move(value);
  };
  change("put", key, std::move(apply), std::move(done));
}

void MemoryStore::remove(std::string key, PutDone done) {
  auto apply = [key](MemoryStoreContents::Values& values) { values.erase(key); };
  change("remove", key, std::move(apply), std::move(done));
}

void MemoryStore::get(std::string key, GetDone done) {
  Admission admission = admit("get", key, false);
  auto answer = std::make_shared<Result<Buffer>>(Buffer());
  if (!admission.status) {
    *answer = fail(admission.status.error());
  } else {
    shared_->contents->edit([&](const MemoryStoreContents::Values& values) {
      auto found = values.find(key);
      if (found == values.end()) {
        *answer = fail(Code::kNotFound, fmt::format("get: {}: {}: not stored here", name(), key));
      } else {
        *answer = Buffer::copy_of(bytes_of(found->second));
      }
    });
    MutexLock lock(shared_->mutex);
    if (*answer) shared_->get_bytes += (*answer)->size();
  }
  deliver(shared_, admission.delay_ns,
          [answer, done = std::move(done)] { done(std::move(*answer)); });
}

void MemoryStore::stat(std::string key, StatDone done) {
  Admission admission = admit("stat", key, false);
  Result<std::uint64_t> answer = std::uint64_t{0};
  if (!admission.status) {
    answer = fail(admission.status.error());
  } else {
    shared_->contents->edit([&](const MemoryStoreContents::Values& values) {
      auto found = values.find(key);
      if (found == values.end()) {
        answer = fail(Code::kNotFound, fmt::format("stat: {}: {}: not stored here", name(), key));
      } else {
        answer = std::uint64_t{found->second.size()};
      }
    });
  }
  deliver(shared_, admission.delay_ns, [answer, done = std::move(done)] { done(answer); });
}

void MemoryStore::scan(std::string prefix, std::string after, std::size_t limit, ScanDone done) {
  Admission admission = admit("scan", prefix, false);
  Result<std::vector<std::string>> answer = std::vector<std::string>();
  if (!admission.status) {
    answer = fail(admission.status.error());
  } else {
    shared_->contents->edit([&](const MemoryStoreContents::Values& values) {
      auto at = after < prefix ? values.lower_bound(prefix) : values.upper_bound(after);
      for (; at != values.end() && at->first.starts_with(prefix) && answer->size() < limit; ++at) {
        answer->push_back(at->first);
      }
    });
  }
  deliver(shared_, admission.delay_ns, [answer, done = std::move(done)] { done(answer); });
}

StoreStatus MemoryStore::status() const {
  StoreStatus status;
  status.name = shared_->name;
  MutexLock lock(shared_->mutex);
  status.put_bytes = shared_->put_bytes;
  status.get_bytes = shared_->get_bytes;
  status.errors = shared_->errors;
  MemoryStoreContents& contents = *shared_->contents;
  MutexLock contents_lock(contents.mutex_);
  status.usable = !shared_->closed && !contents.refuses_;
  status.condition = shared_->closed ? "closed" : contents.refuses_ ? "refusing" : "up";
  return status;
}

void MemoryStore::close(std::function<void()> done) {
  bool idle = false;
  {
    MutexLock lock(shared_->mutex);
    shared_->closed = true;
    idle = shared_->under_way == 0;
    if (!idle) shared_->close_done = std::move(done);
  }
  if (idle) shared_->loop.post(std::move(done));
}

std::unique_ptr<Store> make_memory_store(std::string name, io::Loop& loop,
                                         std::shared_ptr<MemoryStoreContents> contents) {
  if (!contents) contents = std::make_shared<MemoryStoreContents>();
  return std::make_unique<MemoryStore>(std::move(name), loop, std::move(contents));
}

}  // namespace tlog::store
