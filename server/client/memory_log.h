// MemoryLog: a RecordSource for whoever wants to have a log of his own stored and replicated by
// tlogservers, and needs no journal: data is appended, gets a sequence, and is kept until enough
// servers have stored it. It is bounded: who appends waits while it is full.
//
//   MemoryLog log({});
//   parts.on_stored = [&](Sequence sequence) { log.stored(sequence); };
//   auto client = LogClient::open(options, parts, timeout);
//   log.begin_behind((*client)->head());
//   (*client)->start(log, 0);  // the newest may be at one server alone
//   auto sequence = log.append(data, timeout);
//   (*client)->more();
//   log.wait_stored(*sequence, timeout);
//
// Threading: any thread.
// Durability: append(): none, it is in this process's memory. wait_stored(): what the client's
// write concern says. Errors: append(): kInvalidArgument (empty, or longer than kRecordDataMax),
// kTimeout (full).
#pragma once

#include <deque>

#include "server/client/log_client.h"
#include "tlog/base/mutex.h"
#include "tlog/base/random.h"
#include "tlog/base/watermark.h"

namespace tlog::client {

// The time of the first record of a writer that has no journal, behind a log whose newest is of
// `head`: times of a log never go back. Nor does any other life give the same one, where the clock
// is behind the log's: by it a server's last record is told from another life's.
TimestampNs first_time(TimestampNs head, const Clock& clock, Random& random);

class MemoryLog final : public RecordSource {
 public:
  static constexpr std::uint64_t kRecordCost = 64;
  struct Options {
    // Of records that are not stored yet, each with kRecordCost besides its data.
    std::uint64_t bytes_max = 64 * kMiB;
    const Clock* clock = nullptr;  // null: the system's
    Random* random = nullptr;      // likewise
  };
  explicit MemoryLog(const Options& options);

  // Before anything is appended: the servers have a log up to here, perhaps one of them alone:
  // whether it is stored the client says.
  void begin_behind(const protocol::LogPosition& head);
  // Copies it. `offset`: whatever it means to the reader, but that it and the data must be within
  // ClientOptions::format.size: a server ends the session else.
  Result<Sequence> append(ConstByteSpan data, std::uint64_t timeout_ns, std::uint64_t offset = 0);
  // LogClient::stored() has come so far: all up to it is let go.
  void stored(Sequence sequence);
  Status wait_stored(Sequence sequence, std::uint64_t timeout_ns);
  // Nobody shall wait any more.
  void stop();

  Sequence end() const override;
  Result<std::optional<protocol::Batch>> take(Sequence first, Sequence last,
                                              std::uint64_t bytes_wanted) override;
  std::uint64_t held_bytes() const;

 private:
  struct Entry {
    std::vector<std::byte> data;  // a Buffer is whole pages
    std::uint64_t offset = 0;
    TimestampNs timestamp = 0;
  };
  const std::uint64_t bytes_max_;
  const Clock& clock_;
  Random& random_;
  Watermark stored_;
  mutable Mutex mutex_;
  CondVar room_;
  bool stopped_ GUARDED_BY(mutex_) = false;
  Sequence first_ GUARDED_BY(mutex_) = 1;  // of entries_
  std::deque<Entry> entries_ GUARDED_BY(mutex_);
  std::uint64_t bytes_ GUARDED_BY(mutex_) = 0;
  TimestampNs newest_ GUARDED_BY(mutex_) = 0;
};

}  // namespace tlog::client
