#include "server/program/arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <bit>
#include <charconv>
#include <functional>

#include "server/program/storage_addresses.h"
#include "tlog/base/limits.h"
#include "tlog/config/config.h"
#include "tlog/io/address.h"

namespace tlog::program {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kDayNs = 86'400 * kSecondNs;
constexpr std::size_t kNonceDigitsMax = 64;

// Reads a flag's text into its place, or says what is wrong with it.
using Reader = std::function<Status(const std::string& text)>;

Error expected(std::string_view text, std::string_view what) {
  return {Code::kInvalidArgument, fmt::format("'{}': expected {}", text, what)};
}

Result<std::uint64_t> number(std::string_view text, std::uint64_t least, std::uint64_t most) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end || value < least || value > most) {
    return fail(expected(text, fmt::format("a number from {} to {}", least, most)));
  }
  return value;
}

// The ancestor's plain seconds, or what the configuration file takes.
Result<std::uint64_t> duration_ns(std::string_view text, std::uint64_t least_ns) {
  std::uint64_t seconds = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, seconds);
  std::uint64_t ns = kDayNs + 1;
  if (read.ec == std::errc() && read.ptr == end) {
    if (seconds <= kDayNs / kSecondNs) ns = seconds * kSecondNs;
  } else if (auto parsed = config::parse_duration_ns(text)) {
    ns = *parsed;
  }
  if (ns < least_ns || ns > kDayNs) {
    return fail(expected(text, fmt::format("seconds, or a time such as 500ms or 2m, from {} to 24h",
                                           config::format_duration_ns(least_ns))));
  }
  return ns;
}

template <class Place>
Reader reads_number(Place& place, std::uint64_t least, std::uint64_t most) {
  return [&place, least, most](const std::string& text) -> Status {
    TLOG_ASSIGN(const std::uint64_t value, number(text, least, most));
    place = static_cast<unsigned>(value);
    return {};
  };
}

template <class Place>
Reader reads_duration(Place& place, std::uint64_t least_ns) {
  return [&place, least_ns](const std::string& text) -> Status {
    TLOG_ASSIGN(place, duration_ns(text, least_ns));
    return {};
  };
}

Reader reads_text(std::string& place) {
  return [&place](const std::string& text) -> Status {
    if (text.empty()) return fail(Code::kInvalidArgument, "it is empty");
    place = text;
    return {};
  };
}

Status read_block_size(Arguments& a, const std::string& text) {
  auto size = number(text, 512, 65536);
  if (!size || !std::has_single_bit(*size)) {
    return fail(expected(text, "a power of two from 512 to 65536"));
  }
  a.block_size = static_cast<std::uint32_t>(*size);
  return {};
}

Status read_address(std::string& place, const std::string& text) {
  if (Status checked = check_host_port(text, true); !checked) {
    return fail(expected(text, "host:port; " + checked.error().message()));
  }
  place = text.starts_with(':') ? "0.0.0.0" + text : text;
  return {};
}

Status read_unix_path(Arguments& a, std::string_view text) {
  if (text.empty() || text.size() > kSocketPathMax) {
    return fail(expected(text, fmt::format("a path of 1 to {} bytes", kSocketPathMax)));
  }
  a.unix_path = text;
  return {};
}

Status read_server_address(Arguments& a, const std::string& text) {
  constexpr std::string_view kUnix = "unix:";
  if (!text.starts_with(kUnix)) return read_address(a.address, text);
  return read_unix_path(a, std::string_view(text).substr(kUnix.size()));
}

Status read_grpc_address(Arguments& a, const std::string& text) {
  if (io::is_unix_address(text)) {
    TLOG_TRY(io::unix_address("listen", text));
  } else if (Status checked = check_host_port(text, true); !checked) {
    return fail(expected(text, "host:port or unix:/path; " + checked.error().message()));
  }
  a.grpc_address = text;
  return {};
}

