#include "server/program/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <thread>

#include "server/program/cas_serving.h"
#include "server/program/file_logger.h"
#include "server/program/http_server.h"
#include "server/program/key.h"
#include "server/program/logset_serving.h"
#include "server/program/message_logs.h"
#include "server/program/open_files.h"
#include "server/program/readiness.h"
#include "server/program/report.h"
#include "server/program/signals.h"
#include "server/program/vdisk_settings.h"
#include "server/program/vdisk_stores.h"
#include "server/serve/server.h"
#include "server/standby/standbys.h"

namespace tlog::program {
namespace {

constexpr std::uint64_t kAnnounceNs = 1'000'000'000;
constexpr std::uint64_t kGatewayGraceNs = 2'000'000'000;  // for requests that are under way

class Program {
 public:
  Program(const Arguments& arguments, const SecretText* key)
      : arguments_(arguments), key_text_(key) {}
  ~Program() { end(); }

  Status start();
  // True: all that was received is stored.
  bool serve_until_told();

 private:
  Result<server::ServerOptions> options();
  Result<std::shared_ptr<const net::Tls>> load_tls();
  void read_again();
  void tell_reread(std::string_view of, const Status& status);
  Status start_pages();
  Status start_gateways();
  Status start_cas();
  Status start_messages();
  std::shared_ptr<LogsetServing> logset() const EXCLUDES(gateways_mutex_);
  std::shared_ptr<CasServing> cas() const EXCLUDES(gateways_mutex_);
  void announce() const;
  void end();

