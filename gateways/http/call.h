// Call: one request from its headers to the last byte of its answer, whatever libmicrohttpd does
// with it. Calls: those that are under way, for the end of the server.
//
// Threading: a Call belongs to its connection's thread, but for cancel(). Calls: any thread.
#pragma once

#include <set>

#include "gateways/http/exchange.h"
#include "tlog/base/mutex.h"

namespace tlog::gateway {

class Call;

class Calls {
 public:
  void add(Call* call) EXCLUDES(mutex_);
  void remove(Call* call) EXCLUDES(mutex_);
  void cancel() EXCLUDES(mutex_);
  // False: some are still there after `time_ns`.
  bool wait_for_none(std::uint64_t time_ns) EXCLUDES(mutex_);

 private:
  Mutex mutex_;
  CondVar changed_;
  std::set<Call*> calls_ GUARDED_BY(mutex_);
};

class Call {
 public:
  // `refusal` outlives it.
  Call(Calls& calls, const HttpRefusal& refusal, std::uint64_t body_bytes_max)
      : calls_(calls), make_refusal_(refusal), bytes_max_(body_bytes_max) {
    calls_.add(this);
  }
  ~Call() { calls_.remove(this); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // One of the two, first. What is refused has no exchange; up to `dropped_bytes_max` of its body
  // are read before it is told.
  void refuse(HttpAnswer answer, std::uint64_t dropped_bytes_max);
  void begin(const HttpHandler& handler, const HttpRequest& request);

  bool takes_body() const { return !dropping_; }
  std::uint64_t dropped_bytes_max() const { return dropped_bytes_max_; }
  // False: the connection is not worth keeping.
  bool body(ConstByteSpan piece);
  HttpAnswer answer();

  // The answer's body, from where it is sent.
  void keep(std::unique_ptr<HttpSource> source) EXCLUDES(mutex_);
  Result<std::size_t> fill(ByteSpan into) { return source_->fill(into); }

  void cancel() EXCLUDES(mutex_);

 private:
  HttpAnswer failed() const;

  Calls& calls_;
  const HttpRefusal& make_refusal_;
  const std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
  bool dropping_ = false;
  std::uint64_t dropped_bytes_max_ = 0;
  std::optional<HttpAnswer> refusal_;
  Mutex
      mutex_;  // cancel() and what makes the objects that it cancels; they are not unmade under it
  bool cancelled_ GUARDED_BY(mutex_) = false;
  std::unique_ptr<HttpExchange> exchange_;  // set once
  std::unique_ptr<HttpSource> source_;      // set once
};

}  // namespace tlog::gateway
