#include "gateways/logset/repository.h"

namespace tlog::logset {
namespace {

class BrokenRepository final : public Repository {
 public:
  explicit BrokenRepository(std::string why) : why_(std::move(why)) {}
  Result<std::vector<LogLength>> lengths() override { return fail(Code::kIoError, why_); }
  Status read(const std::string&, std::uint64_t, ByteSpan) override {
    return fail(Code::kIoError, why_);
  }
  Result<std::unique_ptr<SliceTaker>> take(const SliceHead&) override {
    return fail(Code::kIoError, why_);
  }

 private:
  const std::string why_;
};

}  // namespace

std::unique_ptr<Repository> make_broken_repository(const Error& why) {
  return std::make_unique<BrokenRepository>(why.message());
}

}  // namespace tlog::logset
