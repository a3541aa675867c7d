// A store over one redis-protocol server: the calls of Store as commands of the protocol.
#include <fmt/format.h>

#include <set>

#include "tlog/store/resp_connection.h"

namespace tlog::store {
namespace {

// Keys asked for in one SCAN: long enough to be quick, short enough not to hold up the server's
// other clients.
constexpr std::string_view kScanCount = "1000";

class RespStore final : public Store {
 public:
  RespStore(const RespStoreOptions& options, io::Loop& loop, Logger& logger)
      : name_(fmt::format("redis {}@{}", options.address, options.db.empty() ? "0" : options.db)),
        queued_bytes_max_(options.queued_bytes_max),
        loop_(loop),
        connection_(std::make_shared<RespConnection>(options, name_, loop, logger, health_)) {
    loop_.post([connection = connection_] { connection->open(); });
  }
  ~RespStore() override {
    loop_.post([connection = connection_] { connection->close(); });
  }

  void put(std::string key, std::vector<ConstByteSpan> pieces, PutOptions options,
           PutDone done) override;
  void get(std::string key, GetDone done) override;
  void stat(std::string key, StatDone done) override;
  void remove(std::string key, PutDone done) override;
  void scan(std::string prefix, std::string after, std::size_t limit, ScanDone done) override;
  void hurry() override {}  // nothing is gathered: every put is sent in its turn
  StoreStatus status() const override {
    StoreStatus status;
    status.name = name_;
    health_->copy_to(status);
    return status;
  }
  const std::string& name() const override { return name_; }
  void close(std::function<void()> done) override {
    loop_.post([connection = connection_, done = std::move(done)] {
      connection->close();
      done();
    });
  }

 private:
  void submit(std::string command, ReplyDone done);
  Error absent(const std::string& key) const {
    return Error(Code::kNotFound, fmt::format("get: {}: no {}", name_, key));
  }

  const std::string name_;
  const std::uint64_t queued_bytes_max_;
  io::Loop& loop_;
  const std::shared_ptr<RespHealth> health_ = std::make_shared<RespHealth>();
  const std::shared_ptr<RespConnection> connection_;
};

void RespStore::submit(std::string command, ReplyDone done) {
  auto request = std::make_shared<std::unique_ptr<RespRequest>>(std::make_unique<RespRequest>());
  (*request)->head = std::move(command);
  (*request)->done = std::move(done);
  loop_.post([connection = connection_, request] { connection->submit(std::move(*request)); });
}

void RespStore::put(std::string key, std::vector<ConstByteSpan> pieces, PutOptions, PutDone done) {
  std::uint64_t size = 0;
  for (ConstByteSpan piece : pieces) size += piece.size();
  if (health_->queued_bytes.fetch_add(size) + size > queued_bytes_max_) {
    health_->queued_bytes -= size;
    ++health_->errors;
    loop_.post([done = std::move(done), name = name_] {
      done(fail(Code::kUnavailable,
                fmt::format("put: {}: too much is waiting for this server", name)));
    });
    return;
  }
  auto request = std::make_shared<std::unique_ptr<RespRequest>>(std::make_unique<RespRequest>());
  (*request)->head = encode_set_head(key, size);
  // An empty value, too, has a payload: the line end that comes after it.
  (*request)->payload =
      pieces.empty() ? std::vector<ConstByteSpan>{ConstByteSpan()} : std::move(pieces);
  (*request)->queued_bytes = size;
  (*request)->done = [connection = connection_, health = health_, size,
                      done = std::move(done)](Result<RespReply> reply) {
    if (!reply) return done(fail(std::move(reply).error()));
    if (reply->type != RespReply::Type::kStatus || reply->text != "OK") {
      return done(fail(connection->unexpected(*reply)));
    }
    health->put_bytes += size;
    done({});
  };
  loop_.post([connection = connection_, request] { connection->submit(std::move(*request)); });
}

void RespStore::get(std::string key, GetDone done) {
  submit(encode_command({"GET", key}),
         [connection = connection_, health = health_, error = absent(key),
          done = std::move(done)](Result<RespReply> reply) {
           if (!reply) return done(fail(std::move(reply).error()));
           if (reply->type == RespReply::Type::kNil) return done(fail(error));
           if (reply->type != RespReply::Type::kString)
             return done(fail(connection->unexpected(*reply)));
           health->get_bytes += reply->value.size();
           done(std::move(reply->value));
         });
}

void RespStore::stat(std::string key, StatDone done) {
  submit(encode_command({"STRLEN", key}), [connection = connection_, error = absent(key),
                                           done = std::move(done)](Result<RespReply> reply) {
    if (!reply) return done(fail(std::move(reply).error()));
    if (reply->type != RespReply::Type::kInteger || reply->integer < 0) {
      return done(fail(connection->unexpected(*reply)));
    }
    // 0 is also the length of a key that is not there; no value of ours is empty.
    if (reply->integer == 0) return done(fail(error));
    done(static_cast<std::uint64_t>(reply->integer));
  });
}

void RespStore::remove(std::string key, PutDone done) {
  submit(encode_command({"DEL", key}),
         [connection = connection_, done = std::move(done)](Result<RespReply> reply) {
           if (!reply) return done(fail(std::move(reply).error()));
           if (reply->type != RespReply::Type::kInteger)
             return done(fail(connection->unexpected(*reply)));
           done({});
         });
}

// One scan: step after step until the server's cursor is back at 0. It keeps only the keys that can
// still be wanted.
class Scan : public std::enable_shared_from_this<Scan> {
 public:
  Scan(std::shared_ptr<RespConnection> connection, std::string prefix, std::string after,
       std::size_t limit, ScanDone done)
      : connection_(std::move(connection)),
        prefix_(std::move(prefix)),
        after_(std::move(after)),
        pattern_(prefix_pattern(prefix_)),
        limit_(limit),
        done_(std::move(done)) {}

