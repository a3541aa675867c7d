// Link: one server as the client keeps it for all its life: connects, again and again with
// back-off, and sends it what it lacks, as fast as it takes it. What concerns several servers
// (whose records to read, which of two that write one log is sent to) its owner decides.
//
// Threading: loop's thread, the owner's calls included.
// Memory: what it has given to the connection and the kernel has not taken is at most
// unsent_bytes_max and one batch.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "server/client/batches.h"
#include "server/client/board.h"
#include "server/client/connection.h"
#include "tlog/flush/backoff.h"

namespace tlog::client {

class Link final : private Connection::Owner {
 public:
  class Owner {
   public:
    // Whether it may create its log, when it has none; whether it may connect at all now: else it
    // is told to stand by, and for whom.
    virtual bool may_create(const Link& link) const = 0;
    virtual bool may_take_over(const Link& link) const = 0;  // where the options say so
    virtual std::optional<std::string> must_stand_by(const Link& link) const = 0;
    // To be answered by accept(), stand_by() or refuse().
    virtual void welcomed(Link& link) = 0;
    virtual void attached(Link& link) = 0;
    virtual void progressed(Link& link) = 0;
    virtual void replied(Link& link, const protocol::Reply& reply) = 0;
    virtual void records(Link& link, Buffer body) = 0;
    virtual void has_room(Link& link) = 0;  // unsent_is_full() was true
    virtual void ended(Link& link, const Connection::End& end) = 0;
    // The source does not have `first`, which the server lacks, or which must be compared.
    virtual void lacks(Link& link, Sequence first) = 0;
    virtual void source_failed(const Error& error) = 0;
    virtual Batches* batches() = 0;  // null: nothing is to be sent (yet, or any more)

   protected:
    ~Owner() = default;
  };
  struct Place {  // borrowed, shared by all links
    const ClientOptions* options = nullptr;
    const LogClient::Parts* parts = nullptr;
    Board* board = nullptr;
    Owner* owner = nullptr;
  };

  Link(Place place, std::size_t index);
  ~Link();

  std::size_t index() const { return index_; }
  const std::string& address() const { return place_.options->servers[index_]; }

  // Where it is.
  bool tried() const { return tried_; }  // an attempt has ended, in whatever way
  bool busy() const { return connection_ != nullptr; }
  bool welcomed() const { return welcomed_; }  // in a session
  bool is_attached() const { return attached_; }
  bool stands_by() const { return stands_by_; }
  const std::optional<Error>& refused() const { return refused_; }  // not for now only
  bool was_welcomed() const { return connections_ != 0; }
  const Uuid& log() const { return log_; }  // nil: not known
  const protocol::Welcome& welcome() const { return welcome_; }
  Sequence sent() const { return sent_; }
  Sequence received() const { return received_; }
  Sequence stored() const { return stored_; }

  // What it shall do.
  void connect();  // now, unless it is connected, or must stand by
  void accept();
  void stand_by(const std::string& reason);  // until connect()
  void refuse(const Error& error);           // it is tried again, seldom
  void refuse_as_other(const Error& error);  // likewise: its log is not this one
  void retry(const Error& why);              // after an end: with back-off
  void pump();                               // sends what there is
  void force(Sequence sequence);
  std::uint64_t ask(protocol::Message request);  // fills in an id, which the reply has
  void set_data_reading(bool on);
  void say_goodbye(Code code, const std::string& reason);

  // Records that were read from another server, from sent() + 1 on.
  void forward(const SharedBatch& batch);
  bool unsent_is_full() const;
  // The newest record that it had stored must be the one the client has: a log that has gone
  // another way is told by the time of its last record. Until then nothing is sent, and what it
  // says does not count.
  bool compares() const { return must_compare_; }
  // `for_certain`: with what was acknowledged; not: there was nothing to compare it with.
  void compared(bool for_certain);
  bool is_certain() const { return certain_; }
  // It needs not be compared when there is nothing to compare it with: this log was there from the
  // beginning, or was compared before.
  void believe() { believed_ = log_; }
  bool is_believed() const { return believed_ == log_; }
  // With the same record of the source (null), or of another server.
  Status compare(const format::Record& record, const Link* other);
  bool trusted() const { return attached_ && !must_compare_; }
  void filling(bool on) { filling_ = on; }  // another one sends by forward()
  void show(ServerState state, const std::string& reason = {});

 private:
  void show_sending();  // if it shows something else
  void on_welcome(protocol::Welcome welcome) override;
  void on_attached() override;
  void on_progress(const protocol::Progress& progress) override;
  void on_reply(const protocol::Reply& reply) override;
  void on_records(Buffer body) override;
  void on_round_trip(std::uint64_t ns) override;
  void on_ended(const Connection::End& end) override;

  protocol::Hello hello() const;
  void drop_connection();
  void wait(std::uint64_t ns);
  void take(Sequence first, const Result<SharedBatch>& batch);
  bool send(const SharedBatch& batch);
  std::size_t fitting(std::span<const format::Record> records) const;
  bool send_frame(const SharedBatch& batch, std::span<const format::Record> records);
  void ask_to_store();

  const Place place_;
  const std::size_t index_;
  // For all its life.
  flush::Backoff backoff_;
  io::TimerId retry_ = 0;
  bool tried_ = false;
  bool stands_by_ = false;
  std::optional<Error> refused_;
  std::uint64_t connections_ = 0;
  std::uint64_t attached_ns_ = 0;  // monotonic, 0: not since the last retry
  Uuid log_;
  std::optional<Uuid> believed_;  // the log that is
  Sequence stored_before_ = 0;    // of it, before the present connection
  Sequence sent_max_ = 0;
  Sequence forced_ = 0;
  std::uint64_t last_id_ = 0;
  // Of the present connection.
  std::unique_ptr<Connection> connection_;
  std::shared_ptr<int> session_ = std::make_shared<int>();  // another one for each
  protocol::Welcome welcome_;
  bool welcomed_ = false;
  bool attached_ = false;
  bool must_compare_ = false;
  bool certain_ = false;
  bool asking_ = false;
  bool filling_ = false;
  bool shows_sending_ = false;
  Sequence sent_ = 0, received_ = 0, stored_ = 0;
  Sequence force_asked_ = 0;        // has been asked to store so far
  std::set<std::uint64_t> forces_;  // the requests' ids, not answered yet
  std::uint64_t number_ = 0;        // of the last records frame
  std::uint64_t unsent_bytes_ = 0;
};

}  // namespace tlog::client
