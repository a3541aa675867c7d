#include "tlog/store/resp_reply.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <new>

namespace tlog::store {
namespace {

// Of one array; SCAN answers some thousands. A corrupt count must not become memory.
constexpr int kElementsMax = 1 << 20;

// hiredis is C: nothing may be thrown through it, a null object makes it fail with "out of memory".
template <class Fill>
void* make_object(const redisReadTask* task, Fill fill) noexcept {
  try {
    if (task->parent != nullptr) {
      auto* array = static_cast<RespReply*>(task->parent->obj);
      RespReply& element = array->elements.at(static_cast<std::size_t>(task->idx));
      fill(element);
      return &element;
    }
    auto reply = std::make_unique<RespReply>();
    fill(*reply);
    return reply.release();
  } catch (const std::exception&) {
    return nullptr;
  }
}

void* make_string(const redisReadTask* task, char* text, std::size_t length) {
  return make_object(task, [&](RespReply& reply) {
    if (task->type == REDIS_REPLY_STRING) {
      reply.type = RespReply::Type::kString;
      reply.value = Buffer::copy_of(std::as_bytes(std::span(text, length)));
    } else {
      bool is_error = task->type == REDIS_REPLY_ERROR;
      reply.type = is_error ? RespReply::Type::kError : RespReply::Type::kStatus;
      reply.text.assign(text, length);
    }
  });
}

void* make_array(const redisReadTask* task, int elements) {
  if (elements < 0 || elements > kElementsMax) return nullptr;
  return make_object(task, [&](RespReply& reply) {
    reply.type = RespReply::Type::kArray;
    reply.elements.resize(static_cast<std::size_t>(elements));
  });
}

void* make_integer(const redisReadTask* task, long long value) {
  return make_object(task, [&](RespReply& reply) {
    reply.type = RespReply::Type::kInteger;
    reply.integer = value;
  });
}

void* make_nil(const redisReadTask* task) {
  return make_object(task, [](RespReply& reply) { reply.type = RespReply::Type::kNil; });
}

void free_object(void* object) {
  delete static_cast<RespReply*>(object);  // only ever the root
}

redisReplyObjectFunctions functions = {make_string, make_array, make_integer, make_nil,
                                       free_object};

}  // namespace

struct RespParser::Reader {
  redisReader* reader = redisReaderCreateWithFunctions(&functions);
  Reader() {
    if (reader == nullptr) throw std::bad_alloc();
    reader->maxbuf = 0;  // keep the buffer: it will be as large again
  }
  ~Reader() { redisReaderFree(reader); }
  Error error() const {
    return Error(Code::kUnavailable, fmt::format("not the redis protocol: {}", reader->errstr));
  }
};

RespParser::RespParser() : reader_(std::make_unique<Reader>()) {}
RespParser::~RespParser() = default;

Status RespParser::feed(ConstByteSpan bytes) {
  if (redisReaderFeed(reader_->reader, reinterpret_cast<const char*>(bytes.data()), bytes.size()) ==
      REDIS_OK) {
    return {};
  }
  return fail(reader_->error());
}

Result<std::optional<RespReply>> RespParser::next() {
  void* object = nullptr;
  if (redisReaderGetReply(reader_->reader, &object) != REDIS_OK) return fail(reader_->error());
  if (object == nullptr) return std::optional<RespReply>();
  std::unique_ptr<RespReply> reply(static_cast<RespReply*>(object));
  return std::optional<RespReply>(std::move(*reply));
}

}  // namespace tlog::store
