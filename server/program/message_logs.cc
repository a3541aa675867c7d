#include "server/program/message_logs.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "gateways/messages/master.h"
#include "gateways/messages/replica.h"
#include "server/program/storage_addresses.h"

namespace tlog::program {
namespace {

constexpr std::uint64_t kHttpStopNs = 2'000'000'000;
constexpr unsigned kReaders = 4;

Result<std::shared_ptr<const net::Tls>> client_tls(const config::ServerTls& tls) {
  if (!tls.on) return std::shared_ptr<const net::Tls>();
  const net::TlsOptions options{.certificate_file = tls.certificate_file,
                                .key_file = tls.key_file,
                                .ca_file = tls.ca_file,
                                .psk_file = tls.psk_file,
                                .psk_identity = tls.psk_identity,
                                .verify_peer = tls.verify,
                                .expected_name = tls.server_name};
  auto loaded = net::Tls::load(net::TlsSide::kClient, options, io::system_files());
  if (!loaded) return fail(loaded.error().within("--config: tlog.tls"));
  return std::shared_ptr<const net::Tls>(std::move(*loaded));
}

// Where this process reaches its own server: all addresses of the machine are also loopback's.
std::string own_address(const std::string& address) {
  auto place = split_host_port(address);
  if (!place || address.starts_with("unix:")) return address;
  if (place->host.empty() || place->host == "0.0.0.0") return "127.0.0.1:" + place->port;
  if (place->host == "::") return "[::1]:" + place->port;
  return address;
}

std::string host_and_pid() {
  char host[256] = {};
  if (gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
  return fmt::format("{}:{}", host[0] != '\0' ? host : "tlogserver", getpid());
}

}  // namespace

MessageLogs::~MessageLogs() {
  stop();
  http_.reset();
  logs_.clear();
  readers_.stop();
}

void MessageLogs::stop() {
  for (auto& log : logs_) log->stop();
  if (http_) http_->stop(kHttpStopNs);
}

Status MessageLogs::add_logs(const Arguments& arguments, const config::Config& config,
                             const Parts& parts) {
  TLOG_ASSIGN(auto tls, client_tls(config.tlog.tls));
  std::vector<messages::Master*> masters;
  for (const config::Log& log : config.logs) {
    if (!log.master.empty()) {
      logs_.push_back(std::make_unique<messages::Replica>(
          messages::Replica::Options{.name = log.name, .master = log.master}, *parts.server));
      continue;
    }
    const server::LogSettings settings = parts.stores->settings(log.name);
    messages::MasterOptions options;
    options.name = log.name;
    options.own_address = own_address(parts.server->address());
    options.secondaries = log.secondaries;
    options.quorum = log.quorum;
    options.create_with_quorum = log.create == config::LogCreate::kQuorum;
    options.tls = tls;
    options.client_name = host_and_pid();
    options.data_shards = settings.data_shards;
    options.parity_shards = settings.parity_shards;
    options.write_quorum = settings.write_quorum;
    options.scrubs = settings.scrubs;
    options.key = parts.key;
    options.open_stores = [stores = parts.stores, name = log.name] { return stores->open(name); };
    options.memory_bytes_max = arguments.session_memory_bytes;
    auto master = std::make_unique<messages::Master>(
        std::move(options), messages::NodeParts{.files = &io::system_files(),
                                                .loop = parts.loop,
                                                .workers = parts.workers,
                                                .readers = &readers_,
                                                .clock = &system_clock(),
                                                .random = &system_random(),
                                                .logger = parts.logger});
    masters.push_back(master.get());
    logs_.push_back(std::move(master));
  }
  for (messages::Master* master : masters) master->start();
  return {};
}

Result<std::unique_ptr<MessageLogs>> MessageLogs::start(const Arguments& arguments,
                                                        const config::Config& config,
                                                        const Parts& parts) {
  if (config.logs.empty()) {
    return fail(Code::kInvalidArgument,
                fmt::format("--http: {} names no logs; add them (logs)", arguments.config));
  }
  if (parts.key == nullptr) {
    return fail(Code::kInvalidArgument,
                "--http: this server has no key of its own to keep logs with; give it "
                "--priv-key-file");
  }
  std::unique_ptr<MessageLogs> all(new MessageLogs());
  all->readers_.start(kReaders, "tlog-msg-read");
  TLOG_TRY(all->add_logs(arguments, config, parts));
  std::vector<messages::MessageLog*> logs;
  for (const auto& log : all->logs_) logs.push_back(log.get());
  const std::string id = arguments.server_id.empty() ? arguments.http_address : arguments.server_id;
  all->api_ =
      std::make_unique<messages::Api>(messages::Api::Options{.server_id = id}, std::move(logs));
  gateway::HttpServerOptions options;
  options.connections_max = 2048;
  options.per_address_max = 2048;
  options.body_bytes_max = kMiB;
  options.connection_memory = 32 * kKiB;
  options.certificate_file = arguments.tls_cert;
  options.key_file = arguments.tls_key;
  options.token_file = arguments.token_file;
  options.insecure = arguments.insecure;
  options.refusal = &messages::refusal;
  auto http =
      gateway::HttpServer::start(arguments.http_address, options,
                                 [api = all->api_.get()](const gateway::HttpRequest& request) {
                                   return api->handle(request);
                                 });
  if (!http) return fail(http.error().within("--http"));
  all->http_ = std::move(*http);
  return all;
}

}  // namespace tlog::program
