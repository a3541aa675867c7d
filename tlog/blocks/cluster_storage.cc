#include "tlog/blocks/cluster_storage.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/base/assert.h"
#include "tlog/blocks/block_batch.h"
#include "tlog/blocks/cluster_reader.h"
#include "tlog/store/resp_probe.h"

namespace tlog::blocks {
namespace {

// Waits for what one server answers.
class Answer {
 public:
  BlockServer::ChangeDone taker() {
    return [this](Status status) {
      status_ = std::move(status);
      countdown_.arrive();
    };
  }
  Status wait() {
    countdown_.wait();
    return std::move(status_);
  }

 private:
  Countdown countdown_{1};
  Status status_;
};

class ClusterStorage final : public BlockStorage {
 public:
  ClusterStorage(const ClusterLayout& layout, Servers servers, const ClusterStorageOptions& options,
                 io::Loop& loop)
      : loop_(loop),
        layout_(layout),
        servers_(std::move(servers)),
        name_(fmt::format("blocks of vdisk '{}' on {} servers", layout.vdisk, servers_.size())),
        cache_(options.cache_bytes, layout.block_size),
        reader_(layout_, servers_, cache_, options.read_ahead_bytes),
        batch_(layout_),
        settled_(options.needed) {}
  ~ClusterStorage() override { give_up(); }
  void give_up() override {
    for (const auto& server : servers_) server->close();
  }

  Status read(std::uint64_t offset, ByteSpan into) override {
    TLOG_TRY(check_range("read", offset, into.size()));
    if (into.empty()) return {};
    return reader_.read(offset, into);
  }
  Status write(std::uint64_t offset, std::span<const ConstByteSpan> pieces) override;
  Status discard(std::uint64_t offset, std::uint64_t length) override {
    return zero(offset, length);
  }
  Status zero(std::uint64_t offset, std::uint64_t length) override;
  Status settle(Sequence upto) override;
  Status flush() override;
  Result<std::vector<Extent>> extents(std::uint64_t offset, std::uint64_t length) override {
    TLOG_TRY(check_range("extents", offset, length));
    // Which blocks are there is not known without asking for each of them.
    if (length == 0) return std::vector<Extent>{};
    return std::vector<Extent>{{offset, length, false}};
  }
  std::vector<Lacking> lacking() const override;
  Status begin_refill(const Lacking& part) override;
  Status refill(const RefillStep& step) override;
  Status start_over(std::size_t part) override {
    MutexLock lock(changing_);
    Answer answer;
    servers_[part]->start_over(answer.taker());
    return answer.wait();
  }
  std::vector<Result<PartPosition>> positions() override;
  std::vector<Status> follow(const FollowStep& step) override;
  void stop_following(Sequence upto) override;
  void look_at_parts() override {
    for (const auto& server : servers_) server->look();
  }
  std::vector<PartStatus> parts() const override {
    std::vector<PartStatus> all;
    for (const auto& server : servers_) all.push_back(server->status());
    return all;
  }
  std::vector<Status> check_servers(const std::vector<store::RespStoreOptions>& servers) override;
  void move_to(const std::vector<store::RespStoreOptions>& servers) override {
    TLOG_ASSERT(servers.size() == servers_.size());
    for (std::size_t i = 0; i < servers.size(); ++i) servers_[i]->move_to(servers[i]);
  }
  std::uint64_t size() const override { return layout_.size; }
  const std::string& name() const override { return name_; }

 private:
  Status check_range(std::string_view operation, std::uint64_t offset, std::uint64_t length) const;
  Status settle_batch(Sequence upto) REQUIRES(changing_);
  struct Sending {
    Sequence upto = 0;
    std::optional<Sequence> from = {};
    std::string chain = {};
    std::vector<bool> all_of = {};  // these get it also when it does not concern them
  };
  std::vector<Status> send(const BlockChanges& all, const Sending& sending) REQUIRES(changing_);
  bool concerns(const BlockChanges& all, std::size_t server) const;
  std::vector<Status> bring(const std::vector<RefillStep::Change>& changes, const Sending& sending)
      EXCLUDES(changing_);

  io::Loop& loop_;
  const ClusterLayout layout_;
  const Servers servers_;
  const std::string name_;
  BlockCache cache_;
  ClusterReader reader_;

