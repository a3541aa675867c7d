#include "tlog/blocks/server_change.h"

#include <fmt/format.h>

#include <algorithm>

namespace tlog::blocks {
namespace {

using store::RespReply;
using store::RespRequest;

constexpr unsigned kUnderWayMax = 4;
constexpr std::size_t kBytesAtOnce = 256 * kKiB;
constexpr std::size_t kBlocksAtOnce = 64;
constexpr std::size_t kZerosAtOnce = 2048;

}  // namespace

ServerChange::ServerChange(std::shared_ptr<BlockServer> server, BlockServer::Change change,
                           BlockServer::ChangeDone done)
    : server_(std::move(server)),
      changes_(std::move(change.changes)),
      upto_(change.upto),
      from_(change.from),
      chain_(std::move(change.chain)),
      done_(std::move(done)) {}

void ServerChange::finish(Status status) {
  if (!done_) return;
  // One that is refused because the server lacks something says nothing of its taking changes.
  if (!status && has_sent_) server_->changes_fail_ = true;
  if (!status) {
    server_->usable_ = false;
  } else if (!from_) {
    server_->usable_ = true;
  }
  BlockServer::ChangeDone done = std::move(done_);
  done(std::move(status));
}

void ServerChange::start() {
  if (!from_ && server_->lacks_) return finish(fail(server_->lacks_error()));
  server_->possible_ = std::max(server_->possible_, upto_);
  // How far earlier changes reach is known on the connection that is there. It must not be said on
  // the next one, before its handshake has asked.
  if (server_->connection_->is_up()) announce();
  look();
}

// Before the first change, so that whoever comes later knows what it may find.
void ServerChange::announce() {
  if (changes_->empty()) return;
  announced_ = true;
  has_sent_ = true;
  // That it was taken is seen in the record that is read next.
  server_->submit(server_->applying_command(upto_),
                  [self = shared_from_this()](const Result<RespReply>& reply) {
                    if (!reply) self->status_ = fail(reply.error());
                  });
}

bool ServerChange::is_announced(const ServerRecord& record) const {
  return changes_->empty() ||
         (record.applying && record.applying->epoch == server_->options_.epoch &&
          record.applying->sequence >= upto_);
}

void ServerChange::look() {
  // Waits for a connection when there is none.
  server_->submit(
      server_->record_command(0),
      [self = shared_from_this()](const Result<RespReply>& reply) { self->look_first(reply); });
}

void ServerChange::look_first(const Result<RespReply>& reply) {
  if (!reply) return finish(fail(reply.error()));
  auto record = parse_record(*reply);
  if (!record) return finish(fail(server_->connection_->unexpected(*reply)));
  if (!from_) {
    if (Status trusted = server_->trust(*record, server_->needed_); !trusted)
      return finish(std::move(trusted));
    // Given again after a restart or a lost connection: it is there already.
    if (record->applied.sequence >= upto_) {
      server_->needed_ = std::max(server_->needed_, upto_);
      return finish({});
    }
  } else {
    if (Status owned = server_->check_owner(*record); !owned)
      return finish(fail(owned.error().within(server_->name())));
    if (!record->id || record->applied.sequence != *from_) {
      server_->assess(*record);
      return finish(fail(server_->other_than_left_error()));
    }
  }
  if (!is_announced(*record)) {
    if (announced_) {
      return finish(!status_ ? std::move(status_)
                             : fail(Code::kUnavailable,
                                    fmt::format("{}: did not take the announcement of sequence {}",
                                                server_->name(), upto_)));
    }
    announce();
    return look();
  }
  incarnation_ = server_->incarnation_;
  pump();
}

bool ServerChange::same_connection() const {
  return server_->connection_->is_up() && server_->incarnation_ == incarnation_;
}

std::unique_ptr<RespRequest> ServerChange::next_zeros() {
  const std::size_t servers = server_->options_.layout.servers;
  const std::size_t own = server_->options_.number;
  std::vector<std::uint64_t> indexes;
  while (range_ < changes_->zeros.size() && indexes.size() < kZerosAtOnce) {
    const BlockRange& range = changes_->zeros[range_];
    std::uint64_t index = std::max(next_index_, range.first);
    index += (own + servers - index % servers) % servers;  // the first one of this server
    while (index < range.end && indexes.size() < kZerosAtOnce) {
      indexes.push_back(index);
      index += servers;
    }
    next_index_ = index;
    if (index < range.end) break;
    ++range_;
    next_index_ = 0;
  }
  if (indexes.empty()) return nullptr;
  auto request = std::make_unique<RespRequest>();
  request->head = store::command_head(2 + indexes.size());
  store::append_word(request->head, "HDEL");
  store::append_word(request->head, server_->key_);
  for (std::uint64_t index : indexes) store::append_word(request->head, std::to_string(index));
  return request;
}

std::unique_ptr<RespRequest> ServerChange::next_data() {
  const auto& data = changes_->data;
  const std::size_t fit =
      std::clamp<std::size_t>(kBytesAtOnce / server_->options_.layout.block_size, 1, kBlocksAtOnce);
  const std::size_t count = std::min(data.size() - next_block_, fit);
  if (count == 0) return nullptr;
  auto request = std::make_unique<RespRequest>();
  request->head = store::command_head(2 + 2 * count);
  store::append_word(request->head, "HMSET");
  store::append_word(request->head, server_->key_);
  request->texts.reserve(count);  // the payload points into it
  for (std::size_t i = 0; i < count; ++i) {
    const BlockBytes& block = data[next_block_ + i];
    std::string text(i == 0 ? "" : store::kLineEnd);
    store::append_word(text, std::to_string(block.index));
    text += fmt::format("${}", block.bytes.size());
    text += store::kLineEnd;
    request->texts.push_back(std::move(text));
    request->payload.push_back(bytes_of(std::string_view(request->texts.back())));
    request->payload.push_back(block.bytes);
  }
  next_block_ += count;
  return request;
}

void ServerChange::send(std::unique_ptr<RespRequest> request) {
  ++under_way_;
  request->done = [self = shared_from_this()](const Result<RespReply>& reply) {
    --self->under_way_;
    if (!reply && self->status_) self->status_ = fail(reply.error());
    self->pump();
  };
  server_->connection_->submit(std::move(request));
}

void ServerChange::pump() {
  while (status_ && under_way_ < kUnderWayMax) {
    if (!same_connection()) {
      status_ = fail(Code::kUnavailable,
                     fmt::format("{}: the connection was lost within a batch", server_->name()));
      break;
    }
    // Zeros first: a range of them may lie around data.
    auto request = next_zeros();
    if (!request) request = next_data();
    if (!request) break;
    send(std::move(request));
  }
  if (under_way_ != 0 || concluding_) return;
  if (!status_) return finish(std::move(status_));
  conclude();
}

// Everything has been confirmed, on the connection that is still up: so the record may say so.
void ServerChange::conclude() {
  concluding_ = true;
  has_sent_ = true;
  const std::string applied = applied_text({upto_, server_->options_.epoch});
  server_->submit(chain_.empty()
                      ? store::encode_command({"HSET", server_->key_, kAppliedField, applied})
                      : store::encode_command(
                            {"HMSET", server_->key_, kAppliedField, applied, kChainField, chain_}),
                  [](const Result<RespReply>&) {});  // the record that is read next shows it
  server_->submit(
      server_->record_command(0),
      [self = shared_from_this()](const Result<RespReply>& reply) { self->look_last(reply); });
}

void ServerChange::look_last(const Result<RespReply>& reply) {
  if (!reply) return finish(fail(reply.error()));
  auto record = parse_record(*reply);
  if (!record) return finish(fail(server_->connection_->unexpected(*reply)));
  if (!same_connection() || record->applied.sequence != upto_) {
    return finish(fail(Code::kUnavailable, fmt::format("{}: did not take the record of sequence {}",
                                                       server_->name(), upto_)));
  }
  // Emptied in the middle: then the record stands alone, without its id.
  server_->needed_ = std::max(server_->needed_, upto_);
  server_->changes_fail_ = false;
  if (!from_) {
    if (Status trusted = server_->trust(*record, server_->needed_); !trusted)
      return finish(std::move(trusted));
    server_->note_current();
    return finish({});
  }
  if (Status owned = server_->check_owner(*record); !owned)
    return finish(fail(owned.error().within(server_->name())));
  server_->assess(*record);
  finish(record->id ? Status() : fail(server_->other_than_left_error()));
}

}  // namespace tlog::blocks
