#include "tlog/session/opening.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/flush/claim.h"
#include "tlog/flush/hinted_stores.h"
#include "tlog/session/stored_log.h"
#include "tlog/session/vdisk_storage.h"
#include "tlog/session/vdisk_stores.h"

namespace tlog::session {
namespace {

// Shares of a vdisk's memory budget; the rest is for what is being sealed and applied, and the
// allocator.
constexpr std::uint64_t kArenaShare = 4;        // at most budget / 4
constexpr std::uint64_t kTableShare = 3;        // record table and overlay
constexpr std::uint64_t kBytesPerRecord = 112;  // of table and overlay together

Result<std::shared_ptr<flush::HintedShards>> open_hinted(const OpeningContext& context,
                                                         const format::VdiskFormat& format) {
  const std::string directory = io::join_path(context.config.journal.directory, context.vdisk.name);
  return flush::HintedShards::open({.files = &context.environment.files,
                                    .loop = &context.loop,
                                    .path = io::join_path(directory, "hinted-shards"),
                                    .vdisk = format.vdisk,
                                    .geometry = walk::geometry_of(format),
                                    .bytes_max = context.config.journal.hints_size});
}

// Everything a new vdisk needs, its metadata last: until it is stored, a creation that was
// interrupted can be repeated.
Result<std::unique_ptr<journal::Journal>> create_vdisk(const OpeningContext& context,
                                                       const Stores& stores,
                                                       std::unique_ptr<journal::Journal> prepared) {
  const config::Vdisk& vdisk = context.vdisk;
  Environment& environment = context.environment;
  if (!context.may_create) {
    return refuse(vdisk, Code::kNotFound,
                  "does not exist yet, and is created only when it is opened for writing (not with "
                  "-r or readOnly)");
  }
  if (prepared && prepared->superblock().created) {
    return refuse(
        vdisk, Code::kNotFound,
        fmt::format("its journal {} exists (uuid {}), but the stores of cluster '{}' have no "
                    "metadata of it; check "
                    "that the cluster's directories or servers are the right ones and mounted; to "
                    "start anew "
                    "and lose this vdisk, remove its journal directory and its storage file",
                    io::join_path(context.config.journal.directory, vdisk.name),
                    prepared->superblock().format.vdisk.text(), vdisk.tlog.cluster));
  }
  std::unique_ptr<journal::Journal> journal = std::move(prepared);
  const bool interrupted = journal != nullptr;
  if (!interrupted) {
    journal::JournalOptions options = journal_options(context.config, vdisk, context.memory_budget);
    options.format.vdisk = environment.random.next_uuid();
    TLOG_ASSIGN(journal, journal::Journal::create(options, environment.files, environment.random,
                                                  environment.logger));
  }
  format::VdiskFormat format = format_of(vdisk);
  format.vdisk = journal->superblock().format.vdisk;
  TLOG_TRY(create_storage(context, format.vdisk, interrupted));
  TLOG_TRY(flush::LogWriter::create(writer_parts(context, stores), format));
  environment.logger.info(fmt::format("event=created vdisk={} uuid={} size={}", vdisk.name,
                                      format.vdisk.text(), vdisk.size));
  return journal;
}

// The journal begins where the log is known to be complete, and nothing is stored that was not
// durable in the journal.
Status check_they_meet(const config::Vdisk& vdisk, const journal::Recovered& recovered,
                       Sequence log_end) {
  const Sequence journal_end = recovered.first_sequence + recovered.entries.size();
  if (log_end + 1 < recovered.first_sequence) {
    return refuse(
        vdisk, Code::kCorruption,
        fmt::format("the log in the stores ends at sequence {}, but the journal begins at {}: what "
                    "was stored "
                    "in between is missing from the stores; bring back the stores that have it",
                    log_end, recovered.first_sequence));
  }
  if (log_end >= journal_end) {
    return refuse(
        vdisk, Code::kCorruption,
        fmt::format(
            "the log in the stores goes on to sequence {}, the journal ends at {}: the journal is "
            "an old "
            "copy, or another host has written this vdisk; use the newest journal, or restore with "
            "`tlogplay restore {} --to vdisk:NEW`",
            log_end, journal_end - 1, vdisk.name));
  }
  return {};
}

// The newest epoch was this journal's: what it has is all that was acknowledged. And a takeover
// that was interrupted has claimed an epoch, but the block storage may be unfinished.
Status check_writer(const config::Vdisk& vdisk, const journal::Superblock& journal,
                    const format::Metadata& metadata) {
  if (metadata.epochs.empty()) return {};
  const format::EpochEntry& newest = metadata.epochs.back();
  if (!newest.journal.is_nil() && newest.journal != journal.journal) {
    return refuse(vdisk, Code::kFenced,
                  fmt::format("{} took it over in epoch {} (journal {}): what this host's journal "
                              "has behind that is not part of the vdisk; serve it there, or take "
                              "it over to here with `tlogctl takeover {}`",
                              newest.writer, newest.epoch, newest.journal.text(), vdisk.name));
  }
  if (!journal.created) {
    return refuse(vdisk, Code::kUnavailable,
                  fmt::format("its takeover to this host was interrupted; repeat `tlogctl "
                              "takeover {}`",
                              vdisk.name));
  }
  return {};
}

}  // namespace

tl::unexpected<Error> refuse(const config::Vdisk& vdisk, Code code, const std::string& reason) {
  return fail(code, fmt::format("open: vdisk '{}': {}", vdisk.name, reason));
}

Status check_format(const config::Vdisk& vdisk, const format::VdiskFormat& have) {
  format::VdiskFormat want = format_of(vdisk);
  if (have.size != want.size || have.block_size != want.block_size) {
    return refuse(vdisk, Code::kInvalidArgument,
                  fmt::format("was created with size {} and blockSize {}, the configuration says "
                              "{} and {}; they cannot be "
                              "changed",
                              have.size, have.block_size, want.size, want.block_size));
  }
  if (have.data_shards != want.data_shards || have.parity_shards != want.parity_shards) {
    return refuse(
        vdisk, Code::kInvalidArgument,
        fmt::format(
            "was created with {}+{} shards, the configuration says {}+{}; they cannot be changed",
            have.data_shards, have.parity_shards, want.data_shards, want.parity_shards));
  }
  return {};
}

format::VdiskFormat format_of(const config::Vdisk& vdisk) {
  return {.vdisk = {},
          .name = vdisk.name,
          .size = vdisk.size,
          .block_size = vdisk.block_size,
          .data_shards = static_cast<std::uint8_t>(vdisk.tlog.data_shards),
          .parity_shards = static_cast<std::uint8_t>(vdisk.tlog.parity_shards)};
}

journal::JournalOptions journal_options(const config::Config& config, const config::Vdisk& vdisk,
                                        std::uint64_t memory_budget) {
  journal::JournalOptions options;
  options.directory = io::join_path(config.journal.directory, vdisk.name);
  options.arena_directory = config.journal.arena_directory;
  options.size = config.journal.size;
  options.arena_size = std::min(config.journal.arena_size, memory_budget / kArenaShare);
  options.format = format_of(vdisk);
  return options;
}

Result<std::unique_ptr<journal::Journal>> prepare_vdisk(const config::Config& config,
                                                        const config::Vdisk& vdisk,
                                                        std::uint64_t memory_budget,
                                                        Environment& environment) {
  const journal::JournalOptions options = journal_options(config, vdisk, memory_budget);
  TLOG_TRY(environment.files.make_directories(options.directory));
  if (!vdisk.storage_file.empty()) {
    TLOG_TRY(environment.files.make_directories(io::parent_path(vdisk.storage_file)));
  }
  if (const config::Cluster* cluster = config.find_cluster(vdisk.tlog.cluster)) {
    for (const std::string& directory : cluster->directories) {
      TLOG_TRY(environment.files.make_directories(directory));
    }
  }
  TLOG_ASSIGN(bool present, journal::Journal::exists(options.directory, environment.files));
  if (!present) return std::unique_ptr<journal::Journal>();
  return journal::Journal::open(options, environment.files, environment.logger);
}

void fill_core(const OpeningContext& context, const Uuid& uuid,
               std::unique_ptr<journal::Journal> journal, Core::Parts& core) {
  core.config = context.vdisk;
  core.uuid = uuid;
  core.records_max = context.memory_budget / kTableShare / kBytesPerRecord;
  core.journal = std::move(journal);
  core.loop = &context.loop;
  core.workers = &context.workers;
  core.clock = &context.environment.clock;
  core.logger = &context.environment.logger;
}

Result<std::shared_ptr<ServedVdisk>> open_vdisk(const OpeningContext& context,
                                                std::unique_ptr<journal::Journal> prepared) {
  const config::Vdisk& vdisk = context.vdisk;
  if (!vdisk.tlog.servers.empty()) return open_remote_vdisk(context, std::move(prepared));
  if (!vdisk.tlog.stripe_clusters.empty()) {
    return refuse(vdisk, Code::kNotSupported,
                  "its log is striped (tlog.stripeClusters), and written by tlogservers only; name "
                  "them as tlog.servers");
  }
  Environment& environment = context.environment;
  const std::uint64_t began = environment.clock.monotonic_ns();
  TLOG_ASSIGN(Stores stores, open_stores(context));
  std::shared_ptr<flush::HintedStores> reading;  // lives as long as the stores may be asked
  // Whatever goes wrong from here on, the stores are closed in order before they are destroyed.
  auto open = [&]() -> Result<std::shared_ptr<ServedVdisk>> {
    auto found = walk::read_metadata(vdisk.name, borrow(stores));
    if (!found && found.error().code() == Code::kNotFound) {
      TLOG_ASSIGN(prepared, create_vdisk(context, stores, std::move(prepared)));
      found = walk::read_metadata(vdisk.name, borrow(stores));
    }
    if (!found) return fail(found.error().within(fmt::format("open: vdisk '{}'", vdisk.name)));
    const format::VdiskFormat& format = found->metadata.format;
    TLOG_TRY(check_format(vdisk, format));
    if (!prepared) {
      return refuse(
          vdisk, Code::kNotFound,
          fmt::format(
              "its log exists (uuid {}), but its journal {} does not: acknowledged writes may be "
              "in it; "
              "bring it back, go on here with what is stored (`tlogctl takeover {}`), or restore "
              "it to another vdisk (`tlogplay restore {} --to vdisk:NEW`)",
              format.vdisk.text(), io::join_path(context.config.journal.directory, vdisk.name),
              vdisk.name, vdisk.name));
    }
    if (prepared->superblock().format.vdisk != format.vdisk) {
      return refuse(vdisk, Code::kInvalidArgument,
                    fmt::format("its journal belongs to another vdisk (uuid {}), the log is of "
                                "uuid {}; give each vdisk "
                                "a journal directory and a log of its own",
                                prepared->superblock().format.vdisk.text(), format.vdisk.text()));
    }
    TLOG_TRY(check_writer(vdisk, prepared->superblock(), found->metadata));
    if (!prepared->superblock().created) TLOG_TRY(prepared->mark_created());
    ServedVdisk::Parts parts;
    StoredLog::Parts log;
    if (!vdisk.storage_file.empty()) {
      TLOG_ASSIGN(parts.core.storage, open_file(context, format.vdisk));
    }
    TLOG_ASSIGN(parts.recovered, prepared->recover());
    flush::LogWriter::Parts log_parts = writer_parts(context, stores);
    log_parts.journal = prepared->superblock().journal;
    TLOG_ASSIGN(log_parts.hinted, open_hinted(context, format));
    TLOG_ASSIGN(std::vector<bool> not_fenced, flush::LogWriter::fence(log_parts, found->metadata));
    reading = std::make_shared<flush::HintedStores>(vdisk.name, borrow(stores), context.loop,
                                                    log_parts.hinted);
    std::vector<std::pair<AggregationNumber, std::vector<walk::BadShard>>> bad;
    walk::LogReader::Parts reader_parts{
        .vdisk = vdisk.name,
        .stores = reading->stores(),
        .sealer = &context.sealer,
        .workers = &context.workers,
        .logger = &environment.logger,
        .not_fenced = std::move(not_fenced),
        .found_bad = [&bad](AggregationNumber number, const auto& shards) {
          bad.emplace_back(number, shards);
        }};
    TLOG_ASSIGN(auto reader, walk::LogReader::open(reader_parts));
    TLOG_TRY(flush::check_still_fenced(found->metadata, reader->metadata()));
    log.head = reader->head();
    TLOG_TRY(check_they_meet(vdisk, parts.recovered, log.head.sequence));
    log.news = std::make_shared<LogNews>();
    log_parts.on_room = [news = log.news] { news->room(); };
    log_parts.on_fenced = [news = log.news](const std::string& by) { news->fenced(by); };
    TLOG_ASSIGN(log.log,
                flush::LogWriter::open(std::move(log_parts), reader->metadata(), log.head));
    for (auto& [number, shards] : bad) log.log->mend(number, std::move(shards));
    if (!parts.core.storage) {
      // Behind the claim of the epoch, which says there who may write.
      const Sequence first = parts.recovered.first_sequence;
      const ClusterClaim claim{.epoch = log.log->epoch(),
                               .forks = forks_of(reader->metadata()),
                               .needed = first - 1,
                               .possible = first + parts.recovered.entries.size() - 1};
      const std::string active = active_cluster(vdisk, reader->metadata());
      if (const auto& placed = reader->metadata().blocks;
          !placed.cluster.empty() && placed.cluster != active) {
        // The configuration knows it no more: what is configured now is filled from the log.
        environment.logger.warning(
            fmt::format("event=blocks_moved vdisk={} from={} to={} reason=\"the configuration does "
                        "not name the cluster that was active\" next=\"filled from the log\"",
                        vdisk.name, placed.cluster, active));
        TLOG_TRY(log.log->place_blocks({.cluster = active,
                                        .switches = placed.switches + 1,
                                        .epoch = claim.epoch,
                                        .sequence = claim.possible,
                                        .since = environment.clock.wall_ns()},
                                       vdisk.tlog.stall_timeout_ns));
      }
      TLOG_ASSIGN(parts.core.storage, open_cluster(context, format.vdisk, active, claim));
      parts.make_standby = context.make_standby;
      TLOG_ASSIGN(parts.standby, standby_parts(context, format.vdisk, active, claim));
      parts.standby.switches = reader->metadata().blocks.switches;
    }
    environment.logger.info(
        fmt::format("event=opened vdisk={} uuid={} epoch={} recovered_records={} from_arena={} "
                    "log_head={} ms={}",
                    vdisk.name, format.vdisk.text(), log.log->epoch(),
                    parts.recovered.entries.size(), parts.recovered.from_arena, log.head.sequence,
                    (environment.clock.monotonic_ns() - began) / 1'000'000));
    fill_core(context, format.vdisk, std::move(prepared), parts.core);
    parts.core.stores_are_local =
        !context.config.find_cluster(vdisk.tlog.cluster)->directories.empty();
    parts.sealer = &context.sealer;
    log.stores = std::move(stores);
    log.reading = reading;
    log.sealer = &context.sealer;
    log.files = &environment.files;
    log.scrub_path = io::join_path(context.config.journal.directory, vdisk.name + "/scrub");
    parts.log = std::make_unique<StoredLog>(std::move(log));
    return std::make_shared<ServedVdisk>(std::move(parts));
  };
  auto opened = open();
  if (!opened) close_stores(stores);
  return opened;
}

}  // namespace tlog::session
