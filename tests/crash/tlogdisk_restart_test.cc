// Restarts of tlogdisk that follow a script. Goal: the named ways in which other systems lost data
// at a restart do not exist here. Method: a real nbdkit, libnbd, SIGKILL at a chosen point, and a
// restore from the log at the end.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>

#include "tests/crash/stamp.h"
#include "tests/crash/tlogdisk_disk.h"
#include "tests/support/nbd_client.h"
#include "tests/support/nbdkit_server.h"
#include "tests/support/site.h"

namespace tlog::crash {
namespace {

using testing::Bytes;
using testing::NbdClient;
using testing::NbdkitServer;
using testing::pattern;

constexpr std::uint64_t kBlocks = 64;

class Restart : public ::testing::Test {
 protected:
  Restart() : site_(crash_site_options()) { start(); }

  void start() {
    server_.reset();
    auto server = NbdkitServer::start(site_.nbdkit({"-t", "16"}));
    if (!server) throw std::runtime_error(server.error().message());
    server_ = std::move(*server);
  }
  void crash() {
    server_->kill();
    start();
  }
  void stop_politely() { EXPECT_EQ(server_->stop(), 0) << server_->log(); }
  std::string uri() const { return server_->uri("vm1"); }

  Bytes contents() {
    NbdClient client(uri());
    return client.read(0, client.size());
  }
  // Ends the server; what its log says the disk holds.
  Bytes restored() {
    stop_politely();
    const std::string image = site_.file("restored.img");
    const auto result = testing::run_command({TLOG_TLOGPLAY, "--config", site_.config_path(),
                                              "--quiet", "restore", "vm1", "--to", image});
    EXPECT_TRUE(result.ok()) << result.text();
    const std::string text = testing::read_text(image);
    const ConstByteSpan bytes = bytes_of(std::string_view(text));
    return Bytes(bytes.begin(), bytes.end());
  }
  // Sequences of the log's records, in the log's order.
  std::vector<std::uint64_t> sequences() const {
    const auto result = testing::run_command(
        {TLOG_TLOGPLAY, "--config", site_.config_path(), "--json", "list", "vm1", "--records"});
    EXPECT_TRUE(result.ok()) << result.text();
    std::vector<std::uint64_t> found;
    const auto log = nlohmann::json::parse(result.output);
    for (const auto& record : log.at("records")) {
      found.push_back(record.at("sequence").get<std::uint64_t>());
    }
    return found;
  }
  void expect_dense(const std::vector<std::uint64_t>& found) const {
    ASSERT_FALSE(found.empty());
    for (std::size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], i + 1);
  }

  testing::Site site_;
  std::unique_ptr<NbdkitServer> server_;
};

Bytes stamped(std::uint64_t first_cell, std::uint64_t cells, OperationId operation) {
  Bytes bytes(cells * kCellBytes);
  stamp(bytes, first_cell, operation);
  return bytes;
}

// Eight writers, each with its own eighth of one block, all at once, over and over.
TEST_F(Restart, concurrent_subblock_writes) {
  std::array<std::unique_ptr<NbdClient>, 4> clients;
  for (auto& client : clients) client = std::make_unique<NbdClient>(uri());
  Bytes expected(clients[0]->size());
  for (std::uint64_t block = 0; block < kBlocks; ++block) {
    std::vector<Bytes> parts;
    std::vector<std::int64_t> cookies;
    for (std::uint64_t part = 0; part < kCellsPerBlock; ++part) {
      const std::uint64_t cell = block * kCellsPerBlock + part;
      parts.push_back(stamped(cell, 1, cell + 1));
      std::copy(parts.back().begin(), parts.back().end(), expected.begin() + cell * kCellBytes);
    }
    for (std::uint64_t part = 0; part < kCellsPerBlock; ++part) {
      cookies.push_back(clients[part % clients.size()]->send_write(
          (block * kCellsPerBlock + part) * kCellBytes, parts[part]));
    }
    for (std::uint64_t part = 0; part < kCellsPerBlock; ++part) {
      ASSERT_EQ(clients[part % clients.size()]->await(cookies[part]), 0);
    }
  }
  EXPECT_EQ(contents(), expected);
  clients = {};
  crash();
  EXPECT_EQ(contents(), expected);
  EXPECT_EQ(restored(), expected);
}

// Overlapping writes race; a reader sees who won; recovery and replay must agree with the reader.
TEST_F(Restart, visible_order_is_replay_order) {
  std::array<std::unique_ptr<NbdClient>, 4> clients;
  for (auto& client : clients) client = std::make_unique<NbdClient>(uri());
  for (std::uint64_t block = 0; block < kBlocks; ++block) {
    std::vector<Bytes> racing;
    std::vector<std::int64_t> cookies;
    for (std::size_t i = 0; i < 3 * clients.size(); ++i) {
      racing.push_back(stamped(block * kCellsPerBlock, kCellsPerBlock, 1000 * block + i + 1));
    }
    for (std::size_t i = 0; i < racing.size(); ++i) {
      cookies.push_back(clients[i % clients.size()]->send_write(block * kBlockBytes, racing[i]));
    }
    for (std::size_t i = 0; i < racing.size(); ++i)
      ASSERT_EQ(clients[i % clients.size()]->await(cookies[i]), 0);
  }
  const Bytes seen = contents();
  clients = {};
  crash();
  EXPECT_EQ(contents(), seen);
  EXPECT_EQ(restored(), seen);
}

TEST_F(Restart, partial_aggregation_then_restart) {
  Bytes expected;
  const auto write_and_flush = [&](std::uint64_t first, std::uint64_t count) {
    NbdClient client(uri());
    expected.resize(client.size());
    for (std::uint64_t block = first; block < first + count; ++block) {
      const Bytes bytes = pattern(kBlockBytes, block);
      client.write(block * kBlockBytes, bytes);
      std::copy(bytes.begin(), bytes.end(),
                expected.begin() + static_cast<std::ptrdiff_t>(block * kBlockBytes));
    }
    EXPECT_EQ(client.await(client.send_flush()), 0);
  };
  write_and_flush(0, 10);
  stop_politely();
  start();
  write_and_flush(10, 30);
  EXPECT_EQ(contents(), expected);
  crash();
  write_and_flush(40, 10);
  crash();
  write_and_flush(50, 30);
  EXPECT_EQ(contents(), expected);
  EXPECT_EQ(restored(), expected);
  expect_dense(sequences());
}

TEST_F(Restart, sequence_survives_reopen) {
  std::size_t records = 0;
  for (int opening = 0; opening < 4; ++opening) {
    {
      NbdClient client(uri());
      for (std::uint64_t block = 0; block < 5; ++block)
        client.write(block * kBlockBytes, pattern(kBlockBytes, block));
    }
    if (opening % 2 == 0) {
      crash();
      contents();  // the first client's opening is what recovers a vdisk
    }
    stop_politely();
    const auto found = sequences();
    expect_dense(found);
    EXPECT_GE(found.size(), records + 5) << "opening " << opening;
    records = found.size();
    start();
  }
}

}  // namespace
}  // namespace tlog::crash
