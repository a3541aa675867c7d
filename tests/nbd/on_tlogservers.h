// File: tests/nbd/on_tlogservers.h
// Vdisks whose logs three real tlogservers keep, each a whole one, 4+2 over the same six
// redis-servers in a database of its own. Skipped without redis-server. The target defines
// TLOG_TLOGCTL and TLOG_TLOGPLAY.
#pragma once

#include <fmt/format.h>

#include <cstring>
#include <filesystem>

#include "tests/nbd/controlled.h"
#include "tests/support/redis_server.h"
#include "tests/support/tlogserver_process.h"

namespace tlog::testing {

class OnTlogservers : public Controlled {
 protected:
  static constexpr unsigned kServers = 3;
  static constexpr Milliseconds kSoon{60'000};

  void SetUp() override {
    if (!RedisServer::available()) GTEST_SKIP() << "no redis-server";
    RedisOptions kept;
    kept.unix_socket = true;
    // Confirmed is in the kernel: what is killed here are processes.
    kept.arguments = {"--appendonly", "yes", "--appendfsync", "no", "--save", ""};
    fleet = std::make_unique<RedisFleet>(6, kept);
    for (unsigned i = 0; i < kServers; ++i) servers.push_back(start_server(i));
  }
  void TearDown() override {
    Controlled::TearDown();
    if (!HasFailure()) return;
    for (const auto& one : servers) ADD_FAILURE() << one->address() << ":\n" << one->log();
  }
  std::unique_ptr<TlogserverProcess> start_server(unsigned index,
                                                  const std::vector<std::string>& more = {}) {
    std::string stores;
    for (const std::string& address : fleet->addresses()) {
      stores += fmt::format("{}{}@{}", stores.empty() ? "" : ",", address, index);
    }
    std::vector<std::string> arguments{"--unix",
                                       directory.file(fmt::format("server{}.sock", index)),
                                       "--storage-addresses",
                                       stores,
                                       "--flush-time",
                                       "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return std::make_unique<TlogserverProcess>(std::move(arguments));
  }
  // A host with vdisks on all three; two of them must have stored what is flushed.
  SiteOptions options() const {
    SiteOptions site_options;
    std::string addresses;
    for (const auto& one : servers) addresses += "\"" + one->address() + "\", ";
    site_options.tlog = "servers: [" + addresses +
                        "], writeConcern: 2, durability: cluster, flushTime: 200ms, "
                        "stallTimeout: 60s";
    return site_options;
  }
  // All that was appended is stored by this server too.
  bool has_all(unsigned index) {
    return wait_until([&] { return stored_by(index) >= number("appended"); }, kSoon);
  }
  std::uint64_t stored_by(unsigned index) const {
    const std::string status = tlogctl({"status", "--json", "vm1"}).output;
    std::size_t at = status.find("\"logServers\"");
    for (unsigned i = 0; at != std::string::npos && i <= index; ++i) {
      at = status.find("\"address\":", at + 1);
    }
    if (at == std::string::npos) return 0;
    at = status.find("\"stored\":", at);
    return at == std::string::npos
               ? 0
               : std::strtoull(status.c_str() + at + std::strlen("\"stored\":"), nullptr, 10);
  }

  // With nothing but the key and one server's stores: verify, then restore to a file.
  CommandResult play(unsigned index, std::vector<std::string> words) const {
    const std::string config = directory.file(fmt::format("play{}.yml", index));
    std::string text = "keyFile: " + site->file("tlogdisk.key") + "\nclusters:\n  c: {servers: [";
    for (const std::string& address : fleet->addresses()) {
      text += fmt::format("{{address: \"{}\", db: \"{}\"}}, ", address, index);
    }
    text += "]}\nvdisks:\n";
    for (unsigned i = 1; i <= 50; ++i) {
      text += fmt::format("  vm{0}: {{size: 64MiB, storage: {{file: none{0}}}}}\n", i);
    }
    write_text(config, text);
    std::vector<std::string> arguments = {TLOG_TLOGPLAY, "--config", config};
    arguments.insert(arguments.end(), words.begin(), words.end());
    return run_command(arguments);
  }
  Bytes restored(unsigned index, const std::string& vdisk = "vm1") const {
    const CommandResult verified = play(index, {"verify", vdisk});
    EXPECT_TRUE(verified.ok()) << verified.text();
    const std::string image = directory.file(fmt::format("{}.{}.img", vdisk, index));
    const CommandResult result = play(index, {"restore", vdisk, "--to", image});
    EXPECT_TRUE(result.ok()) << result.text();
    const std::string text = read_text(image);
    std::filesystem::remove(image);
    const auto* begin = reinterpret_cast<const std::byte*>(text.data());
    return Bytes(begin, begin + text.size());
  }
  Bytes whole(const std::string& vdisk = "vm1") {
    NbdClient client(server->uri(vdisk));
    Bytes all;
    for (std::uint64_t at = 0; at < client.size(); at += kMiB) {
      const Bytes piece = client.read(at, kMiB);
      all.insert(all.end(), piece.begin(), piece.end());
    }
    return all;
  }

  TempDirectory directory;
  std::unique_ptr<RedisFleet> fleet;
  std::vector<std::unique_ptr<TlogserverProcess>> servers;
};

}  // namespace tlog::testing
