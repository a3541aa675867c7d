// File: tlog/flush/log_writer.cc
#include "tlog/flush/log_writer.h"

#include <fmt/format.h>

#include <chrono>

#include "tlog/base/limits.h"
#include "tlog/flush/claim.h"
#include "tlog/flush/core.h"
#include "tlog/flush/rebuilt.h"
#include "tlog/flush/tail.h"
#include "tlog/walk/chain.h"
#include "tlog/walk/log_place.h"

namespace tlog::flush {
namespace {

// As people read it: "host:pid".
std::string writer_name() {
  const std::string owner = claim_owner({});
  return owner.substr(0, owner.find(' '));
}

// Runs `begin` on the loop and waits until it calls what it is given; false when it has not within
// the timeout.
template <class Begin>
bool begin_and_wait(const std::shared_ptr<Core>& core, std::uint64_t timeout_ns, Begin begin) {
  struct Wait {
    Mutex mutex;
    CondVar changed;
    bool done GUARDED_BY(mutex) = false;
  };
  auto wait = std::make_shared<Wait>();
  core->parts().loop->post([wait, begin] {
    begin([wait] {
      MutexLock lock(wait->mutex);
      wait->done = true;
      wait->changed.notify_one();
    });
  });
  const auto deadline = steady_now() + std::chrono::nanoseconds(timeout_ns);
  MutexLock lock(wait->mutex);
  while (!wait->done && steady_now() < deadline) {
    wait->changed.wait_until(wait->mutex, deadline);
  }
  return wait->done;
}

// Publishes the metadata that the core was made with and waits for the quorum.
Status claim_and_wait(const std::shared_ptr<Core>& core) {
  if (begin_and_wait(core, core->parts().open_timeout_ns,
                     [core](std::function<void()> done) { core->claim(std::move(done)); })) {
    return {};
  }
  std::string why;
  io::run_on(*core->parts().loop, [&] {
    why = core->describe_claim();
    core->stop();
  });
  return fail(Code::kUnavailable, why);
}

// Servers that are away do not hold it up for long: they say so, or the claim names them.
Status enroll_and_wait(const std::shared_ptr<Core>& core, Epoch epoch) {
  begin_and_wait(core, core->parts().open_timeout_ns, [core, epoch](std::function<void()> done) {
    core->enroll(epoch, std::move(done));
  });
  Status different;
  io::run_on(*core->parts().loop, [&] {
    different = core->check_servers();
    if (!different) core->stop();
  });
  return different;
}

ClaimPlace claim_place(const LogWriter::Parts& parts, const format::Metadata& metadata) {
  const shard::Geometry geometry = walk::geometry_of(metadata.format);
  const unsigned quorum = walk::write_quorum(geometry, parts.write_quorum);
  return {.vdisk = metadata.format.name,
          .stores = parts.stores,
          .grants = walk::metadata_quorum(parts.stores.size(), geometry, quorum),
          .least_write_quorum = walk::least_write_quorum(geometry)};
}

// Claims the epoch that `metadata`, as it was read, was given as its newest.
Status claim_and_hold(const LogWriter::Parts& parts, const format::Metadata& read, Epoch epoch) {
  const ClaimPlace place = claim_place(parts, read);
  TLOG_ASSIGN(store::EpochClaim claim,
              claim_epoch(place, read, epoch, claim_owner(parts.journal, parts.opening)));
  hold_epoch(place, claim);
  return {};
}

// A server whose rebuilding was finished but not recorded keeps no emptied one from being used.
void look_at_rebuilt(const std::shared_ptr<Core>& core, const format::Metadata& metadata,
                     const walk::LogHead& head) {
  const LogWriter::Parts& parts = core->parts();
  std::vector<std::size_t> stores;
  io::run_on(*parts.loop, [&] { stores = core->servers_in_the_way(); });
  const walk::LogPlace place(metadata.format, parts.stores);
  for (std::size_t store : stores) {
    if (!has_every_shard(place, metadata, store, head.number)) continue;
    parts.logger->info(fmt::format("event=store_found_whole vdisk={} store=\"{}\"",
                                   metadata.format.name, parts.stores[store]->name()));
    io::run_on(*parts.loop, [&] { core->server_found_whole(store); });
  }
}

Status secure_end(const std::shared_ptr<Core>& core, const format::Metadata& metadata,
                  const walk::LogHead& head) {
  const LogWriter::Parts& parts = core->parts();
  const TailPlace tail{
      .place = std::make_shared<walk::LogPlace>(metadata.format, parts.stores),
      .read_place = core->read_place(),
      .epoch_of =
          [&metadata](AggregationNumber number) { return walk::epoch_of(metadata, number); },
      .write_quorum = walk::write_quorum(walk::geometry_of(metadata.format), parts.write_quorum),
      .logger = parts.logger,
      .timeout_ns = parts.open_timeout_ns};
  return secure_tail(tail, head.committed + 1, head.number);
}

class Writer final : public LogWriter {
 public:
  Writer(std::shared_ptr<Core> core, Epoch epoch, const Uuid& log)
      : core_(std::move(core)), epoch_(epoch), log_(log) {}
  ~Writer() override {
    if (closed_->load()) return;
    io::Loop& loop = *core_->parts().loop;
    if (loop.in_loop_thread()) {
      core_->stop();
    } else {
      io::run_on(loop, [this] { core_->stop(); });
    }
  }