  void step(std::string_view cursor) {
    auto request = std::make_unique<RespRequest>();
    request->head = encode_command({"SCAN", cursor, "MATCH", pattern_, "COUNT", kScanCount});
    request->done = [self = shared_from_this()](Result<RespReply> reply) {
      if (!reply) return self->done_(fail(std::move(reply).error()));
      self->take(*reply);
    };
    connection_->submit(std::move(request));
  }

 private:
  void take(const RespReply& reply) {
    bool is_page = reply.elements.size() == 2 &&
                   reply.elements[0].type == RespReply::Type::kString &&
                   reply.elements[1].type == RespReply::Type::kArray;
    if (!is_page) return done_(fail(connection_->unexpected(reply)));
    for (const RespReply& element : reply.elements[1].elements) {
      std::string key(element.value_text());
      if (!key.starts_with(prefix_) || key <= after_) continue;
      keys_.insert(std::move(key));  // a server may give a key twice
      if (keys_.size() > limit_) keys_.erase(std::prev(keys_.end()));
    }
    std::string_view cursor = reply.elements[0].value_text();
    if (cursor != "0") return step(cursor);
    done_(std::vector<std::string>(keys_.begin(), keys_.end()));
  }

  const std::shared_ptr<RespConnection> connection_;
  const std::string prefix_;
  const std::string after_;
  const std::string pattern_;
  const std::size_t limit_;
  const ScanDone done_;
  std::set<std::string> keys_;
};

void RespStore::scan(std::string prefix, std::string after, std::size_t limit, ScanDone done) {
  auto scan = std::make_shared<Scan>(connection_, std::move(prefix), std::move(after), limit,
                                     std::move(done));
  loop_.post([scan] { scan->step("0"); });
}

}  // namespace

Result<std::unique_ptr<Store>> open_resp_store(const RespStoreOptions& options, io::Loop& loop,
                                               Logger& logger) {
  if (options.address.empty()) {
    return fail(Code::kInvalidArgument, "open store: no address; give host:port or unix:/path");
  }
  return std::make_unique<RespStore>(options, loop, logger);
}

}  // namespace tlog::store
