#include "tlog/session/vdisk_storage.h"

#include "tlog/blocks/cluster_storage.h"

namespace tlog::session {
namespace {

Result<std::uint64_t> size_if_present(io::FileSystem& files, const std::string& path) {
  TLOG_ASSIGN(bool present, files.exists(path));
  if (!present) return std::uint64_t{0};
  TLOG_ASSIGN(auto file, files.open(path, {}));
  return file->size();
}

blocks::ClusterStorageOptions options_without_servers(const OpeningContext& context,
                                                      const Uuid& vdisk) {
  blocks::ClusterStorageOptions options;
  options.vdisk = context.vdisk.name;
  options.uuid = vdisk;
  options.size = context.vdisk.size;
  options.block_size = context.vdisk.block_size;
  options.cache_bytes = context.vdisk.storage_cache;
  return options;
}

Result<blocks::ClusterStorageOptions> cluster_options(const OpeningContext& context,
                                                      const Uuid& vdisk,
                                                      const std::string& cluster) {
  blocks::ClusterStorageOptions options = options_without_servers(context, vdisk);
  TLOG_ASSIGN(options.servers,
              server_options(*context.config.find_cluster(cluster), context.environment.files));
  return options;
}

Status create_cluster(const OpeningContext& context, const Uuid& vdisk) {
  TLOG_ASSIGN(blocks::ClusterStorageOptions options,
              cluster_options(context, vdisk, context.vdisk.storage_cluster));
  options.create = true;
  TLOG_ASSIGN(auto storage,
              blocks::open_cluster_storage(options, context.loop, context.environment.logger));
  return storage->flush();
}

}  // namespace

Result<std::string> read_password(const std::string& path, io::FileSystem& files) {
  if (path.empty()) return std::string();
  TLOG_ASSIGN(std::string text, io::read_file(files, path, 4096));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

Result<std::vector<store::RespStoreOptions>> server_options(const config::Cluster& cluster,
                                                            io::FileSystem& files) {
  std::vector<store::RespStoreOptions> servers;
  for (const config::Server& server : cluster.servers) {
    store::RespStoreOptions options;
    options.address = server.address;
    options.db = server.db;
    options.connect_timeout_ns = cluster.request_timeout_ns;
    options.request_timeout_ns = cluster.request_timeout_ns;
    TLOG_ASSIGN(options.password, read_password(server.password_file, files));
    servers.push_back(std::move(options));
  }
  return servers;
}

Status create_storage(const OpeningContext& context, const Uuid& vdisk, bool interrupted) {
  if (!context.vdisk.storage_cluster.empty()) return create_cluster(context, vdisk);
  io::FileSystem& files = context.environment.files;
  blocks::FileStorageOptions storage{.path = context.vdisk.storage_file,
                                     .size = context.vdisk.size,
                                     .vdisk = vdisk,
                                     .create = true};
  if (interrupted) {  // its file may be there already, also still without its size
    TLOG_ASSIGN(std::uint64_t size, size_if_present(files, context.vdisk.storage_file));
    storage.create = size == 0;
  }
  TLOG_ASSIGN(auto file, blocks::open_file_storage(storage, files));
  return file->flush();
}

Result<std::unique_ptr<blocks::BlockStorage>> open_file(const OpeningContext& context,
                                                        const Uuid& vdisk) {
  blocks::FileStorageOptions storage{
      .path = context.vdisk.storage_file, .size = context.vdisk.size, .vdisk = vdisk};
  return blocks::open_file_storage(storage, context.environment.files);
}

std::vector<blocks::Fork> forks_of(const format::Metadata& metadata) {
  std::vector<blocks::Fork> forks;
  for (std::size_t i = 1; i < metadata.epochs.size(); ++i) {
    const format::EpochEntry& entry = metadata.epochs[i];
    if (entry.journal == metadata.epochs[i - 1].journal) continue;
    forks.push_back({.epoch = entry.epoch, .first_sequence = entry.first_sequence});
  }
  return forks;
}

Result<std::unique_ptr<blocks::BlockStorage>> open_cluster(const OpeningContext& context,
                                                           const Uuid& vdisk,
                                                           const std::string& cluster,
                                                           const ClusterClaim& claim) {
  TLOG_ASSIGN(blocks::ClusterStorageOptions options, cluster_options(context, vdisk, cluster));
  options.epoch = claim.epoch;
  options.forks = claim.forks;
  options.needed = claim.needed;
  options.possible = claim.possible;
  return blocks::open_cluster_storage(options, context.loop, context.environment.logger);
}

const std::string& active_cluster(const config::Vdisk& vdisk, const format::Metadata& metadata) {
  const std::string& placed = metadata.blocks.cluster;
  return !placed.empty() && placed == vdisk.slave.cluster ? vdisk.slave.cluster
                                                          : vdisk.storage_cluster;
}

Result<Standby::Settings> standby_settings(const config::Config& config, const config::Vdisk& vdisk,
                                           io::FileSystem& files) {
  Standby::Settings settings;
  settings.slave_sync = vdisk.tlog.slave_sync && !vdisk.slave.cluster.empty();
  settings.failover_after_ns = vdisk.slave.failover_after_ns;
  settings.primary = vdisk.storage_cluster;
  TLOG_ASSIGN(settings.primary_servers,
              server_options(*config.find_cluster(vdisk.storage_cluster), files));
  settings.slave = vdisk.slave.cluster;
  if (settings.slave.empty()) return settings;
  TLOG_ASSIGN(settings.slave_servers, server_options(*config.find_cluster(settings.slave), files));
  return settings;
}

Result<StandbyParts> standby_parts(const OpeningContext& context, const Uuid& vdisk,
                                   const std::string& active, const ClusterClaim& claim) {
  StandbyParts parts;
  parts.active = active;
  parts.files = &context.environment.files;
  parts.receipts =
      io::join_path(context.config.journal.directory, context.vdisk.name + "/receipts");
  TLOG_ASSIGN(parts.settings,
              standby_settings(context.config, context.vdisk, context.environment.files));
  blocks::ClusterStorageOptions options = options_without_servers(context, vdisk);
  options.epoch = claim.epoch;
  options.forks = claim.forks;
  options.follows = true;
  parts.open_follower = [options, &loop = context.loop, &logger = context.environment.logger](
                            const std::vector<store::RespStoreOptions>& servers, Sequence possible,
                            bool discard) -> Result<std::shared_ptr<blocks::BlockStorage>> {
    blocks::ClusterStorageOptions follower = options;
    follower.servers = servers;
    follower.possible = possible;
    follower.discards = discard;
    return blocks::open_cluster_storage(follower, loop, logger);
  };
  return parts;
}

}  // namespace tlog::session
