#include "tests/sim/sim_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>

#include "tlog/base/assert.h"

namespace tlog::sim {
namespace {

bool writes(const std::string& command) {
  static const std::set<std::string> kWriting = {"SET",    "DEL",  "UNLINK",   "HSET",   "HMSET",
                                                 "HSETNX", "HDEL", "FLUSHALL", "FLUSHDB"};
  return kWriting.contains(command);
}

}  // namespace

// ---- The connection ----

// How long until what is sent now has come, after what was sent before it.
std::uint64_t Link::way(std::uint64_t& last_ns) {
  const Latency& latency = server_.latency_;
  last_ns = std::max(last_ns, world_.now() + world_.between(latency.least_ns, latency.most_ns));
  return last_ns - world_.now();
}

void Link::send(std::string bytes) {
  requests_.push_back(std::move(bytes));
  world_.after(way(request_ns_), [self = shared_from_this()] { self->arrive(); });
}

void Link::client_closes() {
  if (client_open_ && server_.keeps_gone_ && may_execute() && !requests_.empty()) {
    server_.gone_.push_back(shared_from_this());
  }
  client_open_ = false;
  on_reply = {};
  on_closed = {};
}

bool Link::may_execute() const {
  return life_ == server_.life_ && server_.running_ && !session_.killed;
}

// The next request has come.
void Link::arrive() {
  if (!may_execute()) return;
  if (server_.stopped_ || server_.cut_off_) {
    ++requests_held_;
    return;
  }
  const std::string bytes = std::move(requests_.front());
  requests_.pop_front();
  execute(bytes);
}

void Link::execute(const std::string& bytes) {
  std::string_view rest = bytes;
  std::string answers;
  while (!rest.empty()) {
    rest.remove_prefix(framing_.take(rest));
    if (framing_.broken()) return world_.fail("a client has sent what is no command");
    if (framing_.ended()) answers += server_.run(framing_.words(), session_);
    if (session_.killed) return;
  }
  if (!answers.empty()) reply(std::move(answers));
}

void Link::reply(std::string bytes) {
  replies_.push_back(std::move(bytes));
  world_.after(way(reply_ns_), [self = shared_from_this()] { self->deliver(); });
}

void Link::deliver() {
  if (!client_open_ || life_ != server_.life_ || session_.killed) return;
  if (server_.cut_off_) {
    ++replies_held_;
    return;
  }
  const std::string bytes = std::move(replies_.front());
  replies_.pop_front();
  const auto keeps = on_reply;  // it may close
  if (keeps) keeps(bytes);
}

void Link::server_ended() {
  if (server_.cut_off_) return;  // nobody hears of it
  world_.after(way(reply_ns_), [self = shared_from_this()] {
    const auto keeps = self->on_closed;
    if (self->client_open_ && keeps) keeps();
  });
}

void Link::kill_if_asked() {
  if (session_.killed) server_ended();
}

void Link::go_on() {
  if (server_.cut_off_) return;
  for (; replies_held_ > 0; --replies_held_) {
    world_.after(way(reply_ns_), [self = shared_from_this()] { self->deliver(); });
  }
  if (server_.stopped_) return;
  // The packets of one who has gone may take any way, and any time.
  if (!client_open_ && world_.chance(30)) {
    request_ns_ = std::max(request_ns_, world_.now() + world_.below(20 * kSecond));
  }
  for (; requests_held_ > 0; --requests_held_) {
    world_.after(way(request_ns_), [self = shared_from_this()] { self->arrive(); });
  }
}

// ---- The server ----

SimServer::SimServer(World& world, unsigned index, const std::string& host)
    : world_(world),
      index_(index),
      host_(fmt::format("{}{}", host, index)),
      address_(host_ + ":6379") {
  // Some sync at once, most within a second or two, as redis does.
  sync_lag_ns_ = world_.chance(30) ? 0 : world_.below(2 * kSecond);
  rebuild();
}

SimServer::~SimServer() = default;

// The contents that its changes make, in a new life.
void SimServer::rebuild() {
  auto fresh = std::make_unique<testing::ArdbCommands>("", "rocksdb");
  fresh->each_session = [this](const auto& visit) { each_session(visit); };
  fresh->starts = static_cast<unsigned>(index_ * 1000 + life_);
  testing::ArdbCommands::Session session;
  for (const Change& change : changes_)
    (void)fresh->run(change.words, session);  // as it did before
  if (commands_) fresh->full = commands_->full.load();
  commands_ = std::move(fresh);
  changed();
}

// Those that can still execute something, whether their clients are there or not.
std::vector<std::shared_ptr<Link>> SimServer::live_links() {
  std::vector<std::shared_ptr<Link>> live;
  std::erase_if(gone_,
                [](const auto& link) { return link->requests_.empty() || !link->may_execute(); });
  for (const auto& weak : links_) {
    auto link = weak.lock();
    if (!link || !link->may_execute()) continue;
    if (link->client_open_ || !link->requests_.empty()) live.push_back(std::move(link));
  }
  return live;
}

void SimServer::each_session(const std::function<void(testing::ArdbCommands::Session&)>& visit) {
  for (const auto& link : live_links()) visit(link->session_);
}

std::string SimServer::run(const Words& words, testing::ArdbCommands::Session& session) {
  if (world_.tracing()) {
    std::string text = host_ + " <";
    for (const std::string& word : words) text += ' ' + word.substr(0, 48);
    world_.trace(text);
  }
  const std::string& name = words.empty() ? "" : words[0];
  if (forgetful_ && name == "SET") return "+OK\r\n";
  const bool is_record = words.size() > 2 && !words[2].empty() && std::isalpha(words[2][0]) != 0;
  if (forgetful_ && name == "HMSET" && !is_record) return "+OK\r\n";
  if (writes(name) && !commands_->full) changes_.push_back({world_.now(), words});
  const auto links = name == "CLIENT" ? live_links() : std::vector<std::shared_ptr<Link>>();
  std::string answer = commands_->run(words, session).bytes;
  for (const auto& link : links) link->kill_if_asked();
  if (writes(name)) changed();
  world_.note(name);
  if (words.size() > 1) world_.note(words[1]);
  if (world_.tracing()) {
    world_.trace(fmt::format("{} > {}", host_, answer.substr(0, answer.find('\r'))));
  }
  if (answer.starts_with("-ERR unknown command")) {
    world_.fail("a client has sent a command that ardb does not know: " + name);
  }
  return answer;
}

std::size_t SimServer::synced() const {
  std::size_t count = changes_.size();
  while (count > 0 && changes_[count - 1].at_ns + sync_lag_ns_ > world_.now()) --count;
  return count;
}

void SimServer::kill(bool loses) {
  if (!running_) return;
  running_ = false;
  ++life_;
  const std::size_t least = loses ? synced() : changes_.size();
  const std::size_t kept = least + world_.below(changes_.size() - least + 1);
  changes_.resize(kept);
  rebuild();
  gone_.clear();
  for (const auto& weak : std::exchange(links_, {})) {
    if (auto link = weak.lock()) link->server_ended();
  }
}

void SimServer::set_back() {
  kill(false);
  changes_.resize(world_.below(changes_.size() + 1));
  rebuild();
  start();
}

void SimServer::start() {
  if (running_) return;
  running_ = true;
  stopped_ = false;
}

void SimServer::start_empty() {
  kill(false);
  changes_.clear();
  rebuild();
  start();
}

void SimServer::flush_all() {
  changes_.clear();
  rebuild();
}

void SimServer::stop(bool on) {
  stopped_ = on;
  links_go_on();
}

void SimServer::cut_off(bool on) {
  cut_off_ = on;
  links_go_on();
}

void SimServer::links_go_on() {
  std::erase_if(links_, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : std::vector(links_)) {
    if (auto link = weak.lock()) link->go_on();
  }
}

void SimServer::set_contents(const Contents& contents) {
  changes_ = contents;
  rebuild();
}

std::optional<std::string> SimServer::value(const std::string& key) {
  testing::ArdbCommands::Session session;
  std::string answer = commands_->run({"GET", key}, session).bytes;
  if (answer.starts_with("$-1")) return std::nullopt;
  const std::size_t begin = answer.find("\r\n") + 2;
  return answer.substr(begin, answer.size() - begin - 2);
}

void SimServer::overwrite(const std::string& key, const std::string& value) {
  change({"SET", key, value});
}

void SimServer::remove(const std::string& key) {
  change({"DEL", key});
}

std::map<std::string, std::string> SimServer::fields(const std::string& key) {
  testing::ArdbCommands::Session session;
  testing::RespFraming framing;
  framing.take(commands_->run({"HGETALL", key}, session).bytes);
  std::map<std::string, std::string> all;
  const auto& words = framing.words();
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) all[words[i]] = words[i + 1];
  return all;
}

