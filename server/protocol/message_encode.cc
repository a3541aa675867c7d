#include <fmt/format.h>

#include <algorithm>

#include "server/protocol/message_wire.h"
#include "tlog/base/assert.h"
#include "tlog/base/crc32c.h"

namespace tlog::protocol {
namespace {

using format::set_words;
using format::text_of;

// More than the structs of any message need, texts and lists aside.
constexpr std::size_t kFixedWords = 128;

// So much of a text that is for people as is sent: never half a character of UTF-8.
std::size_t cut_length(const std::string& text) {
  if (text.size() <= kTextMax) return text.size();
  std::size_t length = kTextMax;
  while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) --length;
  return length;
}

std::size_t text_words(std::size_t length) {
  return length / sizeof(capnp::word) + 1;  // with the closing zero
}
// A name is not cut to another one: one byte too many is what the peer refuses.
std::size_t name_length(const std::string& name) {
  return std::min(name.size(), kTextMax + 1);
}

// Room for texts and lists.
template <class T>
std::size_t variable_words(const T&) {
  return 0;
}
std::size_t variable_words(const Hello& hello) {
  return text_words(cut_length(hello.client)) + text_words(name_length(hello.format.name)) +
         text_words(hello.key.size());
}
std::size_t variable_words(const Welcome& welcome) {
  return text_words(name_length(welcome.format.name));
}
std::size_t variable_words(const Refusal& refusal) {
  return text_words(cut_length(refusal.reason));
}
std::size_t variable_words(const Disconnect& disconnect) {
  return text_words(cut_length(disconnect.reason));
}
std::size_t variable_words(const Reply& reply) {
  return (reply.error ? text_words(cut_length(reply.error->message())) : 0) +
         reply.sequences.size() + text_words(reply.text.size());
}

wire::Status status_of(Code code) {
  for (const auto& [known, status] : kStatuses) {
    if (known == code) return status;
  }
  return wire::Status::UNAVAILABLE;
}

template <class Builder>
void write_reason(Builder into, const std::string& reason) {
  const std::size_t length = cut_length(reason);
  into.setReason(text_of(length == reason.size() ? reason : reason.substr(0, length)));
}

void write_format(wire::VdiskFormat::Builder into, const format::VdiskFormat& format) {
  set_words(into.getVdiskID(), format.vdisk);
  into.setName(text_of(format.name.substr(0, name_length(format.name))));
  into.setSize(format.size);
  into.setBlockSize(format.block_size);
  into.setK(format.data_shards);
  into.setM(format.parity_shards);
}

void write_settings(wire::Settings::Builder into, const Settings& settings) {
  into.setFlushSize(settings.flush_size);
  into.setFlushTime(settings.flush_time_ns);
  into.setWriteQuorum(settings.write_quorum);
  into.setSlaveSync(settings.slave_sync);
}

void write_position(wire::LogPosition::Builder into, const LogPosition& position) {
  into.setEpoch(position.epoch);
  into.setNumber(position.number);
  into.setSequence(position.sequence);
  into.setTimestamp(position.timestamp);
  set_words(into.getHash(), position.hash);
}

struct Writer {
  wire::Message::Builder root;

