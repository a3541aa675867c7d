#include "nbdkit-plugin/parameters.h"

#include <fmt/format.h>
#include <nbdkit-plugin.h>

#include <cstdlib>
#include <memory>

#include "nbdkit-plugin/errors.h"
#include "tlog/config/config.h"
#include "tlog/etcd/url.h"

namespace tlog::plugin {
namespace {

Result<std::string> absolute_path(std::string_view key, const char* value) {
  if (*value == '\0')
    return fail(Code::kInvalidArgument, fmt::format("{}=: a path is missing", key));
  std::unique_ptr<char, decltype(&std::free)> path(nbdkit_absolute_path(value), &std::free);
  if (!path) return fail(Code::kInvalidArgument, fmt::format("{}={}: not a path", key, value));
  return std::string(path.get());
}

Result<io::IoMode> parse_io(std::string_view value) {
  if (value == "auto") return io::IoMode::kAuto;
  if (value == "uring") return io::IoMode::kUring;
  if (value == "posix") return io::IoMode::kPosix;
  return fail(Code::kInvalidArgument,
              fmt::format("io={}: expected auto, uring or posix", printable(value)));
}

}  // namespace

Status Parameters::set(std::string_view key, const char* value) {
  const auto once = [&](bool given) -> Status {
    if (given) return fail(Code::kInvalidArgument, fmt::format("{}: given twice", key));
    return {};
  };
  if (key == "config") {
    TLOG_TRY(once(!config_path.empty()));
    if (etcd::is_url(value)) {
      config_path = value;
      TLOG_ASSIGN(directory, absolute_path(key, "."));
    } else {
      TLOG_ASSIGN(config_path, absolute_path(key, value));
    }
  } else if (key == "vdisk") {
    TLOG_TRY(once(!vdisk.empty()));
    if (!config::is_valid_name(value)) {
      return fail(Code::kInvalidArgument,
                  fmt::format("vdisk={}: not a vdisk's name, expected 1 to 64 of A-Z a-z 0-9 . _ -",
                              printable(value)));
    }
    vdisk = value;
  } else if (key == "key-file") {
    TLOG_TRY(once(!key_file.empty()));
    TLOG_ASSIGN(key_file, absolute_path(key, value));
  } else if (key == "io") {
    TLOG_TRY(once(io.has_value()));
    TLOG_ASSIGN(io, parse_io(value));
  } else if (key == "memory-store") {
    const int flag = nbdkit_parse_bool(value);
    if (flag < 0) return fail(Code::kInvalidArgument, "memory-store: expected true or false");
    memory_store = flag != 0;
  } else if (key == "control") {
    TLOG_TRY(once(control.has_value()));
    if (std::string_view(value) == "none") {
      control = "";
    } else {
      TLOG_ASSIGN(control, absolute_path(key, value));
    }
  } else {
    return fail(Code::kInvalidArgument,
                fmt::format("unknown parameter '{}', expected config, vdisk, key-file, io, "
                            "memory-store or control; "
                            "everything else is set in the configuration file",
                            printable(key)));
  }
  return {};
}

Status Parameters::check() const {
  if (config_path.empty()) {
    return fail(Code::kInvalidArgument,
                "config=FILE is missing: name the configuration file, as in "
                "'nbdkit tlogdisk config=/etc/tlogdisk/tlogdisk.yml'");
  }
  return {};
}

}  // namespace tlog::plugin