  Epoch epoch() const override { return epoch_; }
  Uuid log() const override { return log_; }

  void append(shard::ShardSet shards, format::AggregationReference reference, bool urgent,
              std::function<void(Status)> done) override {
    core_->reserve(shards.shard_bytes() * shards.geometry().total());
    auto carried = std::make_shared<shard::ShardSet>(std::move(shards));
    core_->parts().loop->post([core = core_, carried, reference, urgent, done = std::move(done)] {
      core->append(std::move(*carried), reference, urgent, done);
    });
  }

  bool may_append() const override { return core_->may_append(); }
  LogWriterStatus status() const override { return core_->status(); }
  std::uint64_t buffered_bytes() const override { return core_->buffered_bytes(); }
  Status scrub(const ScrubOptions& options) override {
    Status begun;
    io::run_on(*core_->parts().loop, [&] { begun = core_->scrub(options); });
    return begun;
  }
  void end_background_scrub() override {
    io::run_on(*core_->parts().loop, [&] { core_->end_background_scrub(); });
  }

  void mend(AggregationNumber number, std::vector<walk::BadShard> shards) override {
    core_->parts().loop->post(
        [core = core_, number, shards = std::move(shards)] { core->mend(number, shards); });
  }

  Status place_blocks(const format::BlockPlace& place, std::uint64_t timeout_ns) override {
    auto answer = std::make_shared<Status>();
    const bool answered = begin_and_wait(
        core_, timeout_ns, [core = core_, place, answer](std::function<void()> done) {
          core->place_blocks(place, [answer, done = std::move(done)](Status status) {
            *answer = std::move(status);
            done();
          });
        });
    if (answered) return *answer;
    std::string why;
    io::run_on(*core_->parts().loop, [&] { why = core_->describe_claim(); });
    return fail(Code::kTimeout,
                fmt::format("record that the blocks are in cluster '{}': {}; it goes on "
                            "by itself when the stores are back",
                            place.cluster, why));
  }

  void close(std::uint64_t deadline_ns, std::function<void()> done) override {
    core_->parts().loop->post(
        [core = core_, closed = closed_, deadline_ns, done = std::move(done)] {
          core->close(deadline_ns, [closed, done] {
            closed->store(true);
            done();
          });
        });
  }

