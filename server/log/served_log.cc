#include "server/log/served_log.h"

#include <fmt/format.h>

#include <atomic>
#include <latch>

#include "server/log/opening.h"
#include "server/log/pipeline.h"
#include "server/log/reading.h"
#include "tlog/store/stores.h"

namespace tlog::server {
namespace {

// Of the time there is for closing, this part is kept for the log's end: what stores have missed,
// and the metadata.
constexpr std::uint64_t kLogEndShare = 4;

class Served final : public ServedLog {
 public:
  explicit Served(Parts parts)
      : parts_(std::move(parts)),
        sealer_(*parts_.key, *parts_.random),
        pipeline_({.policy = {parts_.flush_size, parts_.flush_time_ns},
                   .memory_bytes_max = parts_.memory_bytes_max,
                   .loop = parts_.loop,
                   .workers = parts_.workers,
                   .clock = parts_.clock,
                   .hurry =
                       [this] {
                         for (const auto& store : parts_.stores) store->hurry();
                       },
                   .on_received = parts_.on_received,
                   .on_stored = parts_.on_stored,
                   .on_room = parts_.on_room,
                   .on_failed = parts_.on_failed}) {}
  ~Served() override;

  Status start();

  const format::VdiskFormat& format() const override { return format_; }
  Epoch epoch() const override { return log_->epoch(); }
  bool created() const override { return created_; }
  Uuid log_id() const override { return log_->log(); }
  protocol::LogPosition position() const override { return pipeline_.position(); }
  Sequence taken() const override { return pipeline_.taken(); }
  Sequence received() const override { return pipeline_.received(); }
  Sequence stored() const override { return pipeline_.stored(); }
  Status take(protocol::Batch batch) override { return pipeline_.take(std::move(batch)); }
  bool full() const override { return pipeline_.full(); }
  bool can_store() const override { return !pipeline_.is_dead(); }
  void force(Sequence sequence) override { pipeline_.force(sequence); }
  Status read(Sequence first, Sequence last, const Visitor& visitor) override;
  Access access() const override {
    return {.stores = store::borrow(parts_.stores), .sealer = &sealer_, .epochs = epochs_};
  }
  std::optional<format::AggregationReference> newest() const override { return pipeline_.newest(); }
  void mend(AggregationNumber number, const std::vector<walk::BadShard>& shards) override {
    log_->mend(number, shards);
  }
  void settings(std::uint64_t flush_size, std::uint64_t flush_time_ns) override {
    pipeline_.settings({flush_size, flush_time_ns});
  }
  flush::LogWriterStatus log_status() const override { return log_->status(); }
  session::ScrubSchedule scrubs() const override { return scrubbing_->status(); }
  std::uint64_t memory_bytes() const override {
    return pipeline_.held_bytes() + log_->buffered_bytes();
  }
  bool close(std::uint64_t budget_ns) override;

 private:
  bool begin_reading();
  void end_reading(std::unique_ptr<walk::LogReader> reader);
  void end_readings();
  Result<std::unique_ptr<walk::LogReader>> reader();

  Parts parts_;
  const seal::Sealer sealer_;
  Pipeline pipeline_;
  std::unique_ptr<flush::LogWriter> log_;
  std::unique_ptr<session::Scrubbing> scrubbing_;
  format::VdiskFormat format_;
  std::vector<format::EpochEntry> epochs_;
  bool created_ = false;
  bool closed_ = false;   // by the closing thread
  bool drained_ = false;  // likewise

