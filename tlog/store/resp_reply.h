// File: tlog/store/resp_reply.h
// Replies of a redis-protocol server (RESP2) and their parser, by hiredis' reader.
// Threading: values; a parser belongs to one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tlog/base/buffer.h"
#include "tlog/base/types.h"

namespace tlog::store {

struct RespReply {
  enum class Type { kString, kStatus, kError, kInteger, kNil, kArray };
  Type type = Type::kNil;
  std::int64_t integer = 0;
  Buffer value;      // kString
  std::string text;  // kStatus, kError
  std::vector<RespReply> elements;

  std::string_view value_text() const {
    return {reinterpret_cast<const char*>(value.data()), value.size()};
  }
};

class RespParser {
 public:
  RespParser();
  ~RespParser();

  // After an error the stream cannot be trusted any more: drop the connection.
  Status feed(ConstByteSpan bytes);
  // The next whole reply, if there is one.
  Result<std::optional<RespReply>> next();

 private:
  struct Reader;
  const std::unique_ptr<Reader> reader_;
};

}  // namespace tlog::store