void SimServer::overwrite_field(const std::string& key, const std::string& field,
                                const std::string& value) {
  change({"HSET", key, field, value});
}

void SimServer::change(Words words) {
  testing::ArdbCommands::Session session;
  const bool was_full = commands_->full.exchange(false);
  (void)commands_->run(words, session);
  commands_->full = was_full;
  changes_.push_back({world_.now(), std::move(words)});
}

// ---- The network ----

Network::Network(World& world, unsigned servers, const std::string& host) : world_(world) {
  for (unsigned i = 0; i < servers; ++i) {
    servers_.push_back(std::make_unique<SimServer>(world, i, host));
  }
}

void Network::connect(const std::string& address, std::uint64_t timeout_ns, LinkDone done) {
  auto found = std::find_if(servers_.begin(), servers_.end(),
                            [&](const auto& server) { return server->address() == address; });
  if (found == servers_.end() && other_ != nullptr)
    return other_->connect(address, timeout_ns, std::move(done));
  TLOG_ASSERT(found != servers_.end());
  SimServer& server = **found;
  const std::uint64_t way = 2 * world_.between(server.latency_.least_ns, server.latency_.most_ns);
  if (server.cut_off_ || way > timeout_ns) {
    return world_.after(timeout_ns, [done = std::move(done)] {
      done(tlog::fail(Code::kTimeout, "connect: no answer"));
    });
  }
  world_.after(way, [this, &server, done = std::move(done)] {
    if (!server.running_)
      return done(tlog::fail(Code::kUnavailable, "connect: connection refused"));
    auto link = std::make_shared<Link>(world_, server, server.life_,
                                       fmt::format("client{}:1", ++server.connected_));
    server.links_.push_back(link);
    done(std::move(link));
  });
}

}  // namespace tlog::sim