  std::atomic<bool> is_closing_{false};  // set under the mutex
  Mutex reading_mutex_;
  CondVar reading_ended_;
  unsigned readings_ GUARDED_BY(reading_mutex_) = 0;
  std::unique_ptr<walk::LogReader> idle_reader_ GUARDED_BY(reading_mutex_);
};

Status Served::start() {
  TLOG_ASSIGN(OpenedLog opened,
              open_log(parts_, sealer_,
                       {.on_room = [this] { pipeline_.log_has_room(); },
                        .on_fenced = [this](const std::string& by) { pipeline_.fenced(by); }}));
  log_ = std::move(opened.writer);
  format_ = std::move(opened.format);
  epochs_ = std::move(opened.epochs);
  created_ = opened.created;
  pipeline_.start(format_, sealer_, *log_, opened.head);
  scrubbing_ = std::make_unique<session::Scrubbing>(
      session::Scrubbing::Parts{.log = log_.get(),
                                .files = parts_.files,
                                .path = "",
                                .kept = parts_.scrub_record,
                                .name = format_.name,
                                .vdisk = format_.vdisk,
                                .loop = parts_.loop,
                                .workers = parts_.workers,
                                .clock = parts_.clock,
                                .logger = parts_.logger,
                                .wishes = [wishes = parts_.scrubs] { return wishes; },
                                .failed = [] { return false; }});
  scrubbing_->start();
  parts_.logger->info(fmt::format(
      "event=log_opened vdisk={} uuid={} log={} epoch={} created={} sequence={} journal={}",
      format_.name, format_.vdisk.text(), log_id().text(), epoch(), created_, opened.head.sequence,
      parts_.journal.text()));
  return {};
}

Served::~Served() {
  if (closed_) return;
  if (scrubbing_) scrubbing_->stop();
  pipeline_.stop();
  end_readings();  // they tell the log's writer what is to be mended
  log_.reset();
  pipeline_.end();
  store::close_stores(parts_.stores);
}

bool Served::close(std::uint64_t budget_ns) {
  if (closed_) return drained_;
  const std::uint64_t deadline_ns = parts_.clock->monotonic_ns() + budget_ns;
  scrubbing_->stop();
  drained_ = pipeline_.drain(deadline_ns - budget_ns / kLogEndShare);
  pipeline_.stop();
  std::latch log_closed(1);
  log_->close(deadline_ns, [&] { log_closed.count_down(); });
  log_closed.wait();
  pipeline_.end();
  end_readings();
  store::close_stores(parts_.stores);
  closed_ = true;
  parts_.logger->info(fmt::format("event=log_closed vdisk={} clean={} taken={} stored={}",
                                  format_.name, drained_ ? "yes" : "no", taken(), stored()));
  return drained_;
}

// ---- Reading beside the writer ----

bool Served::begin_reading() {
  MutexLock lock(reading_mutex_);
  if (is_closing_) return false;
  ++readings_;
  return true;
}

// One reader is kept: opening one asks all stores.
void Served::end_reading(std::unique_ptr<walk::LogReader> reader) {
  MutexLock lock(reading_mutex_);
  if (reader && !idle_reader_) idle_reader_ = std::move(reader);
  if (--readings_ == 0) reading_ended_.notify_all();
}

void Served::end_readings() {
  MutexLock lock(reading_mutex_);
  is_closing_ = true;
  while (readings_ > 0) reading_ended_.wait(reading_mutex_);
  idle_reader_.reset();
}

Result<std::unique_ptr<walk::LogReader>> Served::reader() {
  {
    MutexLock lock(reading_mutex_);
    if (idle_reader_) return std::move(idle_reader_);
  }
  return walk::LogReader::open(
      {.vdisk = format_.name,
       .stores = store::borrow(parts_.stores),
       .sealer = &sealer_,
       .workers = parts_.workers,
       .logger = parts_.logger,
       .beside_writer = true,
       .found_bad = [this](AggregationNumber number, const auto& shards) { mend(number, shards); },
       .stopping = [this] { return is_closing_.load(); }});
}

Status Served::read(Sequence first, Sequence last, const Visitor& visitor) {
  if (last > stored()) {
    return fail(Code::kNotFound,
                fmt::format("read log: vdisk '{}': sequences {} to {}: stored are 1 to {}",
                            format_.name, first, last, stored()));
  }
  if (!begin_reading()) {
    return fail(Code::kShutdown,
                fmt::format("read log: vdisk '{}': it is closing; read it again", format_.name));
  }
  auto found = reader();
  Status done;
  if (found) {
    if (const auto newest = pipeline_.newest()) (*found)->advance_head(*newest);
    done = read_range(**found, first, last, visitor);
  } else {
    done = fail(found.error());
  }
  if (!done) found = fail(done.error());  // what it reads from may go as soon as this has ended
  end_reading(found ? std::move(*found) : nullptr);
  return done;
}

}  // namespace

Result<std::unique_ptr<ServedLog>> ServedLog::open(Parts parts) {
  auto served = std::make_unique<Served>(std::move(parts));
  TLOG_TRY(served->start());
  return std::unique_ptr<ServedLog>(std::move(served));
}

}  // namespace tlog::server
