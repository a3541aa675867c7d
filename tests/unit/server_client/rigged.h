// A client's test: the rig, and servers with logs of their own.
#pragma once

#include <gtest/gtest.h>

#include "tests/support/client_rig.h"
#include "tests/support/fake_tlogserver.h"

namespace tlog::testing {

inline Uuid log_number(std::uint8_t number) {
  Uuid uuid;
  uuid.bytes[0] = number;
  return uuid;
}

class Rigged : public ::testing::Test {
 protected:
  ~Rigged() override { rig.close(0); }

  // "a", "b", ...: each with a log of its own.
  void make_servers(unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      logs.push_back(std::make_shared<FakeServerLog>(log_number(static_cast<std::uint8_t>(i + 1))));
      add_server(logs.back());
    }
  }
  void add_server(std::shared_ptr<FakeServerLog> log) {
    const std::string name(1, static_cast<char>('a' + servers.size()));
    servers.push_back(
        std::make_unique<FakeTlogserver>(*rig.loop, std::move(log), rig.socket(name)));
  }
  std::vector<std::string> addresses() const {
    std::vector<std::string> result;
    for (const auto& server : servers) result.push_back(server->address());
    return result;
  }
  FakeTlogserver& server(std::size_t index) { return *servers[index]; }
  client::ClientOptions options(unsigned stored) const { return rig.options(addresses(), stored); }
  ::testing::AssertionResult open(unsigned stored) {
    auto opened = rig.open(options(stored));
    if (opened) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << opened.error().message();
  }
  // Where there is nothing to be created, servers may be away from the beginning.
  ::testing::AssertionResult open_existing(unsigned stored) {
    client::ClientOptions wanted = options(stored);
    wanted.may_create = false;
    server(0).call([&] {
      for (auto& log : logs) {
        log->exists = true;
        log->format = wanted.format;
        log->journal = wanted.journal;
      }
    });
    auto opened = rig.open(wanted);
    if (opened) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << opened.error().message();
  }
  // Soon it has all of it, right.
  ::testing::AssertionResult has_all(std::size_t index, Sequence wanted) {
    std::string difference;
    const bool same = eventually([&] {
      difference = rig.difference(server(index).stored(), wanted);
      return difference.empty();
    });
    if (same && server(index).stored().size() == wanted) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure()
           << server(index).address() << ": " << difference << "\n"
           << (rig.is_open() ? rig.client().waiting_for() : "") << "\n"
           << rig.logger.lines();
  }
  bool shows(std::size_t index, client::ServerState state, std::string_view reason) {
    return eventually([&] {
      const client::Marker marker = rig.marker(index);
      return marker.state == state && marker.reason.find(reason) != std::string::npos;
    });
  }

  ClientRig rig;
  std::vector<std::shared_ptr<FakeServerLog>> logs;
  std::vector<std::unique_ptr<FakeTlogserver>> servers;
};

}  // namespace tlog::testing
