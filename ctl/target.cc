#include "ctl/target.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

#include "ctl/control_client.h"
#include "tlog/etcd/source.h"
#include "tlog/io/file.h"

namespace tlog::ctl {

std::string config_path_of(const Place& place) {
  if (!place.config_path.empty()) return place.config_path;
  const std::string here = "tlogdisk.yml";
  const std::string everywhere = "/etc/tlogdisk/tlogdisk.yml";
  auto exists = io::system_files().exists(here);
  return exists && *exists ? here : everywhere;
}

Result<std::unique_ptr<config::Source>> open_source(const std::string& path_or_url) {
  std::error_code ignored;  // a directory that is gone only matters to a URL's relative paths
  return etcd::open_source(io::system_files(),
                           {path_or_url, std::filesystem::current_path(ignored).string()},
                           null_logger());
}

Result<config::Config> load_config(const Place& place, bool say_so) {
  auto source = open_source(config_path_of(place));
  if (!source && source.error().code() == Code::kNotFound && place.config_path.empty()) {
    return fail(Code::kNotFound, source.error().message() + ", nor ./tlogdisk.yml; use --config");
  }
  if (!source) return fail(source.error());
  TLOG_ASSIGN(const std::string text, (*source)->read());
  const std::string& path = (*source)->name();
  config::Checked checked = config::check(text, (*source)->path());
  if (checked.problems.empty()) return std::move(checked.config);
  if (say_so) {
    std::fputs(
        fmt::format("tlogctl: warning: {}\ntlogctl: warning: {} is not good, a running server goes "
                    "on with the one before; `tlogctl check-config` shows all of it\n",
                    config::format_problem(checked.problems.front(), path), path)
            .c_str(),
        stderr);
  }
  if (checked.config.control_socket.empty()) {
    checked.config.control_socket =
        io::join_path(io::parent_path(checked.config.path), "control.sock");
  }
  return std::move(checked.config);
}

Result<Target> target_of(const Place& place, const std::string& vdisk) {
  if (!place.socket_path.empty() && !vdisk.empty()) return Target{{place.socket_path}, vdisk};
  TLOG_ASSIGN(config::Config config, load_config(place));
  std::string name = vdisk;
  if (name.empty()) {
    if (config.vdisks.size() != 1) {
      return fail(Code::kInvalidArgument,
                  fmt::format("{}: has {} vdisks; name the one that is meant", config.path,
                              config.vdisks.size()));
    }
    name = config.vdisks[0].name;
  } else if (config.find_vdisk(name) == nullptr) {
    return fail(Code::kNotFound, fmt::format("{}: no vdisk '{}' in it", config.path, name));
  }
  if (!place.socket_path.empty()) return Target{{place.socket_path}, name};
  return Target{sockets_of(config, name), name};
}

Heard hear(const Place& place, const config::Config& config, const control::Request& request,
           std::uint64_t timeout_ms) {
  if (place.socket_path.empty()) return hear_each(config, request, timeout_ms);
  Heard heard;
  auto reply = control::ask(place.socket_path, request, timeout_ms);
  if (reply) heard.replies.push_back(std::move(*reply));
  if (!reply) heard.errors.push_back(reply.error());
  return heard;
}

Result<control::Reply> look(const Place& place, const std::string& vdisk) {
  control::Request request{.command = control::Command::kStatus, .vdisk = vdisk};
  if (!place.socket_path.empty()) return ask_first({place.socket_path}, request, kAnswerMs);
  if (!vdisk.empty()) {
    TLOG_ASSIGN(Target target, target_of(place, vdisk));
    return ask_first(target.sockets, request, kAnswerMs);
  }
  TLOG_ASSIGN(config::Config config, load_config(place));
  return ask_all(config, kAnswerMs);
}

}  // namespace tlog::ctl