  void operator()(const Hello& hello) {
    TLOG_ASSERT(hello.key.empty() || hello.key.size() == kKeyBytes);
    auto into = root.initHello();
    into.setVersionMin(hello.version_min);
    into.setVersion(hello.version_max);
    into.setRole(hello.role == Role::kWriter ? wire::Role::WRITER : wire::Role::READER);
    into.setMayCreate(hello.may_create);
    into.setTakeOver(hello.take_over);
    into.setClient(text_of(hello.client.substr(0, cut_length(hello.client))));
    set_words(into.getJournal(), hello.journal);
    write_format(into.initFormat(), hello.format);
    write_settings(into.initSettings(), hello.settings);
    into.setKey(kj::arrayPtr(hello.key.data(), hello.key.size()));
  }
  void operator()(const Welcome& welcome) {
    auto into = root.initWelcome();
    into.setVersion(welcome.version);
    into.setCreated(welcome.created);
    set_words(into.getServer(), welcome.server);
    set_words(into.getSession(), welcome.session);
    set_words(into.getLog(), welcome.log);
    write_format(into.initFormat(), welcome.format);
    into.setEpoch(welcome.epoch);
    write_position(into.initLastFlushed(), welcome.stored);
    into.setReceived(welcome.received);
    write_settings(into.initSettings(), welcome.settings);
    into.setBatchBytesMax(welcome.batch_bytes_max);
    into.setMemoryBytesMax(welcome.memory_bytes_max);
  }
  void operator()(const Refusal& refusal) {
    auto into = root.initRefusal();
    into.setStatus(status_of(refusal.code));
    write_reason(into, refusal.reason);
  }
  void operator()(const Attach& attach) {
    set_words(root.initAttach().getSession(), attach.session);
  }
  void operator()(const Attached&) { root.setAttached(); }
  void operator()(const Progress& progress) {
    auto into = root.initProgress();
    into.setReceived(progress.received);
    into.setFlushed(progress.stored);
    into.setSynced(progress.synced);
  }
  void operator()(const ForceFlush& request) {
    auto into = root.initForceFlush();
    into.setId(request.id);
    into.setSequence(request.sequence);
  }
  void operator()(const WaitSlaveSync& request) {
    auto into = root.initWaitNbdSlaveSync();
    into.setId(request.id);
    into.setTimeout(request.timeout_ns);
  }
  void operator()(const StatusRequest& request) { root.initStatusRequest().setId(request.id); }
  void operator()(const ReadLog& request) {
    auto into = root.initReadLog();
    into.setId(request.id);
    into.setFirst(request.first);
    into.setLast(request.last);
  }
  void operator()(const Reply& reply) {
    auto into = root.initReply();
    into.setId(reply.id);
    if (reply.error) {
      into.setStatus(status_of(reply.error->code()));
      write_reason(into, reply.error->message());
    }
    auto sequences = into.initSequences(static_cast<unsigned>(reply.sequences.size()));
    for (unsigned i = 0; i < sequences.size(); ++i) sequences.set(i, reply.sequences[i]);
    into.setText(text_of(reply.text));
  }
  void operator()(const Echo& echo) {
    auto into = root.initEcho();
    into.setId(echo.id);
    into.setClientTime(echo.client_ns);
    into.setServerTime(echo.server_ns);
  }
  void operator()(const Disconnect& disconnect) {
    auto into = root.initDisconnect();
    into.setStatus(status_of(disconnect.code));
    write_reason(into, disconnect.reason);
  }
};

bool is_too_long(const Reply& reply) {
  return reply.text.size() > kReplyTextMax || reply.sequences.size() > kReplySequencesMax;
}

Reply too_long_error(const Reply& reply) {
  return {
      .id = reply.id,
      .error = Error(Code::kNotSupported,
                     fmt::format("reply: a text of {} bytes and {} sequences, at most {} and {} "
                                 "can be sent; ask for less at once",
                                 reply.text.size(), reply.sequences.size(), kReplyTextMax,
                                 kReplySequencesMax)),
      .sequences = {},
      .text = {}};
}

}  // namespace

// Laid out in the buffer that is returned: there is no other copy, of a key either.
Buffer encode(const Message& message) {
  if (const auto* reply = std::get_if<Reply>(&message); reply != nullptr && is_too_long(*reply)) {
    return encode(too_long_error(*reply));
  }
  const std::size_t words_max =
      kFixedWords + std::visit([](const auto& value) { return variable_words(value); }, message);
  Buffer body(format::kFramingBytes + words_max * sizeof(capnp::word) + kBodyChecksumBytes);
  std::memset(body.data(), 0, body.size());
  capnp::FlatMessageBuilder builder(
      kj::arrayPtr(reinterpret_cast<capnp::word*>(body.data() + format::kFramingBytes), words_max));
  std::visit(Writer{builder.initRoot<wire::Message>()}, message);
  const std::size_t words = builder.getSegmentsForOutput()[0].size();
  format::store_framing(body.data(), words);
  body.reset_size(format::kFramingBytes + words * sizeof(capnp::word) + kBodyChecksumBytes);
  TLOG_ASSERT(body.size() <= kMessageBytesMax);
  const ConstByteSpan covered = body.span().first(body.size() - kBodyChecksumBytes);
  format::store<std::uint32_t>(body.data() + covered.size(), crc32c(covered));
  return body;
}

}  // namespace tlog::protocol
