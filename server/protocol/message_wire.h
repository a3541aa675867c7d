// File: server/protocol/message_wire.h
// What encoding and decoding messages share: the schema, the frame of a body, and the names of
// errors. Included by .cc files only.
#pragma once

#include "tlog/format/capnp_border.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "server/protocol/protocol.capnp.h"
#pragma GCC diagnostic pop

#include <utility>

#include "server/protocol/frame.h"
#include "server/protocol/message.h"

namespace tlog::protocol {

// A body is one segment of words with its framing, and a CRC-32C of all that.
constexpr std::size_t kBodyChecksumBytes = 4;

constexpr std::pair<Code, wire::Status> kStatuses[] = {
    {Code::kInvalidArgument, wire::Status::INVALID_ARGUMENT},
    {Code::kNotFound, wire::Status::NOT_FOUND},
    {Code::kAlreadyExists, wire::Status::ALREADY_EXISTS},
    {Code::kCorruption, wire::Status::CORRUPTION},
    {Code::kWrongKey, wire::Status::WRONG_KEY},
    {Code::kIoError, wire::Status::IO_ERROR},
    {Code::kNoSpace, wire::Status::NO_SPACE},
    {Code::kUnavailable, wire::Status::UNAVAILABLE},
    {Code::kTimeout, wire::Status::TIMEOUT},
    {Code::kFenced, wire::Status::FENCED},
    {Code::kShutdown, wire::Status::SHUTDOWN},
    {Code::kNotSupported, wire::Status::NOT_SUPPORTED},
};

}  // namespace tlog::protocol
