// File: tests/nbd/serving.h
// The fixture of this suite: a site, and servers on it. A test that cannot have its server fails
// with nbdkit's text.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/nbd_client.h"
#include "tests/support/nbdkit_server.h"
#include "tests/support/site.h"

namespace tlog::testing {

class Serving : public ::testing::Test {
 protected:
  // Makes the site (the default one unless told otherwise) and starts a server on it.
  void serve(std::vector<std::string> arguments = {}, const SiteOptions& options = {}) {
    site = std::make_unique<Site>(options);
    start(std::move(arguments));
  }
  // Starts a server on the site that is there, after another one has ended.
  void start(std::vector<std::string> arguments = {}, std::vector<std::string> parameters = {}) {
    NbdkitOptions options = site->nbdkit(std::move(arguments));
    options.parameters.insert(options.parameters.end(), parameters.begin(), parameters.end());
    auto started = NbdkitServer::start(options);
    if (!started) throw std::runtime_error(started.error().message());
    server = *std::move(started);
  }
  // For failed tests: what the server said.
  void TearDown() override {
    if (HasFailure() && server) ADD_FAILURE() << "nbdkit's log:\n" << server->log();
  }

  std::unique_ptr<Site> site;
  std::unique_ptr<NbdkitServer> server;
};

}  // namespace tlog::testing
