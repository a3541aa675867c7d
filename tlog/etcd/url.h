// File: tlog/etcd/url.h
// Where a configuration is kept in etcd: "etcd://host:port[,host:port...]/KEY", "etcds://" for TLS,
// with "?ca=/file" for a certificate authority that the system does not know. Nothing secret stands
// in it. Threading: values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tlog/base/result.h"

namespace tlog::etcd {

struct Url {
  std::string text;                    // as it was given
  std::vector<std::string> endpoints;  // "http://host:port" or "https://host:port"
  std::string key;                     // without the slash before it
  std::string ca_file;                 // "": the system's
};

bool is_url(std::string_view text);
// kInvalidArgument says what is expected.
Result<Url> parse_url(std::string_view text);

}  // namespace tlog::etcd
