// Opening a vdisk whose log tlogservers keep: journal and block storage are this host's, where the
// log ends is what the servers say. Creating is the same with a journal that has nothing yet.
#include <fmt/format.h>

#include "tlog/session/remote_log.h"
#include "tlog/session/vdisk_storage.h"

namespace tlog::session {
namespace {

Result<std::unique_ptr<journal::Journal>> create_journal(const OpeningContext& context) {
  Environment& environment = context.environment;
  if (!context.may_create) {
    return refuse(context.vdisk, Code::kNotFound,
                  fmt::format("it has no journal here ({}), and is created only when it is opened "
                              "for writing (not with -r or readOnly)",
                              io::join_path(context.config.journal.directory, context.vdisk.name)));
  }
  journal::JournalOptions options =
      journal_options(context.config, context.vdisk, context.memory_budget);
  options.format.vdisk = environment.random.next_uuid();
  return journal::Journal::create(options, environment.files, environment.random,
                                  environment.logger);
}

}  // namespace

Result<std::shared_ptr<ServedVdisk>> open_remote_vdisk(const OpeningContext& context,
                                                       std::unique_ptr<journal::Journal> journal) {
  const config::Vdisk& vdisk = context.vdisk;
  Environment& environment = context.environment;
  const std::uint64_t began = environment.clock.monotonic_ns();
  if (!context.open_remote_log) {
    return refuse(vdisk, Code::kNotSupported,
                  "its log is kept by tlogservers (tlog.servers), which this program cannot use");
  }
  const bool had_journal = journal != nullptr;
  if (!journal) {
    TLOG_ASSIGN(journal, create_journal(context));
  }
  const bool was_created = journal->superblock().created;
  format::VdiskFormat format = format_of(vdisk);
  format.vdisk = journal->superblock().format.vdisk;
  if (!was_created) TLOG_TRY(create_storage(context, format.vdisk, had_journal));
  ServedVdisk::Parts parts;
  TLOG_ASSIGN(parts.core.storage, open_file(context, format.vdisk));
  TLOG_ASSIGN(parts.recovered, journal->recover());
  const Sequence first = parts.recovered.first_sequence;
  auto log = context.open_remote_log({.context = context,
                                      .format = format,
                                      .journal = journal->superblock().journal,
                                      .may_create = !was_created,
                                      .floor = first - 1,
                                      .end = first + parts.recovered.entries.size() - 1,
                                      .timestamp = parts.recovered.last_timestamp});
  if (!log) {
    const std::string reason =
        was_created ? log.error().message()
                    : fmt::format(
                          "{}; this host has no journal of it, but an empty one that it has made: "
                          "if the log exists, bring its journal back instead",
                          log.error().message());
    return refuse(vdisk, log.error().code(), reason);
  }
  parts.log = std::move(*log);
  if (!was_created) TLOG_TRY(journal->mark_created());
  environment.logger.info(fmt::format(
      "event={} vdisk={} uuid={} epoch={} recovered_records={} from_arena={} "
      "log_head={} servers={} ms={}",
      was_created ? "opened" : "created", vdisk.name, format.vdisk.text(), parts.log->epoch(),
      parts.recovered.entries.size(), parts.recovered.from_arena, parts.log->end().sequence,
      vdisk.tlog.servers.size(), (environment.clock.monotonic_ns() - began) / 1'000'000));
  fill_core(context, format.vdisk, std::move(journal), parts.core);
  parts.sealer = &context.sealer;
  return std::make_shared<ServedVdisk>(std::move(parts));
}

}  // namespace tlog::session