  Mutex changing_;  // held while servers are asked: changes go one after the other
  BlockBatch batch_ GUARDED_BY(changing_);
  Sequence settled_ GUARDED_BY(changing_);
};

Status ClusterStorage::check_range(std::string_view operation, std::uint64_t offset,
                                   std::uint64_t length) const {
  if (offset <= layout_.size && length <= layout_.size - offset) return {};
  return fail(Code::kInvalidArgument,
              fmt::format("{}: {}: {} bytes at {} reach beyond the end at {}", operation, name_,
                          length, offset, layout_.size));
}

Status ClusterStorage::write(std::uint64_t offset, std::span<const ConstByteSpan> pieces) {
  std::uint64_t length = 0;
  for (ConstByteSpan piece : pieces) length += piece.size();
  TLOG_TRY(check_range("write", offset, length));
  MutexLock lock(changing_);
  for (ConstByteSpan piece : pieces) {
    batch_.write(offset, piece);
    offset += piece.size();
  }
  return {};
}

Status ClusterStorage::zero(std::uint64_t offset, std::uint64_t length) {
  TLOG_TRY(check_range("zero", offset, length));
  MutexLock lock(changing_);
  batch_.zero(offset, length);
  return {};
}

bool ClusterStorage::concerns(const BlockChanges& all, std::size_t server) const {
  const std::size_t count = servers_.size();
  return std::any_of(all.zeros.begin(), all.zeros.end(), [&](const BlockRange& range) {
    const std::uint64_t own = range.first + (server + count - range.first % count) % count;
    return own < range.end;
  });
}

// To all servers that it concerns, at once.
std::vector<Status> ClusterStorage::send(const BlockChanges& all, const Sending& sending) {
  std::vector<std::shared_ptr<BlockChanges>> each(servers_.size());
  for (std::size_t server = 0; server < servers_.size(); ++server) {
    const bool wanted =
        sending.all_of.empty() ? concerns(all, server) : static_cast<bool>(sending.all_of[server]);
    if (wanted) each[server] = std::make_shared<BlockChanges>();
    if (wanted) each[server]->zeros = all.zeros;
  }
  for (const BlockBytes& block : all.data) {
    auto& changes = each[layout_.server_of(block.index)];
    if (!changes) changes = std::make_shared<BlockChanges>();
    changes->data.push_back(block);
  }
  std::vector<Status> results(servers_.size());
  Countdown countdown(static_cast<std::size_t>(
      std::count_if(each.begin(), each.end(), [](const auto& one) { return one != nullptr; })));
  for (std::size_t server = 0; server < servers_.size(); ++server) {
    if (!each[server]) continue;
    servers_[server]->change({.changes = each[server],
                              .upto = sending.upto,
                              .from = sending.from,
                              .chain = sending.chain},
                             [&results, &countdown, server](Status status) {
                               results[server] = std::move(status);
                               countdown.arrive();
                             });
  }
  countdown.wait();
  return results;
}

Status ClusterStorage::settle_batch(Sequence upto) {
  const std::vector<std::uint64_t> partial = batch_.partial();
  Buffer old(partial.size() * layout_.block_size);
  if (!partial.empty()) TLOG_TRY(reader_.fetch(partial, old.span(), true));
  const BlockChanges all = batch_.changes(old.span());
  Status sent;
  for (Status& answer : send(all, {.upto = upto})) {
    if (sent && !answer) sent = std::move(answer);
  }
  for (const BlockRange& range : all.zeros) cache_.forget(range.first, range.end);
  for (const BlockBytes& block : all.data) {
    if (sent) {
      cache_.changed(block.index, block.bytes);
    } else {
      cache_.forget(block.index, block.index + 1);
    }
  }
  return sent;
}

Status ClusterStorage::settle(Sequence upto) {
  MutexLock lock(changing_);
  Status status;
  if (!batch_.empty()) status = settle_batch(upto);
  batch_.clear();
  if (!status) return fail(status.error().within("apply: " + name_));
  settled_ = std::max(settled_, upto);
  return {};
}

// What was settled has been confirmed; what is being gathered is not meant. What is missing is the
// record of servers that had no changes of late: the journal may only be given up when each server
// says that it has everything.
Status ClusterStorage::flush() {
  MutexLock lock(changing_);
  std::vector<Status> results(servers_.size());
  Countdown countdown(servers_.size());
  const auto nothing = std::make_shared<BlockChanges>();
  for (std::size_t server = 0; server < servers_.size(); ++server) {
    servers_[server]->change({.changes = nothing, .upto = settled_},
                             [&results, &countdown, server](Status status) {
                               results[server] = std::move(status);
                               countdown.arrive();
                             });
  }
  countdown.wait();
  for (const Status& result : results) {
    if (!result) {
      // A server may come back or be refilled: not the end of the vdisk.
      return fail(Code::kUnavailable,
                  fmt::format("flush: {}: {}", name_, result.error().message()));
    }
  }
  return {};
}

std::vector<Lacking> ClusterStorage::lacking() const {
  std::vector<Lacking> all;
  for (const auto& server : servers_) {
    if (auto lacking = server->lacking()) all.push_back(*lacking);
  }
  return all;
}

Status ClusterStorage::begin_refill(const Lacking& part) {
  TLOG_ASSERT(part.server < servers_.size());
  MutexLock lock(changing_);
  Answer answer;
  servers_[part.server]->begin_refill(part.has, answer.taker());
  return answer.wait();
}

Status ClusterStorage::refill(const RefillStep& step) {
  TLOG_ASSERT(step.server < servers_.size());
  std::vector<bool> one(servers_.size());
  one[step.server] = true;
  return bring(step.changes, {.upto = step.upto, .from = step.from, .all_of = one})[step.server];
}

std::vector<Status> ClusterStorage::bring(const std::vector<RefillStep::Change>& changes,
                                          const Sending& sending) {
  MutexLock lock(changing_);
  BlockBatch batch(layout_, sending.all_of);
  for (const RefillStep::Change& change : changes) {
    if (change.bytes == nullptr) {
      batch.zero(change.offset, change.length);
    } else {
      batch.write(change.offset, {change.bytes, change.length});
    }
  }
  const std::vector<std::uint64_t> partial = batch.partial();
  Buffer old(partial.size() * layout_.block_size);
  if (!partial.empty()) {
    if (Status fetched = reader_.fetch(partial, old.span(), false); !fetched)
      return std::vector<Status>(servers_.size(), fail(fetched.error()));
  }
  const BlockChanges all = batch.changes(old.span());
  std::vector<Status> results = send(all, sending);
  for (const BlockRange& range : all.zeros) cache_.forget(range.first, range.end);
  for (const BlockBytes& block : all.data) cache_.forget(block.index, block.index + 1);
  return results;
}

// ---- Following ----

std::vector<Result<PartPosition>> ClusterStorage::positions() {
  std::vector<Result<PartPosition>> all(servers_.size());
  Countdown countdown(servers_.size());
  for (std::size_t server = 0; server < servers_.size(); ++server) {
    servers_[server]->ask_position([&all, &countdown, server](Result<PartPosition> position) {
      all[server] = std::move(position);
      countdown.arrive();
    });
  }
  countdown.wait();
  return all;
}

std::vector<Status> ClusterStorage::follow(const FollowStep& step) {
  TLOG_ASSERT(step.parts.size() == servers_.size());
  return bring(step.changes,
               {.upto = step.upto, .from = step.from, .chain = step.chain, .all_of = step.parts});
}

void ClusterStorage::stop_following(Sequence upto) {
  MutexLock lock(changing_);
  for (const auto& server : servers_) server->stop_following(upto);
  settled_ = std::max(settled_, upto);
}

// An emptied server, or a new one, has no record: it is refilled.
std::vector<Status> ClusterStorage::check_servers(
    const std::vector<store::RespStoreOptions>& servers) {
  TLOG_ASSERT(servers.size() == servers_.size());
  std::vector<store::Probe> probes;
  for (const auto& server : servers) {
    probes.push_back({server, {layout_.key(), std::string(kIdField)}});
  }
  const auto answers = store::probe_servers(probes, loop_);
  std::vector<Status> verdicts(servers.size());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers[i] && !answers[i]->empty()) verdicts[i] = check_id(layout_, i, *answers[i]);
    if (!answers[i] && answers[i].error().code() == Code::kInvalidArgument) {
      verdicts[i] = fail(answers[i].error());
    }
  }
  return verdicts;
}

