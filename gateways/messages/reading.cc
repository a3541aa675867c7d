#include "gateways/messages/reading.h"

#include <cstring>
#include <utility>

namespace tlog::messages {
namespace {

constexpr std::uint64_t kPieceBytes = 512 * kKiB;
constexpr std::size_t kCopiedMessages = 1024;  // who appends waits meanwhile

}  // namespace

Result<Sequence> visit_records(Sequence first, Sequence last, const ReadRecords& read,
                               const MessageLog::Visitor& visitor) {
  std::uint64_t bytes = 0;
  Sequence reached = first - 1;
  TLOG_TRY(read([&](std::span<const format::Record> records) -> Result<bool> {
    for (const format::Record& record : records) {
      reached = record.sequence;
      if (record.operation != Operation::kMark) continue;
      bytes += record.data.size() + sizeof(Message);
      visitor({.id = record.sequence,
               .timestamp = record.timestamp,
               .text = std::string(reinterpret_cast<const char*>(record.data.data()),
                                   record.data.size())});
    }
    return bytes < kPieceBytes;
  }));
  if (reached < first)
    return fail(Code::kCorruption, "read: the log gave no records where it says it has some");
  return std::min(reached, last);
}

std::vector<Message> copy_recent(const Recent& recent, Sequence first, Sequence last) {
  std::vector<Message> copied;
  for (Sequence id = first; id <= last && recent.has(id) && copied.size() < kCopiedMessages; ++id)
    copied.push_back(recent.at(id));
  return copied;
}

Sequence visit_all(std::vector<Message> messages, const MessageLog::Visitor& visitor) {
  const Sequence last = messages.back().id;
  for (Message& message : messages) visitor(std::move(message));
  return last;
}

Result<protocol::Batch> read_batch(server::ServedLog& log, Sequence first, Sequence last,
                                   std::uint64_t bytes_wanted) {
  std::vector<format::Record> records;
  std::vector<std::byte> bytes;
  TLOG_TRY(log.read(first, last, [&](std::span<const format::Record> some) -> Result<bool> {
    for (const format::Record& record : some) {
      const bool is_full = bytes.size() + records.size() * sizeof(format::Record) >= bytes_wanted;
      if (!records.empty() && is_full) return false;
      records.push_back(record);
      bytes.insert(bytes.end(), record.data.begin(), record.data.end());
    }
    return true;
  }));
  if (records.empty() || records.front().sequence != first)
    return fail(Code::kCorruption, "read: the log gave other records than those asked for");
  protocol::Batch batch{.bytes = Buffer::copy_of(bytes), .records = std::move(records)};
  std::size_t at = 0;
  for (format::Record& record : batch.records) {
    record.data = batch.bytes.span().subspan(at, record.data.size());
    at += record.data.size();
  }
  return batch;
}

}  // namespace tlog::messages
