// File: tlog/etcd/http.h
// Http: POST requests to one of several endpoints, bounded in time and size, that can be woken. The
// only place that knows libcurl.
//
// Threading: one thread, but for wake(). Errors: kUnavailable and kTimeout name the endpoint and
// the reason; kShutdown after wake(); what the server says with a status above 299 is
// kInvalidArgument, with one above 499 kUnavailable, and with 401 (it does not know the token)
// kFenced.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tlog/base/result.h"

namespace tlog::etcd {

struct HttpRequest {
  std::string url;
  std::string body;
  std::string token = {};                    // of the user who asks; "": nobody in particular
  std::uint64_t timeout_ns = 5'000'000'000;  // of all of it; kTimeout afterwards
  std::size_t bytes_max = 4 * 1024 * 1024;   // of the answer
  // Called with each line of the answer as it comes; false ends the request well. Without it the
  // whole answer is gathered.
  std::function<bool(std::string_view line)> on_line = {};
};

class Http {
 public:
  explicit Http(std::string ca_file);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  Result<std::string> post(const HttpRequest& request);
  // Waits without a request; false when it was woken.
  bool pause(std::uint64_t time_ns);
  // What is under way and everything later ends at once.
  void wake();

 private:
  struct Handles;
  struct Transfer;
  static std::size_t take(char* bytes, std::size_t size, std::size_t count, void* transfer);
  Result<std::string> finish(Transfer& transfer, int code, const std::string& url) const;

  const std::string ca_file_;
  const std::unique_ptr<Handles> handles_;
  std::atomic<bool> woken_ = false;
};

}  // namespace tlog::etcd
