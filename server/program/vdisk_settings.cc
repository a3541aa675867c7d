#include "server/program/vdisk_settings.h"

#include <fmt/format.h>

#include <filesystem>

#include "server/program/storage_addresses.h"
#include "tlog/etcd/source.h"
#include "tlog/session/vdisk_storage.h"

namespace tlog::program {
namespace {

// "host:port[,host:port]": what the ancestor's --config took for an etcd cluster.
bool are_dial_strings(const std::string& text) {
  return text.find('/') == std::string::npos &&
         check_host_port(text.substr(0, text.find(',')), false).has_value();
}

}  // namespace

Result<std::optional<config::Config>> load_config(const Arguments& arguments, io::FileSystem& files,
                                                  Logger& logger) {
  if (arguments.config.empty()) return std::optional<config::Config>();
  std::error_code error;
  const std::string here = std::filesystem::current_path(error).string();
  if (error) return fail(os_error(error.value(), "--config: where this was started"));
  const std::string place = etcd::is_url(arguments.config)
                                ? arguments.config
                                : std::filesystem::absolute(arguments.config).string();
  auto source = etcd::open_source(files, {place, here}, logger);
  if (!source && source.error().code() == Code::kNotFound && are_dial_strings(arguments.config)) {
    return fail(Code::kInvalidArgument,
                fmt::format("--config: '{0}': addresses of etcd alone do not say where in it the "
                            "configuration is; write etcd://{0}/KEY",
                            arguments.config));
  }
  if (!source) return fail(source.error().within("--config"));
  auto config = config::load(**source);
  if (!config) return fail(config.error().within("--config"));
  return std::optional<config::Config>(std::move(*config));
}

Result<StandbyServers> standby_servers(const Arguments& arguments,
                                       const std::optional<config::Config>& config,
                                       io::FileSystem& files, Logger& logger) {
  StandbyServers all;
  if (!arguments.with_slave_sync) return all;
  if (config) {
    for (const config::Vdisk& vdisk : config->vdisks) {
      const config::Cluster* cluster = config->find_cluster(vdisk.slave.cluster);
      if (!vdisk.tlog.slave_sync || cluster == nullptr) continue;
      auto servers = session::server_options(*cluster, files);
      if (!servers) {
        return fail(servers.error().within(
            fmt::format("--with-slave-sync: vdisk '{}': cluster '{}'", vdisk.name, cluster->name)));
      }
      all.emplace(vdisk.name, std::move(*servers));
    }
  }
  if (all.empty()) {
    logger.warning(
        "event=slave_sync_unused reason=\"--with-slave-sync: no vdisk of the configuration has "
        "slaveStorage and slaveSync: true\"");
  }
  return all;
}

}  // namespace tlog::program
