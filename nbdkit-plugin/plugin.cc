#include "nbdkit-plugin/plugin.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "nbdkit-plugin/errors.h"
#include "server/client/remote_log.h"
#include "slave-sync/keeper.h"
#include "tlog/base/limits.h"
#include "tlog/config/config.h"
#include "tlog/etcd/source.h"

namespace tlog::plugin {
namespace {

// How long a shutdown goes on storing. What is not stored then is in the journal, and stored after
// the next start. Less than systemd's TimeoutStopSec of configs/systemd, so that the end is
// orderly.
constexpr std::uint64_t kStopBudgetNs = 15'000'000'000;

// For messages: not all of a thousand vdisks.
std::string text_of(const std::vector<std::string>& names) {
  constexpr std::size_t kNamesMax = 20;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kNamesMax));
  std::string text = fmt::format("{}", fmt::join(names.begin(), end, ", "));
  if (names.size() > kNamesMax) text += fmt::format(" and {} more", names.size() - kNamesMax);
  return text;
}

std::string names_text(const config::Config& configuration) {
  std::vector<std::string> names;
  for (const config::Vdisk& vdisk : configuration.vdisks) names.push_back(vdisk.name);
  return text_of(names);
}

}  // namespace

Plugin::Plugin() = default;
Plugin::~Plugin() = default;

Status Plugin::get_ready() {
  TLOG_ASSIGN(origin_, etcd::find_origin(io::system_files(),
                                         {parameters_.config_path, parameters_.directory}));
  // Gone again before the fork: what watches belongs to the process that uses it.
  TLOG_ASSIGN(config::Config configuration,
              config::load(*etcd::make_source(io::system_files(), origin_, logger_)));
  override_config(configuration);
  if (configuration.vdisks.empty()) {
    return fail(Code::kInvalidArgument,
                fmt::format("config={}: it has no vdisks, which are all that is served here; its "
                            "logs are a tlogserver's",
                            parameters_.config_path));
  }
  logger_.set_level(configuration.log_level);
  session::EngineOptions options;
  options.make_standby = standby::make_keeper;
  options.open_remote_log = client::open_remote_log;
  options.memory_stores = parameters_.memory_store;
  options.coordinate = true;
  options.control_socket = control_path(configuration);
  if (!parameters_.vdisk.empty()) {
    if (configuration.find_vdisk(parameters_.vdisk) == nullptr) {
      return fail(Code::kInvalidArgument,
                  fmt::format("vdisk={}: not in {}, which has: {}", parameters_.vdisk,
                              parameters_.config_path, names_text(configuration)));
    }
    options.vdisks = {parameters_.vdisk};
  }
  TLOG_ASSIGN(engine_, session::Engine::load(std::move(configuration), std::move(options),
                                             session::system_environment(logger_)));
  names_ = engine_->vdisk_names();
  TLOG_TRY(engine_->prepare());
  return bind_control();
}

// "": none.
std::string Plugin::control_path(const config::Config& configuration) const {
  if (parameters_.control) return *parameters_.control;
  return config::control_socket_path(configuration, parameters_.vdisk);
}

Status Plugin::bind_control() {
  const std::string path = control_path(*engine_->configuration());
  if (path.empty()) return {};
  control_ = std::make_unique<ControlServer>(*engine_, system_clock(), logger_);
  return control_->bind(path);
}

// The command line goes before the file.
void Plugin::override_config(config::Config& configuration) const {
  if (parameters_.io) configuration.journal.io = *parameters_.io;
  if (!parameters_.key_file.empty()) configuration.key_file = parameters_.key_file;
}

Status Plugin::start_reloader() {
  session::Reloader::Parts parts;
  parts.engine = engine_.get();
  parts.source = etcd::make_source(io::system_files(), origin_, logger_);
  parts.clock = &system_clock();
  parts.logger = &logger_;
  parts.served = {.vdisks = names_, .all = parameters_.vdisk.empty()};
  parts.override_config = [this](config::Config& config) { override_config(config); };
  parts.applied = [this](const config::Config& config) { logger_.set_level(config.log_level); };
  reloader_ = std::make_unique<session::Reloader>(std::move(parts));
  return reloader_->start();
}

Status Plugin::after_fork() {
  TLOG_TRY(engine_->start());
  TLOG_TRY(start_reloader());
  if (control_) control_->serve_reloads(*reloader_);
  if (control_) TLOG_TRY(control_->start());
  return sentinel_.start([this] { stop(); });
}

void Plugin::cleanup() {
  stop();
  sentinel_.join();
}

void Plugin::stop() {
  MutexLock lock(stop_mutex_);
  if (std::exchange(stopped_, true)) return;
  if (!engine_) return;
  logger_.info("event=stopping");
  engine_->stop_waiting();
  if (reloader_) reloader_->stop();  // first: who waits for its source is answered
  if (control_) control_->stop();
  engine_->stop(kStopBudgetNs);
  logger_.info("event=stopped");
}

std::string Plugin::description(const std::string& name) const {
  const auto configuration = engine_->configuration();
  const config::Vdisk* vdisk = configuration->find_vdisk(name);
  return vdisk == nullptr ? std::string() : vdisk->description;
}

const std::string* Plugin::default_export() const {
  return names_.size() == 1 ? &names_.front() : nullptr;
}

Result<Connection*> Plugin::open_connection(std::string_view untrusted_name, bool read_only) {
  if (!config::is_valid_name(untrusted_name)) {
    return fail(Code::kNotFound,
                fmt::format("open: export '{}': not a vdisk's name; this server has: {}",
                            printable(untrusted_name), text_of(names_)));
  }
  const std::string name(untrusted_name);
  if (std::find(names_.begin(), names_.end(), name) == names_.end()) {
    return fail(Code::kNotFound,
                fmt::format("open: export '{}': not served here; this server has: {}",
                            printable(name), text_of(names_)));
  }
  TLOG_ASSIGN(std::shared_ptr<session::Vdisk> vdisk, engine_->open(name, read_only));
  auto connection = std::make_unique<Connection>(std::move(vdisk), read_only, description(name));
  Connection* handle = connection.get();
  MutexLock lock(connections_mutex_);
  connections_.emplace(handle, std::move(connection));
  return handle;
}

void Plugin::close_connection(Connection* connection) {
  MutexLock lock(connections_mutex_);
  connections_.erase(connection);
}

}  // namespace tlog::plugin
