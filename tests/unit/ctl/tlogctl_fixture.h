// File: tests/unit/ctl/tlogctl_fixture.h
// tlogctl as a process, and the real control server around a fake engine for it to talk to. The
// target defines TLOGCTL.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "nbdkit-plugin/control_server.h"
#include "tests/support/process.h"
#include "tests/support/temp_directory.h"
#include "tests/unit/ctl/fake_engine.h"

namespace tlog::plugin {

inline constexpr char kConfig[] =
    "clusters: {c: {directories: [a, b, c, d, e, f]}}\n"
    "vdisks:\n"
    "  vm1: {size: 10GiB, storage: {file: blocks/vm1}}\n"
    "  vm2: {size: 5MiB, storage: {file: blocks/vm2}}\n";

class Tlogctl : public ::testing::Test {
 protected:
  Tlogctl() { testing::write_text(directory.file("tlogdisk.yml"), kConfig); }

  testing::CommandResult run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), TLOGCTL);
    return testing::run_command(arguments, {.environment = {}, .directory = directory.path()});
  }
  void serve(const std::string& socket) {
    server = std::make_unique<ControlServer>(engine, system_clock(), null_logger());
    auto bound = server->bind(directory.file(socket));
    ASSERT_TRUE(bound.has_value()) << bound.error().message();
    ASSERT_TRUE(server->start().has_value());
  }

  testing::TempDirectory directory;
  testing::FakeEngine engine;
  std::unique_ptr<ControlServer> server;
};

}  // namespace tlog::plugin
