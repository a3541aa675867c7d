// Messages and records: reading the one out of the other, a piece of moderate size at a time.
// Threading: pure functions, but that they read what they are given.
#pragma once

#include "gateways/messages/recent.h"
#include "server/log/served_log.h"

namespace tlog::messages {

// See MessageLog::read(). Records that are no messages are passed over.
using ReadRecords = std::function<Status(const server::ServedLog::Visitor&)>;
Result<Sequence> visit_records(Sequence first, Sequence last, const ReadRecords& read,
                               const MessageLog::Visitor& visitor);
// A copy of those that are there from `first` on, a piece at most: for who visits them without the
// lock that guards them.
std::vector<Message> copy_recent(const Recent& recent, Sequence first, Sequence last);
// Answers the last; at least one.
Sequence visit_all(std::vector<Message> messages, const MessageLog::Visitor& visitor);

// Copied, about so many bytes; at least one record.
Result<protocol::Batch> read_batch(server::ServedLog& log, Sequence first, Sequence last,
                                   std::uint64_t bytes_wanted);

}  // namespace tlog::messages