// Only looked at: what is sealed has a subkey of its own, from random bytes.
Status read_nonce(const std::string& text) {
  const bool is_hex = text.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  if (text.empty() || text.size() % 2 != 0 || text.size() > kNonceDigitsMax || !is_hex) {
    return fail(expected(text, fmt::format("2 to {} hex digits", kNonceDigitsMax)));
  }
  return {};
}

template <class Place>
Reader reads_size(Place& place, std::uint64_t least, std::uint64_t most) {
  return [&place, least, most](const std::string& text) -> Status {
    auto size = config::parse_size(text);
    if (!size || *size < least || *size > most) {
      return fail(expected(text, fmt::format("a size from {} to {}", config::format_size(least),
                                             config::format_size(most))));
    }
    place = *size;
    return {};
  };
}

CLI::Option* add(CLI::App& app, const std::string& name, const char* type, const char* description,
                 Reader read) {
  // The flag as it is called in messages, without its short name.
  const std::string flag = name.substr(name.rfind(',') + 1);
  return app
      .add_option_function<std::string>(
          name,
          [flag, read = std::move(read)](const std::string& text) {
            if (Status done = read(text); !done) {
              throw CLI::ValidationError(flag, done.error().message());
            }
          },
          description)
      ->take_last()
      ->type_name(type);
}

void add_where(CLI::App& app, Arguments& a) {
  CLI::Option* address = add(
      app, "--address", "HOST:PORT|unix:PATH", "where clients connect; port 0: any that is free",
      [&a](const std::string& text) { return read_server_address(a, text); });
  address->default_str(a.address);
  add(app, "--unix", "PATH", "a Unix socket instead", [&a](const std::string& text) {
    return read_unix_path(a, text);
  })->excludes(address);
  add(app, "--profile-address", "HOST:PORT", "metrics, health and a status page over HTTP",
      [&a](const std::string& text) { return read_address(a.profile_address, text); });
  add(app, "--logset", "HOST:PORT", "the configuration's repos over HTTP, for other sites",
      reads_text(a.logset_address));
  add(app, "--grpc", "HOST:PORT|unix:PATH",
      "the configuration's cas (contents and names) over gRPC",
      [&a](const std::string& text) { return read_grpc_address(a, text); });
  app.add_flag("--publish", a.publish,
               "the configuration's cas.publish to other services; --grpc does so, too");
  add(app, "--token-file", "FILE", "what requests to --logset, --http and --grpc carry, mode 0600",
      reads_text(a.token_file));
  add(app, "--tls-cert", "FILE", "the server's certificate (PEM); from then on TLS only",
      reads_text(a.tls_cert));
  add(app, "--tls-key", "FILE", "its private key (PEM), mode 0600", reads_text(a.tls_key));
  add(app, "--tls-ca", "FILE", "who signs the clients' certificates (PEM)", reads_text(a.tls_ca));
  add(app, "--tls-psk-file", "FILE", "pre-shared keys instead of certificates, mode 0600",
      reads_text(a.tls_psk_file));
  app.add_flag("--tls-verify-client", a.tls_verify_client,
               "a client must have a certificate of --tls-ca");
  app.add_flag("--insecure", a.insecure,
               "a client may hand its key over where others can read it (plain TCP)");
}

void add_http(CLI::App& app, Arguments& a) {
  add(app, "--http", "HOST:PORT", "messages (the logs of --config) over HTTP",
      [&a](const std::string& text) -> Status {
        if (Status checked = check_host_port(text, true); !checked)
          return fail(expected(text, "host:port; " + checked.error().message()));
        a.http_address = text;
        return {};
      });
  add(app, "--server-id", "NAME", "how this node calls itself; by default the address of --http",
      reads_text(a.server_id));
  add(app, "--replication-delay", "SECONDS",
      "take records so long after they have come, for tests and teaching",
      reads_duration(a.replication_delay_ns, 0));
}

