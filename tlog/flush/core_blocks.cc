// Where the vdisk's active blocks are, as the metadata says.
#include "tlog/flush/core.h"

namespace tlog::flush {

void Core::place_blocks(const format::BlockPlace& place, std::function<void(Status)> done) {
  if (stopped_ || closing_) {
    const Error why = stopped_ ? ended_ : Error(Code::kShutdown, "the log writer is closing");
    return done(fail(why.within("place blocks")));
  }
  metadata_.blocks = place;
  const std::uint64_t id = ++placings_;
  placing_.emplace(id, std::move(done));
  publish_metadata([weak = weak_from_this(), id] {
    auto self = weak.lock();
    if (!self) return;
    auto waiting = self->placing_.extract(id);
    if (!waiting.empty()) waiting.mapped()({});
  });
}

}  // namespace tlog::flush
