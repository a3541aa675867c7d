#include "server/program/vdisk_settings.h"

#include <fmt/format.h>

#include <filesystem>

#include "server/program/storage_addresses.h"
#include "tlog/etcd/source.h"

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

Status check_slave_sync(const Arguments& arguments, const std::optional<config::Config>& config,
                        Logger& logger) {
  if (!arguments.with_slave_sync) return {};
  if (config) {
    for (const config::Vdisk& vdisk : config->vdisks) {
      if (!vdisk.tlog.slave_sync) continue;
      return fail(Code::kInvalidArgument,
                  fmt::format("--with-slave-sync: vdisk '{}' has slaveSync: true, and a tlogserver "
                              "keeps no standby; leave the flag out, the host that serves the "
                              "vdisk keeps its standby",
                              vdisk.name));
    }
  }
  logger.warning(
      "event=slave_sync_unused reason=\"--with-slave-sync: no vdisk of the configuration has "
      "slaveSync: true\"");
  return {};
}

}  // namespace tlog::program
