// How a registry opens a log.
#include <fmt/format.h>

#include <utility>

#include "server/serve/log_lines.h"
#include "server/serve/registry.h"

namespace tlog::server {

struct Registry::OpenedLog {
  Result<std::unique_ptr<ServedLog>> log;
  std::unique_ptr<SlaveSync::Standby> standby = {};
  std::string no_standby = {};
};

void Registry::begin_opening(Wish wish, HostedLog::Opened done) {
  auto hosted = std::make_shared<HostedLog>();
  hosted->vdisk = wish.hello.format.name;
  hosted->holder = std::move(wish);
  hosted->since = core_->parts.clock->wall_ns();
  logs_[hosted->vdisk] = hosted;
  core_->openers.submit(core_->cluster_of(hosted->vdisk), [self = shared_from_this(), hosted,
                                                           parts = parts_for(hosted),
                                                           done = std::move(done)]() mutable {
    Core& core = *self->core_;
    auto result = std::make_shared<OpenedLog>(OpenedLog{.log = fail(Code::kUnavailable, "")});
    if (core.opens_no_more) {
      // Who waited for it has been told already, and its stores may take long to say nothing.
      result->log = fail(Code::kShutdown, "the server is stopping");
    } else if (auto stores = core.options.open_stores(hosted->vdisk)) {
      parts->stores = std::move(*stores);
      result->log = ServedLog::open(std::move(*parts));
    } else {
      result->log = fail(stores.error().within(fmt::format("open: {}", hosted->vdisk)));
    }
    if (result->log) self->watch_standby(hosted, *result);
    core.parts.loop->post(
        [self, hosted, result, done = std::move(done)] { self->opened(hosted, *result, done); });
  });
}

// A log that is opened and closed often is scrubbed as often as one that stays open. The names are
// the clients', so there is a limit to them.
std::shared_ptr<flush::ScrubRecord> Registry::scrub_record_of(const std::string& log) {
  if (scrub_records_.size() >= kScrubRecordsMax && !scrub_records_.contains(log)) {
    scrub_records_.erase(scrub_records_.begin());
  }
  auto& record = scrub_records_[log];
  if (!record) record = std::make_shared<flush::ScrubRecord>();
  return record;
}

// What the log tells goes to who writes it at that time.
std::shared_ptr<ServedLog::Parts> Registry::parts_for(const Hosted& hosted) {
  const Wish& wish = hosted->holder;
  auto made = std::make_shared<ServedLog::Parts>();
  ServedLog::Parts& parts = *made;
  parts.key = wish.key;
  parts.format = wish.hello.format;
  parts.journal = wish.hello.journal;
  parts.may_create = wish.hello.may_create;
  parts.take_over = wish.hello.take_over;
  parts.flush_size = wish.settings.flush_size;
  parts.flush_time_ns = wish.settings.flush_time_ns;
  parts.write_quorum = wish.settings.write_quorum;
  parts.memory_bytes_max = core_->options.session_memory_bytes;
  if (core_->options.settings_of) parts.scrubs = core_->options.settings_of(hosted->vdisk).scrubs;
  parts.scrub_record = scrub_record_of(hosted->vdisk + "/" + parts.format.vdisk.text());
  parts.files = core_->parts.files;
  parts.loop = core_->parts.loop;
  parts.workers = core_->parts.workers;
  parts.clock = core_->parts.clock;
  parts.random = core_->parts.random;
  parts.logger = core_->parts.logger;
  std::weak_ptr<HostedLog> weak = hosted;
  parts.on_received = [weak](Sequence sequence) {
    const auto self = weak.lock();
    if (!self || sequence <= self->received) return;
    self->received = sequence;
    if (self->user) self->user->on_received();
  };
  parts.on_stored = [weak, core = core_, registry = weak_from_this()](Sequence sequence) {
    const auto self = weak.lock();
    if (!self || sequence <= self->stored) return;
    core->stored_records += sequence - self->stored;
    self->stored = sequence;
    if (self->standby) self->standby->stored(sequence);
    if (self->user) self->user->on_stored();
    if (const auto all = registry.lock()) all->look_at_leaving(self);
  };
  parts.on_room = [weak] {
    const auto self = weak.lock();
    if (self && self->user) self->user->on_room();
  };
  parts.on_failed = [weak, registry = weak_from_this()](const Error& error) {
    const auto self = weak.lock();
    const auto all = registry.lock();
    if (self && all) all->failed(self, error);
  };
  return made;
}

void Registry::watch_standby(const Hosted& hosted, OpenedLog& opened) {
  SlaveSync* sync = core_->options.slave_sync.get();
  if (sync == nullptr || !hosted->holder.settings.slave_sync) return;
  std::weak_ptr<HostedLog> weak = hosted;
  auto standby = sync->follow(**opened.log, [weak](Sequence synced) {
    const auto self = weak.lock();
    if (!self || synced <= self->synced) return;
    self->synced = synced;
    if (self->user) self->user->on_synced();
  });
  if (standby)
    opened.standby = std::move(*standby);
  else
    opened.no_standby = standby.error().message();
}

void Registry::opened(const Hosted& hosted, OpenedLog& opened, const HostedLog::Opened& done) {
  if (!opened.log) {
    done(fail(opened.log.error()));
    return forget(hosted);
  }
  hosted->log = std::move(*opened.log);
  hosted->standby = std::move(opened.standby);
  hosted->no_standby = std::move(opened.no_standby);
  hosted->stored = hosted->log->stored();
  hosted->received = hosted->log->received();
  hosted->state = HostedLog::State::kOpen;
  if (hosted->standby) hosted->standby->stored(hosted->stored);
  core_->parts.logger->info(opened_line(*hosted));
  if (hosted->failed || core_->stopping) {
    done(fail(hosted->failed.value_or(
        Error(Code::kShutdown, fmt::format("open: {}: the server is stopping", hosted->vdisk)))));
    const std::uint64_t now = core_->parts.clock->monotonic_ns();
    return close(hosted, deadline_ns_ > now ? deadline_ns_ - now : 0);
  }
  done(hosted);
  if (hosted->user == nullptr) release(hosted, /*for_good=*/false);
  serve_waiting(std::exchange(hosted->waiting, {}));
}

}  // namespace tlog::server
