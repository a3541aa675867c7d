// A store over one redis-protocol server: the calls of Store as commands of the protocol.
#include <fmt/format.h>

#include <set>
#include <utility>

#include "tlog/store/lasting_name.h"
#include "tlog/store/resp_epochs.h"
#include "tlog/store/stores.h"

namespace tlog::store {
namespace {

// Keys asked for in one SCAN: long enough to be quick, short enough not to hold up the server's
// other clients.
constexpr std::string_view kScanCount = "1000";

// One put: it counts when the server has taken it, and still had the vdisk's mark afterwards.
class Put : public std::enable_shared_from_this<Put> {
 public:
  Put(std::shared_ptr<RespConnection> connection, std::shared_ptr<RespHealth> health,
      std::uint64_t size, PutDone done)
      : connection_(std::move(connection)),
        health_(std::move(health)),
        size_(size),
        done_(std::move(done)) {}

  void submit(std::unique_ptr<RespRequest> request, RespChecks& checks) {
    const bool is_checked = checks.needed();
    request->done = [self = shared_from_this(), is_checked](Result<RespReply> reply) {
      self->answered(reply, is_checked);
    };
    if (is_checked) {
      checks.add([self = shared_from_this()](const Status& mark) { self->checked(mark); });
    }
    connection_->submit(std::move(request));
  }

 private:
  void answered(const Result<RespReply>& reply, bool is_checked) {
    if (!reply) return finish(fail(reply.error()));
    if (reply->type != RespReply::Type::kStatus || reply->text != "OK") {
      return finish(fail(connection_->unexpected(*reply)));
    }
    life_ = connection_->life();
    if (!is_checked) finish({});
  }
  void checked(const Status& mark) {
    if (!mark) return finish(mark);
    if (life_ == connection_->life()) return finish({});
    finish(fail(Code::kUnavailable,
                fmt::format("put: {}: the connection ended before it was known to count",
                            connection_->name())));
  }
  void finish(Status status) {
    if (!done_) return;  // it had failed before
    if (status) health_->put_bytes += size_;
    std::exchange(done_, {})(std::move(status));
  }

  const std::shared_ptr<RespConnection> connection_;
  const std::shared_ptr<RespHealth> health_;
  const std::uint64_t size_;
  PutDone done_;
  std::uint64_t life_ = 0;  // of the connection that took it; 0: none yet
};

// `then` says whether what a server did not have is known not to be there.
void confirm_miss(RespChecks& checks, PutDone then) {
  RespConnection& connection = checks.connection();
  const RespSelf& self = connection.self();
  if (self.is_rebuilding() && !self.is_writer) {
    return then(fail(Code::kUnavailable,
                     fmt::format("{}: the server was emptied and is still being filled again",
                                 connection.name())));
  }
  if (!checks.needed()) return then({});
  checks.add([&checks, life = connection.life(), then = std::move(then)](const Status& mark) {
    if (!mark) return then(mark);
    if (life == checks.connection().life()) return then({});
    then(fail(Code::kUnavailable,
              fmt::format("{}: the connection ended before it was known whether a miss counts",
                          checks.connection().name())));
  });
}

// Answers that `key` is not there.
template <class Done>
void miss(RespChecks& checks, const std::string& key, Done done) {
  Error absent(Code::kNotFound, fmt::format("get: {}: no {}", checks.connection().name(), key));
  confirm_miss(checks, [absent, done = std::move(done)](const Status& sure) {
    if (!sure) return done(fail(sure.error()));
    done(fail(absent));
  });
}

class RespStore final : public Store, public ServerIdentity {
 public:
  RespStore(const RespStoreOptions& options, io::Loop& loop, Logger& logger)
      : name_(name_of(options)),
        vdisk_(options.vdisk),
        queued_bytes_max_(options.queued_bytes_max),
        loop_(loop),
        connection_(std::make_shared<RespConnection>(options, name_.get(), loop, logger, health_)),
        checks_(std::make_shared<RespChecks>(connection_, vdisk_, loop)) {
    loop_.post([connection = connection_] { connection->open(); });
  }
  ~RespStore() override {
    loop_.post([connection = connection_, checks = checks_] {
      checks->stop_watching();
      connection->close();
    });
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
    health_->copy_to(status);
    return status;
  }
  const std::string& name() const override { return name_.get(); }
  void move_to(const RespStoreOptions& options) override {
    name_.change(name_of(options));
    loop_.post([connection = connection_, options] { connection->move_to(options); });
  }
  void close(std::function<void()> done) override {
    loop_.post([connection = connection_, checks = checks_, done = std::move(done)] {
      checks->stop_watching();
      connection->close();
      done();
    });
  }

