// File: nbdkit-plugin/plugin.h
// Plugin: one nbdkit process's tlogdisk: its parameters, engine, control socket, shutdown sentinel
// and connections. nbdkit's phases are its methods (nbdkit-plugin(3), "Callbacks"):
//   set_parameter*, check_parameters   remember and check, touch nothing
//   get_ready    everything that can fail for the user's reasons, while the terminal is still
//   there: no thread yet after_fork   threads, which would not survive the fork open_connection,
//   close_connection   one client cleanup      the last client has gone: stores what is there,
//   within a budget, and ends the threads
// At a shutdown with clients connected the sentinel stops the engine while nbdkit still waits for
// them, and nbdkit calls no close: what is left is freed with the Plugin. Threading: before
// after_fork one thread; open/close, names and default_export from any thread afterwards.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "nbdkit-plugin/connection.h"
#include "nbdkit-plugin/control_server.h"
#include "nbdkit-plugin/logger.h"
#include "nbdkit-plugin/parameters.h"
#include "nbdkit-plugin/sentinel.h"
#include "tlog/base/mutex.h"
#include "tlog/etcd/source.h"
#include "tlog/session/engine.h"
#include "tlog/session/reloader.h"

namespace tlog::plugin {

class Plugin {
 public:
  Plugin();
  ~Plugin();
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  Status set_parameter(std::string_view key, const char* value) {
    return parameters_.set(key, value);
  }
  Status check_parameters() const { return parameters_.check(); }
  Status get_ready();
  Status after_fork();
  void cleanup();

  const std::vector<std::string>& names() const { return names_; }
  std::string description(const std::string& name) const;
  // The export of a client that names none: the only one, or nullptr when there are several.
  const std::string* default_export() const;

  Result<Connection*> open_connection(std::string_view untrusted_name, bool read_only);
  void close_connection(Connection* connection) EXCLUDES(connections_mutex_);

 private:
  std::string control_path(const config::Config& configuration) const;
  Status bind_control();
  void override_config(config::Config& configuration) const;
  Status start_reloader();
  void stop() EXCLUDES(stop_mutex_);

  NbdkitLogger logger_;
  Parameters parameters_;
  etcd::Origin origin_;  // of the configuration; constant after get_ready
  std::unique_ptr<session::Engine> engine_;
  std::unique_ptr<session::Reloader> reloader_;  // from after_fork on
  std::unique_ptr<ControlServer> control_;       // nullptr with control=none
  std::vector<std::string> names_;               // constant after get_ready

  Mutex connections_mutex_;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_
      GUARDED_BY(connections_mutex_);

  Mutex stop_mutex_;  // held while stopping: who comes second waits for the end of it
  bool stopped_ GUARDED_BY(stop_mutex_) = false;

  ShutdownSentinel sentinel_;
};

}  // namespace tlog::plugin
