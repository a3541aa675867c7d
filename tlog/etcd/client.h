// File: tlog/etcd/client.h
// Client: one key of etcd, for reading and watching, see Gateway.
//
// Threading: one thread, but for wake(). Errors name the endpoint and the reason; kNotFound: there
// is no such key.
#pragma once

#include "tlog/etcd/gateway.h"
#include "tlog/etcd/url.h"

namespace tlog::etcd {

struct KeyValue {
  std::string value;
  std::uint64_t revision = 0;  // of the whole store when it was read
};

class Client {
 public:
  explicit Client(Url url)
      : key_(std::move(url.key)),
        gateway_({.endpoints = std::move(url.endpoints), .ca_file = std::move(url.ca_file)}) {}

  Result<KeyValue> get();
  // See Gateway::wait_for_change().
  Result<std::uint64_t> wait_for_change(std::uint64_t revision, std::uint64_t timeout_ns) {
    return gateway_.wait_for_change(key_, revision, timeout_ns);
  }
  bool pause(std::uint64_t time_ns) { return gateway_.pause(time_ns); }
  void wake() { gateway_.wake(); }

 private:
  const std::string key_;
  Gateway gateway_;
};

}  // namespace tlog::etcd
