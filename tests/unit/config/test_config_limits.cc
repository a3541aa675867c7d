// What a bad file may cost, and what no error repeats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/config/bad_input.h"
#include "tlog/base/limits.h"

namespace tlog::config {
namespace {

using testing::HasSubstr;
using testing::Not;

// No error repeats what may be a secret: values of unknown keys, addresses with passwords, keys in
// place of paths.
TEST(ConfigSecrets, key_is_nowhere) {
  const std::string secret(64, 'd');
  for (const std::string& text :
       {"password: " + secret + "\n", "keyFile: " + secret + "\n",
        "keyFile: tlogdisk-key-1:" + secret + "\n",
        "clusters: {c: {servers: [{address: \"redis://u:" + secret + "@h:1\"}]}}\n",
        "clusters: {c: {servers: [{address: \"u:" + secret + "@h:1\"}]}}\n",
        "clusters: {c: {servers: [{address: \"h:1\", password: " + secret + "}]}}\n"}) {
    std::string errors = errors_of(text);
    EXPECT_NE(errors, "");
    EXPECT_THAT(errors, Not(HasSubstr(secret)));
  }
}

TEST(ConfigLimits, problems_of_one_file_are_bounded) {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += "k" + std::to_string(i) + ": 1\n";
  EXPECT_LE(check(text, kProblemsPath).problems.size(), kConfigProblemsMax);
  std::string names = std::string(kClusters) + "vdisks:\n";
  for (int i = 0; i < 2'000; ++i) {
    names +=
        "  v" + std::to_string(i) + ": {size: 512, storage: {file: f" + std::to_string(i) + "}}\n";
  }
  auto problems = check(names, kProblemsPath).problems;
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].reason, "too many, expected at most 1024");
}

// The billion laughs: each line doubles the one before. What is not in the table is not entered.
TEST(ConfigLimits, aliases_that_multiply_are_harmless) {
  std::string text = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 60; ++i) {
    std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before + ", " + before +
            "]\n";
  }
  text += "clusters: {c: {directories: *a59}}\nvdisks: *a59\n";
  auto start = std::chrono::steady_clock::now();
  EXPECT_NE(errors_of(text), "");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

TEST(ConfigLimits, an_alias_to_its_own_section_ends) {
  EXPECT_LE(check("&a {clusters: *a, vdisks: *a}\n", kProblemsPath).problems.size(), 20u);
}

// One large section, meant by a thousand vdisks.
TEST(ConfigLimits, an_alias_to_a_large_section_is_harmless) {
  std::string text = "x: &x\n";
  for (int i = 0; i < 20'000; ++i) text += "  k" + std::to_string(i) + ": 1\n";
  text += std::string(kClusters) + "vdisks:\n";
  for (int i = 0; i < 1'000; ++i) text += "  v" + std::to_string(i) + ": *x\n";
  auto start = std::chrono::steady_clock::now();
  EXPECT_NE(errors_of(text), "");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

}  // namespace
}  // namespace tlog::config
