#include "tlog/session/vdisk_stores.h"

#include <fmt/format.h>

#include "tlog/session/vdisk_storage.h"

namespace tlog::session {
namespace {

// Of a vdisk's memory budget.
constexpr std::uint64_t kBufferedShare = 5;  // sealed, not yet stored

}  // namespace

Result<Stores> open_stores(const OpeningContext& context) {
  const config::Cluster* cluster = context.config.find_cluster(context.vdisk.tlog.cluster);
  Environment& environment = context.environment;
  Stores stores;
  if (context.memory_stores) {
    for (std::size_t i = 0; i < cluster->stores(); ++i) {
      stores.push_back(store::make_memory_store(fmt::format("memory {}", i), context.loop));
    }
    return stores;
  }
  for (const std::string& directory : cluster->directories) {
    store::SegmentStoreOptions options;
    options.directory = directory;
    options.vdisk = context.vdisk.name;
    TLOG_ASSIGN(auto opened, store::open_segment_store(options, environment.files, context.loop,
                                                       environment.logger));
    stores.push_back(std::move(opened));
  }
  TLOG_ASSIGN(auto servers, server_options(*cluster, environment.files));
  for (store::RespStoreOptions& options : servers) {
    options.vdisk = context.vdisk.name;
    TLOG_ASSIGN(auto opened, store::open_resp_store(options, context.loop, environment.logger));
    stores.push_back(std::move(opened));
  }
  return stores;
}

flush::LogWriter::Parts writer_parts(const OpeningContext& context, const Stores& stores) {
  flush::LogWriter::Parts parts;
  parts.stores = borrow(stores);
  parts.sealer = &context.sealer;
  parts.files = &context.environment.files;
  parts.loop = &context.loop;
  parts.workers = &context.workers;
  parts.random = &context.environment.random;
  parts.clock = &context.environment.clock;
  parts.logger = &context.environment.logger;
  parts.hints_path =
      io::join_path(io::join_path(context.config.journal.directory, context.vdisk.name), "hints");
  parts.write_quorum = context.vdisk.tlog.write_quorum;
  parts.buffered_bytes_max = context.memory_budget / kBufferedShare;
  return parts;
}

}  // namespace tlog::session
