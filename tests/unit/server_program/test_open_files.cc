// A shell's limit of open files is not the server's.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "server/program/open_files.h"

namespace tlog::program {
namespace {

TEST(OpenFiles, as_many_as_the_system_lets_it) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 256;
  ASSERT_LT(low.rlim_cur, low.rlim_max);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  allow_many_open_files();
  rlimit after{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace tlog::program
