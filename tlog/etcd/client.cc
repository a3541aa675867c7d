#include "tlog/etcd/client.h"

#include <fmt/format.h>

#include "tlog/etcd/base64.h"

namespace tlog::etcd {
namespace {

constexpr std::uint64_t kTimeoutNs = 5'000'000'000;

}  // namespace

Result<KeyValue> Client::get() {
  const std::string body = fmt::format(R"({{"key":"{}"}})", encode_base64(key_));
  TLOG_ASSIGN(const Answer answer, gateway_.ask("/v3/kv/range", body, kTimeoutNs));
  if (!answer.has("/kvs/0")) {
    return fail(
        Code::kNotFound,
        fmt::format("there is no such key; put the configuration there with `etcdctl put {} "
                    "< tlogdisk.yml`",
                    key_));
  }
  KeyValue result{.value = {}, .revision = answer.number("/header/revision")};
  TLOG_ASSIGN(result.value, answer.bytes("/kvs/0/value"));  // absent when it is empty
  return result;
}

}  // namespace tlog::etcd
