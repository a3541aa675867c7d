// An application's own log, stored and replicated by tlogservers:
//
//     printf 'one\ntwo\n' | client_example my-log 2 127.0.0.1:11211 127.0.0.1:11212 127.0.0.1:11213
//
// Appends each line of standard input as a record of the log `my-log`, and says how far it is
// stored by 2 of the servers. The servers use their own key. Started again, it goes on behind what
// they have: it takes over what it wrote before, since it keeps no journal.
#include <chrono>
#include <cstdio>
#include <future>
#include <iostream>
#include <string>
#include <vector>

#include "server/client/memory_log.h"
#include "tlog/base/clock.h"
#include "tlog/base/random.h"
#include "tlog/io/loop.h"

namespace tlog::client {
namespace {

constexpr std::uint64_t kTimeoutNs = 30'000'000'000;

int complain(const Error& error) {
  std::fprintf(stderr, "client_example: %s\n", error.message().c_str());
  return 1;
}

// The log's id, the same each time: servers know a log by its name and this.
Uuid id_of(const std::string& name) {
  Uuid id;
  for (std::size_t i = 0; i < name.size(); ++i)
    id.bytes[i % id.bytes.size()] ^= static_cast<std::uint8_t>(name[i]);
  id.bytes[0] |= 1;
  return id;
}

ClientOptions options_from(const std::vector<std::string>& arguments) {
  ClientOptions options;
  options.name = "client_example";
  options.format.name = arguments[0];
  options.format.vdisk = id_of(arguments[0]);
  options.format.size = kGiB;
  options.format.data_shards = options.format.parity_shards = 0;  // as the servers have it
  options.concern.stored = static_cast<unsigned>(std::stoul(arguments[1]));
  options.servers.assign(arguments.begin() + 2, arguments.end());
  options.journal = system_random().next_uuid();
  options.may_create = true;
  options.take_over = true;
  return options;
}

Status append_lines(LogClient& client, MemoryLog& log) {
  std::string line;
  Sequence last = log.end();
  while (std::getline(std::cin, line)) {
    if (line.empty()) continue;
    TLOG_ASSIGN(last, log.append(bytes_of(std::string_view(line)), kTimeoutNs));
    client.more();
  }
  client.force(last);
  if (auto stored = log.wait_stored(last, kTimeoutNs); !stored)
    return fail(stored.error().within(client.waiting_for()));
  std::printf("stored up to %llu\n", static_cast<unsigned long long>(last));
  return {};
}

Status run(const std::vector<std::string>& arguments, io::Loop& loop, io::Workers& workers,
           Logger& logger) {
  MemoryLog log({});
  LogClient::Parts parts;
  parts.files = &io::system_files();
  parts.loop = &loop;
  parts.workers = &workers;
  parts.clock = &system_clock();
  parts.random = &system_random();
  parts.logger = &logger;
  parts.on_stored = [&log](Sequence sequence) { log.stored(sequence); };
  std::promise<Error> failed;
  parts.on_failed = [&](const Error& error) {
    failed.set_value(error);
    log.stop();
  };
  TLOG_ASSIGN(auto client, LogClient::open(options_from(arguments), parts, kTimeoutNs));
  log.begin_behind(client->head());
  client->start(log, 0);  // the newest may be at one server alone, which is not enough
  const Status appended = append_lines(*client, log);
  const bool is_stored = client->close(kTimeoutNs);
  auto reason = failed.get_future();
  if (reason.wait_for(std::chrono::seconds(0)) == std::future_status::ready)
    return fail(reason.get());
  if (appended && !is_stored) return fail(Code::kUnavailable, "close: not everything is stored");
  return appended;
}

int main_of(const std::vector<std::string>& arguments) {
  if (arguments.size() < 3) {
    std::fprintf(stderr, "usage: client_example LOG SERVERS-THAT-MUST-STORE SERVER...\n");
    return 2;
  }
  StderrLogger logger(LogLevel::kWarning);
  auto loop = io::make_loop({}, logger);
  if (!loop) return complain(loop.error());
  if (auto started = (*loop)->start(); !started) return complain(started.error());
  io::Workers workers;
  workers.start(2, "work");
  const Status status = run(arguments, **loop, workers, logger);
  workers.stop();
  (*loop)->stop();
  return status ? 0 : complain(status.error());
}

}  // namespace
}  // namespace tlog::client

int main(int argc, char** argv) {
  return tlog::client::main_of(std::vector<std::string>(argv + 1, argv + argc));
}
