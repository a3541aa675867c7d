#include "tlog/session/takeover.h"

#include <fmt/format.h>

#include <latch>

#include "tlog/flush/claim.h"
#include "tlog/session/aside.h"
#include "tlog/session/vdisk_storage.h"
#include "tlog/session/vdisk_stores.h"

namespace tlog::session {
namespace {

// Others may be in the way: claim at the same time, or reopen the vdisk.
constexpr unsigned kAttempts = 5;
constexpr std::uint64_t kCloseBudgetNs = 30'000'000'000;

class Takeover {
 public:
  Takeover(const OpeningContext& context, const TakeoverOptions& options,
           const TakeoverProgress& progress)
      : context_(context), options_(options), progress_(progress) {}

  Result<TakeoverReport> run();

 private:
  Status look_at_journal();
  Status attempt(const Stores& stores);
  Status check_needed(const format::Metadata& metadata) const;
  Status make_journal(const format::VdiskFormat& format, const walk::LogHead& head);
  Result<std::unique_ptr<walk::LogReader>> find_end(const Stores& stores,
                                                    std::vector<bool> not_fenced) const;
  Status claim(flush::LogWriter::Parts parts, walk::LogReader& reader);
  Status make_storage(walk::LogReader& reader, const Uuid& vdisk);
  Status play(walk::LogReader& reader, blocks::BlockStorage& storage) const;
  Error within(const Error& error) const {
    return error.within(fmt::format("takeover: vdisk '{}'", context_.vdisk.name));
  }
  io::FileSystem& files() const { return context_.environment.files; }
  std::string journal_directory() const {
    return io::join_path(context_.config.journal.directory, context_.vdisk.name);
  }

