#include "tests/kernel/file_system.h"

#include <fmt/core.h>

#include <filesystem>
#include <fstream>

#include "tests/crash/process.h"

namespace tlog::kernel {
namespace {

constexpr unsigned kCommandMs = 60'000;
constexpr const char* kPath = "PATH=$PATH:/usr/sbin:/sbin";

}  // namespace

Status check_ext4(const std::string& image) {
  const std::string log = image + ".fsck.log";
  // Exit code 1 says that something was done, here the replay.
  TLOG_TRY(crash::run_command(
      {.command = fmt::format("{} e2fsck -y -E journal_only {} || [ $? -eq 1 ]", kPath, image),
       .log_path = log,
       .directory = ""},
      kCommandMs));
  return crash::run_command(
      {.command = fmt::format("{} e2fsck -fn {}", kPath, image), .log_path = log, .directory = ""},
      kCommandMs);
}

Result<std::string> md5_in_ext4(const std::string& image, const std::string& file) {
  const std::string sum = image + ".md5";
  TLOG_TRY(crash::run_command(
      {.command = fmt::format(
           "{0} debugfs -R 'dump /{1} {2}.dump' {2} && [ -f {2}.dump ] && md5sum < {2}.dump > {3}; "
           "code=$?; rm -f {2}.dump; exit $code",
           kPath, file, image, sum),
       .log_path = image + ".debugfs.log",
       .directory = ""},
      kCommandMs));
  std::string text;
  std::ifstream(sum) >> text;
  return text;
}

}  // namespace tlog::kernel
