// File: tests/nbd/controlled.h
// A server of this suite with tlogctl beside it. The target defines TLOG_TLOGCTL.
#pragma once

#include <cstdlib>

#include "tests/nbd/serving.h"

namespace tlog::testing {

class Controlled : public Serving {
 protected:
  CommandResult tlogctl(std::vector<std::string> words) const {
    std::vector<std::string> arguments = {TLOG_TLOGCTL, "--config", site->config_path()};
    arguments.insert(arguments.end(), words.begin(), words.end());
    return run_command(arguments);
  }
  // A number of `tlogctl status --json vm1`.
  std::uint64_t number(const std::string& name) const {
    const CommandResult status = tlogctl({"status", "--json", "vm1"});
    EXPECT_TRUE(status.ok()) << status.text();
    const std::string key = "\"" + name + "\":";
    const std::size_t at = status.output.find(key);
    EXPECT_NE(at, std::string::npos) << name << " in " << status.output;
    if (at == std::string::npos) return 0;
    return std::strtoull(status.output.c_str() + at + key.size(), nullptr, 10);
  }
  bool status_says(const std::string& text) const {
    return tlogctl({"status"}).output.find(text) != std::string::npos;
  }
};

}  // namespace tlog::testing