void add_stores(CLI::App& app, Arguments& a) {
  CLI::Option* storage = add(app, "--storage-addresses", "HOST:PORT[@DB],...",
                             "the stores of all vdisks", [&a](const std::string& text) -> Status {
                               TLOG_ASSIGN(a.storage, parse_storage_addresses(text));
                               return {};
                             });
  add(app, "--config", "FILE|URL", "vdisks with their stores and settings: tlogdisk.yml or etcd://",
      reads_text(a.config));
  app.add_flag("--memorystorage", a.memory_storage,
               "keep in memory what has no other stores; gone when the server ends")
      ->excludes(storage);
  add(app, "-k,--k", "N", "pieces an aggregation is cut into",
      reads_number(a.data_shards, 1, kDataShardsMax))
      ->default_str("4");
  add(app, "-m,--m", "N", "stores that may be lost",
      reads_number(a.parity_shards, 0, kParityShardsMax))
      ->default_str("2");
  add(app, "--flush-size", "N", "records after which an aggregation is stored",
      reads_number(a.flush_size, 1, kAggregationRecordsMax))
      ->default_str("25");
  add(app, "--flush-time", "SECONDS", "the longest time for which a record waits for that",
      reads_duration(a.flush_time_ns, 1'000'000))
      ->default_str("25");
  add(app, "--block-size", "BYTES", "of a vdisk whose client names none",
      [&a](const std::string& text) { return read_block_size(a, text); })
      ->default_str("4096");
  app.add_flag("--with-slave-sync", a.with_slave_sync, "keep the standby of vdisks that want one");
}

void add_keys(CLI::App& app, Arguments& a, std::string& key_placeholder) {
  CLI::Option* key = add(app, "--priv-key", "KEY", "the key itself; --priv-key-file is better",
                         reads_text(key_placeholder));
  add(app, "--priv-key-file", "FILE", "the key, as `tlogctl keygen` makes it",
      reads_text(a.key_file))
      ->excludes(key);
  add(app, "--nonce", "HEX", "accepted, not used", read_nonce)
      ->default_str("37b8e8a308c354048d245f6d");
}

void add_running(CLI::App& app, Arguments& a) {
  add(app, "--logfile", "FILE", "instead of standard error; opened anew at SIGHUP",
      reads_text(a.log_file));
  app.add_flag("-v,--v,--verbose", a.verbose, "log everything");
  add(app, "--session-memory", "SIZE", "of records held for one vdisk",
      reads_size(a.session_memory_bytes, 8 * kMiB, 64 * kGiB))
      ->default_str("64MiB");
  add(app, "--memory-max", "SIZE", "of records held for all vdisks together",
      reads_size(a.memory_max, 16 * kMiB, 1024 * kGiB))
      ->default_str("1GiB");
  add(app, "--linger", "SECONDS", "for which a log stays open when its client is away",
      reads_duration(a.linger_ns, 0))
      ->default_str("30");
  add(app, "--threads", "N", "that hash, seal and shard; by default one more than there are cores",
      reads_number(a.threads, 1, 256));
  add(app, "--stop-timeout", "SECONDS", "for storing what was received, at SIGTERM",
      reads_duration(a.stop_timeout_ns, 0))
      ->default_str("20");
}

Status check_gateways(const Arguments& a) {
  const auto wrong = [](std::string text) { return fail(Code::kInvalidArgument, std::move(text)); };
  if (!a.logset_address.empty() && a.config.empty()) {
    return wrong("--logset: which repositories? name them with repos in the file of --config");
  }
  if (!a.grpc_address.empty() && a.config.empty()) {
    return wrong("--grpc: kept where? name a directory with cas in the file of --config");
  }
  if (a.publish && a.config.empty()) {
    return wrong("--publish: which vdisks? name them with cas.publish in the file of --config");
  }
  if (!a.token_file.empty() && a.logset_address.empty() && a.http_address.empty() &&
      a.grpc_address.empty()) {
    return wrong("--token-file: it is of use with --logset, --http and --grpc only");
  }
  return {};
}

