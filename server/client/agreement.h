// Agreement: before a log is taken over: do the logs of the servers that are there agree? Of each
// two the last record of the shorter one is read from both, and compared (histories.h says what
// follows from it).
//
// Threading: loop's thread; hashes are verified on the workers.
// Memory: one record per server.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/client/histories.h"
#include "server/client/link.h"

namespace tlog::client {

class Agreement {
 public:
  struct Parts {  // borrowed
    const LogClient::Parts* client = nullptr;
    std::shared_ptr<UseGate> gate;
    std::function<void()> news;  // never from within a call
  };
  // Logs that are not empty, each once, in a session.
  Agreement(Parts parts, std::vector<Link*> logs);
  ~Agreement();

  // Of these, in the sessions that they are in now.
  bool is_of(const std::vector<Link*>& logs) const;
  void go_on();  // asks those that are attached
  bool known() const;
  // When it is known: ends and agrees, in the order of the logs.
  Histories compared() const;
  const std::string& trouble() const { return trouble_; }  // why it is not known yet, or ""

  void records(Link& link, Buffer body);
  void replied(Link& link, const protocol::Reply& reply);

 private:
  // What tells a record from another one.
  struct Print {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    Operation operation = Operation::kWrite;
    TimestampNs timestamp = 0;
    Hash256 hash;
    friend bool operator==(const Print&, const Print&) = default;
  };
  struct Log {
    Link* link = nullptr;
    Uuid session;
    Sequence end = 0;
    std::set<Sequence> wanted;
    std::map<Sequence, Print> prints;
    Sequence asked = 0;    // 0: nothing is under way
    std::uint64_t id = 0;  // of the request
  };
  void ask(Log& log);
  void read(std::size_t index, Result<protocol::DecodedBatch> decoded);
  void failed(Log& log, const Error& error);
  void tell();
  Log* of(const Link& link);

  const Parts parts_;
  std::vector<Log> logs_;
  std::string trouble_;
  io::TimerId retry_ = 0;
  std::shared_ptr<int> life_ = std::make_shared<int>();
};

}  // namespace tlog::client
