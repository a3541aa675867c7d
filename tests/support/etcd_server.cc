#include "tests/support/etcd_server.h"

#include <csignal>
#include <stdexcept>

#include "tests/support/free_port.h"

namespace tlog::testing {

EtcdServer::EtcdServer(bool tls) : tls_(tls) {
  if (tls_) make_certificates();
  // Another program may take a port between our look and the server's bind.
  for (int attempt = 0;; ++attempt) {
    port_ = free_port();
    peer_port_ = free_port();
    try {
      start();
      return;
    } catch (const std::runtime_error&) {
      if (attempt == 3) throw;
    }
  }
}

void EtcdServer::start() {
  const std::string client = client_url();
  const std::string peer = "http://127.0.0.1:" + std::to_string(peer_port_);
  ProcessOptions process;
  process.arguments = {"etcd",
                       "--name",
                       "test",
                       "--data-dir",
                       directory_.file("data-" + std::to_string(port_)),
                       "--listen-client-urls",
                       client,
                       "--advertise-client-urls",
                       client,
                       "--listen-peer-urls",
                       peer,
                       "--initial-advertise-peer-urls",
                       peer,
                       "--initial-cluster",
                       "test=" + peer};
  if (tls_) {
    process.arguments.insert(process.arguments.end(),
                             {"--cert-file", directory_.file("server.pem"), "--key-file",
                              directory_.file("server.key")});
  }
  process.directory = directory_.path();
  process.output_path = directory_.file("etcd.log");
  process_ = std::make_unique<Process>(process);
  const bool up =
      wait_until([this] { return !process_->running() || answers(); }, Milliseconds(30'000));
  if (up && process_->running()) return;
  process_.reset();
  throw std::runtime_error("etcd does not start: " + read_text(directory_.file("etcd.log")));
}

bool EtcdServer::answers() const {
  try {
    (void)ctl({"endpoint", "health"});
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

void EtcdServer::make_certificates() {
  const std::vector<std::vector<std::string>> commands = {
      {"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
       "/CN=tlogdisk test", "-keyout", directory_.file("ca.key"), "-out", ca_file()},
      {"openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout",
       directory_.file("server.key"), "-out", directory_.file("server.csr")},
      {"openssl", "x509", "-req", "-days", "2", "-in", directory_.file("server.csr"), "-CA",
       ca_file(), "-CAkey", directory_.file("ca.key"), "-CAcreateserial", "-extfile",
       directory_.file("names"), "-out", directory_.file("server.pem")}};
  write_text(directory_.file("names"), "subjectAltName=IP:127.0.0.1\n");
  for (const auto& command : commands) {
    const CommandResult made = run_command(command);
    if (!made.ok()) throw std::runtime_error("openssl: " + made.text());
  }
}

std::string EtcdServer::ctl(const std::vector<std::string>& words) const {
  std::vector<std::string> arguments = {"etcdctl", "--endpoints", client_url()};
  if (tls_) arguments.insert(arguments.end(), {"--cacert", ca_file()});
  if (!user_.empty()) arguments.insert(arguments.end(), {"--user", user_});
  arguments.insert(arguments.end(), words.begin(), words.end());
  CommandOptions options;
  options.environment = {"ETCDCTL_API=3"};
  const CommandResult result = run_command(arguments, options);
  if (!result.ok()) throw std::runtime_error("etcdctl: " + result.text());
  return result.output;
}

void EtcdServer::compact() {
  const std::string status = ctl({"endpoint", "status", "-w", "json"});
  const std::string key = "\"revision\":";
  const std::size_t at = status.find(key);
  if (at == std::string::npos) throw std::runtime_error("etcdctl: no revision in " + status);
  (void)ctl({"compact", std::to_string(std::stoull(status.substr(at + key.size())))});
}

void EtcdServer::kill() {
  if (!process_) return;
  process_->signal(SIGKILL);
  if (!process_->wait(Milliseconds(10'000))) throw std::runtime_error("etcd does not end");
  process_.reset();
}

}  // namespace tlog::testing
