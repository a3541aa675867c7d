#include "server/client/link.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tlog::client {
namespace {

// A server that has refused what will not change by itself is asked again so seldom.
constexpr std::uint64_t kRefusedRetryNs = 30'000'000'000;
// Of one connection. Less than any server minds.
constexpr std::size_t kForcesMax = 64;

}  // namespace

Link::Link(Place place, std::size_t index) : place_(place), index_(index) {}

Link::~Link() {
  place_.parts->loop->cancel_timer(retry_);
}

void Link::show(ServerState state, const std::string& reason) {
  place_.board->update(index_, [&](Mark& mark) {
    mark.marker.state = state;
    mark.marker.reason = reason;
  });
  shows_sending_ = state == ServerState::kSending;
}

void Link::show_sending() {
  if (!shows_sending_) show(ServerState::kSending);
}

protocol::Hello Link::hello() const {
  const ClientOptions& options = *place_.options;
  protocol::Hello hello;
  hello.role = protocol::Role::kWriter;
  hello.client = options.name;
  hello.journal = options.journal;
  hello.format = options.format;
  hello.may_create = place_.owner->may_create(*this);
  // Once it was ours, whoever takes it from us shall keep it.
  hello.take_over = options.take_over && !was_welcomed() && place_.owner->may_take_over(*this);
  hello.settings = options.settings;
  return hello;
}

void Link::connect() {
  if (busy()) return;
  place_.parts->loop->cancel_timer(std::exchange(retry_, 0));
  if (auto reason = place_.owner->must_stand_by(*this)) return stand_by(*reason);
  stands_by_ = false;
  refused_.reset();
  session_ = std::make_shared<int>();
  connection_ = std::make_unique<Connection>(Connection::Parts{.loop = place_.parts->loop,
                                                               .clock = place_.parts->clock,
                                                               .options = place_.options,
                                                               .owner = this},
                                             address(), hello());
}

void Link::drop_connection() {
  connection_.reset();
  session_.reset();
  welcomed_ = attached_ = must_compare_ = asking_ = filling_ = false;
  unsent_bytes_ = 0;
  received_ = stored_;
  place_.board->update(index_, [](Mark& mark) { mark.connected = false; });
}

void Link::on_welcome(protocol::Welcome welcome) {
  welcome_ = std::move(welcome);
  welcomed_ = true;
  stored_before_ = place_.board->at(index_).marker.stored;
  place_.board->log_is(log_, welcome_.log, welcome_.stored.sequence);
  log_ = welcome_.log;
  sent_ = received_ = welcome_.received;
  stored_ = welcome_.stored.sequence;
  sent_max_ = std::max(sent_max_, sent_);
  must_compare_ = stored_ != 0 && welcome_.stored.timestamp != 0;
  certain_ = !must_compare_;
  number_ = 0;
  force_asked_ = 0;
  forces_.clear();
  place_.owner->welcomed(*this);
}

void Link::accept() {
  ++connections_;
  if (!must_compare_ || place_.board->believes(log_)) believe();
  place_.board->update(index_, [&](Mark& mark) {
    mark.log = log_;
    mark.counts = !must_compare_;
    if (!must_compare_) mark.marker.differs = false;
    mark.connected = true;
    mark.marker.heard_ns = place_.parts->clock->wall_ns();
    mark.marker.reason = "its data connection is being made";
    mark.marker.server = welcome_.server;
    mark.marker.epoch = welcome_.epoch;
    mark.marker.sent = sent_;
    mark.marker.received = received_;
    mark.marker.stored = stored_;
    mark.marker.connections = connections_;
  });
  if (stored_ < stored_before_) {
    place_.parts->logger->warning(fmt::format(
        "event=server-lost-records server={} stored_before={} stored={} its stores have been "
        "emptied or replaced; it is filled again",
        address(), stored_before_, stored_));
  }
  connection_->attach();
}

void Link::compared(bool for_certain) {
  must_compare_ = false;
  certain_ = for_certain;
  believe();
  place_.board->update(index_, [](Mark& mark) {
    mark.counts = true;
    mark.marker.differs = false;
  });
  place_.owner->progressed(*this);
}

void Link::on_attached() {
  attached_ = true;
  tried_ = true;
  attached_ns_ = place_.parts->clock->monotonic_ns();
  place_.board->update(index_, [](Mark& mark) { mark.marker.failures = 0; });
  show(ServerState::kSending);
  place_.owner->attached(*this);
}

