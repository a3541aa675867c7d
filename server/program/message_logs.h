// MessageLogs: the logs of the configuration as a tlogserver serves them over HTTP (--http): which
// of them it is the master of, and which it is sent.
//
// Threading: start(), stop() and the destructor from one thread; the destructor before the
// server's. Errors: an address, credentials, a configuration without logs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gateways/http/http_server.h"
#include "gateways/messages/api.h"
#include "gateways/messages/opening.h"
#include "server/program/arguments.h"
#include "server/program/vdisk_stores.h"
#include "tlog/config/config.h"

namespace tlog::program {

class MessageLogs {
 public:
  struct Parts {  // borrowed
    server::Server* server = nullptr;
    VdiskStores* stores = nullptr;
    io::Loop* loop = nullptr;
    io::Workers* workers = nullptr;
    Logger* logger = nullptr;
    std::shared_ptr<const seal::MasterKey> key;
  };
  static Result<std::unique_ptr<MessageLogs>> start(const Arguments& arguments,
                                                    const config::Config& config,
                                                    const Parts& parts);
  ~MessageLogs();
  std::string url() const { return http_->url(); }
  Status read_credentials_again() { return http_->read_credentials_again(); }
  // Takes nothing more; who waits is answered.
  void stop();

 private:
  MessageLogs() = default;
  Status add_logs(const Arguments& arguments, const config::Config& config, const Parts& parts);

  io::Workers readers_;
  std::vector<std::unique_ptr<messages::MessageLog>> logs_;
  std::unique_ptr<messages::Api> api_;
  std::unique_ptr<gateway::HttpServer> http_;  // goes first: it asks the logs
};

}  // namespace tlog::program
