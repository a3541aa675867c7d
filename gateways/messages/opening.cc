#include "gateways/messages/opening.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/mutex.h"
#include "tlog/seal/hash.h"

namespace tlog::messages {
namespace {

constexpr std::uint64_t kFillingTimeoutNs = 3'000'000'000;  // of one attempt to reach the nodes
constexpr std::uint64_t kSliceNs = 200'000'000;
constexpr unsigned kFilledAttempts = 25;

// The same on every node and in every life.
Uuid uuid_of(const std::string& name, std::string_view what) {
  const std::string text = fmt::format("tlogdisk messages {} {}", what, name);
  const Hash256 hash = seal::hash_one(bytes_of(std::string_view(text)));
  Uuid id;
  std::copy_n(hash.bytes.begin(), id.bytes.size(), id.bytes.begin());
  return id;
}

enum class Claim { kContinue, kTakeOver };

Result<std::unique_ptr<server::ServedLog>> open_own(const MasterOptions& options,
                                                    const NodeParts& parts, const LogNews& news,
                                                    Claim claim) {
  TLOG_ASSIGN(auto stores, options.open_stores());
  server::ServedLog::Parts wanted;
  wanted.stores = std::move(stores);
  wanted.key = options.key;
  wanted.format = format_of(options);
  wanted.journal = uuid_of(options.name, "master");
  wanted.may_create = wanted.take_over = claim == Claim::kTakeOver;
  // One that is empty may be a filling that was broken off before it had begun.
  wanted.only_own = claim == Claim::kContinue;
  wanted.write_quorum = options.write_quorum;
  wanted.memory_bytes_max = options.memory_bytes_max;
  wanted.scrubs = options.scrubs;
  wanted.files = parts.files;
  wanted.loop = parts.loop;
  wanted.workers = parts.workers;
  wanted.clock = parts.clock;
  wanted.random = parts.random;
  wanted.logger = parts.logger;
  wanted.on_stored = news.on_stored;
  wanted.on_failed = news.on_failed;
  return server::ServedLog::open(std::move(wanted));
}

// The server lets the log go a moment after its client has gone, and directories are one writer's.
Result<std::unique_ptr<server::ServedLog>> open_filled(const MasterOptions& options,
                                                       const NodeParts& parts, const LogNews& news,
                                                       const std::atomic<bool>& stopping) {
  Mutex mutex;
  CondVar never;
  for (unsigned attempt = 0;; ++attempt) {
    auto log = open_own(options, parts, news, Claim::kTakeOver);
    if (log || stopping || attempt == kFilledAttempts) return log;
    MutexLock lock(mutex);
    never.wait_until(mutex, steady_now() + std::chrono::nanoseconds(kSliceNs));
  }
}

// Nothing is ever appended to it: its end is where the longest of the logs ends.
class NothingNew final : public client::RecordSource {
 public:
  explicit NothingNew(Sequence end) : end_(end) {}
  Sequence end() const override { return end_; }
  Result<std::optional<protocol::Batch>> take(Sequence, Sequence, std::uint64_t) override {
    return std::optional<protocol::Batch>();
  }

 private:
  const Sequence end_;
};

struct News {
  Mutex mutex;
  CondVar changed;
  std::optional<Error> failed GUARDED_BY(mutex);
};

client::ClientOptions filling_options(const MasterOptions& options) {
  client::ClientOptions wanted;
  wanted.servers = {options.own_address};
  wanted.servers.insert(wanted.servers.end(), options.secondaries.begin(),
                        options.secondaries.end());
  wanted.tls = options.tls;
  wanted.name = options.client_name + " (filling)";
  wanted.format = format_of(options);
  wanted.format.data_shards = wanted.format.parity_shards = 0;  // as the servers have it
  wanted.journal = uuid_of(options.name, "filling");
  wanted.may_create = true;
  wanted.take_over = true;
  wanted.silence_ns = options.silence_ns;
  // So many may be away, and one less: what counted as stored at more than those is not missed.
  const auto nodes = static_cast<unsigned>(wanted.servers.size());
  const unsigned quorum = std::max(options.quorum, nodes / 2 + 1);
  wanted.concern.stored = options.create_with_quorum ? nodes - quorum + 1 : 1;
  return wanted;
}

Status wait_until_filled(const client::LogClient& client, Sequence end, News& news,
                         const std::atomic<bool>& stopping) {
  MutexLock lock(news.mutex);
  for (;;) {
    const client::Marker own = client.markers().front();
    if (news.failed) return fail(*news.failed);
    if (own.state == client::ServerState::kRefused)
      return fail(Code::kInvalidArgument, "fill: its own stores: " + own.reason);
    if (own.state == client::ServerState::kSending && own.stored >= end) return {};
    if (stopping) return fail(Code::kShutdown, "fill: the server stops");
    news.changed.wait_until(news.mutex, steady_now() + std::chrono::nanoseconds(kSliceNs));
  }
}

// The own server's stores have then what the longest log of all nodes has.
Status fill(const MasterOptions& options, const NodeParts& parts,
            const std::atomic<bool>& stopping) {
  News news;
  client::LogClient::Parts wanted;
  wanted.files = parts.files;
  wanted.loop = parts.loop;
  wanted.workers = parts.workers;
  wanted.clock = parts.clock;
  wanted.random = parts.random;
  wanted.logger = parts.logger;
  wanted.on_progress = [&news] {
    MutexLock lock(news.mutex);
    news.changed.notify_all();
  };
  wanted.on_failed = [&news](const Error& error) {
    MutexLock lock(news.mutex);
    news.failed = error;
    news.changed.notify_all();
  };
  auto client = client::LogClient::open(filling_options(options), wanted, kFillingTimeoutNs);
  if (!client) {
    return fail(client.error().within(fmt::format(
        "log '{}' is not in this node's stores, and is taken from the other nodes", options.name)));
  }
  const Sequence end = (*client)->head().sequence;
  NothingNew source(end);
  parts.logger->info(fmt::format("event=messages_filling log={} up_to={}", options.name, end));
  (*client)->start(source, end);
  (*client)->force(end);
  Status filled = wait_until_filled(**client, end, news, stopping);
  (*client)->close(filled ? kFillingTimeoutNs : 0);
  return filled;
}

}  // namespace

format::VdiskFormat format_of(const MasterOptions& options) {
  format::VdiskFormat format;
  format.name = options.name;
  format.vdisk = uuid_of(options.name, "log");
  format.size = kMiB;  // of no meaning: messages touch no range
  format.block_size = 4096;
  format.data_shards = options.data_shards;
  format.parity_shards = options.parity_shards;
  return format;
}

Result<std::unique_ptr<server::ServedLog>> open_master_log(const MasterOptions& options,
                                                           const NodeParts& parts,
                                                           const LogNews& news,
                                                           const std::atomic<bool>& stopping) {
  auto own = open_own(options, parts, news, Claim::kContinue);
  if (own) return own;
  // It has the log, but not as this master left it: as a secondary, or half filled.
  const bool is_lacking =
      own.error().code() == Code::kNotFound || own.error().code() == Code::kFenced;
  if (!is_lacking) return own;
  if (!options.secondaries.empty()) TLOG_TRY(fill(options, parts, stopping));
  return open_filled(options, parts, news, stopping);
}

}  // namespace tlog::messages
