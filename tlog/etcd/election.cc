#include "tlog/etcd/election.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/etcd/base64.h"

namespace tlog::etcd {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;

std::string lease_body(LeaseId lease) {
  return fmt::format(R"({{"ID":"{}"}})", lease);
}

std::string key_body(const std::string& key) {
  return fmt::format(R"({{"key":"{}"}})", encode_base64(key));
}

// A lease that has ended is told by a TTL of -1, or by none.
std::uint64_t ttl_of(const Answer& answer, const char* pointer) {
  return answer.text(pointer).starts_with('-') ? 0 : answer.number(pointer) * kSecondNs;
}

}  // namespace

Election::Election(Access access, std::string key, std::string last_words_key,
                   std::uint64_t timeout_ns)
    : gateway_(std::move(access)),
      key_(std::move(key)),
      last_words_key_(std::move(last_words_key)),
      timeout_ns_(timeout_ns) {}

Result<Seen> Election::look() {
  TLOG_ASSIGN(const Answer answer, gateway_.ask("/v3/kv/range", key_body(key_), timeout_ns_));
  Seen seen{.holder = std::nullopt, .revision = answer.number("/header/revision")};
  if (!answer.has("/kvs/0")) return seen;
  Holder holder;
  TLOG_ASSIGN(holder.value, answer.bytes("/kvs/0/value"));
  holder.lease = answer.number("/kvs/0/lease");
  holder.revision = answer.number("/kvs/0/mod_revision");
  seen.holder = std::move(holder);
  return seen;
}

Result<Lease> Election::grant(std::uint64_t ttl_ns) {
  const std::string body =
      fmt::format(R"({{"TTL":"{}"}})", std::max<std::uint64_t>(ttl_ns / kSecondNs, 1));
  TLOG_ASSIGN(const Answer answer, gateway_.ask("/v3/lease/grant", body, timeout_ns_));
  const Lease lease{.id = answer.number("/ID"), .ttl_ns = ttl_of(answer, "/TTL")};
  if (lease.id == 0) return fail(Code::kUnavailable, "grant a lease: etcd has given none");
  return lease;
}

Result<std::uint64_t> Election::keep_alive(LeaseId lease) {
  TLOG_ASSIGN(const Answer answer,
              gateway_.ask("/v3/lease/keepalive", lease_body(lease), timeout_ns_));
  if (answer.has("/result")) return ttl_of(answer, "/result/TTL");
  return fail(Code::kUnavailable,
              fmt::format("keep a lease alive: {}", answer.text("/error/message")));
}

Result<std::uint64_t> Election::time_left(LeaseId lease) {
  TLOG_ASSIGN(const Answer answer,
              gateway_.ask("/v3/lease/timetolive", lease_body(lease), timeout_ns_));
  return ttl_of(answer, "/TTL");
}

Status Election::revoke(LeaseId lease) {
  auto answer = gateway_.ask("/v3/lease/revoke", lease_body(lease), timeout_ns_);
  if (answer || answer.error().code() == Code::kInvalidArgument) return {};  // it has ended already
  return fail(answer.error());
}

Result<bool> Election::put_if(const std::string& compare, LeaseId lease, const std::string& value) {
  const std::string body =
      fmt::format(R"({{"compare":[{{"key":"{0}","result":"EQUAL",{1}}}],)"
                  R"("success":[{{"request_put":{{"key":"{0}","value":"{2}","lease":"{3}"}}}}]}})",
                  encode_base64(key_), compare, encode_base64(value), lease);
  TLOG_ASSIGN(const Answer answer, gateway_.ask("/v3/kv/txn", body, timeout_ns_));
  return answer.truth("/succeeded");
}

Result<bool> Election::campaign(LeaseId lease, const std::string& value, std::uint64_t instead_of) {
  if (instead_of == 0) return put_if(R"("target":"CREATE","create_revision":"0")", lease, value);
  return put_if(fmt::format(R"("target":"MOD","mod_revision":"{}")", instead_of), lease, value);
}

Result<bool> Election::declare(LeaseId lease, const std::string& value) {
  return put_if(fmt::format(R"("target":"LEASE","lease":"{}")", lease), lease, value);
}

Status Election::leave_words(const std::string& words) {
  const std::string body = fmt::format(R"({{"key":"{}","value":"{}"}})",
                                       encode_base64(last_words_key_), encode_base64(words));
  TLOG_ASSIGN(const Answer answer, gateway_.ask("/v3/kv/put", body, timeout_ns_));
  (void)answer;  // that there is one says it all
  return {};
}

Result<std::string> Election::last_words() {
  TLOG_ASSIGN(const Answer answer,
              gateway_.ask("/v3/kv/range", key_body(last_words_key_), timeout_ns_));
  return answer.bytes("/kvs/0/value");
}

Result<bool> Election::wait_for_change(std::uint64_t revision, std::uint64_t timeout_ns) {
  TLOG_ASSIGN(const std::uint64_t changed,
              gateway_.wait_for_change(key_, revision + 1, timeout_ns));
  return changed != 0;
}

}  // namespace tlog::etcd
