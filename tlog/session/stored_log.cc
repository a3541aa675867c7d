#include "tlog/session/stored_log.h"

#include <algorithm>
#include <latch>

#include "tlog/session/served_vdisk.h"
#include "tlog/store/stores.h"

namespace tlog::session {

StoredLog::StoredLog(Parts parts)
    : parts_(std::move(parts)), access_{parts_.reading->stores(), parts_.log.get()} {}

void StoredLog::attach(Core& core, Told told) {
  core_ = &core;
  told_ = std::move(told);
  sealing_ = std::make_unique<Sealing>(
      core, *parts_.sealer, *parts_.log,
      Sealing::Start{.next_number = parts_.head.number + 1, .prev = parts_.head.hash},
      [this](Sequence sequence) { told_.on_stored(sequence); });
  seal_strand_ = std::make_unique<Strand>(core.workers, [this] { return sealing_->step(); });
  scrubbing_ = std::make_unique<Scrubbing>(
      Scrubbing::parts_of(core, *parts_.log, *parts_.files, parts_.scrub_path));
}

void StoredLog::start() {
  core_->loop.post([this] {
    parts_.news->on_room = [this] { seal_strand_->schedule(); };
    parts_.news->on_fenced = told_.on_fenced;
    if (!parts_.news->fenced_by.empty()) told_.on_fenced(parts_.news->fenced_by);
  });
  scrubbing_->start();
}

void StoredLog::work_changed() {
  if (sealing_->due()) seal_strand_->schedule();
}

void StoredLog::reconfigure(const ServedSettings& settings) {
  auto& stores = parts_.stores;
  for (std::size_t i = 0; i < std::min(stores.size(), settings.log_servers.size()); ++i) {
    stores[i]->move_to(settings.log_servers[i]);
  }
}

void StoredLog::close(std::uint64_t deadline_ns) {
  seal_strand_->stop_and_wait();
  std::latch closed(1);
  parts_.log->close(deadline_ns, [&] { closed.count_down(); });
  closed.wait();
}

void StoredLog::close_stores() {
  store::close_stores(parts_.stores);
}

void StoredLog::add_status(VdiskStatus& status) const {
  status.log = parts_.log->status();
  status.scrubs = scrubbing_->status();
  for (const auto& store : parts_.stores) status.stores.push_back(store->status());
}

}  // namespace tlog::session
