// File: tlog/store/resp_identity.h
// The identity of a redis-protocol server: its keys, its mark, and the verdict on what was found in
// it. Two hashes, because of a hash's commands (HSETNX) ardb is atomic and of a string's it is not:
//   tlog::server       uuid: of the server (of this database of it), set once
//   tlog:<vdisk>:ctl   mark: "<vdisk uuid> <server uuid> <epoch>"; run: the server's run_id when a
//                      writer last connected; claim:<epoch>, closed:<epoch>: by whom, set once
// Threading: pure functions and values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tlog/store/identity.h"

namespace tlog::store {

inline constexpr std::string_view kServerKey = "tlog::server";
inline constexpr std::string_view kServerField = "uuid";
inline constexpr std::string_view kMarkField = "mark";
inline constexpr std::string_view kRunField = "run";
std::string control_key(std::string_view vdisk);
std::string claim_field(Epoch epoch);
std::string closed_field(Epoch epoch);
// One field of the hash into `marks`; those that are no epoch's mark are left out.
void take_epoch_mark(std::string_view field, std::string_view value, EpochMarks& marks);

struct Mark {
  Uuid vdisk;
  Uuid server;
  Epoch since = 0;
  friend bool operator==(const Mark&, const Mark&) = default;
};
std::string encode_mark(const Mark& mark);
Result<Mark> decode_mark(std::string_view text);

// What a handshake read; "" for what is not there.
struct FoundIdentity {
  std::string server;
  std::string mark;
  std::string run;
};

enum class Standing {
  kOurs,      // the mark is in order
  kNew,       // no vdisk of this name has used it in this place
  kWiped,     // it was used, and has lost it
  kMismatch,  // it is not the one to be here
};
struct Verdict {
  Standing standing = Standing::kNew;
  Mark mark;  // kOurs: the one found; otherwise the one it should get, without a server if new
  Error error{Code::kUnavailable, ""};  // kWiped, kMismatch: the reason and the remedy
};
Verdict judge(const Expectation& expected, const FoundIdentity& found);

Error wiped_error(const std::string& what_is_missing);
// kFenced.
Error fenced_error(Epoch epoch, const std::string& by);

}  // namespace tlog::store
