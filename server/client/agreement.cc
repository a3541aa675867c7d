#include "server/client/agreement.h"

#include <fmt/format.h>

#include <algorithm>

namespace tlog::client {
namespace {

// What could not be read is asked for again.
constexpr std::uint64_t kAskAgainNs = 500'000'000;

}  // namespace

Agreement::Agreement(Parts parts, std::vector<Link*> logs) : parts_(std::move(parts)) {
  for (Link* link : logs) {
    const protocol::Welcome& welcome = link->welcome();
    logs_.push_back({.link = link,
                     .session = welcome.session,
                     .end = welcome.stored.sequence,
                     .wanted = {},
                     .prints = {}});
  }
  for (Log& one : logs_) {
    for (const Log& other : logs_) {
      if (&one != &other) one.wanted.insert(std::min(one.end, other.end));
    }
  }
}

Agreement::~Agreement() {
  parts_.client->loop->cancel_timer(retry_);
}

bool Agreement::is_of(const std::vector<Link*>& logs) const {
  return std::equal(logs.begin(), logs.end(), logs_.begin(), logs_.end(),
                    [](const Link* link, const Log& log) {
                      return log.link == link && log.session == link->welcome().session;
                    });
}

void Agreement::go_on() {
  for (Log& log : logs_) ask(log);
}

void Agreement::ask(Log& log) {
  if (log.asked != 0 || log.wanted.empty() || retry_ != 0 || !log.link->is_attached()) return;
  log.asked = *log.wanted.begin();
  log.id = log.link->ask(protocol::ReadLog{.id = 0, .first = log.asked, .last = log.asked});
}

bool Agreement::known() const {
  return std::all_of(logs_.begin(), logs_.end(), [](const Log& log) { return log.wanted.empty(); });
}

Histories Agreement::compared() const {
  Histories histories;
  for (const Log& one : logs_) {
    histories.ends.push_back(one.end);
    std::vector<bool>& agrees = histories.agrees.emplace_back();
    for (const Log& other : logs_) {
      const Sequence last = std::min(one.end, other.end);
      agrees.push_back(&one == &other || one.prints.at(last) == other.prints.at(last));
    }
  }
  return histories;
}

Agreement::Log* Agreement::of(const Link& link) {
  for (Log& log : logs_) {
    if (log.link == &link) return &log;
  }
  return nullptr;
}

void Agreement::records(Link& link, Buffer body) {
  Log* log = of(link);
  if (log == nullptr || log->asked == 0) return;
  auto job = [this, gate = parts_.gate, loop = parts_.client->loop,
              index = static_cast<std::size_t>(log - logs_.data()),
              life = std::weak_ptr<int>(life_), bytes = std::make_shared<Buffer>(std::move(body))] {
    UseGate::Use use(*gate);
    if (!use) return;
    auto decoded = std::make_shared<Result<protocol::DecodedBatch>>(
        protocol::decode_verified(std::move(*bytes)));
    loop->post([this, life, index, decoded] {
      if (!life.expired()) read(index, std::move(*decoded));
    });
  };
  parts_.client->workers->submit(std::move(job));
}

void Agreement::read(std::size_t index, Result<protocol::DecodedBatch> decoded) {
  Log& log = logs_[index];
  if (!decoded) return failed(log, decoded.error());
  const auto& records = decoded->batch.records;
  const auto found = std::find_if(records.begin(), records.end(), [&](const format::Record& one) {
    return one.sequence == log.asked;
  });
  if (found == records.end()) return;  // of a request that was given up
  log.prints[log.asked] = {found->offset, found->size, found->operation, found->timestamp,
                           found->hash};
  log.wanted.erase(log.asked);
  log.asked = 0;
  ask(log);
  if (known()) tell();
}

void Agreement::replied(Link& link, const protocol::Reply& reply) {
  Log* log = of(link);
  if (log == nullptr || log->asked == 0 || log->id != reply.id) return;
  if (reply.error) failed(*log, *reply.error);
}

void Agreement::failed(Log& log, const Error& error) {
  trouble_ = fmt::format(
      "{}: record {}, by which its log is compared with the others', cannot be "
      "read: {}",
      log.link->address(), log.asked, error.message());
  parts_.client->logger->warning(
      fmt::format("event=compare-failed server={} record={} reason=\"{}\"", log.link->address(),
                  log.asked, error.message()));
  log.asked = 0;
  if (retry_ != 0) return;
  retry_ = parts_.client->loop->add_timer(kAskAgainNs, [this] {
    retry_ = 0;
    go_on();
  });
}

void Agreement::tell() {
  parts_.client->loop->post([this, life = std::weak_ptr<int>(life_)] {
    if (life.expired()) return;
    const auto news = parts_.news;  // may be the end of this
    news();
  });
}

}  // namespace tlog::client