// Whether the vdisk can be opened with what this server has answered.
Status check_opened(const ClusterStorageOptions& options, const BlockServer& server,
                    const Status& answer, Logger& logger) {
  if (answer) return {};
  const Error error =
      answer.error().within(fmt::format("open: blocks of vdisk '{}'", options.vdisk));
  const bool may_pass = error.code() == Code::kUnavailable || error.code() == Code::kTimeout;
  if (options.create || !may_pass) return fail(error);
  logger.warning(
      fmt::format("event=blocks_away vdisk={} store=\"{}\" reason=\"{}\" next=\"tried on; "
                  "its blocks cannot be read meanwhile\"",
                  options.vdisk, server.name(), answer.error().message()));
  return {};
}

}  // namespace

Result<std::unique_ptr<BlockStorage>> open_cluster_storage(const ClusterStorageOptions& options,
                                                           io::Loop& loop, Logger& logger) {
  TLOG_ASSERT(!options.servers.empty());
  const ClusterLayout layout{.vdisk = options.vdisk,
                             .uuid = options.uuid,
                             .size = options.size,
                             .block_size = options.block_size,
                             .servers = options.servers.size()};
  Servers servers;
  for (std::size_t number = 0; number < options.servers.size(); ++number) {
    servers.push_back(
        std::make_shared<BlockServer>(BlockServer::Options{.connection = options.servers[number],
                                                           .layout = layout,
                                                           .number = number,
                                                           .create = options.create,
                                                           .epoch = options.epoch,
                                                           .needed = options.needed,
                                                           .possible = options.possible,
                                                           .forks = options.forks,
                                                           .follows = options.follows,
                                                           .discards = options.discards},
                                      loop, logger));
    servers.back()->open();
  }
  auto storage = std::make_unique<ClusterStorage>(layout, servers, options, loop);
  if (options.follows)
    return std::unique_ptr<BlockStorage>(std::move(storage));  // positions() tells
  std::vector<Status> answers(servers.size());
  Countdown countdown(servers.size());
  for (std::size_t number = 0; number < servers.size(); ++number) {
    // The record alone; that something is lacking does not keep the vdisk from being opened.
    servers[number]->get({}, false, [&answers, &countdown, number](Result<BlockServer::Found> found) {
      if (!found) answers[number] = fail(found.error());
      countdown.arrive();
    });
  }
  countdown.wait();
  for (std::size_t number = 0; number < servers.size(); ++number) {
    TLOG_TRY(check_opened(options, *servers[number], answers[number], logger));
  }
  return std::unique_ptr<BlockStorage>(std::move(storage));
}

}  // namespace tlog::blocks
