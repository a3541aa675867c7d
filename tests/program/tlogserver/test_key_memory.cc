// A key that a client has handed over is nowhere in a tlogserver's memory when its log is closed:
// not in what was received, not in messages, not in what was freed.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/client_rig.h"
#include "tests/support/http_request.h"
#include "tests/support/loopback.h"
#include "tests/support/tlogserver_process.h"
#include "tlog/seal/key.h"

namespace tlog::testing {
namespace {

constexpr std::size_t kPage = 4096;

// Of [begin, end) the pages that are in memory, as ranges.
std::vector<std::pair<std::uint64_t, std::uint64_t>> present(int pagemap, std::uint64_t begin,
                                                             std::uint64_t end) {
  std::vector<std::uint64_t> entries((end - begin) / kPage);
  const ssize_t got = ::pread(pagemap, entries.data(), entries.size() * sizeof entries[0],
                              static_cast<off_t>(begin / kPage * sizeof entries[0]));
  entries.resize(got > 0 ? static_cast<std::size_t>(got) / sizeof entries[0] : 0);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if ((entries[i] >> 63) == 0) continue;
    const std::uint64_t at = begin + i * kPage;
    if (ranges.empty() || ranges.back().second != at) ranges.emplace_back(at, at);
    ranges.back().second = at + kPage;
  }
  return ranges;
}

// How often the bytes are in a process's memory; nothing: it cannot be looked at.
std::optional<int> occurrences(pid_t pid, std::string_view bytes) {
  const Descriptor memory(::open(fmt::format("/proc/{}/mem", pid).c_str(), O_RDONLY | O_CLOEXEC));
  const Descriptor pagemap(
      ::open(fmt::format("/proc/{}/pagemap", pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!memory.is_open() || !pagemap.is_open()) return std::nullopt;
  std::ifstream maps(fmt::format("/proc/{}/maps", pid));
  int found = 0;
  bool any_read = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find('/') != std::string::npos) continue;  // a file's
    std::size_t dash = 0;
    const auto begin = std::stoull(line, &dash, 16);
    const auto end = std::stoull(line.substr(dash + 1), nullptr, 16);
    if (end - begin > 64 * kGiB) continue;  // what a sanitizer has reserved
    for (const auto& [from, to] : present(pagemap.number(), begin, end)) {
      std::string text(to - from, '\0');
      const ssize_t got =
          ::pread(memory.number(), text.data(), text.size(), static_cast<off_t>(from));
      if (got <= 0) continue;
      any_read = true;
      const std::string_view seen(text.data(), static_cast<std::size_t>(got));
      for (const char* at = seen.data();;) {
        const auto left = static_cast<std::size_t>(seen.data() + seen.size() - at);
        at = static_cast<const char*>(::memmem(at, left, bytes.data(), bytes.size()));
        if (at == nullptr) break;
        ++found;
        ++at;
      }
    }
  }
  if (!any_read) return std::nullopt;
  return found;
}

TEST(TlogserverKeys, that_were_handed_over_are_gone_with_their_log) {
  TempDirectory directory;
  TlogserverProcess server({"-memorystorage", "--unix", directory.file("s"), "-linger", "0",
                            "-profile-address=127.0.0.1:0"});
  const auto key = seal::MasterKey::generate(system_random());
  ASSERT_TRUE(key.has_value());
  std::array<std::byte, 32> bytes{};
  key->copy_to(bytes);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  {
    ClientRig rig;
    client::ClientOptions options = rig.options({server.address()}, 1);
    options.key = &*key;
    const Status opened = rig.open(options);
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    rig.append(20);
    ASSERT_TRUE(rig.wait_stored(20));
    const auto held = occurrences(server.pid(), text.substr(0, 16));
    if (!held) GTEST_SKIP() << "another process's memory cannot be read here";
    EXPECT_LE(*held, 1) << "in the memory that is made for keys, and nowhere else";
    EXPECT_GT(occurrences(server.pid(), directory.file("s")), 0) << "it is not looked everywhere";
    rig.close();
  }
  const bool is_closed = wait_until(
      [&] {
        const auto json = nlohmann::json::parse(http_get(server.pages(), "/status").body);
        return json.at("sessions").empty();
      },
      Milliseconds(20'000));
  EXPECT_TRUE(is_closed);
  EXPECT_EQ(occurrences(server.pid(), text.substr(0, 16)), 0);
  EXPECT_EQ(occurrences(server.pid(), text.substr(16)), 0);
  EXPECT_EQ(server.stop(), 0);
}

}  // namespace
}  // namespace tlog::testing
