#include "nbdkit-plugin/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nbdkit-plugin.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

std::vector<std::string> errors;
std::vector<std::string> debugs;
int client_errno = 0;

void note(std::vector<std::string>& into, const char* format, va_list arguments) {
  char text[1024];
  std::vsnprintf(text, sizeof text, format, arguments);
  into.push_back(text);
}

}  // namespace

// What nbdkit would do.
extern "C" {
void nbdkit_error(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  note(errors, format, arguments);
  va_end(arguments);
}
void nbdkit_debug(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  note(debugs, format, arguments);
  va_end(arguments);
}
void nbdkit_set_error(int number) {
  client_errno = number;
}
}

namespace tlog::plugin {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class PluginErrors : public ::testing::Test {
 protected:
  void SetUp() override {
    errors.clear();
    debugs.clear();
    client_errno = 0;
  }
};

// nbdkit 1.32 passes these on and turns every other number into EINVAL, which tells the client that
// its request was wrong. ENOMEM is left out because the protocol asks servers not to answer it.
TEST_F(PluginErrors, EveryCodeReachesClientsAsWhatItIs) {
  for (Code code : {Code::kCorruption, Code::kWrongKey, Code::kIoError, Code::kUnavailable,
                    Code::kTimeout, Code::kAlreadyExists}) {
    EXPECT_EQ(errno_of(code), EIO) << code_name(code);
  }
  EXPECT_EQ(errno_of(Code::kNoSpace), ENOSPC);
  EXPECT_EQ(errno_of(Code::kFenced), EPERM);
  EXPECT_EQ(errno_of(Code::kShutdown), ESHUTDOWN);
  EXPECT_EQ(errno_of(Code::kInvalidArgument), EINVAL);
}

TEST_F(PluginErrors, SuccessSaysNothing) {
  EXPECT_EQ(guard_status("read", [] { return Status(); }), 0);
  EXPECT_EQ((guard<int>("answer", -1, []() -> Result<int> { return 42; })), 42);
  EXPECT_THAT(errors, IsEmpty());
  EXPECT_EQ(client_errno, 0);
}

TEST_F(PluginErrors, ErrorsAreLoggedLineByLineAndSetErrno) {
  const auto failing = []() -> Status {
    return fail(Code::kNoSpace, "a.yml:1:2: x: bad\na.yml:3:4: y: bad\n");
  };
  EXPECT_EQ(guard_status("write", failing), -1);
  EXPECT_THAT(errors, ElementsAre("a.yml:1:2: x: bad", "a.yml:3:4: y: bad"));
  EXPECT_EQ(client_errno, ENOSPC);
}

TEST_F(PluginErrors, ShutdownIsNoOperatorsConcern) {
  EXPECT_EQ(guard_status("write", []() -> Status { return fail(Code::kShutdown, "vm1: ending"); }),
            -1);
  EXPECT_THAT(errors, IsEmpty());
  EXPECT_THAT(debugs, ElementsAre("vm1: ending"));
  EXPECT_EQ(client_errno, ESHUTDOWN);
}

TEST_F(PluginErrors, NoExceptionEscapes) {
  EXPECT_EQ(guard_status("read", []() -> Status { throw std::bad_alloc(); }), -1);
  EXPECT_EQ(client_errno, EIO);
  EXPECT_EQ(guard_status("read", []() -> Status { throw std::runtime_error("100%s"); }), -1);
  EXPECT_EQ(guard_status("read", []() -> Status { throw 1; }), -1);
  EXPECT_EQ((guard<void*>("open", nullptr, []() -> Result<void*> { throw 1; })), nullptr);
  EXPECT_THAT(errors, ElementsAre("read: std::bad_alloc", "read: 100%s", "read: unknown exception",
                                  "open: unknown exception"));
}

TEST_F(PluginErrors, NamesFromTheNetworkCannotForgeLines) {
  EXPECT_EQ(printable("vm1"), "vm1");
  EXPECT_EQ(printable("a\nb c\x1b[2J\x7f\xc3\xa9"), "a?b?c?[2J???");
  EXPECT_EQ(printable(std::string(1000, 'x')), std::string(64, 'x') + "...");
}

}  // namespace
}  // namespace tlog::plugin
