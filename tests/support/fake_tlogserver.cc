#include "tests/support/fake_tlogserver.h"

#include <algorithm>
#include <stdexcept>

#include "tlog/base/random.h"
#include "tlog/io/loop.h"

namespace tlog::testing {

using protocol::FrameType;
using protocol::Message;

FakeTlogserver::FakeTlogserver(io::Loop& loop, std::shared_ptr<FakeServerLog> log,
                               std::string address)
    : loop_(loop), log_(std::move(log)), address_(std::move(address)) {
  start();
}

FakeTlogserver::~FakeTlogserver() {
  stop();
}

void FakeTlogserver::call(const std::function<void()>& task) {
  if (loop_.in_loop_thread()) return task();
  io::run_on(loop_, task);
}

void FakeTlogserver::start() {
  net::AcceptorOptions options;
  options.address = address_;
  auto acceptor = net::listen(loop_, options, null_logger(),
                              [this](auto channel) { accept(std::move(channel)); });
  if (!acceptor) throw std::runtime_error(acceptor.error().message());
  call([&] { acceptor_ = std::move(*acceptor); });
}

void FakeTlogserver::stop() {
  call([this] {
    acceptor_.reset();
    hang_up();
  });
}

void FakeTlogserver::script(FakeScript script) {
  call([&] { script_ = std::move(script); });
}

// A channel is not destroyed within its own call.
void FakeTlogserver::drop(std::unique_ptr<net::Channel> channel) {
  channel->close();
  loop_.post([gone = std::shared_ptr<net::Channel>(std::move(channel))] {});
}

void FakeTlogserver::hang_up() {
  for (auto& peer : std::exchange(peers_, {})) {
    if (peer->channel) drop(std::move(peer->channel));
  }
  control_ = data_ = nullptr;
  epoch_.reset();
  held_.clear();
  forced_.clear();
  muted_ = false;
}

void FakeTlogserver::accept(std::unique_ptr<net::Channel> channel) {
  auto peer = std::make_shared<Peer>();
  peer->channel = std::move(channel);
  peers_.push_back(peer);
  peer->channel->set_limits(
      {.records_bytes_max = static_cast<std::uint32_t>(protocol::kBatchFrameMax)});
  const std::weak_ptr<Peer> weak = peer;
  peer->channel->start({.on_frame =
                            [this, weak](FrameType type, Buffer body) {
                              if (auto p = weak.lock()) frame(p, type, std::move(body));
                            },
                        .on_closed =
                            [this, weak](const Error&) {
                              auto p = weak.lock();
                              if (!p || !p->channel) return;
                              const bool ours = p == control_ || p == data_;
                              if (ours) return hang_up();
                              drop(std::move(p->channel));
                              std::erase(peers_, p);
                              if (peers_.empty()) muted_ = false;
                            }});
  moment(FakeMoment::kAccept);
}

bool FakeTlogserver::moment(FakeMoment moment) {
  if (script_.die == moment) {
    script_.die.reset();
    hang_up();
    return false;
  }
  if (script_.silent == moment) {
    script_.silent.reset();
    muted_ = true;
  }
  if (script_.garbage == moment && control_) {
    script_.garbage.reset();
    auto junk = std::make_shared<Buffer>(777);
    system_random().fill(junk->span());
    control_->channel->send(FrameType::kMessage, {junk->span()}, [junk](Status) {});
  }
  return !muted_;
}

void FakeTlogserver::say(Peer& peer, const Message& message) {
  if (muted_ || !peer.channel) return;
  auto body = std::make_shared<Buffer>(protocol::encode(message));
  peer.channel->send(FrameType::kMessage, {body->span()}, [body](Status) {});
}

void FakeTlogserver::frame(const std::shared_ptr<Peer>& peer, FrameType type, Buffer body) {
  if (muted_ || !peer->channel) return;
  if (type == FrameType::kRecords) return take(std::move(body));
  auto decoded = protocol::decode(body.span());
  if (!decoded) return hang_up();
  message(peer, std::move(*decoded));
}

void FakeTlogserver::message(const std::shared_ptr<Peer>& peer, Message message) {
  if (const auto* one = std::get_if<protocol::Hello>(&message)) return hello(peer, *one);
  if (const auto* attach = std::get_if<protocol::Attach>(&message)) {
    if (!moment(FakeMoment::kAttach) || attach->session != session_) return;
    data_ = peer;
    say(*peer, protocol::Attached{});
    if (script_.deaf) peer->channel->set_reading(false);
    moment(FakeMoment::kAttached);
    return;
  }
  check_fence();
  if (peer != control_) return;
  if (auto* echo = std::get_if<protocol::Echo>(&message)) {
    ++echoes_;
    return say(*peer, *echo);
  }
  if (const auto* request = std::get_if<protocol::ReadLog>(&message)) return read(*request);
  if (const auto* force = std::get_if<protocol::ForceFlush>(&message)) {
    ++forces_;
    forced_.emplace(force->sequence, force->id);
    if (script_.asks_force) store(force->sequence);
    return progress();
  }
  if (const auto* wait = std::get_if<protocol::WaitSlaveSync>(&message)) {
    return say(*control_, protocol::Reply{wait->id, script_.standby, {log_->stored.size()}, {}});
  }
  if (std::holds_alternative<protocol::Disconnect>(message)) hang_up();
}

void FakeTlogserver::hello(const std::shared_ptr<Peer>& peer, const protocol::Hello& hello) {
  ++hellos_;
  if (!moment(FakeMoment::kHello)) return;
  auto refuse = [&](Code code, const std::string& reason) {
    say(*peer, protocol::Refusal{code, reason});
  };
  if (script_.refuse) return refuse(script_.refuse->code, script_.refuse->reason);
  if (!log_->exists && !hello.may_create) return refuse(Code::kNotFound, "there is no log");
  if (log_->exists && log_->journal != hello.journal && !hello.take_over)
    return refuse(Code::kFenced, "the log is written by journal " + log_->journal.text());
  if (control_) {  // the one before was cut and does not know it yet
    auto keep = peer;
    std::erase(peers_, peer);
    hang_up();
    peers_.push_back(keep);
  }
  protocol::Welcome welcome;
  welcome.created = !log_->exists;
  if (!log_->exists) log_->format = hello.format;
  log_->exists = true;
  log_->journal = hello.journal;
  epoch_ = ++log_->epoch;
  control_ = peer;
  session_ = system_random().next_uuid();
  welcome.server = system_random().next_uuid();
  welcome.session = session_;
  welcome.log = log_->id;
  welcome.format = log_->format;
  welcome.epoch = *epoch_;
  welcome.stored.sequence = log_->stored.size();
  if (!log_->stored.empty()) welcome.stored.timestamp = log_->stored.back().timestamp;
  welcome.received = welcome.stored.sequence;
  welcome.batch_bytes_max = script_.batch_bytes_max;
  say(*peer, welcome);
  moment(FakeMoment::kWelcome);
}

// Another server has opened the log since.
void FakeTlogserver::check_fence() {
  if (epoch_ && *epoch_ != log_->epoch) disconnect(Code::kFenced, "another writer has the log");
}

void FakeTlogserver::take(Buffer body) {
  check_fence();
  if (!control_ || !moment(FakeMoment::kRecords)) return;
  ++batches_;
  auto decoded = protocol::decode_batch(std::move(body));
  if (!decoded || !protocol::verify_hashes(decoded->batch.records))
    return disconnect(Code::kCorruption, "records that are wrong");
  for (const format::Record& record : decoded->batch.records) {
    const Sequence next = log_->stored.size() + held_.size() + 1;
    if (record.sequence < next) continue;
    if (record.sequence > next) return disconnect(Code::kInvalidArgument, "a gap");
    held_.push_back(
        {record.offset, record.timestamp,
         std::string(reinterpret_cast<const char*>(record.data.data()), record.data.size())});
  }
  if (!script_.holds && !script_.asks_force) store(log_->stored.size() + held_.size());
  // As real ones: what is forced may come later.
  if (script_.asks_force && !forced_.empty()) store(forced_.rbegin()->first);
  progress();
}

void FakeTlogserver::store(Sequence up_to) {
  while (!held_.empty() && log_->stored.size() < up_to) {
    log_->stored.push_back(std::move(held_.front()));
    held_.pop_front();
  }
}

void FakeTlogserver::store_received() {
  call([this] {
    store(log_->stored.size() + held_.size());
    progress();
  });
}

void FakeTlogserver::progress() {
  if (!control_) return;
  protocol::Progress progress;
  progress.stored = log_->stored.size();
  progress.received = progress.stored + held_.size();
  if (script_.lies) progress.received = progress.stored = progress.received + 1000;
  progress.synced = progress.stored;
  say(*control_, progress);
  while (!forced_.empty() && forced_.begin()->first <= progress.stored) {
    say(*control_, protocol::Reply{forced_.begin()->second, {}, {progress.stored}, {}});
    forced_.erase(forced_.begin());
  }
  moment(FakeMoment::kProgress);
}

void FakeTlogserver::read(const protocol::ReadLog& request) {
  ++reads_;
  if (!data_ || !moment(FakeMoment::kRead)) return;
  if (request.first == 0 || request.first > request.last || request.last > log_->stored.size()) {
    return say(*control_,
               protocol::Reply{request.id, Error(Code::kNotFound, "not stored"), {}, {}});
  }
  constexpr Sequence kBatch = 7;
  for (Sequence at = request.first; at <= request.last; at += kBatch) {
    auto records = std::make_shared<std::vector<format::Record>>();
    auto entries = std::make_shared<std::vector<FakeServerLog::Entry>>();
    const Sequence end = std::min(request.last, at + kBatch - 1);
    entries->assign(log_->stored.begin() + static_cast<std::ptrdiff_t>(at - 1),
                    log_->stored.begin() + static_cast<std::ptrdiff_t>(end));
    for (Sequence s = at; s <= end; ++s) {
      FakeServerLog::Entry& entry = (*entries)[s - at];
      records->push_back({.sequence = s,
                          .offset = entry.offset,
                          .size = entry.data.size(),
                          .operation = Operation::kWrite,
                          .timestamp = entry.timestamp,
                          .hash = {},
                          .data = bytes_of(std::string_view(entry.data))});
    }
    protocol::fill_hashes(*records);
    if (script_.spoils) entries->back().data[0] ^= 1;
    auto frame = protocol::encode_batch(log_->format.vdisk, *epoch_, ++sent_batches_, *records);
    if (!frame) throw std::runtime_error(frame.error().message());
    auto kept = std::make_shared<protocol::EncodedBatch>(std::move(*frame));
    data_->channel->send(FrameType::kRecords, kept->pieces, [kept, records, entries](Status) {});
  }
  say(*control_, protocol::Reply{request.id, {}, {request.last}, {}});
}

void FakeTlogserver::disconnect(Code code, const std::string& reason) {
  call([&] {
    if (control_) say(*control_, protocol::Disconnect{code, reason});
    // What is said is to arrive: the client closes.
    epoch_.reset();
    control_ = data_ = nullptr;
    held_.clear();
    forced_.clear();
  });
}

std::uint64_t FakeTlogserver::count_of(const std::uint64_t& counter) {
  std::uint64_t count = 0;
  call([&] { count = counter; });
  return count;
}

bool FakeTlogserver::has_session() {
  bool has = false;
  call([&] { has = control_ && data_; });
  return has;
}

std::vector<FakeServerLog::Entry> FakeTlogserver::stored() {
  std::vector<FakeServerLog::Entry> copy;
  call([&] { copy = log_->stored; });
  return copy;
}

}  // namespace tlog::testing
