// tlogctl sync: two logset repositories, kept the same.
#include <fmt/format.h>
#include <signal.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "ctl/commands.h"
#include "gateways/http/token.h"
#include "gateways/sync/sync.h"
#include "tlog/base/clock.h"

namespace tlog::ctl {
namespace {

using logset::OneWay;
using logset::SiteAccess;
using SyncJson = nlohmann::ordered_json;

Result<SiteAccess> site_access(const SyncCommand& command, std::string url) {
  while (url.ends_with('/')) url.pop_back();
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    return fail(Code::kInvalidArgument,
                fmt::format("sync: '{}': expected the address of a repository, "
                            "http://HOST:PORT/REPO",
                            url));
  }
  SiteAccess site{.url = std::move(url), .ca_file = command.ca_file};
  if (command.token_file.empty()) return site;
  TLOG_ASSIGN(const auto token, gateway::BearerToken::load(io::system_files(), command.token_file));
  const gateway::BearerToken::Secret value = token.header();
  site.token_header = "Authorization: ";
  site.token_header.append(reinterpret_cast<const char*>(value.data()), value.size());
  return site;
}

// One direction over all rounds.
struct Direction {
  std::string name;  // "to_remote"
  const SiteAccess& source;
  const SiteAccess& target;
  std::uint64_t even_at_ns = system_clock().monotonic_ns();  // when nothing was lacking last
  OneWay last = {};
  std::optional<Error> error = {};

  // What was asked first is what the target has of what was there then: the time counts from here.
  void run() {
    const std::uint64_t began = system_clock().monotonic_ns();
    auto done = logset::sync_one_way(source, target);
    error.reset();
    if (!done) {
      error = done.error();
      return;
    }
    last = *done;
    even_at_ns = began;
  }
  double behind_seconds() const {
    return static_cast<double>(system_clock().monotonic_ns() - even_at_ns) / 1e9;
  }
};

SyncJson json_of(const Direction& way) {
  return {{"from", way.source.url},
          {"to", way.target.url},
          {"logsSent", way.last.logs_sent},
          {"sentBytes", way.last.sent_bytes},
          {"lackedBytes", way.last.lacked_bytes},
          {"rpoBytes", way.last.lacking_bytes},
          {"rpoSeconds", way.behind_seconds()},
          {"error", way.error ? SyncJson(way.error->message()) : SyncJson()}};
}

void tell(const Direction& way) {
  if (way.error) {
    fmt::print("{}: {}; {:.1f} s behind\n", way.name, way.error->message(), way.behind_seconds());
    return;
  }
  fmt::print("{}: {} bytes of {} logs sent, {} bytes behind, {:.1f} s old\n", way.name,
             way.last.sent_bytes, way.last.logs_sent, way.last.lacking_bytes, way.behind_seconds());
}

void tell_round(const Direction& out, const Direction& in, bool json) {
  if (json) {
    const SyncJson round = {{"toRemote", json_of(out)}, {"toLocal", json_of(in)}};
    fmt::print("{}\n", round.dump());
  } else {
    tell(out);
    tell(in);
  }
  std::fflush(stdout);
}

// False: it was told to end meanwhile.
bool wait_for_next(std::uint64_t every_ns) {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGINT);
  sigaddset(&ending, SIGTERM);
  const timespec time{.tv_sec = static_cast<time_t>(every_ns / 1'000'000'000),
                      .tv_nsec = static_cast<long>(every_ns % 1'000'000'000)};
  return ::sigtimedwait(&ending, nullptr, &time) < 0;
}

// From here on they are waited for between rounds; one that comes in a round ends it after that.
void hold_back_signals() {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGINT);
  sigaddset(&ending, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
}

}  // namespace

Status sync_sites(const SyncCommand& command) {
  TLOG_ASSIGN(const SiteAccess local, site_access(command, command.local));
  TLOG_ASSIGN(const SiteAccess remote, site_access(command, command.remote));
  if (command.every_ns != 0) hold_back_signals();
  Direction out{.name = "to remote", .source = local, .target = remote};
  Direction in{.name = "to local", .source = remote, .target = local};
  do {
    out.run();
    in.run();
    tell_round(out, in, command.json);
  } while (command.every_ns != 0 && wait_for_next(command.every_ns));
  if (command.every_ns != 0) return {};
  if (out.error) return fail(*out.error);
  if (in.error) return fail(*in.error);
  return {};
}

}  // namespace tlog::ctl
