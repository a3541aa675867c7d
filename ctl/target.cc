#include "ctl/target.h"

#include <fmt/format.h>

#include "ctl/reach.h"
#include "tlog/io/file.h"

namespace tlog::ctl {

std::string config_path_of(const Place& place) {
  if (!place.config_path.empty()) return place.config_path;
  const std::string here = "tlogdisk.yml";
  const std::string everywhere = "/etc/tlogdisk/tlogdisk.yml";
  auto exists = io::system_files().exists(here);
  return exists && *exists ? here : everywhere;
}

Result<config::Config> load_config(const Place& place) {
  auto config = config::load(io::system_files(), config_path_of(place));
  if (!config && config.error().code() == Code::kNotFound && place.config_path.empty()) {
    return fail(Code::kNotFound, config.error().message() + ", nor ./tlogdisk.yml; use --config");
  }
  return config;
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
