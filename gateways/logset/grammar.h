// The grammar of logset (docs/faces.md), read as it arrives and however it is cut into pieces:
//
//   offsets := (name ' ' integer '\n')* '\n'       slice := name ' ' integer ' ' integer '\n' byte+
//
// Like the protocol's first server it also takes "+3", "03" and "\r\n".
// Threading: values; one thread at a time each.
// Errors: kInvalidArgument, naming the line; what comes after it is not looked at.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tlog/base/types.h"

namespace tlog::logset {

constexpr std::size_t kLogNameMax = 200;  // it is a file's name, with something before it at times
constexpr std::size_t kLineMax = 300;
constexpr std::size_t kLogsMax = 100'000;  // of a repository
constexpr std::uint64_t kLogBytesMax = std::uint64_t{1} << 62;
// With a pull: what the place is called that it fills. For people; no part of the protocol.
constexpr std::string_view kTargetHeader = "Logset-Target";

// 1 to kLogNameMax letters and digits.
bool is_log_name(std::string_view name);

struct LogLength {
  std::string name;
  std::uint64_t bytes = 0;
  friend bool operator==(const LogLength&, const LogLength&) = default;
};
using LogLengths = std::map<std::string, std::uint64_t, std::less<>>;

struct SliceHead {
  std::string name;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  // at least 1
  friend bool operator==(const SliceHead&, const SliceHead&) = default;
};

std::string offsets_text(const std::vector<LogLength>& logs);
std::string slice_line(const SliceHead& head);

class LineReader {
 public:
  // How many bytes of `text` were used: up to the line's end, or all. line() is whole then, or
  // is_whole() is false.
  Result<std::size_t> take(std::string_view text);
  bool is_whole() const { return whole_; }
  bool is_begun() const { return !line_.empty(); }
  std::string next();  // the line without its end; the next one begins

 private:
  std::string line_;
  bool whole_ = false;
};

class OffsetsParser {
 public:
  // How many bytes were used: all, unless it is done() before.
  Result<std::size_t> take(ConstByteSpan piece);
  bool done() const { return done_; }
  // At the end of what was sent.
  Status finish() const;
  // A name that came twice has its last length.
  const LogLengths& lengths() const { return lengths_; }

 private:
  LineReader reader_;
  LogLengths lengths_;
  bool done_ = false;
};

// Told of slices as they come: begin(), bytes() until the length is reached, end(). An error ends
// it.
class SliceVisitor {
 public:
  virtual ~SliceVisitor() = default;
  virtual Status begin(const SliceHead& head) = 0;
  virtual Status bytes(ConstByteSpan piece) = 0;
  virtual Status end() = 0;
};

class SliceParser {
 public:
  explicit SliceParser(SliceVisitor& visitor) : visitor_(visitor) {}
  Status take(ConstByteSpan piece);
  // At the end of what was sent: refuses half a line and half a slice.
  Status finish() const;

 private:
  Status begin(const std::string& line);

  SliceVisitor& visitor_;
  LineReader reader_;
  SliceHead head_;
  std::uint64_t left_ = 0;  // of the slice's bytes
};

}  // namespace tlog::logset
