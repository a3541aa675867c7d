// File: tlog/etcd/gateway.h
// Gateway: the JSON gateway of an etcd's third API (3.4 and later). Tries its endpoints one after
// the other, beginning with the one that answered last; logs in again when a token has ended.
//
// Threading: one thread, but for wake(). Errors name the endpoint and the reason; kShutdown after
// wake(); kInvalidArgument: etcd refuses it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tlog/etcd/http.h"

namespace tlog::etcd {

struct Access {
  std::vector<std::string> endpoints;  // "http://host:port" or "https://host:port"
  std::string ca_file = {};            // "": the system's
  std::string user = {};               // "": nobody in particular
  std::string password = {};
};

// A JSON object, asked with pointers (RFC 6901) such as "/kvs/0/value". What is absent, or of
// another kind, is 0, false or "": so the gateway writes these. A value that is cheap to copy.
class Answer {
 public:
  static Result<Answer> parse(std::string_view text);  // kUnavailable: no JSON object

  bool has(const char* pointer) const;
  bool truth(const char* pointer) const;
  std::uint64_t number(const char* pointer) const;  // also one that is written as text
  std::string text(const char* pointer) const;
  Result<std::string> bytes(const char* pointer) const;  // of base64; kCorruption

 private:
  struct Tree;
  explicit Answer(std::shared_ptr<const Tree> tree) : tree_(std::move(tree)) {}
  std::shared_ptr<const Tree> tree_;
};

class Gateway {
 public:
  explicit Gateway(Access access) : access_(std::move(access)), http_(access_.ca_file) {}

  // `timeout_ns`: of one endpoint.
  Result<Answer> ask(const std::string& path, const std::string& body, std::uint64_t timeout_ns);
  // Waits until the key changes at `revision` or later: the revision of the change, or 0 when there
  // was none in that time.
  Result<std::uint64_t> wait_for_change(const std::string& key, std::uint64_t revision,
                                        std::uint64_t timeout_ns);
  bool pause(std::uint64_t time_ns) { return http_.pause(time_ns); }
  void wake() { http_.wake(); }

 private:
  Result<std::string> post(const std::string& path, HttpRequest request);
  Result<std::string> post_as_user(const std::string& endpoint, const std::string& path,
                                   HttpRequest& request);
  Status log_in(const std::string& endpoint, std::uint64_t timeout_ns);

  const Access access_;
  Http http_;
  std::size_t endpoint_ = 0;  // that answered last
  std::string token_;         // of the user; "": none yet
};

}  // namespace tlog::etcd
