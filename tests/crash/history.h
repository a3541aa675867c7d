// File: tests/crash/history.h
// What one round's writer asked for and what was answered. It lives in memory shared between the
// writer (a child process that may be killed at any moment) and the checker, so an answer counts
// exactly when the writer had received it.
//
// Order: every issue and every answer draws the next tick of one counter. A was answered before B
// was issued exactly when A.answered_at < B.issued_at; otherwise their order is the server's
// business. Threading: one writer process; the checker reads after the writer has ended, only
// close() may be called before.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tests/crash/stamp.h"

namespace tlog::crash {

enum class Kind : std::uint8_t { kWrite, kZero, kTrim, kFlush, kRead };
const char* kind_name(Kind kind);

using Tick = std::uint64_t;  // from 1; 0: it has not happened

struct Request {
  Kind kind = Kind::kRead;
  bool fua = false;
  std::uint8_t connection = 0;
  std::int32_t error = 0;  // an errno the server answered with
  std::uint64_t first_cell = 0;
  std::uint64_t cells = 0;
  Tick issued_at = 0;
  Tick answered_at = 0;       // successfully
  std::uint64_t seen_at = 0;  // of an answered read: where its cells are in History::seen()

  bool answered() const { return answered_at != 0; }
  bool changes_data() const {
    return kind == Kind::kWrite || kind == Kind::kZero || kind == Kind::kTrim;
  }
  bool covers(std::uint64_t cell) const { return cell >= first_cell && cell - first_cell < cells; }
};

class History {
 public:
  // The room of one round; a writer that has filled it stops.
  static constexpr std::uint64_t kRequestsMax = 1 << 15;
  static constexpr std::uint64_t kSeenMax = 1 << 19;

  // `first_id`: the operation id of request 0.
  explicit History(OperationId first_id);
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  std::span<const Request> requests() const;
  const CellSeen* seen(const Request& read) const;
  OperationId id_of(std::uint64_t index) const { return first_id_ + index; }
  OperationId first_id() const { return first_id_; }
  // The request that has this id, or null.
  const Request* find(OperationId id) const;
  bool multi_conn() const;

  // The writer's side. add() is called before the request leaves; answer_*() when its reply has
  // arrived.
  bool has_room(std::uint64_t read_cells) const;
  std::uint64_t add(Request request);
  void answer(std::uint64_t index);
  void answer_read(std::uint64_t index, ConstByteSpan bytes);
  void answer_error(std::uint64_t index, int error);
  void set_multi_conn(bool multi_conn);

  // The checker's side, while the writer runs: no answer counts that the writer has not received by
  // now.
  void close();

  // For tests of the checker: a read's answer cell by cell.
  void answer_seen(std::uint64_t index, const std::vector<CellSeen>& cells);

 private:
  struct Shared;
  const OperationId first_id_;
  Shared* shared_;
};

}  // namespace tlog::crash