  ServerIdentity* identity() override { return vdisk_.empty() ? nullptr : this; }
  void expect(Expectation expectation) override {
    loop_.post([connection = connection_, expectation = std::move(expectation)] {
      connection->expect(expectation);
    });
  }
  void enroll(Epoch epoch, Listener listener) override {
    loop_.post([connection = connection_, epoch, listener = std::move(listener)] {
      connection->enroll(epoch, listener);
    });
  }
  void settle(std::string run) override {
    loop_.post([connection = connection_, run = std::move(run)] { connection->settle(run); });
  }
  void vouch(std::uint64_t doubt) override {
    loop_.post([connection = connection_, doubt] { connection->vouch(doubt); });
  }
  void epochs(EpochMarksDone done) override {
    loop_.post([checks = checks_, vdisk = vdisk_, done = std::move(done)] {
      read_epochs(*checks, vdisk, done);
    });
  }
  void claim(EpochClaim claim, EpochMarksDone done) override {
    loop_.post([checks = checks_, vdisk = vdisk_, claim = std::move(claim),
                done = std::move(done)] { claim_epoch(*checks, vdisk, claim, done); });
  }
  void hold(EpochClaim claim) override {
    loop_.post([connection = connection_, checks = checks_, claim = std::move(claim)] {
      connection->hold(claim);
      checks->watch();
    });
  }
  void retire() override {
    loop_.post([connection = connection_, checks = checks_] {
      checks->stop_watching();
      connection->retire();
    });
  }
  void readopt() override {
    loop_.post([connection = connection_] { connection->readopt(); });
  }

 private:
  void submit(std::string command, ReplyDone done);