  const OpeningContext& context_;
  const TakeoverOptions& options_;
  const TakeoverProgress& progress_;
  TakeoverReport report_;
  Uuid old_journal_;
  bool old_is_whole_ = false;  // it was created, and not left unfinished by an earlier takeover
  std::unique_ptr<journal::Journal> journal_;
};

// Locks it, so that no server of this host has it open.
Status Takeover::look_at_journal() {
  TLOG_ASSIGN(bool present, journal::Journal::exists(journal_directory(), files()));
  if (!present) return {};
  TLOG_ASSIGN(auto journal, journal::Journal::open(journal_options(context_.config, context_.vdisk,
                                                                   context_.memory_budget),
                                                   files(), context_.environment.logger));
  old_journal_ = journal->superblock().journal;
  old_is_whole_ = journal->superblock().created;
  return {};
}

Status Takeover::check_needed(const format::Metadata& metadata) const {
  TLOG_TRY(check_format(context_.vdisk, metadata.format));
  if (metadata.epochs.empty()) return {};
  const format::EpochEntry& newest = metadata.epochs.back();
  if (old_is_whole_ && newest.journal == old_journal_) {
    return fail(Code::kAlreadyExists,
                "this host has the newest journal of it, with all that was acknowledged: start its "
                "server, there is nothing to take over");
  }
  const bool may_miss = context_.vdisk.tlog.durability == config::Durability::kJournal &&
                        newest.journal != old_journal_ && newest.epoch != options_.ended_epoch;
  if (!options_.automatic || !may_miss) return {};
  return fail(Code::kUnavailable,
              fmt::format("with durability: journal, flushes that {} has acknowledged in epoch {} "
                          "may be in its journal only: start that host again, or give them up with "
                          "`tlogctl takeover {}` on this one",
                          newest.writer, newest.epoch, context_.vdisk.name));
}

Status Takeover::make_journal(const format::VdiskFormat& format, const walk::LogHead& head) {
  journal_.reset();
  if (old_is_whole_) {
    TLOG_ASSIGN(report_.journal_aside,
                options_.automatic ? keep_journal_aside(files(), journal_directory(), old_journal_,
                                                        context_.config.journal.arena_directory)
                                   : move_aside(files(), journal_directory()));
    old_is_whole_ = false;
  }
  journal::JournalOptions options =
      journal_options(context_.config, context_.vdisk, context_.memory_budget);
  options.format.vdisk = format.vdisk;
  options.first_sequence = head.sequence + 1;
  options.first_timestamp = head.timestamp;
  TLOG_ASSIGN(journal_, journal::Journal::create(options, files(), context_.environment.random,
                                                 context_.environment.logger));
  return {};
}

// The epoch is this host's as soon as its metadata is on a quorum, whatever comes between.
Status Takeover::claim(flush::LogWriter::Parts parts, walk::LogReader& reader) {
  parts.journal = journal_->superblock().journal;
  TLOG_ASSIGN(auto writer,
              flush::LogWriter::open(std::move(parts), reader.metadata(), reader.head()));
  report_.epoch = writer->epoch();
  std::latch closed(1);
  writer->close(context_.environment.clock.monotonic_ns() + kCloseBudgetNs,
                [&] { closed.count_down(); });
  closed.wait();
  return {};
}

Status Takeover::play(walk::LogReader& reader, blocks::BlockStorage& storage) const {
  const Sequence last = reader.head().sequence;
  return reader.walk({}, [&](walk::Visited& visited) -> Result<bool> {
    if (options_.stop != nullptr && *options_.stop) {
      return fail(Code::kShutdown, "the server stops; it is repeated after the next start");
    }
    for (const format::Record& record : visited.opened.aggregation.records) {
      switch (record.operation) {
        case Operation::kWrite: {
          const ConstByteSpan piece = record.data;
          TLOG_TRY(storage.write(record.offset, std::span(&piece, 1)));
          break;
        }
        case Operation::kDiscard:
          TLOG_TRY(storage.discard(record.offset, record.size));
          break;
        case Operation::kZero:
          TLOG_TRY(storage.zero(record.offset, record.size));
          break;
        case Operation::kMark:
        case Operation::kFlush:
          break;
      }
    }
    if (progress_) progress_(visited.opened.aggregation.header.last_sequence, last);
    return true;
  });
}

// Beside the file that is there, which gives way when the new one is complete.
Status Takeover::make_storage(walk::LogReader& reader, const Uuid& vdisk) {
  const std::string& path = context_.vdisk.storage_file;
  if (path.empty()) return {};  // a cluster's servers are refilled while the vdisk is served
  const std::string unfinished = path + ".takeover";
  if (Status removed = files().remove(unfinished);
      !removed && removed.error().code() != Code::kNotFound) {
    return removed;
  }
  {
    TLOG_ASSIGN(
        auto storage,
        blocks::open_file_storage(
            {.path = unfinished, .size = context_.vdisk.size, .vdisk = vdisk, .create = true},
            files()));
    TLOG_TRY(play(reader, *storage));
    TLOG_TRY(storage->flush());
  }
  TLOG_ASSIGN(bool present, files().exists(path));
  if (present) {
    TLOG_ASSIGN(report_.storage_aside,
                options_.automatic ? keep_aside(files(), path) : move_aside(files(), path));
  }
  TLOG_TRY(files().rename(unfinished, path));
  return files().sync_directory(io::parent_path(path));
}

// Where the log ends is never decided by what is not known.
Result<std::unique_ptr<walk::LogReader>> Takeover::find_end(const Stores& stores,
                                                            std::vector<bool> not_fenced) const {
  auto reader = walk::LogReader::open({.vdisk = context_.vdisk.name,
                                       .stores = borrow(stores),
                                       .sealer = &context_.sealer,
                                       .workers = &context_.workers,
                                       .logger = &context_.environment.logger,
                                       .not_fenced = std::move(not_fenced),
                                       .accept_loss = options_.accept_loss});
  constexpr std::string_view kRemedy =
      "; if that cannot be mended, --accept-loss gives up what is not certain to be stored";
  if (!reader && reader.error().code() == Code::kUnavailable && !options_.accept_loss) {
    return fail(Code::kUnavailable, fmt::format("{}{}", reader.error().message(), kRemedy));
  }
  if (reader && (*reader)->damage() != nullptr && !options_.accept_loss) {
    return fail(Code::kCorruption, fmt::format("{}{}", (*reader)->damage()->message(), kRemedy));
  }
  return reader;
}

Status Takeover::attempt(const Stores& stores) {
  TLOG_ASSIGN(walk::MetadataFound found, walk::read_metadata(context_.vdisk.name, borrow(stores)));
  TLOG_TRY(check_needed(found.metadata));
  if (!found.metadata.epochs.empty()) report_.from = found.metadata.epochs.back().writer;
  flush::LogWriter::Parts parts = writer_parts(context_, stores);
  TLOG_ASSIGN(std::vector<bool> not_fenced, flush::LogWriter::fence(parts, found.metadata));
  TLOG_ASSIGN(auto reader, find_end(stores, std::move(not_fenced)));
  TLOG_TRY(flush::check_still_fenced(found.metadata, reader->metadata()));
  report_.sequence = reader->head().sequence;
  report_.timestamp = reader->head().timestamp;
  const format::VdiskFormat format = reader->metadata().format;
  TLOG_TRY(make_journal(format, reader->head()));
  TLOG_TRY(claim(std::move(parts), *reader));
  TLOG_TRY(make_storage(*reader, format.vdisk));
  return journal_->mark_created();
}

Result<TakeoverReport> Takeover::run() {
  if (Status looked = look_at_journal(); !looked) return fail(within(looked.error()));
  auto stores = open_stores(context_);
  if (!stores) return fail(within(stores.error()));
  Status done;
  for (unsigned i = 0; i < kAttempts; ++i) {
    done = attempt(*stores);
    // Somebody else has got an epoch between our reading and our claim.
    if (done || done.error().code() != Code::kFenced) break;
  }
  journal_.reset();
  close_stores(*stores);
  if (!done) return fail(within(done.error()));
  return report_;
}

}  // namespace

Result<TakeoverReport> take_over(const OpeningContext& context, const TakeoverOptions& options,
                                 const TakeoverProgress& progress) {
  return Takeover(context, options, progress).run();
}

}  // namespace tlog::session
