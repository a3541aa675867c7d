#include "server/log/read_only_log.h"

#include <atomic>

#include "server/log/reading.h"
#include "tlog/store/stores.h"

namespace tlog::server {
namespace {

class ReadOnly final : public ReadOnlyLog {
 public:
  explicit ReadOnly(Parts parts)
      : parts_(std::move(parts)), sealer_(*parts_.key, *parts_.random) {}
  ~ReadOnly() override {
    reader_.reset();
    store::close_stores(parts_.stores);
  }

  Status start() {
    TLOG_ASSIGN(reader_, walk::LogReader::open({.vdisk = parts_.vdisk,
                                                .stores = store::borrow(parts_.stores),
                                                .sealer = &sealer_,
                                                .workers = parts_.workers,
                                                .logger = parts_.logger,
                                                .stopping = [this] { return stopped_.load(); }}));
    return {};
  }

  const format::VdiskFormat& format() const override { return reader_->metadata().format; }
  Uuid log_id() const override { return reader_->metadata().log; }
  protocol::LogPosition position() const override { return position_of(reader_->head()); }
  Result<protocol::LogPosition> refresh() override {
    TLOG_TRY(reader_->refresh_head());
    return position();
  }
  Status read(Sequence first, Sequence last, const ServedLog::Visitor& visitor) override {
    return read_range(*reader_, first, last, visitor);
  }
  void stop_reading() override { stopped_ = true; }

 private:
  Parts parts_;
  const seal::Sealer sealer_;
  std::unique_ptr<walk::LogReader> reader_;
  std::atomic<bool> stopped_{false};
};

}  // namespace

Result<std::unique_ptr<ReadOnlyLog>> ReadOnlyLog::open(Parts parts) {
  auto log = std::make_unique<ReadOnly>(std::move(parts));
  TLOG_TRY(log->start());
  return std::unique_ptr<ReadOnlyLog>(std::move(log));
}

}  // namespace tlog::server
