// File: tlog/session/data_path.h
// DataPath: what nbdkit's workers run. Step 1 of a write's way: take the sequence, copy the payload
// once into the journal's arena, update the overlay, answer. No hand-off and no wake-up for a plain
// write. Contract: see Vdisk (session/vdisk.h).
#pragma once

#include <array>
#include <chrono>
#include <optional>

#include "tlog/session/core.h"
#include "tlog/session/lag_pacing.h"
#include "tlog/session/pacing.h"

namespace tlog::session {

class DataPath {
 public:
  explicit DataPath(Core& core) : core_(core) {}

  Status read(std::uint64_t offset, ByteSpan into);
  Status write(std::uint64_t offset, ConstByteSpan data, bool fua);
  Status discard(std::uint64_t offset, std::uint64_t length, bool fua);
  Status zero(std::uint64_t offset, std::uint64_t length, bool may_discard, bool fua);
  Status flush();
  Result<std::vector<blocks::Extent>> extents(std::uint64_t offset, std::uint64_t length);
  Result<Sequence> mark(const std::string& name);
  Result<Sequence> flush_to_stores(std::uint64_t timeout_ns);
  // What block storage shows there is written once more, as new records: the log says something
  // else. While Core::writes_held.
  Status log_again(std::uint64_t offset, std::uint64_t length);

  // The first write after a quiet moment calls this, once: so what nobody waits for is committed
  // and applied within a bounded time all the same. Set once before serving starts.
  std::function<void()> arm_tick;
  // The tick itself, on the loop's thread: true when another one is wanted.
  bool tick();

 private:
  Status check_range(const char* operation, std::uint64_t offset, std::uint64_t length) const;
  Status write_range(Operation operation, std::uint64_t offset, std::uint64_t length, bool fua);
  using TimePoint = std::chrono::steady_clock::time_point;
  // Of one call: how long all its records may wait for room together, from when the first one had
  // to.
  using Deadline = std::optional<TimePoint>;
  Result<Sequence> append(Operation operation, std::uint64_t offset, std::uint64_t size,
                          ConstByteSpan data, Deadline& deadline, bool held = false);
  Status wait_for_turn(std::uint32_t data_length, Deadline& deadline, bool held)
      REQUIRES(core_.mutex());
  Status wait_for_room(std::uint32_t data_length, Deadline& deadline) REQUIRES(core_.mutex());
  void slow_down(std::uint32_t data_length, TimePoint deadline) REQUIRES(core_.mutex());
  // data_path_lag.cc
  Status keep_lags(std::uint32_t data_length, Deadline& deadline) REQUIRES(core_.mutex());
  Status throttle(LagOf what, std::uint32_t data_length, Deadline& deadline)
      REQUIRES(core_.mutex());
  void wait_while(const std::function<bool()>& condition, TimePoint until) REQUIRES(core_.mutex());
  bool is_over(LagOf what) REQUIRES(core_.mutex());
  LagPacing::Progress lag_progress(LagOf what) REQUIRES(core_.mutex());
  Pacing::Fill fill() const REQUIRES(core_.mutex());
  bool is_used(double share) const REQUIRES(core_.mutex());
  bool has_room(std::uint32_t data_length) const REQUIRES(core_.mutex());
  std::string what_fills_up() const REQUIRES(core_.mutex());
  Status wait_durable(const char* operation, Sequence sequence);
  Status wait_received(const char* operation, Sequence sequence);
  Status wait_stored(const char* operation, Sequence sequence, std::uint64_t timeout_ns);
  Status settle(const char* operation, Sequence sequence);
  Status failed(const char* operation) const;
  // What of a read memory does not have, and the storage that had the rest when that was looked up;
  // null when nothing of it is there.
  struct Elsewhere {
    std::vector<Overlay::Piece> pieces;
    std::shared_ptr<blocks::BlockStorage> storage;
  };
  bool copy_logged(std::uint64_t offset, ByteSpan into, Elsewhere& rest);
  Status read_elsewhere(std::uint64_t offset, ByteSpan into, const Elsewhere& elsewhere);
  bool is_intact(const Elsewhere& elsewhere);
  bool may_read_again(const Error& error, const blocks::BlockStorage* failed,
                      std::uint64_t& deadline_ns);

  Core& core_;
  Pacing pacing_;                              // guarded by core_.mutex()
  std::array<LagPacing, 2> lag_pacing_;        // of each LagOf; guarded by core_.mutex()
  unsigned watched_ = 0;                       // guarded by core_.mutex()
  journal::Position commit_requested_at_ = 0;  // guarded by core_.mutex()
  bool tick_armed_ = false;                    // guarded by core_.mutex()
};

}  // namespace tlog::session
