#include "player/unusable_store.h"

#include <utility>

namespace tlog::player {

namespace {

class UnusableStore final : public store::Store {
 public:
  UnusableStore(std::string name, const Error& reason, io::Loop& loop)
      : name_(std::move(name)), reason_(Code::kUnavailable, reason.message()), loop_(loop) {}

  void put(std::string, std::vector<ConstByteSpan>, store::PutOptions,
           store::PutDone done) override {
    refuse(std::move(done));
  }
  void get(std::string, store::GetDone done) override { refuse(std::move(done)); }
  void stat(std::string, store::StatDone done) override { refuse(std::move(done)); }
  void remove(std::string, store::PutDone done) override { refuse(std::move(done)); }
  void scan(std::string, std::string, std::size_t, store::ScanDone done) override {
    refuse(std::move(done));
  }
  void hurry() override {}
  store::StoreStatus status() const override {
    store::StoreStatus status;
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

std::unique_ptr<store::Store> make_unusable_store(std::string name, const Error& reason,
                                                  io::Loop& loop) {
  return std::make_unique<UnusableStore>(std::move(name), reason, loop);
}

}  // namespace tlog::player
