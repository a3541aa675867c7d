#include "server/program/vdisk_stores.h"

#include <fmt/format.h>

#include "tlog/base/limits.h"
#include "tlog/session/vdisk_storage.h"
#include "tlog/store/unusable_store.h"

namespace tlog::program {
namespace {

std::string what(const std::string& vdisk) {
  return fmt::format("open: vdisk '{}'", vdisk);
}

session::Scrubbing::Wishes scrubs_of(const config::Tlog& tlog) {
  return {.every = {.light_ns = tlog.scrub_every_ns, .deep_ns = tlog.scrub_deep_every_ns},
          .bytes_per_second = tlog.scrub_rate};
}

}  // namespace

server::LogSettings VdiskStores::settings(const std::string& vdisk) const {
  server::LogSettings settings;
  settings.scrubs = scrubs_of(config::Tlog());
  if (config_) {
    const config::Vdisk* found = config_->find_vdisk(vdisk);
    const config::Tlog& tlog = found != nullptr ? found->tlog : config_->tlog;
    settings.data_shards = tlog.data_shards;
    settings.parity_shards = tlog.parity_shards;
    settings.write_quorum = tlog.write_quorum;
    settings.flush_size = tlog.flush_size;
    settings.flush_time_ns = tlog.flush_time_ns;
    settings.scrubs = scrubs_of(tlog);
  }
  settings.data_shards = arguments_.data_shards.value_or(settings.data_shards);
  settings.parity_shards = arguments_.parity_shards.value_or(settings.parity_shards);
  settings.flush_size = arguments_.flush_size.value_or(settings.flush_size);
  settings.flush_time_ns = arguments_.flush_time_ns.value_or(settings.flush_time_ns);
  return settings;
}

Result<VdiskStores::Stores> VdiskStores::open(const std::string& vdisk, Use use) {
  // The name comes from a client, and becomes a part of keys and paths.
  if (!config::is_valid_name(vdisk)) {
    return fail(Code::kInvalidArgument,
                fmt::format("open: vdisk: not a vdisk's name, expected 1 to {} of A-Z a-z 0-9 . _ "
                            "-, the first no dot or dash",
                            kNameMax));
  }
  if (!arguments_.storage.empty()) return open_addresses(vdisk);
  const config::Vdisk* found = config_ ? config_->find_vdisk(vdisk) : nullptr;
  if (found != nullptr) {
    const config::Cluster* cluster = config_->find_cluster(found->tlog.cluster);
    if (cluster != nullptr) return open_cluster(*cluster, vdisk, use);
  }
  const config::Log* log = config_ ? config_->find_log(vdisk) : nullptr;
  if (log != nullptr && !log->cluster.empty())
    return open_cluster(*config_->find_cluster(log->cluster), vdisk, use);
  if (arguments_.memory_storage) return open_memory(vdisk);
  const std::string_view lacking =
      found != nullptr ? "the configuration names no cluster for its log (tlog.cluster)"
                       : "this server has no stores for it";
  return fail(
      Code::kNotFound,
      fmt::format("{}: {}; mend that{}, or start the server with --storage-addresses", what(vdisk),
                  lacking, arguments_.config.empty() ? "" : " in " + arguments_.config));
}

// What is no cluster of the configuration has no name: one, whatever strangers call their vdisks.
std::string VdiskStores::cluster_of(const std::string& vdisk) const {
  if (!arguments_.storage.empty() || !config_) return {};
  const config::Vdisk* found = config_->find_vdisk(vdisk);
  if (found != nullptr && config_->find_cluster(found->tlog.cluster) != nullptr)
    return found->tlog.cluster;
  const config::Log* log = config_->find_log(vdisk);
  return log != nullptr ? log->cluster : std::string();
}

Result<VdiskStores::Stores> VdiskStores::open_addresses(const std::string& vdisk) {
  Stores stores;
  for (const StoreAddress& address : arguments_.storage) {
    store::RespStoreOptions options;
    options.address = address.address;
    options.db = address.db;
    options.vdisk = vdisk;
    TLOG_ASSIGN(auto opened, store::open_resp_store(options, *parts_.loop, *parts_.logger));
    stores.push_back(std::move(opened));
  }
  return stores;
}

Result<VdiskStores::Stores> VdiskStores::open_cluster(const config::Cluster& cluster,
                                                      const std::string& vdisk, Use use) {
  Stores stores;
  for (const std::string& directory : cluster.directories) {
    store::SegmentStoreOptions options;
    options.directory = directory;
    options.vdisk = vdisk;
    options.read_only = use == Use::kRead;
    auto opened = store::open_segment_store(options, *parts_.files, *parts_.loop, *parts_.logger);
    if (!opened && use == Use::kRead) {
      opened = store::make_unusable_store("directory " + directory, opened.error(), *parts_.loop);
    }
    if (!opened) return fail(opened.error().within(what(vdisk)));
    stores.push_back(std::move(*opened));
  }
  auto servers = session::server_options(cluster, *parts_.files);
  if (!servers) return fail(servers.error().within(what(vdisk)));
  for (store::RespStoreOptions& options : *servers) {
    options.vdisk = vdisk;
    TLOG_ASSIGN(auto opened, store::open_resp_store(options, *parts_.loop, *parts_.logger));
    stores.push_back(std::move(opened));
  }
  return stores;
}

Result<VdiskStores::Stores> VdiskStores::open_memory(const std::string& vdisk) {
  const server::LogSettings wanted = settings(vdisk);
  const std::size_t count = wanted.data_shards + wanted.parity_shards;
  MutexLock lock(mutex_);
  if (!memory_.contains(vdisk) && memory_.size() >= kVdisksMax) {
    return fail(Code::kNoSpace,
                fmt::format("{}: {} vdisks are kept in memory already, which is the limit; restart "
                            "the server, or give it stores",
                            what(vdisk), kVdisksMax));
  }
  Contents& contents = memory_[vdisk];
  while (contents.size() < count) {
    contents.push_back(std::make_shared<store::MemoryStoreContents>());
  }
  Stores stores;
  for (std::size_t i = 0; i < count; ++i) {
    stores.push_back(
        store::make_memory_store(fmt::format("memory {}", i), *parts_.loop, contents[i]));
  }
  return stores;
}

}  // namespace tlog::program
