// A bad configuration and what has to be said of it, with the exact line and column, the key, the
// reason and what is expected. The tables are by section; test_config_problems.cc checks each.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "tlog/config/config.h"

namespace tlog::config {

inline constexpr char kProblemsPath[] = "/e/t.yml";
inline constexpr char kClusters[] = "clusters: {c: {directories: [a, b, c, d, e, f]}}\n";

struct BadInput {
  std::string name;
  std::string text;  // with CLUSTERS, SERVERS and VDISKS for the lines in test_config_problems.cc
  std::vector<std::string>
      errors;  // without the path; each line must begin with it, and no other line be there
};

inline void PrintTo(const BadInput& input, std::ostream* out) {
  *out << input.name;
}

class ConfigProblems : public testing::TestWithParam<BadInput> {};

// What parse() says; "": nothing is wrong.
inline std::string errors_of(const std::string& text) {
  auto config = parse(text, kProblemsPath);
  if (config) return "";
  EXPECT_EQ(config.error().code(), Code::kInvalidArgument);
  return config.error().message();
}

// One table of a section.
#define TLOG_BAD_INPUTS(section, inputs)                                       \
  INSTANTIATE_TEST_SUITE_P(section, ConfigProblems, testing::ValuesIn(inputs), \
                           [](const auto& input) { return input.param.name; })

}  // namespace tlog::config
