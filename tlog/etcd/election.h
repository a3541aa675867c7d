// File: tlog/etcd/election.h
// Election: one key of etcd that one of several candidates has, bound to its lease: when that ends,
// because nobody keeps it alive, the key is gone and the next one may have it. Beside it a key that
// stays, with the last holder's last words.
//
// What it says is true of etcd at some moment of the call; only who is refused by the stores knows
// for certain. Threading: one thread, but for wake(). Errors: as Gateway.
#pragma once

#include <optional>
#include <string>

#include "tlog/etcd/gateway.h"

namespace tlog::etcd {

using LeaseId = std::uint64_t;  // 0: none

struct Holder {
  std::string value;
  LeaseId lease = 0;
  std::uint64_t revision = 0;  // of the key's last change
};

struct Seen {
  std::optional<Holder> holder;  // nobody: the key is free
  std::uint64_t revision = 0;    // of the whole store: a change is watched for behind it
};

struct Lease {
  LeaseId id = 0;
  std::uint64_t ttl_ns = 0;  // may be more than was asked for
};

class Election {
 public:
  // `timeout_ns`: of a request to one endpoint.
  Election(Access access, std::string key, std::string last_words_key, std::uint64_t timeout_ns);

  Result<Seen> look();
  Result<Lease> grant(std::uint64_t ttl_ns);
  // What is left of it afterwards; 0: there is no such lease any more.
  Result<std::uint64_t> keep_alive(LeaseId lease);
  // What is left of anybody's lease; 0: it has ended.
  Result<std::uint64_t> time_left(LeaseId lease);
  // The key goes with it.
  Status revoke(LeaseId lease);

  // Takes the key: when it is free (`instead_of` 0), or when its last change was that one. False:
  // somebody was quicker.
  Result<bool> campaign(LeaseId lease, const std::string& value, std::uint64_t instead_of);
  // Another value for the key, which this lease holds. False: it does not.
  Result<bool> declare(LeaseId lease, const std::string& value);

  Status leave_words(const std::string& words);
  Result<std::string> last_words();  // "": none

  // True: something has happened since `revision`, or may have.
  Result<bool> wait_for_change(std::uint64_t revision, std::uint64_t timeout_ns);
  void wake() { gateway_.wake(); }

 private:
  Result<bool> put_if(const std::string& compare, LeaseId lease, const std::string& value);

  Gateway gateway_;
  const std::string key_;
  const std::string last_words_key_;
  const std::uint64_t timeout_ns_;
};

}  // namespace tlog::etcd
