// File: tlog/session/opening.h
// Opening a vdisk: creating it, or recovering it from whatever its last end was. What does not fit
// together is refused with the reason and the remedy; nothing is ever served blank, and nothing
// that was acknowledged is left out.
//
//   metadata (stores)   journal        block storage   ->
//   absent              absent         absent/empty    create
//   absent              uncreated      any             create again: the first creation was
//   interrupted absent              created        any             refuse: the stores have lost the
//   vdisk (or are others) present             absent         any             refuse: acknowledged
//   writes may be in the missing journal present             present        absent          refuse:
//   restore with tlogplay present             present        present         recover: journal's
//   tail <= log's head + 1 <= journal's end + 1
#pragma once

#include <map>
#include <memory>

#include "tlog/seal/sealer.h"
#include "tlog/session/engine.h"
#include "tlog/session/served_vdisk.h"

namespace tlog::session {

struct OpeningContext {
  const config::Config& config;
  const config::Vdisk& vdisk;
  Environment& environment;
  io::Loop& loop;
  io::Workers& workers;
  const seal::Sealer& sealer;
  std::uint64_t memory_budget = 0;  // of this vdisk
  bool memory_stores = false;
  bool may_create = false;
  MakeStandby make_standby = {};  // see EngineOptions
  // Of a log that tlogservers keep: see EngineOptions, and the key to hand to them.
  std::function<Result<std::unique_ptr<LogSide>>(const RemoteLogRequest&)> open_remote_log = {};
  const seal::MasterKey* key = nullptr;
};

format::VdiskFormat format_of(const config::Vdisk& vdisk);
// Whether the vdisk was created as the configuration says.
Status check_format(const config::Vdisk& vdisk, const format::VdiskFormat& have);
journal::JournalOptions journal_options(const config::Config& config, const config::Vdisk& vdisk,
                                        std::uint64_t memory_budget);

// An error of opening this vdisk.
tl::unexpected<Error> refuse(const config::Vdisk& vdisk, Code code, const std::string& reason);

// Before fork, without threads: the journal locked and checked if there is one (null if not),
// directories made and writable.
Result<std::unique_ptr<journal::Journal>> prepare_vdisk(const config::Config& config,
                                                        const config::Vdisk& vdisk,
                                                        std::uint64_t memory_budget,
                                                        Environment& environment);

// The parts of a served vdisk's core that do not depend on where its log is.
void fill_core(const OpeningContext& context, const Uuid& uuid,
               std::unique_ptr<journal::Journal> journal, Core::Parts& core);
// open_vdisk() for one whose log tlogservers keep.
Result<std::shared_ptr<ServedVdisk>> open_remote_vdisk(const OpeningContext& context,
                                                       std::unique_ptr<journal::Journal> prepared);

// `prepared`: what prepare_vdisk() gave. The vdisk is not started yet.
Result<std::shared_ptr<ServedVdisk>> open_vdisk(const OpeningContext& context,
                                                std::unique_ptr<journal::Journal> prepared);

}  // namespace tlog::session
