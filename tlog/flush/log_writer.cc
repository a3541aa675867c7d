// File: tlog/flush/log_writer.cc
#include "tlog/flush/log_writer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include "tlog/base/limits.h"
#include "tlog/flush/core.h"
#include "tlog/walk/log_place.h"

namespace tlog::flush {
namespace {

std::string writer_name() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host = {'?'};
  return fmt::format("{}:{}", host.data(), getpid());
}

// Runs `begin` on the loop and waits until it calls what it is given; false when it has not within
// the core's timeout for opening.
template <class Begin>
bool begin_and_wait(const std::shared_ptr<Core>& core, Begin begin) {
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
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::nanoseconds(core->parts().open_timeout_ns);
  MutexLock lock(wait->mutex);
  while (!wait->done && std::chrono::steady_clock::now() < deadline) {
    wait->changed.wait_until(wait->mutex, deadline);
  }
  return wait->done;
}

// Publishes the metadata that the core was made with and waits for the quorum.
Status claim_and_wait(const std::shared_ptr<Core>& core) {
  if (begin_and_wait(core, [core](std::function<void()> done) { core->claim(std::move(done)); })) {
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
  begin_and_wait(
      core, [core, epoch](std::function<void()> done) { core->enroll(epoch, std::move(done)); });
  Status different;
  io::run_on(*core->parts().loop, [&] {
    different = core->check_servers();
    if (!different) core->stop();
  });
  return different;
}

class Writer final : public LogWriter {
 public:
  Writer(std::shared_ptr<Core> core, Epoch epoch) : core_(std::move(core)), epoch_(epoch) {}
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
  Status scrub(const ScrubOptions& options) override {
    Status begun;
    io::run_on(*core_->parts().loop, [&] { begun = core_->scrub(options); });
    return begun;
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
  const seal::KeyId& key = parts.sealer->key_id();
  metadata.key_id.assign(key.bytes.begin(), key.bytes.end());
  auto core = std::make_shared<Core>(parts, std::move(metadata), 0);
  if (Status claimed = claim_and_wait(core); !claimed) {
    return fail(claimed.error().within(fmt::format("create vdisk '{}'", format.name)));
  }
  io::run_on(*parts.loop, [&] { core->stop(); });
  return {};
}

Result<std::unique_ptr<LogWriter>> LogWriter::open(Parts parts, format::Metadata metadata,
                                                   const walk::LogHead& head) {
  const std::string vdisk = metadata.format.name;
  TLOG_TRY(check_quorum(parts.write_quorum, metadata.format));
  const shard::Geometry geometry = walk::geometry_of(metadata.format);
  const unsigned quorum = walk::write_quorum(geometry, parts.write_quorum);
  const Epoch epoch = metadata.epochs.empty() ? 1 : metadata.epochs.back().epoch + 1;
  metadata.epochs.push_back({.epoch = epoch,
                             .started = parts.clock->wall_ns(),
                             .first_number = head.number + 1,
                             .first_sequence = head.sequence + 1,
                             .writer = writer_name(),
                             .write_quorum = static_cast<std::uint8_t>(quorum)});
  ++metadata.generation;
  // What an unreadable newest aggregation has left behind is written anew, also in the index.
  metadata.index_pages =
      std::min<std::uint64_t>(metadata.index_pages, head.number / kIndexPageAggregations);
  std::erase_if(metadata.last, [&](const auto& known) { return known.number > head.number; });
  if (parts.logger == nullptr) parts.logger = &null_logger();
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
  auto core = std::make_shared<Core>(std::move(parts), std::move(metadata), head.number);
  Status claimed = enroll_and_wait(core, epoch);
  if (claimed) claimed = claim_and_wait(core);
  if (!claimed) {
    return fail(claimed.error().within(fmt::format("open vdisk '{}' for writing", vdisk)));
  }
  io::run_on(loop, [&] { core->start(std::move(hints)); });
  return std::unique_ptr<LogWriter>(std::make_unique<Writer>(std::move(core), epoch));
}

}  // namespace tlog::flush
