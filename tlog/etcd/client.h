// File: tlog/etcd/client.h
// Client: one key of etcd, over the JSON gateway of its third API (etcd 3.4 and later). Tries the
// endpoints of its Url one after the other, beginning with the one that answered last.
//
// Threading: one thread, but for wake(). Errors name the endpoint and the reason; kNotFound: there
// is no such key.
#pragma once

#include "tlog/etcd/http.h"
#include "tlog/etcd/url.h"

namespace tlog::etcd {

struct KeyValue {
  std::string value;
  std::uint64_t revision = 0;  // of the whole store when it was read
};

class Client {
 public:
  explicit Client(Url url) : url_(std::move(url)), http_(url_.ca_file) {}

  Result<KeyValue> get();
  // Waits until the key changes at `revision` or later: the revision of the change, or 0 when there
  // was none in that time.
  Result<std::uint64_t> wait_for_change(std::uint64_t revision, std::uint64_t timeout_ns);
  bool pause(std::uint64_t time_ns) { return http_.pause(time_ns); }
  void wake() { http_.wake(); }

 private:
  Result<std::string> post(const std::string& path, HttpRequest request);

  const Url url_;
  Http http_;
  std::size_t endpoint_ = 0;  // that answered last
};

}  // namespace tlog::etcd
