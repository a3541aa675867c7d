#include "server/client/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace tlog::client {

Client::Client(ClientOptions options, Parts parts)
    : options_(std::move(options)),
      parts_(std::move(parts)),
      board_(options_.servers, options_.concern),
      fenced_(options_.servers.size()) {
  for (std::size_t i = 0; i < options_.servers.size(); ++i) {
    links_.push_back(std::make_unique<Link>(
        Link::Place{.options = &options_, .parts = &parts_, .board = &board_, .owner = this}, i));
  }
  filling_ =
      std::make_unique<Filling>(Filling::Parts{.client = &parts_, .links = &links_, .gate = gate_});
}

Client::~Client() {
  close(0);
}

void Client::run(const io::Task& task) {
  if (parts_.loop->in_loop_thread()) return task();
  io::run_on(*parts_.loop, task);
}

void Client::post(io::Task task) {
  parts_.loop->post([alive = alive_, task = std::move(task)] {
    if (!alive.expired()) task();
  });
}

Batches* Client::batches() {
  return closing_ || failed_ ? nullptr : batches_.get();
}

void Client::start(RecordSource& source, Sequence floor) {
  run([&] { begin_sending(source, floor); });
}

void Client::begin_sending(RecordSource& source, Sequence floor) {
  if (closing_ || batches_) return;
  source_ = &source;
  floor_ = floor;
  stored_ = received_ = floor;
  batches_ = std::make_unique<Batches>(Batches::Parts{.source = &source,
                                                      .loop = parts_.loop,
                                                      .workers = parts_.workers,
                                                      .gate = gate_,
                                                      .batch_bytes = options_.batch_bytes,
                                                      .kept_bytes_max = options_.unsent_bytes_max});
  for (auto& link : links_) {
    if (link->welcomed() && is_of_this_log(*link)) link->believe();
  }
  advance();
  for (auto& link : links_) link->pump();
}

void Client::more() {
  if (more_posted_.exchange(true)) return;
  post([this] {
    more_posted_ = false;
    for (auto& link : links_) link->pump();
  });
}

void Client::force(Sequence sequence) {
  Sequence before = forced_;
  while (before < sequence && !forced_.compare_exchange_weak(before, sequence)) {
  }
  if (before >= sequence) return;
  if (before <= stored_) forced_ns_ = parts_.clock->monotonic_ns();
  post([this] {
    for (auto& link : links_) link->force(forced_);
  });
}

// What enough servers have. `stored` does not go back: a server that has lost what it had stored is
// no reason to doubt what was said. What was received in memory only is gone with its server, and
// who asks for it wants to know what is there.
void Client::advance() {
  if (!batches_) return;
  const Sequence stored = board_.stored();
  const Sequence in_stores = std::max<Sequence>(stored, stored_);
  const Sequence received =
      options_.concern.received == 0 ? in_stores : std::max(in_stores, board_.received());
  if (received != received_) {
    received_ = received;
    if (parts_.on_received) parts_.on_received(received);
  }
  if (stored > stored_) {
    stored_ = stored;
    stored_ns_ = parts_.clock->monotonic_ns();
    if (parts_.on_stored) parts_.on_stored(stored);
  }
  tell_progress();
}

void Client::tell_progress() const {
  if (parts_.on_progress) parts_.on_progress();
}

void Client::give_up(const Error& error) {
  if (failed_ || closing_) return;
  failed_ = error;
  parts_.logger->error(fmt::format("event=client-failed reason=\"{}\"", error.message()));
  for (auto& wait : std::vector(standby_waits_)) settle(*wait, tlog::fail(error));
  // Whoever has the log now shall not find this one's sessions in the way. Not from within a call
  // of one of them.
  if (error.code() == Code::kFenced) {
    post([this, reason = error.message()] {
      filling_->stop();
      for (auto& link : links_) link->stand_by(reason);
    });
  }
  if (parts_.on_failed) parts_.on_failed(error);
}

void Client::source_failed(const Error& error) {
  give_up(error.within("log client: the records to be sent"));
}

std::string Client::waiting_for() const {
  const unsigned wanted = std::max(options_.concern.stored, options_.concern.received);
  const unsigned sending = board_.sending();
  if (everything_is_stored()) return "";
  if (sending >= wanted) return is_late() ? board_.backlogs() : "";
  return fmt::format("{} of {} servers that are wanted are sent to; {}", sending, wanted,
                     board_.troubles());
}

// Something was to be stored at once, and nothing has been for so long as a server may be silent.
bool Client::is_late() const {
  return forced_ > stored_ &&
         parts_.clock->monotonic_ns() - std::max<std::uint64_t>(forced_ns_, stored_ns_) >=
             options_.silence_ns;
}

bool Client::everything_is_stored() const {
  UseGate::Use use(*gate_);  // the source may go when this is closed
  const RecordSource* source = source_;
  return use && source != nullptr && stored_ >= source->end();
}

}  // namespace tlog::client
