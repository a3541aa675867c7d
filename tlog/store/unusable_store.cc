#include "tlog/store/unusable_store.h"

#include <utility>

namespace tlog::store {

namespace {

class UnusableStore final : public Store {
 public:
  UnusableStore(std::string name, const Error& reason, io::Loop& loop)
      : name_(std::move(name)), reason_(Code::kUnavailable, reason.message()), loop_(loop) {}

  void put(std::string, std::vector<ConstByteSpan>, PutOptions, PutDone done) override {
    refuse(std::move(done));
  }
  void get(std::string, GetDone done) override { refuse(std::move(done)); }
  void stat(std::string, StatDone done) override { refuse(std::move(done)); }
  void remove(std::string, PutDone done) override { refuse(std::move(done)); }
  void scan(std::string, std::string, std::size_t, ScanDone done) override {
    refuse(std::move(done));
  }
  void hurry() override {}
  StoreStatus status() const override {
    StoreStatus status;
    status.name = name_;
    status.condition = reason_.message();
    return status;
  }
  const std::string& name() const override { return name_; }
  void close(std::function<void()> done) override { loop_.post(std::move(done)); }

 private:
  template <class Done>
  void refuse(Done done) {
    loop_.post([done = std::move(done), reason = reason_] { done(fail(reason)); });
  }

  const std::string name_;
  const Error reason_;
  io::Loop& loop_;
};

}  // namespace

std::unique_ptr<Store> make_unusable_store(std::string name, const Error& reason, io::Loop& loop) {
  return std::make_unique<UnusableStore>(std::move(name), reason, loop);
}

}  // namespace tlog::store
