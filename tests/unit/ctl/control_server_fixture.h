// File: tests/unit/ctl/control_server_fixture.h
// The server half of the control socket with an engine that does what the test says, and a client.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "ctl/control_client.h"
#include "ctl/control_socket.h"
#include "nbdkit-plugin/control_server.h"
#include "tests/support/temp_directory.h"
#include "tests/unit/ctl/fake_engine.h"

namespace tlog::plugin {

inline constexpr std::uint64_t kLongMs = 30'000;  // bounds a test that has failed

class ControlServerTest : public ::testing::Test {
 protected:
  void start(ControlLimits limits = {}) {
    server = std::make_unique<ControlServer>(engine, system_clock(), null_logger(), limits);
    auto bound = server->bind(path);
    ASSERT_TRUE(bound.has_value()) << bound.error().message();
    ASSERT_TRUE(server->start().has_value());
  }
  Result<control::Reply> ask(const control::Request& request) {
    return control::ask(path, request, kLongMs);
  }
  control::Descriptor connected() {
    auto descriptor = control::connect_unix(path);
    EXPECT_TRUE(descriptor.has_value()) << descriptor.error().message();
    return descriptor ? std::move(*descriptor) : control::Descriptor();
  }
  static std::uint64_t deadline() { return control::monotonic_ms() + kLongMs; }
  // What comes back for these bytes; "" when the server hangs up instead.
  std::string answer_to(const control::Descriptor& client, std::string_view bytes) {
    (void)control::send_all(client.number(), bytes, deadline());
    std::string buffer;
    auto line = control::receive_line(client.number(), buffer, control::kReplyBytesMax, deadline());
    return line ? *line : "";
  }

  testing::TempDirectory directory;
  const std::string path = directory.file("control.sock");
  testing::FakeEngine engine;
  std::unique_ptr<ControlServer> server;
};

}  // namespace tlog::plugin
