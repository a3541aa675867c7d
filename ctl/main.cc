// tlogctl: keys, the configuration file, and what a running server is doing. See tlogctl(1).
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "ctl/commands.h"
#include "ctl/control_protocol.h"
#include "tlog/config/config.h"

namespace tlog::ctl {
namespace {

// What stands on the command line.
struct Arguments {
  Place place;
  StatusOptions status;
  std::string file;
  bool json = false;
  std::vector<std::string> words;  // [VDISK] NAME of mark
  std::string vdisk;
  std::string timeout = "1m";
  ScrubCommand scrub;
  TakeoverCommand takeover;
  WaitCommand wait;
  FailoverCommand failover;
  ResyncCommand resync;
  std::string rate = "64MiB";
  std::string cluster;
  ReplaceCommand replace;
  LogServerPlace log_server;
  MessagesCommand messages;
  bool interactive = false;
  SyncCommand sync;
  std::string every;
};

Status run_mark(const Arguments& arguments) {
  const auto& words = arguments.words;
  return mark(arguments.place, words.size() == 2 ? words[0] : "", words.back());
}

// What CLI11 calls a validator: the reason why not, or nothing.
std::string check_timeout(const std::string& text) {
  auto timeout_ns = config::parse_duration_ns(text);
  if (!timeout_ns) return timeout_ns.error().message();
  bool too_long = *timeout_ns / 1'000'000 > control::kFlushTimeoutMsMax;
  return too_long ? "too long, expected at most 24h" : "";
}

Result<std::uint64_t> timeout_ms_of(const Arguments& arguments) {
  TLOG_ASSIGN(const std::uint64_t timeout_ns, config::parse_duration_ns(arguments.timeout));
  return timeout_ns / 1'000'000;
}

void add_timeout(CLI::App& command, Arguments& a, const char* description) {
  command.add_option("--timeout", a.timeout, description)
      ->capture_default_str()
      ->check(check_timeout, "");
}

Status run_flush(const Arguments& arguments) {
  TLOG_ASSIGN(const std::uint64_t timeout_ms, timeout_ms_of(arguments));
  return flush(arguments.place, arguments.vdisk, timeout_ms);
}

Status run_wait(Arguments& arguments) {
  TLOG_ASSIGN(arguments.wait.timeout_ms, timeout_ms_of(arguments));
  if (!arguments.log_server.address.empty())
    return wait_server_sync(arguments.log_server, arguments.wait);
  return wait_slave_sync(arguments.place, arguments.wait);
}

Status run_failover(Arguments& arguments, bool back) {
  arguments.failover.back = back;
  TLOG_ASSIGN(arguments.failover.timeout_ms, timeout_ms_of(arguments));
  return failover(arguments.place, arguments.failover);
}

Status run_resync(Arguments& arguments) {
  TLOG_ASSIGN(arguments.resync.patience_ms, timeout_ms_of(arguments));
  return resync(arguments.place, arguments.resync);
}

std::string check_rate(const std::string& text) {
  auto rate = config::parse_size(text);
  return rate ? "" : rate.error().message();
}

Status run_scrub(Arguments& arguments, bool repair) {
  arguments.scrub.repair = repair;
  TLOG_ASSIGN(arguments.scrub.bytes_per_second, config::parse_size(arguments.rate));
  return scrub(arguments.place, arguments.scrub);
}

Status run_replace(const Arguments& arguments) {
  const ReplaceCommand& command = arguments.replace;
  if (!command.yes && !command.dry_run && isatty(STDIN_FILENO) == 0) {
    throw CLI::ValidationError("standard input is no terminal, so that nobody can be asked",
                               "give --yes or --dry-run");
  }
  return cluster_replace(arguments.place, command);
}

Status print_text(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  return {};
}

// A command with the function that does it.
CLI::App* add(CLI::App& app, const char* name, const char* description, Status& result,
              std::function<Status()> run) {
  CLI::App* command = app.add_subcommand(name, description);
  command->callback([&result, run = std::move(run)] { result = run(); });
  return command;
}

void add_file_commands(CLI::App& app, Arguments& a, Status& result) {
  CLI::App* command = add(app, "keygen", "Make a key file of mode 0600; prints the id of the key",
                          result, [&a] { return keygen(a.file); });
  command->add_option("FILE", a.file, "the file to make; never overwritten")->required();
  command = add(
      app, "check-config", "Check a configuration file and print all that is wrong with it", result,
      [&a] { return check_config(a.file.empty() ? config_path_of(a.place) : a.file, a.json); });
  command->add_option("FILE", a.file, "the file; by default that of --config");
  command->add_flag("--json", a.json, "for programs");
  add(app, "print-example", "Print a commented configuration file", result,
      [] { return print_text(config::example_file()); });
  add(app, "print-schema", "Print the JSON schema of the configuration file", result,
      [] { return print_text(config::json_schema()); });
  // For the makers of the manual.
  add(app, "print-manual-table", "", result, [] {
    return print_text(config::manual_table());
  })->group("");
}

void add_server_commands(CLI::App& app, Arguments& a, Status& result) {
  CLI::App* command = add(app, "status", "Show what running servers do", result,
                          [&a] { return status(a.place, a.status); });
  command->add_option("VDISK", a.status.vdisk, "only this vdisk");
  command->add_flag("--json", a.status.json, "for programs");
  command->add_flag("--rates", a.status.rates, "look twice, a second apart, and show rates");
  add(app, "reload", "Have running servers take over what has changed in the configuration", result,
      [&a] { return reload(a.place); });
  command = add(app, "mark", "Set a named restore point", result, [&a] { return run_mark(a); });
  command
      ->add_option("[VDISK] NAME", a.words,
                   "the vdisk, unless there is only one, and the name of the mark")
      ->required()
      ->expected(1, 2);
  command = add(app, "flush", "Wait until all that was written is in the stores", result,
                [&a] { return run_flush(a); });
  command->add_option("VDISK", a.vdisk, "the vdisk, unless there is only one");
  add_timeout(*command, a, "how long to wait: 500ms, 30s, 2m");
}

void add_scrub_commands(CLI::App& app, Arguments& a, Status& result) {
  auto add_one = [&](const char* name, const char* description, bool repair) {
    CLI::App* command =
        add(app, name, description, result, [&a, repair] { return run_scrub(a, repair); });
    command->add_option("VDISK", a.scrub.vdisk, "the vdisk, unless there is only one");
    command->add_flag("--deep", a.scrub.deep, "read and check every shard, not only look it up");
    command->add_option("--rate", a.rate, "read no more than this a second; 0: unbounded")
        ->capture_default_str()
        ->check(check_rate, "");
    command->add_flag("!--no-wait", a.scrub.wait, "only begin; `tlogctl status` shows the rest");
    command->add_flag("--json", a.scrub.json, "for programs");
  };
  add_one("scrub", "Look whether the stores have every shard of the log", false);
  add_one("repair", "The same, and make what is missing or wrong anew from the others", true);
}

void add_tls(CLI::App& command, LogServerPlace& place) {
  command.add_flag("--tls", place.tls, "talk TLS, with the system's authorities");
  command.add_option("--tls-ca", place.ca_file, "who has signed the server's certificate");
  command.add_option("--tls-cert", place.certificate_file, "this side's, where it is wanted");
  command.add_option("--tls-key", place.key_file, "its key");
  command.add_option("--tls-psk-file", place.psk_file, "a pre-shared key instead of certificates");
  command.add_option("--tls-psk-identity", place.psk_identity, "which line of that file");
  command.add_option("--tls-server-name", place.name, "what the certificate has to say");
}

void add_log_server_commands(CLI::App& app, Arguments& a, Status& result) {
  CLI::App* command = add(app, "server-status", "Show how a tlogserver is", result,
                          [&a] { return server_status(a.log_server, a.json); });
  command->add_option("ADDRESS", a.log_server.address, "host:port or unix:/path")->required();
  command->add_flag("--json", a.json, "for programs");
  add_tls(*command, a.log_server);
}

void add_standby_commands(CLI::App& app, Arguments& a, Status& result) {
  CLI::App* command = add(app, "wait-slave-sync", "Wait until the standby has all that was written",
                          result, [&a] { return run_wait(a); });
  command->add_option("VDISK", a.wait.vdisk, "the vdisk, unless there is only one");
  add_timeout(*command, a, "how long to wait: 500ms, 30s, 2m");
  command->add_flag("--json", a.wait.json, "for programs");
  command->add_option("--server", a.log_server.address,
                      "ask this tlogserver about the standby that it keeps itself");
  command->add_option("--key-file", a.log_server.master_key_file,
                      "the log's key, for a tlogserver that has none of its own");
  add_tls(*command, a.log_server);

  command = add(app, "failover", "Go over to the standby", result,
                [&a] { return run_failover(a, false); });
  command->add_option("VDISK", a.failover.vdisk, "the vdisk")->required();
  add_timeout(*command, a, "how long to wait for the standby to have everything");
  command->add_flag("--accept-loss", a.failover.accept_loss,
                    "also when the standby lacks acknowledged writes, which are given up then");
  command->add_flag("--json", a.failover.json, "for programs");

  command = add(app, "failback", "Go back to the vdisk's own cluster; the other one follows then",
                result, [&a] { return run_failover(a, true); });
  command->add_option("VDISK", a.failover.vdisk, "the vdisk")->required();
  add_timeout(*command, a, "how long to wait for the cluster to have everything");
  command->add_flag("--json", a.failover.json, "for programs");

  command = add(app, "resync", "Bring the cluster that is not active up to date from the log",
                result, [&a] { return run_resync(a); });
  command->add_option("VDISK", a.resync.vdisk, "the vdisk")->required();
  command->add_flag("--force", a.resync.force, "discard what it has and is not the vdisk's");
  command->add_flag("!--no-wait", a.resync.wait, "only begin; `tlogctl status` shows the rest");
  add_timeout(*command, a, "how long to wait while nothing moves");
  command->add_flag("--json", a.resync.json, "for programs");
}

void add_takeover_command(CLI::App& app, Arguments& a, Status& result) {
  CLI::App* command =
      add(app, "takeover", "Go on with a vdisk on this host, from what is stored of it", result,
          [&a] { return takeover(a.place, a.takeover); });
  command->add_option("VDISK", a.takeover.vdisk, "the vdisk")->required();
  command->add_flag("--accept-loss", a.takeover.accept_loss,
                    "give up what at the log's end is not certain to be stored");
  command->add_flag("--json", a.takeover.json, "for programs");
}

std::string check_every(const std::string& text) {
  auto every_ns = config::parse_duration_ns(text);
  if (!every_ns) return every_ns.error().message();
  return *every_ns == 0 ? "expected a time above 0" : "";
}

Status run_sync(Arguments& arguments) {
  if (!arguments.every.empty()) {
    TLOG_ASSIGN(arguments.sync.every_ns, config::parse_duration_ns(arguments.every));
  }
  return sync_sites(arguments.sync);
}

void add_sync_command(CLI::App& app, Arguments& a, Status& result) {
  SyncCommand& s = a.sync;
  CLI::App* command = add(app, "sync", "Bring two logset repositories to the same state, both ways",
                          result, [&a] { return run_sync(a); });
  command->add_option("LOCAL_URL", s.local, "http://HOST:PORT/REPO")->required();
  command->add_option("REMOTE_URL", s.remote, "the other one")->required();
  CLI::Option* once = command->add_flag("--once", s.once, "once, which is the default");
  command->add_option("--every", a.every, "again and again, with this time between")
      ->check(check_every)
      ->excludes(once);
  command->add_option("--ca-file", s.ca_file, "who signs the servers' certificates (PEM)");
  command->add_option("--token-file", s.token_file, "the token that both ask for, mode 0600");
  command->add_flag("--json", s.json, "for programs, a line each round");
}

void add_cluster_commands(CLI::App& app, Arguments& a, Status& result) {
  CLI::App* cluster = app.add_subcommand("cluster", "Look after the stores of clusters");
  cluster->require_subcommand(1);
  CLI::App* command = add(*cluster, "status", "Show how the stores of a cluster are", result,
                          [&a] { return cluster_status(a.place, a.cluster, a.json); });
  command->add_option("CLUSTER", a.cluster, "only this cluster");
  command->add_flag("--json", a.json, "for programs");
  ReplaceCommand& r = a.replace;
  command = add(*cluster, "replace", "Put an empty server into another one's place, and fill it",
                result, [&a] { return run_replace(a); });
  command->add_option("CLUSTER", r.cluster, "the cluster")->required();
  command->add_option("OLD", r.from, "the address of the server that goes")->required();
  command->add_option("NEW", r.to, "the address of the one that comes")->required();
  command->add_flag("--dry-run", r.dry_run, "only say what would be done, and whether it is safe");
  command->add_flag("--yes", r.yes, "do not ask");
  command->add_flag("!--no-wait", r.wait, "do not wait until the new one is filled");
  command->add_flag("--json", r.json, "for programs");
  command->add_flag("--allow-unserved", r.allow_unserved,
                    "also when vdisks of the cluster are not served, and nothing is known of them");
}

void add_node(CLI::App& command, MessagesCommand& m, const char* where) {
  command.add_option("WHERE", m.where, where)->required();
  command.add_option("--token-file", m.token_file, "with the bearer token that the node wants");
  command.add_option("--ca-file", m.ca_file, "who has signed its certificate (PEM)");
  command.add_flag("--json", m.json, "for programs");
}

void add_messages_commands(CLI::App& app, Arguments& a, Status& result) {
  CLI::App* all = app.add_subcommand("messages", "Append to, list or follow a log of messages");
  all->require_subcommand(1);
  MessagesCommand& m = a.messages;
  CLI::App* command =
      add(*all, "append", "Append a message; prints its id when so many nodes have stored it",
          result, [&a] { return messages_append(a.place, a.messages); });
  add_node(*command, m, "the master's URL, or a vdisk, which gets a mark");
  command->add_option("TEXT", m.text, "what it says")->required();
  command->add_option("-w", m.w, "nodes that have to have stored it; by default all");
  command->add_option("--log", m.log, "which log; by default the node's first");
  command = add(*all, "list", "Print the messages that a node has", result,
                [&a] { return messages_list(a.messages); });
  add_node(*command, m, "the URL of a node");
  command->add_option("--after", m.after, "only those behind this id");
  command->add_option("--limit", m.limit, "at most so many");
  command->add_option("--log", m.log, "which log; by default the node's first");
  command = add(*all, "follow", "Print messages as they come, until it is ended", result,
                [&a] { return messages_follow(a.messages); });
  add_node(*command, m, "the URL of a node");
  command->add_option("--after", m.after, "only those behind this id");
  command->add_option("--log", m.log, "which log; by default the node's first");
  command = add(app, "echo", "Have a node say something again, with the time", result,
                [&a] { return echo(a.messages, a.interactive); });
  add_node(*command, m, "the URL of a node");
  CLI::Option* text = command->add_option("TEXT", m.text, "what it shall say");
  command->add_flag("--interactive", a.interactive, "each line of standard input")->excludes(text);
}

int run(int argc, char** argv) {
  CLI::App app("Keys, the configuration file and the running servers of tlogdisk", "tlogctl");
  Arguments arguments;
  Status result;
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", version_text());
  app.add_option("--config", arguments.place.config_path,
                 "the configuration; by default ./tlogdisk.yml, then /etc/tlogdisk/tlogdisk.yml");
  app.add_option("--socket", arguments.place.socket_path,
                 "the server's control socket; by default as configured");
  add_file_commands(app, arguments, result);
  add_server_commands(app, arguments, result);
  add_scrub_commands(app, arguments, result);
  add_log_server_commands(app, arguments, result);
  add_standby_commands(app, arguments, result);
  add_takeover_command(app, arguments, result);
  add_sync_command(app, arguments, result);
  add_cluster_commands(app, arguments, result);
  add_messages_commands(app, arguments, result);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  if (!result) {
    std::fprintf(stderr, "tlogctl: %s\n", result.error().message().c_str());
    return exit_code_of(result.error().code());
  }
  // A result that could not be written is no success: `tlogctl print-example > /full/disk`.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    std::fputs("tlogctl: write: standard output failed\n", stderr);
    return kExitFailed;
  }
  return kExitOk;
}

}  // namespace
}  // namespace tlog::ctl

int main(int argc, char** argv) {
  try {
    return tlog::ctl::run(argc, argv);
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "tlogctl: %s\n", exception.what());
    return tlog::ctl::kExitFailed;
  }
}