// What no single flag shows.
Status check_together(const Arguments& a) {
  const auto wrong = [](std::string text) { return fail(Code::kInvalidArgument, std::move(text)); };
  TLOG_TRY(check_gateways(a));
  if (a.storage.empty() && a.config.empty() && !a.memory_storage) {
    return wrong("--storage-addresses: which stores? give them, or --config, or --memorystorage");
  }
  const std::size_t shards = a.data_shards.value_or(4) + a.parity_shards.value_or(2);
  // A configuration may say another k and m: then it is looked at when that has been read.
  if (!a.storage.empty() && a.config.empty() && a.storage.size() < shards) {
    return wrong(
        fmt::format("--storage-addresses: {} stores, but k + m = {} are needed; name more, "
                    "or set --k and --m",
                    a.storage.size(), shards));
  }
  if (a.tls_cert.empty() != a.tls_key.empty()) {
    return wrong(fmt::format("{}: it needs {} as well",
                             a.tls_cert.empty() ? "--tls-key" : "--tls-cert",
                             a.tls_cert.empty() ? "--tls-cert" : "--tls-key"));
  }
  if (!a.http_address.empty() && a.config.empty()) {
    return wrong("--http: which logs? name them in a configuration (logs) and give --config");
  }
  if (!a.tls_psk_file.empty() && !a.tls_cert.empty()) {
    return wrong("--tls-psk-file: pre-shared keys or certificates (--tls-cert), not both");
  }
  if (a.tls_cert.empty() && (!a.tls_ca.empty() || a.tls_verify_client)) {
    return wrong(fmt::format("{}: it is of use with --tls-cert only",
                             a.tls_verify_client ? "--tls-verify-client" : "--tls-ca"));
  }
  if (a.tls_verify_client && a.tls_ca.empty()) {
    return wrong("--tls-verify-client: by whose signature? name the authority with --tls-ca");
  }
  // Whoever names an authority counts on its being asked.
  if (!a.tls_verify_client && !a.tls_ca.empty()) {
    return wrong("--tls-ca: clients are verified with --tls-verify-client only; give both");
  }
  return {};
}

// Behind an unknown flag stands its value: the flag is what is wrong.
std::string what_is_unknown(const std::vector<std::string>& words) {
  const auto flag = std::find_if(words.begin(), words.end(),
                                 [](const std::string& word) { return word.starts_with('-'); });
  if (flag != words.end()) return fmt::format("{}: there is no such flag", *flag);
  return fmt::format("{}: it belongs to no flag", words.empty() ? "" : words.front());
}

Parsed usage_error(const std::string& message) {
  fmt::print(stderr, "tlogserver: {}\nRun 'tlogserver --help' to see all flags.\n", message);
  return {.exit_code = kExitUsage, .arguments = {}};
}

}  // namespace

Parsed parse(const std::vector<std::string>& words) {
  Parsed parsed;
  CLI::App app("Keeps the logs of vdisks for their clients", "tlogserver");
  std::string key_placeholder;
  app.set_version_flag("--version", "tlogserver " TLOG_VERSION);
  app.get_formatter()->column_width(36);
  add_where(app, parsed.arguments);
  add_http(app, parsed.arguments);
  add_stores(app, parsed.arguments);
  add_keys(app, parsed.arguments, key_placeholder);
  add_running(app, parsed.arguments);
  try {
    // CLI11 takes them from the back.
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ExtrasError&) {
    return usage_error(what_is_unknown(app.remaining()));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return usage_error(error.what());
    parsed.exit_code = app.exit(error) == 0 ? kExitOk : kExitUsage;
    return parsed;
  }
  if (Status checked = check_together(parsed.arguments); !checked) {
    return usage_error(checked.error().message());
  }
  return parsed;
}

}  // namespace tlog::program
