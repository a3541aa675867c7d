// The load generator of `scripts/bench server`: sends records through the client library, as fast
// as the servers take them, or the same bytes over a bare socket. Prints its figures as JSON.
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <deque>
#include <thread>

#include "server/client/log_client.h"
#include "tlog/base/mutex.h"
#include "tlog/io/system_file.h"

namespace tlog::bench {
namespace {

struct Arguments {
  std::vector<std::string> servers;
  bool bare = false;
  unsigned sessions = 1;
  unsigned concern = 1;
  double seconds = 5;
  std::uint64_t record_bytes = 4096;
  std::uint64_t window_bytes = 32 * kMiB;  // sent and not stored, at most
};

double seconds_since(std::uint64_t began_ns) {
  return static_cast<double>(system_clock().monotonic_ns() - began_ns) / 1e9;
}

double percentile(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

// Records without end, of bytes that are made once; those that are not stored yet are bounded.
class Source final : public client::RecordSource {
 public:
  Source(const Arguments& arguments, Random& random)
      : record_bytes_(arguments.record_bytes),
        window_(std::max<std::uint64_t>(1, arguments.window_bytes / arguments.record_bytes)),
        pool_(4 * kMiB + record_bytes_) {
    random.fill(pool_.span());
  }

  Sequence end() const override {
    MutexLock lock(mutex_);
    return stopped_ ? end_ : stored_ + window_;
  }

  Result<std::optional<protocol::Batch>> take(Sequence first, Sequence wanted_last,
                                              std::uint64_t bytes_wanted) override {
    MutexLock lock(mutex_);
    const Sequence last = std::min(wanted_last, stopped_ ? end_ : stored_ + window_);
    if (first > last) return std::optional<protocol::Batch>();
    const std::uint64_t count = std::min<std::uint64_t>(
        last - first + 1, std::max<std::uint64_t>(1, bytes_wanted / record_bytes_));
    protocol::Batch batch;
    batch.bytes = Buffer(count * record_bytes_);
    const std::uint64_t now = system_clock().wall_ns();
    for (std::uint64_t i = 0; i < count; ++i) {
      std::byte* to = batch.bytes.data() + i * record_bytes_;
      // Another part of the pool each time: nothing is to be gained from equal records.
      const std::uint64_t from = (first + i) * 64 % (4 * kMiB);
      std::memcpy(to, pool_.data() + from, record_bytes_);
      timestamp_ = std::max(timestamp_, now);
      batch.records.push_back({.sequence = first + i,
                               .offset = (first + i) % 1024 * record_bytes_,
                               .size = record_bytes_,
                               .operation = Operation::kWrite,
                               .timestamp = timestamp_,
                               .hash = {},
                               .data = {to, record_bytes_}});
    }
    if (first + count - 1 > end_) {
      end_ = first + count - 1;
      sent_.push_back({end_, system_clock().monotonic_ns()});
    }
    return std::optional<protocol::Batch>(std::move(batch));
  }

  void received(Sequence sequence) {
    MutexLock lock(mutex_);
    for (; looked_at_ < sent_.size() && sent_[looked_at_].last <= sequence; ++looked_at_) {
      received_us_.push_back(age_us(sent_[looked_at_]));
    }
  }
  void stored(Sequence sequence) {
    MutexLock lock(mutex_);
    stored_ = sequence;
    while (!sent_.empty() && sent_.front().last <= sequence) {
      stored_us_.push_back(age_us(sent_.front()));
      if (looked_at_ == 0) {
        received_us_.push_back(age_us(sent_.front()));
      } else {
        --looked_at_;
      }
      sent_.pop_front();
    }
  }
  void stop() {
    MutexLock lock(mutex_);
    stopped_ = true;
  }
  Sequence stored() const {
    MutexLock lock(mutex_);
    return stored_;
  }
  void add_latencies(std::vector<double>& received_us, std::vector<double>& stored_us) const {
    MutexLock lock(mutex_);
    received_us.insert(received_us.end(), received_us_.begin(), received_us_.end());
    stored_us.insert(stored_us.end(), stored_us_.begin(), stored_us_.end());
  }

 private:
  struct Sent {
    Sequence last = 0;
    std::uint64_t at_ns = 0;
  };
  static double age_us(const Sent& sent) {
    return static_cast<double>(system_clock().monotonic_ns() - sent.at_ns) / 1e3;
  }

  const std::uint64_t record_bytes_;
  const std::uint64_t window_;
  Buffer pool_;
  mutable Mutex mutex_;
  bool stopped_ GUARDED_BY(mutex_) = false;
  Sequence end_ GUARDED_BY(mutex_) = 0;  // the newest that was taken
  Sequence stored_ GUARDED_BY(mutex_) = 0;
  TimestampNs timestamp_ GUARDED_BY(mutex_) = 0;
  std::deque<Sent> sent_ GUARDED_BY(mutex_);  // not stored yet; the first looked_at_ are received
  std::size_t looked_at_ GUARDED_BY(mutex_) = 0;
  std::vector<double> received_us_ GUARDED_BY(mutex_);
  std::vector<double> stored_us_ GUARDED_BY(mutex_);
};

struct Session {
  std::unique_ptr<Source> source;
  std::unique_ptr<client::LogClient> client;
};

Result<Session> open_session(const Arguments& arguments, const std::string& vdisk, io::Loop& loop,
                             io::Workers& workers, const seal::MasterKey& key) {
  Session session;
  session.source = std::make_unique<Source>(arguments, system_random());
  Source* source = session.source.get();
  client::ClientOptions options;
  options.servers = arguments.servers;
  options.concern.stored = arguments.concern;
  options.name = "tlog_load";
  options.format = {.vdisk = system_random().next_uuid(),
                    .name = vdisk,
                    .size = 1024 * arguments.record_bytes,
                    .block_size = 4096,
                    .data_shards = 0,
                    .parity_shards = 0};
  options.journal = system_random().next_uuid();
  options.may_create = true;
  options.key = &key;
  options.insecure = true;
  client::LogClient::Parts parts{
      .files = &io::system_files(),
      .loop = &loop,
      .workers = &workers,
      .clock = &system_clock(),
      .random = &system_random(),
      .logger = &null_logger(),
      .on_stored = [source](Sequence sequence) { source->stored(sequence); },
      .on_received = [source](Sequence sequence) { source->received(sequence); },
      .on_failed = [](const Error& error) { fmt::print(stderr, "failed: {}\n", error.message()); }};
  TLOG_ASSIGN(session.client,
              client::LogClient::open(std::move(options), std::move(parts), 20'000'000'000));
  return session;
}

Status send_records(const Arguments& arguments) {
  TLOG_ASSIGN(std::unique_ptr<io::Loop> loop, io::make_loop({}, null_logger()));
  TLOG_TRY(loop->start());
  io::Workers workers;
  workers.start(2, "load-work");
  TLOG_ASSIGN(seal::MasterKey key, seal::MasterKey::generate(system_random()));
  // A name of its own: a log of an earlier run is another one.
  const std::string run = system_random().next_uuid().text().substr(0, 8);
  std::vector<Session> sessions;
  for (unsigned i = 0; i < arguments.sessions; ++i) {
    auto session = open_session(arguments, fmt::format("load-{}-{}", run, i), *loop, workers, key);
    if (!session) return fail(session.error());
    sessions.push_back(std::move(*session));
  }
  const std::uint64_t began = system_clock().monotonic_ns();
  for (Session& session : sessions) session.client->start(*session.source, 0);
  while (seconds_since(began) < arguments.seconds) {
    for (Session& session : sessions) session.client->more();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const double seconds = seconds_since(began);
  std::uint64_t records = 0;
  std::uint64_t most = 0;
  std::uint64_t fewest = ~std::uint64_t{0};
  std::vector<double> received_us;
  std::vector<double> stored_us;
  for (Session& session : sessions) {
    session.source->stop();
    const std::uint64_t stored = session.source->stored();
    records += stored;
    most = std::max(most, stored);
    fewest = std::min(fewest, stored);
    session.source->add_latencies(received_us, stored_us);
  }
  for (Session& session : sessions) session.client->close(5'000'000'000);
  workers.stop();
  loop->stop();
  const double bytes = static_cast<double>(records * arguments.record_bytes);
  fmt::print(
      "{{\"records\":{},\"seconds\":{:.3f},\"records_per_s\":{:.0f},\"mb_per_s\":{:.1f},"
      "\"spread\":{:.2f},\"received_p50_us\":{:.0f},\"received_p99_us\":{:.0f},"
      "\"stored_p50_us\":{:.0f},\"stored_p99_us\":{:.0f}}}\n",
      records, seconds, static_cast<double>(records) / seconds, bytes / seconds / 1e6,
      static_cast<double>(most) / static_cast<double>(std::max<std::uint64_t>(1, fewest)),
      percentile(received_us, 0.5), percentile(received_us, 0.99), percentile(stored_us, 0.5),
      percentile(stored_us, 0.99));
  return {};
}

// The same bytes, in sends of the same length, from one thread to another.
Status send_bare(const Arguments& arguments) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return fail(os_error(errno, "socketpair"));
  std::uint64_t received = 0;
  std::thread reader([&] {
    Buffer into(256 * kKiB);
    for (;;) {
      const ssize_t count = ::read(ends[1], into.data(), into.size());
      if (count <= 0) return;
      received += static_cast<std::uint64_t>(count);
    }
  });
  Buffer chunk(256 * kKiB);
  system_random().fill(chunk.span());
  const std::uint64_t began = system_clock().monotonic_ns();
  while (seconds_since(began) < arguments.seconds) {
    if (::write(ends[0], chunk.data(), chunk.size()) < 0) break;
  }
  ::shutdown(ends[0], SHUT_WR);
  reader.join();
  const double seconds = seconds_since(began);
  ::close(ends[0]);
  ::close(ends[1]);
  fmt::print("{{\"records\":{},\"seconds\":{:.3f},\"mb_per_s\":{:.1f}}}\n",
             received / arguments.record_bytes, seconds,
             static_cast<double>(received) / seconds / 1e6);
  return {};
}

int run(int argc, char** argv) {
  Arguments arguments;
  CLI::App app{
      "Sends records to tlogservers as fast as they store them, and prints figures as JSON."};
  app.add_option("--server", arguments.servers, "address; repeat for several");
  app.add_flag("--bare", arguments.bare, "the same bytes over a bare socket instead");
  app.add_option("--sessions", arguments.sessions, "vdisks at once");
  app.add_option("--write-concern", arguments.concern, "servers that have stored what counts");
  app.add_option("--seconds", arguments.seconds);
  app.add_option("--record-bytes", arguments.record_bytes);
  app.add_option("--window-bytes", arguments.window_bytes, "sent and not stored, of each session");
  CLI11_PARSE(app, argc, argv);
  const Status done = arguments.bare ? send_bare(arguments) : send_records(arguments);
  if (done) return 0;
  fmt::print(stderr, "tlog_load: {}\n", done.error().message());
  return 1;
}

}  // namespace
}  // namespace tlog::bench

int main(int argc, char** argv) {
  return tlog::bench::run(argc, argv);
}
