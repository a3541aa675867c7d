// Arguments: what the command line of tlogserver says, checked word by word (tlogserver(1)). What
// needs a look at files, keys or the network comes later.
//
// Threading: values.
// Errors: parse() prints them itself, naming the flag.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "tlog/base/types.h"

namespace tlog::program {

enum Exit { kExitOk = 0, kExitFailed = 1, kExitUsage = 2 };

struct StoreAddress {
  std::string address;  // "host:port" or "unix:/path"
  std::string db;       // "": none is selected
  friend bool operator==(const StoreAddress&, const StoreAddress&) = default;
};

struct Arguments {
  std::string address = "0.0.0.0:11211";
  std::string unix_path;  // instead of the address; "": none
  std::string profile_address;
  std::string logset_address;  // "": repositories are not offered
  bool publish = false;        // also without grpc_address
  std::string grpc_address;    // of contents and names; "": they are not offered
  std::string token_file;      // of those and --http; "" or "none": no token is asked for
  std::string config;          // a file or etcd://...
  std::vector<StoreAddress> storage;
  bool memory_storage = false;
  bool with_slave_sync = false;

  std::uint32_t block_size = 4096;
  // Given: before what the configuration says of a vdisk.
  std::optional<unsigned> data_shards, parity_shards;
  std::optional<std::uint64_t> flush_size, flush_time_ns;

  std::string key_file;
  std::string tls_cert, tls_key, tls_ca, tls_psk_file;
  bool tls_verify_client = false;
  bool insecure = false;

  std::string http_address;  // of messages; "": none
  std::string server_id;     // "": its address
  std::uint64_t replication_delay_ns = 0;

  std::string log_file;
  bool verbose = false;
  std::uint64_t session_memory_bytes = 64 * kMiB;
  // Of all sessions. Not given: kMemoryMax, or twice what one may have when that is more.
  static constexpr std::uint64_t kMemoryMax = 1 * kGiB;
  std::optional<std::uint64_t> memory_max;
  std::uint64_t memory_bytes_max() const {
    return memory_max.value_or(std::max(kMemoryMax, 2 * session_memory_bytes));
  }
  std::uint64_t linger_ns = 30'000'000'000;
  std::uint64_t stop_timeout_ns = 20'000'000'000;
  unsigned threads = 0;  // 0: one more than there are cores

  bool tls() const { return !tls_cert.empty() || !tls_psk_file.empty(); }
};

struct Parsed {
  std::optional<int> exit_code;  // then there is nothing more to do
  Arguments arguments;
};
// `words`: those of take_words(). Prints help, version and errors.
Parsed parse(const std::vector<std::string>& words);

}  // namespace tlog::program
