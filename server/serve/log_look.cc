#include "server/serve/log_look.h"

#include <fmt/format.h>

#include "server/serve/log_view.h"
#include "server/serve/registry.h"
#include "tlog/base/mutex.h"

namespace tlog::server {
namespace {

// Beside its writer. The registry is told on the loop's thread when it is over.
class HostedLook final : public LogLook {
 public:
  HostedLook(std::shared_ptr<Registry> registry, std::shared_ptr<HostedLog> hosted, io::Loop& loop)
      : registry_(std::move(registry)),
        hosted_(std::move(hosted)),
        loop_(loop),
        log_(*hosted_->log) {}
  ~HostedLook() override {
    loop_.post([registry = std::move(registry_), hosted = std::move(hosted_)] {
      registry->reading_ends(hosted);
    });
  }

  Uuid log_id() const override { return log_.log_id(); }
  Result<Sequence> stored() override { return log_.stored(); }
  bool may_be_kept() const override { return false; }
  Status read(Sequence first, Sequence last, const ServedLog::Visitor& visitor) override {
    return log_.read(first, last, [&](std::span<const format::Record> records) -> Result<bool> {
      if (hosted_->ending.load()) return fail(Code::kShutdown, "the log is being closed");
      return visitor(records);
    });
  }

 private:
  std::shared_ptr<Registry> registry_;
  std::shared_ptr<HostedLog> hosted_;
  io::Loop& loop_;
  ServedLog& log_;
};

class StoresLook final : public LogLook {
 public:
  StoresLook(std::shared_ptr<LogView> view, io::Loop& loop) : view_(std::move(view)), loop_(loop) {}
  ~StoresLook() override {
    loop_.post([view = std::move(view_)] {});  // the last pointer goes there
  }
  Uuid log_id() const override { return view_->log_id(); }
  Result<Sequence> stored() override { return view_->refresh(); }
  bool may_be_kept() const override { return true; }
  Status read(Sequence first, Sequence last, const ServedLog::Visitor& visitor) override {
    return view_->read(first, last, visitor);
  }

 private:
  std::shared_ptr<LogView> view_;
  io::Loop& loop_;
};

constexpr unsigned kLooks = 50;
constexpr std::chrono::milliseconds kLookAgain{40};

// What has been found, if anything. `again`: the log is being opened or closed.
Result<std::shared_ptr<LogLook>> look_once(const std::shared_ptr<Core>& core,
                                           const std::shared_ptr<Registry>& registry,
                                           const std::string& vdisk,
                                           const std::shared_ptr<LogLook>& before, bool& again) {
  std::shared_ptr<LogLook> look;
  bool ends = false;
  io::Loop& loop = *core->parts.loop;
  io::run_on(loop, [&] {
    ends = core->opens_no_more || core->ended;
    const auto found = registry->logs().find(vdisk);
    if (ends || found == registry->logs().end()) return;
    const std::shared_ptr<HostedLog>& hosted = found->second;
    again = hosted->state != HostedLog::State::kOpen || !hosted->log || hosted->ending.load();
    if (again) return;
    registry->reading_begins(*hosted);
    look = std::make_shared<HostedLook>(registry, hosted, loop);
  });
  if (ends) return fail(Code::kShutdown, "the server is stopping");
  if (again)
    return fail(Code::kUnavailable, "look at log: it is being opened or closed; try again");
  if (look || before) return look ? look : before;
  if (core->options.key == nullptr) {
    return fail(Code::kInvalidArgument,
                fmt::format("look at log '{}': this server has no key of its own to read it with; "
                            "start it with --priv-key-file",
                            vdisk));
  }
  auto view = LogView::open(core, vdisk, core->options.key);
  // One that is created just now has shards before its metadata can be read.
  again = !view && view.error().code() == Code::kCorruption;
  if (!view) return fail(view.error());
  return std::shared_ptr<LogLook>(std::make_shared<StoresLook>(std::move(*view), loop));
}

}  // namespace

Result<std::shared_ptr<LogLook>> look_at_log(const std::shared_ptr<Core>& core,
                                             const std::shared_ptr<Registry>& registry,
                                             const std::string& vdisk,
                                             const std::shared_ptr<LogLook>& before) {
  Mutex mutex;
  CondVar never;
  for (unsigned looks = 1;; ++looks) {
    bool again = false;
    auto look = look_once(core, registry, vdisk, before, again);
    if (!again || looks == kLooks) return look;
    MutexLock lock(mutex);
    never.wait_until(mutex, steady_now() + kLookAgain);
  }
}

}  // namespace tlog::server
