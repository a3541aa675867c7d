#include "tlog/walk/metadata_ask.h"

#include <memory>
#include <utility>
#include <vector>

namespace tlog::walk {
namespace {

// One store's keys, newest first, until one is there: a claim whose winner has not written yet, or
// that was never won, has nothing.
class Asking : public std::enable_shared_from_this<Asking> {
 public:
  Asking(store::Store& store, std::string vdisk, store::GetDone done)
      : store_(store), vdisk_(std::move(vdisk)), done_(std::move(done)) {}

  void begin(const store::EpochMarks& marks) {
    epochs_.push_back(0);
    for (const auto& [epoch, owner] : marks.claims) epochs_.push_back(epoch);
    next();
  }

 private:
  void next() {
    const Epoch epoch = epochs_.back();
    epochs_.pop_back();
    store_.get(format::metadata_key(vdisk_, epoch),
               [self = shared_from_this()](Result<Buffer> value) {
                 const bool is_absent = !value && value.error().code() == Code::kNotFound;
                 if (is_absent && !self->epochs_.empty()) return self->next();
                 self->done_(std::move(value));
               });
  }

  store::Store& store_;
  const std::string vdisk_;
  const store::GetDone done_;
  std::vector<Epoch> epochs_;  // that are left, ascending
};

}  // namespace

std::string metadata_key_in(store::Store& store, const std::string& vdisk, Epoch epoch) {
  return format::metadata_key(vdisk, store.identity() == nullptr ? 0 : epoch);
}

void ask_metadata(store::Store& store, const std::string& vdisk, store::GetDone done) {
  store::ServerIdentity* identity = store.identity();
  if (identity == nullptr) return store.get(format::metadata_key(vdisk), std::move(done));
  auto asking = std::make_shared<Asking>(store, vdisk, done);
  identity->epochs([asking, done](Result<store::EpochMarks> marks) {
    if (!marks) return done(fail(marks.error()));
    asking->begin(*marks);
  });
}

}  // namespace tlog::walk