void Link::on_progress(const protocol::Progress& progress) {
  if (!welcomed_) return;
  if (progress.received > sent_ || progress.stored > progress.received) {
    return refuse(Error(
        Code::kCorruption,
        fmt::format("progress: {}: it says that it has received up to {} and stored up to {}, and "
                    "was sent up to {}; is it a tlogserver, and is its log written by another "
                    "client?",
                    address(), progress.received, progress.stored, sent_)));
  }
  if (progress.received > received_ || progress.stored > stored_) backoff_.reset();
  received_ = std::max(received_, progress.received);
  stored_ = std::max(stored_, progress.stored);
  place_.board->update(index_, [&](Mark& mark) {
    mark.marker.received = received_;
    mark.marker.stored = stored_;
    mark.marker.synced = progress.synced;
  });
  ask_to_store();
  place_.owner->progressed(*this);
}

void Link::on_reply(const protocol::Reply& reply) {
  if (forces_.erase(reply.id) != 0) {
    if (!reply.error) return ask_to_store();
    force_asked_ = stored_;  // with the next records or the next progress
    return;
  }
  place_.owner->replied(*this, reply);
}

void Link::on_records(Buffer body) {
  place_.owner->records(*this, std::move(body));
}

void Link::on_round_trip(std::uint64_t ns) {
  const TimestampNs now = place_.parts->clock->wall_ns();
  place_.board->update(index_, [&](Mark& mark) {
    mark.marker.round_trip_ns = ns;
    mark.marker.heard_ns = now;
  });
}

void Link::on_ended(const Connection::End& end) {
  tried_ = true;
  const Connection::End kept = end;
  drop_connection();
  place_.board->update(index_, [](Mark& mark) { ++mark.marker.failures; });
  place_.owner->ended(*this, kept);
}

void Link::stand_by(const std::string& reason) {
  if (connection_) connection_->say_goodbye(Code::kShutdown, "stands by: " + reason);
  drop_connection();
  place_.parts->loop->cancel_timer(std::exchange(retry_, 0));
  tried_ = stands_by_ = true;
  place_.board->update(index_, [this](Mark& mark) { mark.log = log_; });
  show(ServerState::kConnecting, reason);
}

void Link::refuse_as_other(const Error& error) {
  place_.board->update(index_, [](Mark& mark) { mark.marker.differs = true; });
  refuse(error);
}

void Link::refuse(const Error& error) {
  if (connection_) connection_->say_goodbye(error.code(), error.message());
  const bool had_connection = busy();
  drop_connection();
  tried_ = true;
  refused_ = error;
  show(ServerState::kRefused, error.message());
  // That a log which may be created is not there yet is no trouble.
  const bool is_trouble = error.code() != Code::kNotFound || !place_.options->may_create;
  place_.parts->logger->write(
      is_trouble ? LogLevel::kWarning : LogLevel::kInfo,
      fmt::format("event=server-refused server={} reason=\"{}\"", address(), error.message()));
  wait(kRefusedRetryNs / 2 + place_.parts->random->next_u64() % (kRefusedRetryNs / 2));
  if (had_connection)
    place_.owner->ended(*this, {.kind = Connection::EndKind::kOurChoice, .error = error});
}

void Link::retry(const Error& why) {
  const std::uint64_t now = place_.parts->clock->monotonic_ns();
  if (attached_ns_ != 0 && now - attached_ns_ > flush::kBackoffMaxNs) backoff_.reset();
  attached_ns_ = 0;
  show(ServerState::kConnecting, why.message());
  wait(backoff_.next_ns(*place_.parts->random));
}

void Link::wait(std::uint64_t ns) {
  place_.parts->loop->cancel_timer(retry_);
  retry_ = place_.parts->loop->add_timer(ns, [this] {
    retry_ = 0;
    connect();
  });
}

std::uint64_t Link::ask(protocol::Message request) {
  const std::uint64_t id = ++last_id_;
  std::visit(
      [id](auto& message) {
        if constexpr (requires { message.id; }) message.id = id;
      },
      request);
  if (connection_) connection_->send(request);
  return id;
}

void Link::set_data_reading(bool on) {
  if (connection_) connection_->set_data_reading(on);
}

void Link::say_goodbye(Code code, const std::string& reason) {
  place_.parts->loop->cancel_timer(std::exchange(retry_, 0));
  if (connection_) connection_->say_goodbye(code, reason);
  drop_connection();
}

void Link::force(Sequence sequence) {
  forced_ = std::max(forced_, sequence);
  ask_to_store();
}

// Of what has been sent: it may arrive later than the request, which the server keeps in mind.
void Link::ask_to_store() {
  const Sequence sequence = std::min(forced_, sent_);
  if (!attached_ || sequence <= stored_ || sequence <= force_asked_) return;
  if (forces_.size() >= kForcesMax) return;  // with the next reply
  force_asked_ = sequence;
  forces_.insert(ask(protocol::ForceFlush{.id = 0, .sequence = sequence}));
}

}  // namespace tlog::client