  const Arguments& arguments_;
  const SecretText* const key_text_;
  const TimestampNs started_ns_ = system_clock().wall_ns();
  std::atomic<bool> stopping_{false};
  std::unique_ptr<FileLogger> logger_;
  std::unique_ptr<io::Loop> loop_;
  io::Workers workers_;
  std::unique_ptr<VdiskStores> stores_;
  std::unique_ptr<server::Server> server_;
  std::unique_ptr<HttpServer> pages_;
  std::vector<config::Repo> repos_;
  mutable Mutex gateways_mutex_;  // the status is asked for while it starts
  std::shared_ptr<LogsetServing> logset_ GUARDED_BY(gateways_mutex_);
  std::shared_ptr<CasServing> cas_ GUARDED_BY(gateways_mutex_);
  std::optional<config::Config> config_;
  std::shared_ptr<const seal::MasterKey> key_;
  std::unique_ptr<MessageLogs> messages_;
};

Result<std::shared_ptr<const net::Tls>> Program::load_tls() {
  if (!arguments_.tls()) return std::shared_ptr<const net::Tls>();
  net::TlsOptions options;
  options.certificate_file = arguments_.tls_cert;
  options.key_file = arguments_.tls_key;
  options.ca_file = arguments_.tls_ca;
  options.psk_file = arguments_.tls_psk_file;
  options.verify_peer = arguments_.tls_verify_client;
  return net::Tls::load(net::TlsSide::kServer, options, io::system_files());
}

Result<server::ServerOptions> Program::options() {
  io::FileSystem& files = io::system_files();
  TLOG_ASSIGN(auto config, load_config(arguments_, files, *logger_));
  TLOG_ASSIGN(StandbyServers standbys, standby_servers(arguments_, config, files, *logger_));
  server::ServerOptions options;
  options.address =
      arguments_.unix_path.empty() ? arguments_.address : "unix:" + arguments_.unix_path;
  TLOG_ASSIGN(options.tls, load_tls());
  options.insecure = arguments_.insecure;
  if (arguments_.with_slave_sync) {
    options.slave_sync = server::make_standbys(
        std::move(standbys), {.loop = loop_.get(), .workers = &workers_, .logger = logger_.get()});
  }

  KeyChoice choice{.text = key_text_, .flag_file = arguments_.key_file};
  if (config) choice.config_file = config->key_file;
  if (config) repos_ = config->repos;
  choice.only_memory =
      arguments_.memory_storage && arguments_.storage.empty() && arguments_.config.empty();
  TLOG_ASSIGN(options.key, choose_key(choice, files, system_random(), *logger_));
  const bool key_may_come =
      options.tls != nullptr || options.insecure || !arguments_.unix_path.empty();
  if (options.key == nullptr && !key_may_come) {
    return fail(Code::kInvalidArgument,
                "--priv-key-file: there is no key, and no client may hand one over on plain TCP: "
                "nobody could be served; give a key, or --tls-cert, --tls-psk-file, --unix or "
                "--insecure");
  }
  config_ = config;
  key_ = options.key;
  options.replication_delay_ns = arguments_.replication_delay_ns;
  stores_ = std::make_unique<VdiskStores>(
      arguments_, std::move(config),
      VdiskStores::Parts{.files = &files, .loop = loop_.get(), .logger = logger_.get()});
  const server::LogSettings settings = stores_->settings("");
  const std::size_t shards = settings.data_shards + settings.parity_shards;
  if (!arguments_.storage.empty() && arguments_.storage.size() < shards) {
    return fail(Code::kInvalidArgument,
                fmt::format("--storage-addresses: {} stores, but k + m = {} are needed; name more, "
                            "or set --k and --m",
                            arguments_.storage.size(), shards));
  }
  options.data_shards = settings.data_shards;
  options.parity_shards = settings.parity_shards;
  options.flush_size = settings.flush_size;
  options.flush_time_ns = settings.flush_time_ns;
  options.settings_of = [this](const std::string& vdisk) { return stores_->settings(vdisk); };
  options.cluster_of = [this](const std::string& vdisk) { return stores_->cluster_of(vdisk); };
  options.open_stores = [this](const std::string& vdisk) { return stores_->open(vdisk); };
  options.read_stores = [this](const std::string& vdisk) {
    return stores_->open(vdisk, VdiskStores::Use::kRead);
  };
  options.block_size = arguments_.block_size;
  options.session_memory_bytes = arguments_.session_memory_bytes;
  options.memory_bytes_max = arguments_.memory_bytes_max();
  options.linger_ns = arguments_.linger_ns;
  options.repositories = [this] {
    const auto logset = this->logset();
    return logset ? logset->status() : std::vector<server::RepositoryStatus>();
  };
  options.publications = [this] {
    const auto cas = this->cas();
    return cas ? cas->publications() : std::vector<server::PublicationStatus>();
  };
  return options;
}

Status Program::start() {
  const LogLevel least = arguments_.verbose ? LogLevel::kDebug : LogLevel::kInfo;
  TLOG_ASSIGN(logger_, FileLogger::open({.path = arguments_.log_file, .least = least}));
  TLOG_ASSIGN(loop_, io::make_loop({}, *logger_));
  TLOG_ASSIGN(server::ServerOptions wanted, options());
  const std::string key = wanted.key ? wanted.key->id().hex() : "none";
  TLOG_TRY(loop_->start());
  const unsigned cores = std::thread::hardware_concurrency();
  workers_.start(arguments_.threads != 0 ? arguments_.threads : std::max(3u, cores + 1),
                 "tlog-work");
  TLOG_ASSIGN(server_, server::Server::start(std::move(wanted), {.files = &io::system_files(),
                                                                 .loop = loop_.get(),
                                                                 .workers = &workers_,
                                                                 .clock = &system_clock(),
                                                                 .random = &system_random(),
                                                                 .logger = logger_.get()}));
  TLOG_TRY(start_pages());
  TLOG_TRY(start_gateways());
  TLOG_TRY(start_cas());
  TLOG_TRY(start_messages());
  logger_->info(fmt::format("event=started version={} address=\"{}\" tls={} key_id={}",
                            TLOG_VERSION, server_->address(), arguments_.tls() ? "yes" : "no",
                            key));
  announce();
  return {};
}

Status Program::start_pages() {
  if (arguments_.profile_address.empty()) return {};
  auto pages = HttpServer::start(arguments_.profile_address, [this](const std::string& path) {
    return answer(path, server_->status(), process_status(started_ns_, stopping_.load()));
  });
  if (!pages) return fail(pages.error().within("--profile-address"));
  pages_ = std::move(*pages);
  return {};
}

Status Program::start_gateways() {
  if (arguments_.logset_address.empty()) return {};
  TLOG_ASSIGN(auto started, LogsetServing::start(arguments_, repos_,
                                                 {.files = &io::system_files(),
                                                  .logger = logger_.get(),
                                                  .stores = stores_.get()}));
  MutexLock lock(gateways_mutex_);
  logset_ = std::move(started);
  return {};
}

std::shared_ptr<LogsetServing> Program::logset() const {
  MutexLock lock(gateways_mutex_);
  return logset_;
}

Status Program::start_cas() {
  if (arguments_.grpc_address.empty() && !arguments_.publish) return {};
  TLOG_ASSIGN(auto started, CasServing::start(arguments_, config_ ? config_->cas : config::Cas{},
                                              {.files = &io::system_files(),
                                               .logger = logger_.get(),
                                               .stores = stores_.get()}));
  MutexLock lock(gateways_mutex_);
  cas_ = std::move(started);
  return {};
}

std::shared_ptr<CasServing> Program::cas() const {
  MutexLock lock(gateways_mutex_);
  return cas_;
}

Status Program::start_messages() {
  if (arguments_.http_address.empty()) return {};
  if (!config_) return fail(Code::kInvalidArgument, "--http: it needs --config");
  TLOG_ASSIGN(messages_, MessageLogs::start(arguments_, *config_,
                                            {.server = server_.get(),
                                             .stores = stores_.get(),
                                             .loop = loop_.get(),
                                             .workers = &workers_,
                                             .logger = logger_.get(),
                                             .key = key_}));
  return {};
}

// For scripts, which wait for this line, and for the service manager.
void Program::announce() const {
  (void)logger_->flush(kAnnounceNs);  // who reads the line finds in the log what came before it
  std::string line = "tlogserver: listening on " + server_->address();
  if (pages_) line += fmt::format(", status on http://{}/", pages_->address());
  if (const auto logset = this->logset()) {
    line += fmt::format(", logset on {}/", logset->url());
  }
  if (const auto cas = this->cas(); cas && !cas->address().empty()) {
    line += fmt::format(", grpc on {}", cas->address());
  }
  if (messages_) line += fmt::format(", messages on {}/", messages_->url());
  std::puts(line.c_str());
  std::fflush(stdout);
  tell_manager("READY=1");
}

// What may have changed since the start. What is wrong changes nothing.
void Program::read_again() {
  if (Status opened = logger_->reopen(); !opened) {
    logger_->error(fmt::format("event=log_not_reopened reason=\"{}\"", opened.error().message()));
  }
  if (arguments_.tls()) {
    auto tls = load_tls();
    if (tls) server_->set_tls(std::move(*tls));
    tell_reread("", tls ? Status() : Status(fail(tls.error())));
  }
  if (!arguments_.tls() && arguments_.token_file.empty()) return;
  if (const auto logset = this->logset()) {
    tell_reread(" of=logset", logset->read_credentials_again());
  }
  if (const auto cas = this->cas(); cas && !cas->address().empty()) {
    tell_reread(" of=grpc", cas->read_credentials_again());
  }
  if (messages_) tell_reread(" of=http", messages_->read_credentials_again());
}

void Program::tell_reread(std::string_view of, const Status& status) {
  if (status) {
    logger_->info(fmt::format("event=tls_reloaded{}", of));
  } else {
    logger_->error(
        fmt::format("event=tls_not_reloaded{} reason=\"{}\" consequence=\"those of before stay\"",
                    of, status.error().message()));
  }
}

bool Program::serve_until_told() {
  while (Signals::wait() == Told::kReadAgain) read_again();
  Signals::end_at_the_next();
  stopping_ = true;
  tell_manager("STOPPING=1");
  logger_->info("event=stopping");
  if (const auto logset = this->logset()) logset->stop(kGatewayGraceNs);
  if (const auto cas = this->cas()) cas->stop(kGatewayGraceNs);
  messages_.reset();  // it stores what it has taken, and asks the server until then
  const bool everything_stored = server_->stop(arguments_.stop_timeout_ns);
  if (!everything_stored) {
    logger_->error("event=not_all_stored consequence=\"clients send it again\"");
  }
  return everything_stored;
}

void Program::end() {
  if (const auto logset = this->logset()) logset->stop(0);
  if (const auto cas = this->cas()) cas->stop(0);
  messages_.reset();
  pages_.reset();  // its thread asks the server
  server_.reset();
  MutexLock lock(gateways_mutex_);
  cas_.reset();
  logset_.reset();  // the server has asked for its status until now
  workers_.stop();
  if (loop_) loop_->stop();
}

int exit_code_of(const Error& error) {
  return error.code() == Code::kInvalidArgument ? kExitUsage : kExitFailed;
}

}  // namespace

int run(const Arguments& arguments, const SecretText* key) {
  Signals::block();
  allow_many_open_files();
  Program program(arguments, key);
  if (Status started = program.start(); !started) {
    std::fprintf(stderr, "tlogserver: %s\n", started.error().message().c_str());
    return exit_code_of(started.error());
  }
  return program.serve_until_told() ? kExitOk : kExitFailed;
}

}  // namespace tlog::program
