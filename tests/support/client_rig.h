// ClientRig: a LogClient's surroundings: loop, workers, a source whose records can be told from
// each other, and options that make a test quick. Threading: the test's thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/client/memory_log.h"
#include "tests/support/keeping_logger.h"
#include "tests/support/temp_directory.h"
#include "tlog/base/clock.h"
#include "tlog/io/loop.h"

namespace tlog::testing {

// Until `holds`, for a minute at most: then false.
bool eventually(const std::function<bool()>& holds);

// A MemoryLog that counts, and can be made to fail, or to keep what it could let go.
class CountingSource final : public client::RecordSource {
 public:
  explicit CountingSource(client::MemoryLog& log) : log_(log) {}
  Sequence end() const override { return std::min<Sequence>(log_.end(), limit_); }
  Result<std::optional<protocol::Batch>> take(Sequence first, Sequence last,
                                              std::uint64_t bytes_wanted) override;

  std::atomic<std::uint64_t> takes{0};
  std::atomic<std::uint64_t> records{0};  // given out
  std::atomic<bool> broken{false};
  std::atomic<Sequence> limit_{~Sequence{0}};

 private:
  client::MemoryLog& log_;
};

class ClientRig {
 public:
  ClientRig();
  ~ClientRig();

  std::string socket(const std::string& name) const;
  client::ClientOptions options(std::vector<std::string> servers, unsigned stored) const;
  // open() and start(); the error if it does not open.
  Status open(const client::ClientOptions& options, std::uint64_t timeout_ns = 30'000'000'000);
  void close(std::uint64_t budget_ns = 20'000'000'000);
  client::LogClient& client() { return *client_; }
  bool is_open() const { return client_ != nullptr; }
  client::LogClient::Parts parts();

  static std::string text_of(Sequence sequence);  // what record `sequence` says
  void append(std::uint64_t count);               // so many records more
  Sequence end() const { return log.end(); }
  bool wait_stored(Sequence sequence);
  client::Marker marker(std::size_t index) { return client_->markers()[index]; }
  // What `entries` says differs from what was appended, "" when nothing does.
  template <class Entries>
  std::string difference(const Entries& entries, Sequence wanted) const {
    if (entries.size() < wanted)
      return std::to_string(entries.size()) + " records instead of " + std::to_string(wanted);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].data != text_of(i + 1))
        return "record " + std::to_string(i + 1) + " says \"" + entries[i].data + "\"";
    }
    return "";
  }

  TempDirectory directory;
  KeepingLogger logger;
  const Clock* clock = &system_clock();  // the client's
  std::unique_ptr<io::Loop> loop;
  io::Workers workers;
  client::MemoryLog log{{}};
  CountingSource source{log};
  std::atomic<bool> release{true};  // what is stored is let go
  std::atomic<Sequence> told_stored{0}, told_received{0};
  std::atomic<int> failures{0};
  std::atomic<Code> failure{Code::kShutdown};
  bool begin_behind_head = true;
  const Uuid journal;

 private:
  std::unique_ptr<client::LogClient> client_;
};

}  // namespace tlog::testing