  LastingName name_;
  const std::string vdisk_;
  const std::uint64_t queued_bytes_max_;
  io::Loop& loop_;
  const std::shared_ptr<RespHealth> health_ = std::make_shared<RespHealth>();
  const std::shared_ptr<RespConnection> connection_;
  const std::shared_ptr<RespChecks> checks_;
};

void RespStore::submit(std::string command, ReplyDone done) {
  auto request = std::make_shared<std::unique_ptr<RespRequest>>(std::make_unique<RespRequest>());
  (*request)->head = std::move(command);
  (*request)->done = std::move(done);
  loop_.post([connection = connection_, request] { connection->submit(std::move(*request)); });
}

void RespStore::put(std::string key, std::vector<ConstByteSpan> pieces, PutOptions options,
                    PutDone done) {
  std::uint64_t size = 0;
  for (ConstByteSpan piece : pieces) size += piece.size();
  if (health_->queued_bytes.fetch_add(size) + size > queued_bytes_max_) {
    health_->queued_bytes -= size;
    ++health_->errors;
    loop_.post([done = std::move(done), connection = connection_] {
      connection->overflow();
      done(fail(Code::kUnavailable,
                fmt::format("put: {}: too much is waiting for this server", connection->name())));
    });
    return;
  }
  auto request = std::make_shared<std::unique_ptr<RespRequest>>(std::make_unique<RespRequest>());
  (*request)->head = encode_set_head(key, size);
  // An empty value, too, has a payload: the line end that comes after it.
  (*request)->payload =
      pieces.empty() ? std::vector<ConstByteSpan>{ConstByteSpan()} : std::move(pieces);
  (*request)->queued_bytes = size;
  (*request)->must_count = !options.mending;
  auto put = std::make_shared<Put>(connection_, health_, size, std::move(done));
  loop_.post([put, request, checks = checks_] { put->submit(std::move(*request), *checks); });
}

void RespStore::get(std::string key, GetDone done) {
  submit(encode_command({"GET", key}), [checks = checks_, health = health_, key,
                                        done = std::move(done)](Result<RespReply> reply) {
    if (!reply) return done(fail(std::move(reply).error()));
    if (reply->type == RespReply::Type::kNil) return miss(*checks, key, done);
    if (reply->type != RespReply::Type::kString)
      return done(fail(checks->connection().unexpected(*reply)));
    health->get_bytes += reply->value.size();
    done(std::move(reply->value));
  });
}

void RespStore::stat(std::string key, StatDone done) {
  submit(encode_command({"STRLEN", key}),
         [checks = checks_, key, done = std::move(done)](Result<RespReply> reply) {
           if (!reply) return done(fail(std::move(reply).error()));
           if (reply->type != RespReply::Type::kInteger || reply->integer < 0) {
             return done(fail(checks->connection().unexpected(*reply)));
           }
           // 0 is also the length of a key that is not there; no value of ours is empty.
           if (reply->integer == 0) return miss(*checks, key, done);
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
  Scan(std::shared_ptr<RespChecks> checks, const std::string& vdisk, std::string prefix,
       std::string after, std::size_t limit, ScanDone done)
      : checks_(std::move(checks)),
        control_key_(control_key(vdisk)),
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
    checks_->connection().submit(std::move(request));
  }

 private:
  void take(const RespReply& reply) {
    bool is_page = reply.elements.size() == 2 &&
                   reply.elements[0].type == RespReply::Type::kString &&
                   reply.elements[1].type == RespReply::Type::kArray;
    if (!is_page) return done_(fail(checks_->connection().unexpected(reply)));
    for (const RespReply& element : reply.elements[1].elements) {
      std::string key(element.value_text());
      if (!key.starts_with(prefix_) || key <= after_ || key == control_key_) continue;
      keys_.insert(std::move(key));  // a server may give a key twice
      if (keys_.size() > limit_) keys_.erase(std::prev(keys_.end()));
    }
    std::string_view cursor = reply.elements[0].value_text();
    if (cursor != "0") return step(cursor);
    confirm_miss(*checks_, [self = shared_from_this()](const Status& sure) {
      if (!sure) return self->done_(fail(sure.error()));
      self->done_(std::vector<std::string>(self->keys_.begin(), self->keys_.end()));
    });
  }

  const std::shared_ptr<RespChecks> checks_;
  const std::string control_key_;  // not a value of anybody's
  const std::string prefix_;
  const std::string after_;
  const std::string pattern_;
  const std::size_t limit_;
  const ScanDone done_;
  std::set<std::string> keys_;
};

void RespStore::scan(std::string prefix, std::string after, std::size_t limit, ScanDone done) {
  auto scan = std::make_shared<Scan>(checks_, vdisk_, std::move(prefix), std::move(after), limit,
                                     std::move(done));
  loop_.post([scan] { scan->step("0"); });
}

}  // namespace

std::string name_of(const RespStoreOptions& options) {
  return fmt::format("redis {}@{}", options.address, options.db.empty() ? "0" : options.db);
}

Result<std::unique_ptr<Store>> open_resp_store(const RespStoreOptions& options, io::Loop& loop,
                                               Logger& logger) {
  if (options.address.empty()) {
    return fail(Code::kInvalidArgument, "open store: no address; give host:port or unix:/path");
  }
  return std::make_unique<RespStore>(options, loop, logger);
}

}  // namespace tlog::store
