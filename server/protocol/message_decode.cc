#include <fmt/format.h>

#include "server/protocol/message_wire.h"
#include "tlog/base/crc32c.h"

namespace tlog::protocol {
namespace {

using format::hash_from;
using format::read_text;
using format::uuid_from;

// An error of a newer version that has no name here is one that may go away.
Code code_of(wire::Status status) {
  for (const auto& [code, known] : kStatuses) {
    if (known == status) return code;
  }
  return Code::kUnavailable;
}

Result<format::VdiskFormat> read_format(wire::VdiskFormat::Reader from) {
  format::VdiskFormat format;
  format.vdisk = uuid_from(from.getVdiskID());
  TLOG_ASSIGN(format.name, read_text(from.getName(), kTextMax));
  format.size = from.getSize();
  format.block_size = from.getBlockSize();
  format.data_shards = from.getK();
  format.parity_shards = from.getM();
  if (format.size > kVdiskSizeMax || format.data_shards > kDataShardsMax ||
      format.parity_shards > kParityShardsMax) {
    return fail(Code::kCorruption,
                fmt::format("impossible format: size {}, {}+{} shards", format.size,
                            format.data_shards, format.parity_shards));
  }
  return format;
}

Settings read_settings(wire::Settings::Reader from) {
  return {.flush_size = from.getFlushSize(),
          .flush_time_ns = from.getFlushTime(),
          .write_quorum = from.getWriteQuorum(),
          .slave_sync = from.getSlaveSync()};
}

LogPosition read_position(wire::LogPosition::Reader from) {
  return {.epoch = from.getEpoch(),
          .number = from.getNumber(),
          .sequence = from.getSequence(),
          .timestamp = from.getTimestamp(),
          .hash = hash_from(from.getHash())};
}

Result<Role> read_role(wire::Role role) {
  switch (role) {
    case wire::Role::WRITER:
      return Role::kWriter;
    case wire::Role::READER:
      return Role::kReader;
    case wire::Role::NONE:
      return fail(Code::kCorruption, "no role");
    default:
      return fail(Code::kNotSupported,
                  fmt::format("role {} is not known to this version; upgrade", unsigned(role)));
  }
}

Result<Message> read(wire::Hello::Reader from) {
  Hello hello;
  hello.version_min = from.getVersionMin();
  hello.version_max = from.getVersion();
  if (hello.version_min == 0 || hello.version_min > hello.version_max) {
    return fail(Code::kCorruption,
                fmt::format("versions {} to {}", hello.version_min, hello.version_max));
  }
  TLOG_ASSIGN(hello.role, read_role(from.getRole()));
  hello.may_create = from.getMayCreate();
  hello.take_over = from.getTakeOver();
  TLOG_ASSIGN(hello.client, read_text(from.getClient(), kTextMax));
  hello.journal = uuid_from(from.getJournal());
  TLOG_ASSIGN(hello.format, read_format(from.getFormat()));
  hello.settings = read_settings(from.getSettings());
  const auto key = from.getKey();
  if (key.size() != 0 && key.size() != kKeyBytes)
    return fail(Code::kCorruption, fmt::format("a key of {} bytes", key.size()));
  hello.key.assign(key.begin(), key.end());
  return Message(std::move(hello));
}

Result<Message> read(wire::Welcome::Reader from) {
  Welcome welcome;
  welcome.version = from.getVersion();
  if (welcome.version == 0) return fail(Code::kCorruption, "version 0");
  welcome.created = from.getCreated();
  welcome.server = uuid_from(from.getServer());
  welcome.session = uuid_from(from.getSession());
  welcome.log = uuid_from(from.getLog());
  TLOG_ASSIGN(welcome.format, read_format(from.getFormat()));
  welcome.epoch = from.getEpoch();
  welcome.stored = read_position(from.getLastFlushed());
  welcome.received = from.getReceived();
  welcome.settings = read_settings(from.getSettings());
  welcome.batch_bytes_max = from.getBatchBytesMax();
  welcome.memory_bytes_max = from.getMemoryBytesMax();
  return Message(std::move(welcome));
}

// Refusal and Disconnect: why a connection ends. There is always a reason.
template <class T, class Reader>
Result<Message> read_ending(Reader from) {
  if (from.getStatus() == wire::Status::OK) return fail(Code::kCorruption, "no status");
  TLOG_ASSIGN(std::string reason, read_text(from.getReason(), kTextMax));
  return Message(T{.code = code_of(from.getStatus()), .reason = std::move(reason)});
}

Result<Message> read(wire::Reply::Reader from) {
  Reply reply;
  reply.id = from.getId();
  TLOG_ASSIGN(std::string reason, read_text(from.getReason(), kTextMax));
  if (from.getStatus() != wire::Status::OK)
    reply.error = Error(code_of(from.getStatus()), std::move(reason));
  auto sequences = from.getSequences();
  if (sequences.size() > kReplySequencesMax)
    return fail(Code::kCorruption, fmt::format("{} sequences", sequences.size()));
  reply.sequences.reserve(sequences.size());
  for (Sequence sequence : sequences) reply.sequences.push_back(sequence);
  TLOG_ASSIGN(reply.text, read_text(from.getText(), kReplyTextMax));
  return Message(std::move(reply));
}

Message read(wire::Progress::Reader from) {
  return Progress{
      .received = from.getReceived(), .stored = from.getFlushed(), .synced = from.getSynced()};
}
Message read(wire::ReadLog::Reader from) {
  return ReadLog{.id = from.getId(), .first = from.getFirst(), .last = from.getLast()};
}
Message read(wire::Echo::Reader from) {
  return Echo{
      .id = from.getId(), .client_ns = from.getClientTime(), .server_ns = from.getServerTime()};
}

Result<Message> read(wire::Message::Reader from) {
  switch (from.which()) {
    case wire::Message::HELLO:
      return read(from.getHello());
    case wire::Message::WELCOME:
      return read(from.getWelcome());
    case wire::Message::REFUSAL:
      return read_ending<Refusal>(from.getRefusal());
    case wire::Message::ATTACH:
      return Message(Attach{uuid_from(from.getAttach().getSession())});
    case wire::Message::ATTACHED:
      return Message(Attached{});
    case wire::Message::PROGRESS:
      return read(from.getProgress());
    case wire::Message::FORCE_FLUSH:
      return Message(ForceFlush{.id = from.getForceFlush().getId(),
                                .sequence = from.getForceFlush().getSequence()});
    case wire::Message::WAIT_NBD_SLAVE_SYNC:
      return Message(WaitSlaveSync{.id = from.getWaitNbdSlaveSync().getId(),
                                   .timeout_ns = from.getWaitNbdSlaveSync().getTimeout()});
    case wire::Message::STATUS_REQUEST:
      return Message(StatusRequest{from.getStatusRequest().getId()});
    case wire::Message::READ_LOG:
      return read(from.getReadLog());
    case wire::Message::REPLY:
      return read(from.getReply());
    case wire::Message::ECHO:
      return read(from.getEcho());
    case wire::Message::DISCONNECT:
      return read_ending<Disconnect>(from.getDisconnect());
    case wire::Message::NOTHING:
      return fail(Code::kCorruption, "it says nothing");
    default:
      return fail(Code::kNotSupported, fmt::format("kind {} is not known to this version; upgrade",
                                                   unsigned(from.which())));
  }
}

Result<Message> read_words(kj::ArrayPtr<const capnp::word> words) {
  if (!format::is_one_segment(words))
    return fail(Code::kCorruption, "it is not one segment of its length");
  return format::catch_kj<Message>("words", [&]() -> Result<Message> {
    capnp::FlatArrayMessageReader reader(words, format::reader_options(words.size()));
    return read(reader.getRoot<wire::Message>());
  });
}

Result<Message> read_body(ConstByteSpan body) {
  if (body.size() > kMessageBytesMax || body.size() < format::kFramingBytes + kBodyChecksumBytes ||
      (body.size() - kBodyChecksumBytes) % sizeof(capnp::word) != 0) {
    return fail(Code::kCorruption, fmt::format("length {}", body.size()));
  }
  const ConstByteSpan covered = body.first(body.size() - kBodyChecksumBytes);
  if (crc32c(covered) != format::load<std::uint32_t>(body.data() + covered.size()))
    return fail(Code::kCorruption, "wrong checksum");
  auto read_at = [&](const std::byte* at) {
    return read_words(kj::arrayPtr(reinterpret_cast<const capnp::word*>(at),
                                   covered.size() / sizeof(capnp::word)));
  };
  if (reinterpret_cast<std::uintptr_t>(body.data()) % alignof(capnp::word) == 0)
    return read_at(body.data());
  Buffer aligned = Buffer::copy_of(covered);
  auto message = read_at(aligned.data());
  wipe(aligned.span());
  return message;
}

}  // namespace

Result<Message> decode(ConstByteSpan body) {
  auto message = read_body(body);
  if (!message) return fail(message.error().within("message"));
  return message;
}

}  // namespace tlog::protocol
