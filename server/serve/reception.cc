#include "server/serve/reception.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/serve/status_json.h"
#include "tlog/base/wipe.h"

namespace tlog::server {
namespace {

// An answer to who guesses comes so late.
constexpr std::uint64_t kWrongTokenNs = 250'000'000;
// Of who has not said yet who he is: much more than a Hello has.
constexpr std::uint32_t kFirstMessageBytesMax = 64 * kKiB;
// Putting the status together costs the loop's time, and holding it memory.
constexpr std::uint64_t kStatusIsNewNs = 100'000'000;
constexpr std::size_t kToldAtOnceMax = 16;

}  // namespace

void Reception::arrived(std::unique_ptr<net::Channel> channel) {
  if (core_->stopping) return;
  ++core_->connections;
  make_room();
  const GuestId id = ++last_guest_;
  Guest& guest = guests_[id];
  ++strangers_;
  guest.connection = std::make_shared<Connection>(core_, std::move(channel));
  guest.connection->set_limits({.message_bytes_max = kFirstMessageBytesMax});
  guest.timer =
      core_->parts.loop->add_timer(core_->options.hello_timeout_ns, [weak = weak_from_this(), id] {
        if (auto self = weak.lock()) {
          self->guests_.at(id).timer = 0;
          self->refuse(id, Error(Code::kTimeout, "nothing was said; begin with Hello or Attach"));
        }
      });
  guest.connection->start(
      {.on_frame =
           [weak = weak_from_this(), id](protocol::FrameType type, Buffer body) {
             if (auto self = weak.lock()) self->first_said(id, type, std::move(body));
           },
       .on_closed =
           [weak = weak_from_this(), id](const Error&) {
             if (auto self = weak.lock()) self->leave(id);
           }});
}

// Who has been silent longest, or has guessed wrongly, is least likely to be a client.
void Reception::make_room() {
  if (strangers_ < std::max(core_->options.silent_max, 1U)) return;
  const auto oldest = std::ranges::find_if(
      guests_, [](const auto& each) { return each.second.wants != Wants::kOpening; });
  core_->note(LogLevel::kWarning, fmt::format("event=silent_dropped peer={} silent={}",
                                              oldest->second.connection->peer(), strangers_));
  const std::shared_ptr<Connection> connection = leave(oldest->first);
  connection->close();
}

std::shared_ptr<Connection> Reception::leave(GuestId id) {
  const auto found = guests_.find(id);
  if (found == guests_.end()) return nullptr;
  Guest guest = std::move(found->second);
  guests_.erase(found);
  if (guest.wants != Wants::kOpening) --strangers_;
  if (guest.timer != 0) core_->parts.loop->cancel_timer(guest.timer);
  return guest.connection;
}

void Reception::refuse(GuestId id, const Error& why) {
  const std::shared_ptr<Connection> connection = leave(id);
  if (!connection) return;
  ++core_->refused;
  core_->note(LogLevel::kInfo,
              fmt::format("event=refused peer={} code={} reason=\"{}\"", connection->peer(),
                          code_name(why.code()), why.message()));
  // In a flood of such not everyone is waited for until he has heard it.
  if (core_->goodbyes >= core_->options.silent_max) return connection->close();
  connection->end(protocol::Refusal{.code = why.code(), .reason = why.message()});
}

void Reception::first_said(GuestId id, protocol::FrameType type, Buffer body) {
  const auto found = guests_.find(id);
  if (found == guests_.end()) return;
  Guest& guest = found->second;
  if (guest.wants != Wants::kNothingYet) {
    wipe(body.span());  // a key may be in it, as in a first one
    return refuse(id,
                  Error(Code::kInvalidArgument, "the first message was not answered yet; wait"));
  }
  guest.wants = Wants::kAttaching;
  if (guest.timer != 0) core_->parts.loop->cancel_timer(std::exchange(guest.timer, 0));
  if (type != protocol::FrameType::kMessage)
    return refuse(id, Error(Code::kInvalidArgument, "records came before Attach"));
  auto message = protocol::decode_and_wipe(body.span());
  if (!message) return refuse(id, message.error());
  if (auto* wanted = std::get_if<protocol::Hello>(&*message)) return hello(id, std::move(*wanted));
  if (auto* wanted = std::get_if<protocol::Attach>(&*message)) return attach(id, *wanted);
  if (auto* wanted = std::get_if<protocol::StatusRequest>(&*message))
    return tell_status(id, *wanted);
  refuse(id, Error(Code::kInvalidArgument, fmt::format("{} came first; begin with Hello or Attach",
                                                       protocol::message_name(*message))));
}

// To who wants nothing else: there is no session.
void Reception::tell_status(GuestId id, const protocol::StatusRequest& request) {
  if (auto allowed = check_status_request(*guests_.at(id).connection); !allowed)
    return refuse(id, allowed.error());
  const std::shared_ptr<Connection> connection = leave(id);
  if (core_->goodbyes >= core_->options.silent_max) return connection->close();
  protocol::Reply reply{.id = request.id, .error = {}, .sequences = {}, .text = {}};
  reply.text = status_text();
  connection->end(std::move(reply));
  told_.push_back(connection);
}

// The names of vdisks and clients are not for everybody.
Status Reception::check_status_request(const Connection& connection) {
  if (!connection.is_known() && !core_->options.insecure) {
    return fail(Code::kInvalidArgument,
                "status: it is told to nobody who is not known: ask on the server's own host (its "
                "Unix socket or 127.0.0.1), or with a client's certificate or a pre-shared key, or "
                "start the server with --insecure");
  }
  // Who is being told holds itself until it has closed.
  std::erase_if(told_, [](const auto& each) { return each.expired(); });
  if (told_.size() < kToldAtOnceMax) return {};
  return fail(Code::kUnavailable,
              fmt::format("status: {} others are being told it; ask again", told_.size()));
}

const std::string& Reception::status_text() {
  const std::uint64_t now = core_->parts.clock->monotonic_ns();
  if (status_text_.empty() || now - status_made_ns_ >= kStatusIsNewNs) {
    const auto& repositories = core_->options.repositories;
    const auto& publications = core_->options.publications;
    status_text_ = server_json(*core_, sessions(),
                               repositories ? repositories() : std::vector<RepositoryStatus>(),
                               publications ? publications() : std::vector<PublicationStatus>());
    status_made_ns_ = now;
  }
  return status_text_;
}

void Reception::hello(GuestId id, protocol::Hello hello) {
  Guest& guest = guests_.at(id);
  guest.wants = Wants::kOpening;
  --strangers_;
  const Connection& connection = *guest.connection;
  auto wish =
      read_hello(std::move(hello), core_->options, connection.is_private(), connection.peer());
  if (!wish) return refuse(id, wish.error());
  if (auto room = check_room(*wish); !room) return refuse(id, room.error());
  if (wish->hello.role == protocol::Role::kReader) return open_reader(id, std::move(*wish));
  open_writer(id, std::move(*wish));
}

std::size_t Reception::readers() const {
  const auto open =
      std::ranges::count_if(sessions_, [](const auto& each) { return !each.second->is_writer(); });
  return readers_opening_ + static_cast<std::size_t>(open);
}

// Before anything is opened. Of writers it is their logs that count, also those whose client has
// gone; one that comes back, or wants another's place, needs no room.
Status Reception::check_room(const Wish& wish) const {
  if (core_->stopping) return fail(Code::kShutdown, "the server is stopping");
  const bool is_writer = wish.hello.role == protocol::Role::kWriter;
  if (is_writer && registry_->logs().contains(wish.hello.format.name)) return {};
  const std::size_t open = registry_->logs().size() + readers();
  if (open < core_->options.sessions_max) return {};
  return fail(Code::kUnavailable,
              fmt::format("{} sessions are open or linger, which is the limit; use another server, "
                          "or raise it",
                          open));
}

void Reception::open_writer(GuestId id, Wish wish) {
  Session::Start start{.core = core_,
                       .registry = registry_,
                       .control = {},
                       .token = {},
                       .wish = wish,
                       .hosted = {},
                       .view = {},
                       .on_ended = {}};
  registry_->open(std::move(wish), [weak = weak_from_this(), id, start = std::move(start)](
                                       Result<std::shared_ptr<HostedLog>> hosted) mutable {
    const auto self = weak.lock();
    if (!self) return;
    if (!hosted) return self->refuse(id, hosted.error());
    start.hosted = std::move(*hosted);
    self->opened(id, std::move(start));
  });
}

void Reception::open_reader(GuestId id, Wish wish) {
  ++readers_opening_;
  const std::string cluster = core_->cluster_of(wish.hello.format.name);
  core_->openers.submit(cluster, [self = shared_from_this(), id, wish = std::move(wish)] {
    auto view = LogView::open(self->core_, wish.hello.format.name, wish.key);
    // The last pointer to a view goes on the loop's thread.
    auto given = std::make_shared<decltype(view)>(std::move(view));
    self->core_->parts.loop->post([self, id, wish, given = std::move(given)] {
      --self->readers_opening_;
      auto opened = std::exchange(*given, fail(Code::kShutdown, ""));
      if (!opened) return self->refuse(id, opened.error());
      self->opened(id, {.core = self->core_,
                        .registry = self->registry_,
                        .control = {},
                        .token = {},
                        .wish = wish,
                        .hosted = {},
                        .view = std::move(*opened),
                        .on_ended = {}});
    });
  });
}

void Reception::opened(GuestId id, Session::Start start) {
  if (!guests_.contains(id)) return;  // it has gone meanwhile; the log lingers
  if (core_->stopping) return refuse(id, Error(Code::kShutdown, "the server is stopping"));
  start.control = leave(id);
  start.token = core_->parts.random->next_uuid();
  start.on_ended = [weak = weak_from_this()](const Uuid& token) {
    const auto self = weak.lock();
    if (!self) return;
    const auto found = self->sessions_.find(token);
    if (found != self->sessions_.end()) self->sessions_.erase(found);
  };
  const Uuid token = start.token;
  const auto session = std::make_shared<Session>(std::move(start));
  sessions_[token] = session;
  session->begin();
}

void Reception::attach(GuestId id, const protocol::Attach& attach) {
  if (const auto found = sessions_.find(attach.session); found != sessions_.end())
    return found->second->attach(leave(id));
  Guest& guest = guests_.at(id);
  guest.timer = core_->parts.loop->add_timer(kWrongTokenNs, [weak = weak_from_this(), id] {
    if (auto self = weak.lock()) {
      self->guests_.at(id).timer = 0;
      self->refuse(id, Error(Code::kNotFound,
                             "no session has this token, or it has ended; say Hello on the "
                             "control connection again"));
    }
  });
}

void Reception::stop_receiving() {
  while (!guests_.empty())
    refuse(guests_.begin()->first, Error(Code::kShutdown, "the server is stopping"));
  for (const auto& [token, session] : sessions_) session->stop_receiving();
}

void Reception::end_sessions(const Error& why) {
  for (const auto& [token, session] : std::map(sessions_)) session->end(why);
}

void Reception::abandon() {
  while (!guests_.empty()) leave(guests_.begin()->first);
  end_sessions(Error(Code::kShutdown, "the server has ended"));
  for (Connection* connection : std::set(core_->open_connections)) connection->close();
}

std::vector<SessionStatus> Reception::sessions() const {
  std::vector<SessionStatus> all;
  all.reserve(sessions_.size());
  for (const auto& [token, session] : sessions_) all.push_back(session->status());
  for (const auto& [name, hosted] : registry_->logs()) {
    if (hosted->user != nullptr || hosted->state == HostedLog::State::kOpening) continue;
    SessionStatus away;
    away.vdisk = name;
    away.client = hosted->holder.client;
    away.received = hosted->received;
    away.stored = hosted->stored;
    away.synced = hosted->synced;
    if (hosted->log) {
      away.epoch = hosted->log->epoch();
      away.memory_bytes = hosted->log->memory_bytes();
      away.scrubs = hosted->log->scrubs();
      away.waiting_for = hosted->log->log_status().waiting_for;
    } else {
      away.waiting_for = hosted->waiting_for;
    }
    if (hosted->standby) away.standby = hosted->standby->state();
    all.push_back(std::move(away));
  }
  std::stable_sort(all.begin(), all.end(), [](const SessionStatus& a, const SessionStatus& b) {
    return a.vdisk < b.vdisk;
  });
  return all;
}

}  // namespace tlog::server
