// What a tlogserver shows of itself: metrics for Prometheus, its status as JSON, whether it is
// well, and a page for people. Pure texts of one ServerStatus; nothing secret is in that.
//
// Threading: pure functions. Names that clients have given are escaped, and told from ours.
#pragma once

#include <string>

#include "server/program/http_server.h"
#include "server/serve/server.h"

namespace tlog::program {

// What only the process knows.
struct ProcessStatus {
  bool stopping = false;
  TimestampNs started_ns = 0;  // time of day
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_files = 0;
};
ProcessStatus process_status(TimestampNs started_ns, bool stopping);

std::string metrics_text(const server::ServerStatus& status, const ProcessStatus& process);
std::string status_json(const server::ServerStatus& status, const ProcessStatus& process);
std::string status_page(const server::ServerStatus& status, const ProcessStatus& process);

// Well: it takes clients, and what it has received it can store. 503 says why not; a restart cures
// none of these.
struct Health {
  bool well = true;
  std::string json;
};
Health health(const server::ServerStatus& status, const ProcessStatus& process);

// /, /metrics, /health, /status; 404 for the rest.
HttpAnswer answer(const std::string& path, const server::ServerStatus& status,
                  const ProcessStatus& process);

}  // namespace tlog::program
