#include "server/serve/log_view.h"

#include <fmt/format.h>

#include <utility>

namespace tlog::server {

LogView::LogView(std::unique_ptr<ReadOnlyLog> log)
    : log_(std::move(log)), position_(log_->position()) {}

Result<std::shared_ptr<LogView>> LogView::open(std::shared_ptr<Core> core, const std::string& vdisk,
                                               std::shared_ptr<const seal::MasterKey> key) {
  if (core->opens_no_more) return fail(Code::kShutdown, "the server is stopping");
  const auto& open =
      core->options.read_stores ? core->options.read_stores : core->options.open_stores;
  auto stores = open(vdisk);
  if (!stores) return fail(stores.error().within(fmt::format("open: {}", vdisk)));
  TLOG_ASSIGN(auto log, ReadOnlyLog::open({.vdisk = vdisk,
                                           .stores = std::move(*stores),
                                           .key = std::move(key),
                                           .loop = core->parts.loop,
                                           .workers = core->parts.workers,
                                           .random = core->parts.random,
                                           .logger = core->parts.logger}));
  return std::shared_ptr<LogView>(new LogView(std::move(log)),
                                  [core = std::move(core), vdisk](LogView* ended) {
                                    core->away(vdisk, [ended] { delete ended; });
                                  });
}

protocol::LogPosition LogView::position() const {
  MutexLock lock(mutex_);
  return position_;
}

Result<Sequence> LogView::refresh() {
  MutexLock reading(reading_mutex_);
  TLOG_ASSIGN(const protocol::LogPosition now, log_->refresh());
  MutexLock lock(mutex_);
  position_ = now;
  return now.sequence;
}

Status LogView::read(Sequence first, Sequence last, const ServedLog::Visitor& visitor) {
  MutexLock reading(reading_mutex_);
  if (last > position().sequence) {
    TLOG_ASSIGN(const protocol::LogPosition now, log_->refresh());
    MutexLock lock(mutex_);
    position_ = now;
  }
  return log_->read(first, last, visitor);
}

}  // namespace tlog::server