 private:
  const std::shared_ptr<Core> core_;
  const Epoch epoch_;
  const Uuid log_;
  const std::shared_ptr<std::atomic<bool>> closed_ = std::make_shared<std::atomic<bool>>(false);
};

Status check_quorum(unsigned quorum, const format::VdiskFormat& format) {
  const shard::Geometry geometry = walk::geometry_of(format);
  if (quorum == 0 || (quorum >= geometry.data && quorum <= geometry.total())) return {};
  return fail(
      Code::kInvalidArgument,
      fmt::format("open vdisk '{}' for writing: a write quorum of {} is impossible with {}+{} "
                  "shards, expected {} to {}",
                  format.name, quorum, geometry.data, geometry.parity, geometry.data,
                  geometry.total()));
}

// Nothing of the vdisk may exist anywhere: a name that is used again must not mix two logs.
Status check_absent(const LogWriter::Parts& parts, const std::string& vdisk) {
  auto found = walk::read_metadata(vdisk, parts.stores);
  if (found) {
    return fail(Code::kAlreadyExists,
                fmt::format("create vdisk '{}': it exists already, {} stores have its metadata",
                            vdisk, found->copies));
  }
  if (found.error().code() != Code::kNotFound) {
    return fail(found.error().within(fmt::format("create vdisk '{}'", vdisk)));
  }
  return {};
}

}  // namespace

Status LogWriter::create(const Parts& parts, const format::VdiskFormat& format) {
  const shard::Geometry geometry = walk::geometry_of(format);
  TLOG_TRY(shard::check(geometry));
  if (parts.stores.size() < geometry.total()) {
    return fail(Code::kInvalidArgument,
                fmt::format("create vdisk '{}': {}+{} shards need {} stores, the cluster has {}",
                            format.name, geometry.data, geometry.parity, geometry.total(),
                            parts.stores.size()));
  }
  TLOG_TRY(check_absent(parts, format.name));
  format::Metadata metadata;
  metadata.generation = 1;
  metadata.format = format;
  metadata.log = parts.random->next_uuid();
  const seal::KeyId& key = parts.sealer->key_id();
  metadata.key_id.assign(key.bytes.begin(), key.bytes.end());
  auto core = std::make_shared<Core>(parts, std::move(metadata), 0);
  if (Status claimed = claim_and_wait(core); !claimed) {
    return fail(claimed.error().within(fmt::format("create vdisk '{}'", format.name)));
  }
  io::run_on(*parts.loop, [&] { core->stop(); });
  return {};
}

Result<std::vector<bool>> LogWriter::fence(const Parts& parts, const format::Metadata& metadata) {
  std::vector<bool> not_fenced(parts.stores.size());
  if (metadata.epochs.empty()) return not_fenced;
  walk::expect_servers(metadata, parts.stores);
  auto closed = close_epochs(claim_place(parts, metadata), fenced_from(metadata),
                             claim_owner(parts.journal, parts.opening));
  if (!closed) {
    return fail(
        closed.error().within(fmt::format("open vdisk '{}' for writing", metadata.format.name)));
  }
  for (std::size_t i = 0; i < not_fenced.size(); ++i) not_fenced[i] = !closed->fenced[i];
  return not_fenced;
}

Result<std::unique_ptr<LogWriter>> LogWriter::open(Parts parts, format::Metadata metadata,
                                                   const walk::LogHead& head) {
  const std::string vdisk = metadata.format.name;
  if (parts.logger == nullptr) parts.logger = &null_logger();
  TLOG_TRY(check_quorum(parts.write_quorum, metadata.format));
  const shard::Geometry geometry = walk::geometry_of(metadata.format);
  const unsigned quorum = walk::write_quorum(geometry, parts.write_quorum);
  const format::Metadata read = metadata;
  TLOG_ASSIGN(const Epoch epoch, choose_epoch(claim_place(parts, read), read,
                                              claim_owner(parts.journal, parts.opening)));
  metadata.epochs.push_back({.epoch = epoch,
                             .started = parts.clock->wall_ns(),
                             .first_number = head.number + 1,
                             .first_sequence = head.sequence + 1,
                             .writer = writer_name(),
                             .journal = parts.journal,
                             .write_quorum = static_cast<std::uint8_t>(quorum)});
  ++metadata.generation;
  // What an unreadable newest aggregation has left behind is written anew, also in the index.
  metadata.index_pages =
      std::min<std::uint64_t>(metadata.index_pages, head.number / kIndexPageAggregations);
  metadata.complete = std::min(metadata.complete, head.number);
  if (metadata.log.is_nil()) metadata.log = parts.random->next_uuid();
  std::erase_if(metadata.last, [&](const auto& known) { return known.number > head.number; });
  if (quorum < walk::usual_write_quorum(geometry)) {
    parts.logger->warning(fmt::format(
        "event=write_quorum_low vdisk={} quorum={} reason=\"what {} stores have confirmed counts: "
        "until the others have it too, the loss of any one of them loses it\"",
        vdisk, quorum, quorum));
  }
  std::unique_ptr<HintsFile> hints;
  if (!parts.hints_path.empty()) {
    TLOG_ASSIGN(hints, HintsFile::open(*parts.files, parts.hints_path, metadata.format.vdisk,
                                       parts.stores.size()));
  }
  io::Loop& loop = *parts.loop;
  const Uuid log = metadata.log;
  auto core = std::make_shared<Core>(std::move(parts), std::move(metadata), head.number);
  Status claimed = enroll_and_wait(core, epoch);
  if (claimed) look_at_rebuilt(core, read, head);
  if (claimed) claimed = claim_and_hold(core->parts(), read, epoch);
  if (claimed) claimed = secure_end(core, read, head);
  if (claimed) claimed = claim_and_wait(core);
  if (!claimed) {
    io::run_on(loop, [&] { core->stop(); });
    return fail(claimed.error().within(fmt::format("open vdisk '{}' for writing", vdisk)));
  }
  forget_claims(claim_place(core->parts(), read), read);
  io::run_on(loop, [&] { core->start(std::move(hints)); });
  return std::unique_ptr<LogWriter>(std::make_unique<Writer>(std::move(core), epoch, log));
}

}  // namespace tlog::flush
