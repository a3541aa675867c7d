#include "nbdkit-plugin/control_server.h"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

#include "nbdkit-plugin/control_reports.h"
#include "tlog/base/clock.h"
#include "tlog/base/limits.h"
#include "tlog/session/receipt.h"

namespace tlog::plugin {
namespace {

using control::Descriptor;

// How long one wait in the engine may last before it is looked whether the server stops.
constexpr std::uint64_t kFlushSliceNs = 250'000'000;
// Threads of clients that were hung up on and have not ended yet.
constexpr std::size_t kEndingMax = 64;

// A socket file that nobody listens at was left behind by a process that died. Anything else stays.
// Two servers that start at once are kept apart by the journals' locks, which are taken before.
Status remove_stale_socket(const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return {};
    return fail(os_error(errno, "stat: " + path));
  }
  if (!S_ISSOCK(found.st_mode)) {
    return fail(
        Code::kAlreadyExists,
        fmt::format("bind: {}: exists and is not a socket; choose another controlSocket", path));
  }
  TLOG_ASSIGN(const bool is_live, control::somebody_listens(path));
  if (is_live) {
    return fail(Code::kUnavailable,
                fmt::format("bind: {}: another server listens there; stop it, or choose another "
                            "controlSocket",
                            path));
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return fail(os_error(errno, "remove: " + path));
  return {};
}

// A failback takes the other cluster along as the standby: it must be one already.
Status check_failback(const session::Vdisk& vdisk) {
  const std::optional<session::StandbyStatus> standby = vdisk.status().standby;
  if (!standby || standby->state != session::StandbyState::kFailedOver) return {};
  return fail(Code::kUnavailable,
              fmt::format("failback: {}: nothing follows '{}' since the vdisk went over to it; "
                          "`tlogctl resync {}` first, which brings '{}' up to date",
                          vdisk.name(), standby->active, vdisk.name(), standby->standby));
}

}  // namespace

ControlServer::ControlServer(session::Engine& engine, const Clock& clock, Logger& logger,
                             ControlLimits limits)
    : engine_(engine), clock_(clock), logger_(logger), limits_(limits) {}

ControlServer::~ControlServer() {
  stop();
}

Status ControlServer::bind(const std::string& path) {
  if (path.empty() || path.size() > kSocketPathMax) {
    return fail(
        Code::kInvalidArgument,
        fmt::format(
            "bind: {}: {} bytes, a Unix socket has 1 to {}; set controlSocket to a shorter path",
            path, path.size(), kSocketPathMax));
  }
  TLOG_TRY(remove_stale_socket(path));
  TLOG_ASSIGN(Descriptor listener, control::unix_socket());
  // On Linux the mode of the socket becomes the mode of its file: there is no moment at which
  // others may connect.
  if (::fchmod(listener.number(), S_IRUSR | S_IWUSR) != 0)
    return fail(os_error(errno, "chmod: " + path));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, kSocketPathMax);
  if (::bind(listener.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail(os_error(errno, "bind: " + path));
  }
  struct stat made {};
  if (::lstat(path.c_str(), &made) != 0) return fail(os_error(errno, "stat: " + path));
  path_ = path;
  socket_device_ = made.st_dev;
  socket_inode_ = made.st_ino;
  listener_ = std::move(listener);
  if (::listen(listener_.number(), SOMAXCONN) != 0) return fail(os_error(errno, "listen: " + path));
  return {};
}

Status ControlServer::start() {
  wake_ = Descriptor(::eventfd(0, EFD_CLOEXEC));
  if (!wake_.is_open()) return fail(os_error(errno, "eventfd: control socket"));
  try {
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "tlog-control");
      accept_clients();
    });
  } catch (const std::system_error& error) {
    return fail(os_error(error.code().value(), "start: control socket's thread"));
  }
  return {};
}

void ControlServer::stop() {
  if (stopping_.exchange(true)) return;
  const bool was_started = thread_.joinable();
  if (was_started) {
    const std::uint64_t one = 1;
    // Cannot fail for a counter that is 0; it stays readable, so that every thread sees it.
    (void)!::write(wake_.number(), &one, sizeof one);
    thread_.join();
  }
  reap(/*all=*/true);
  listener_ = Descriptor();
  // The process that forked and ends now leaves the socket to its child, which listens there.
  if (!was_started) return;
  struct stat found {};
  if (::lstat(path_.c_str(), &found) == 0 && found.st_dev == socket_device_ &&
      found.st_ino == socket_inode_) {
    (void)::unlink(path_.c_str());  // a file that stays is found stale by the next server
  }
}

void ControlServer::accept_clients() {
  while (!stopping()) {
    // Woken now and then to join the threads of clients that have gone.
    constexpr std::uint64_t kReapMs = 5'000;
    auto ready = control::wait_ready(listener_.number(), POLLIN, control::monotonic_ms() + kReapMs,
                                     wake_.number());
    reap(/*all=*/false);
    if (ready) {
      accept_one();
    } else if (ready.error().code() != Code::kTimeout) {
      if (!stopping())
        logger_.error("event=control_failed reason=\"" + ready.error().message() + "\"");
      return;
    }
  }
}

void ControlServer::accept_one() {
  Descriptor descriptor(
      ::accept4(listener_.number(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!descriptor.is_open()) {
    // Without descriptors the waiting client stays readable: do not spin on it.
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      (void)control::wait_ready(-1, 0, control::monotonic_ms() + 100, wake_.number());
    }
    return;
  }
  if (!make_room()) {
    Error error(Code::kUnavailable,
                "control: too many clients wait for this server; try again later");
    (void)control::send_all(descriptor.number(), control::encode_error(error),
                            control::monotonic_ms());
    return;
  }
  Client& client = clients_.emplace_back();
  client.descriptor = std::move(descriptor);
  client.idle_since_ms = control::monotonic_ms();
  try {
    client.thread = std::thread([this, &client] {
      pthread_setname_np(pthread_self(), "tlog-control-c");
      serve(client);
      ::shutdown(client.descriptor.number(), SHUT_RDWR);  // the client learns of it now
      client.done = true;
    });
  } catch (const std::system_error&) {
    clients_.pop_back();  // hangs up; the next one may have more luck
  }
}

// False when there is no room for another client: when needed, hangs up on the one that has been
// idle longest. Its thread ends by itself and is joined later; should it have begun a request this
// very moment, that is still answered into the void, and the place counts until then.
bool ControlServer::make_room() {
  if (clients_.size() >= limits_.clients_max + kEndingMax) return false;
  std::size_t served = 0;
  Client* oldest = nullptr;
  std::uint64_t oldest_since = 0;
  for (Client& client : clients_) {
    if (client.hung_up) continue;
    ++served;
    const std::uint64_t since = client.idle_since_ms;
    if (since == 0 || (oldest != nullptr && since >= oldest_since)) continue;
    oldest = &client;
    oldest_since = since;
  }
  if (served < limits_.clients_max) return true;
  if (oldest == nullptr) return false;
  oldest->hung_up = true;
  ::shutdown(oldest->descriptor.number(), SHUT_RDWR);
  return true;
}

void ControlServer::reap(bool all) {
  for (auto client = clients_.begin(); client != clients_.end();) {
    if (!all && !client->done) {
      ++client;
      continue;
    }
    client->thread.join();
    client = clients_.erase(client);
  }
}

void ControlServer::serve(Client& client) {
  std::string buffer;
  while (!stopping()) {
    client.idle_since_ms = control::monotonic_ms();
    auto line =
        control::receive_line(client.descriptor.number(), buffer, control::kRequestBytesMax,
                              control::monotonic_ms() + limits_.idle_ms_max, wake_.number());
    std::string reply;
    if (line) {
      client.idle_since_ms = 0;
      reply = answer(*line);
      client.idle_since_ms = control::monotonic_ms();
    } else if (line.error().code() == Code::kInvalidArgument) {
      reply = control::encode_error(line.error());
    } else {
      return;
    }
    auto sent = control::send_all(client.descriptor.number(), reply,
                                  control::monotonic_ms() + limits_.send_ms_max, wake_.number());
    if (!sent || !line) return;
  }
}

// Nothing that a request makes the engine throw may end the process.
std::string ControlServer::answer(std::string_view line) {
  try {
    auto request = control::decode_request(line);
    if (!request) return control::encode_error(request.error());
    auto reply = act(*request);
    if (!reply) return control::encode_error(reply.error());
    return control::encode_reply(*reply);
  } catch (const std::exception& exception) {
    return control::encode_error(
        Error(Code::kIoError, fmt::format("control: {}", exception.what())));
  }
}

Result<control::Reply> ControlServer::act(const control::Request& request) {
  control::Reply reply;
  reply.pid = static_cast<std::uint64_t>(::getpid());
  reply.monotonic_ns = clock_.monotonic_ns();
  if (request.command == control::Command::kPing) return reply;
  if (request.command == control::Command::kReload) {
    TLOG_TRY(reload(reply));
    return reply;
  }
  if (!request.vdisk.empty()) {
    std::vector<std::string> names = engine_.vdisk_names();
    if (std::find(names.begin(), names.end(), request.vdisk) == names.end()) {
      return fail(Code::kNotFound,
                  fmt::format("control: vdisk '{}': not served by this process, which has: {}",
                              request.vdisk, fmt::join(names, ", ")));
    }
  }
  if (request.command == control::Command::kStatus) {
    reply.vdisks = reports(request.vdisk);
    return reply;
  }
  // Opens what is there and never creates: a mark on a vdisk that does not exist yet has nothing to
  // mark.
  TLOG_ASSIGN(std::shared_ptr<session::Vdisk> vdisk,
              engine_.open(request.vdisk, /*read_only=*/true));
  if (request.command == control::Command::kMark) {
    TLOG_ASSIGN(reply.sequence, vdisk->mark(request.name));
    logger_.info(fmt::format("event=mark vdisk={} sequence={}", request.vdisk, reply.sequence));
  } else if (request.command == control::Command::kScrub) {
    TLOG_TRY(vdisk->scrub({.deep = request.deep,
                           .repair = request.repair,
                           .bytes_per_second = request.bytes_per_second}));
    reply.vdisks = reports(request.vdisk);
  } else if (request.command == control::Command::kFlush) {
    TLOG_ASSIGN(reply.sequence, flush(*vdisk, request.timeout_ms));
  } else if (request.command == control::Command::kWaitSlaveSync) {
    // Ended by Engine::stop_waiting(), as a failover. Only the engine knows what may be believed of
    // the standby: it is asked once, and not looked at meanwhile.
    TLOG_ASSIGN(reply.sequence, vdisk->wait_slave_sync(request.timeout_ms * kNsPerMs));
  } else if (request.command == control::Command::kFailover) {
    TLOG_ASSIGN(const session::Receipt receipt, fail_over(*vdisk, request));
    reply.receipt = session::receipt_summary_json(receipt);
  } else {
    TLOG_TRY(vdisk->resync({.force = request.force}));
    reply.vdisks = reports(request.vdisk);
  }
  return reply;
}

Status ControlServer::reload(control::Reply& reply) {
  if (reloader_ == nullptr) {
    return fail(Code::kNotSupported, "control: this server has no configuration to reload");
  }
  TLOG_ASSIGN(session::ReloadReport report, reloader_->reload());
  reply.config_source = report.source;
  reply.config_generation = report.generation;
  for (const config::Change& change : report.changes) {
    reply.changes.push_back(fmt::format("{}: {}", change.key, change.text));
  }
  return {};
}

// In slices, so that stop() does not wait for a flush; what is asked for stays what was appended at
// the beginning.
Result<Sequence> ControlServer::flush(session::Vdisk& vdisk, std::uint64_t timeout_ms) {
  const Sequence target = vdisk.status().watermarks.appended;
  const std::uint64_t deadline_ns = clock_.monotonic_ns() + timeout_ms * kNsPerMs;
  while (true) {
    std::uint64_t now_ns = clock_.monotonic_ns();
    std::uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    auto stored = vdisk.flush_to_stores(std::min(left_ns, kFlushSliceNs));
    if (stored) return stored;
    if (stored.error().code() != Code::kTimeout) return fail(stored.error());
    session::VdiskStatus status = vdisk.status();
    if (status.watermarks.stored >= target) return target;
    if (stopping()) return fail(Code::kShutdown, "flush: the server stops");
    if (left_ns <= kFlushSliceNs) {
      return fail(Code::kTimeout,
                  fmt::format("flush: {}: stored up to {} of {} after {} ms{}{}", vdisk.name(),
                              status.watermarks.stored, target, timeout_ms,
                              status.log.waiting_for.empty() ? "" : ": ", status.log.waiting_for));
    }
  }
}

// Ended by Engine::stop_waiting(), which comes before stop().
Result<session::Receipt> ControlServer::fail_over(session::Vdisk& vdisk,
                                                  const control::Request& request) {
  if (request.keep_following) TLOG_TRY(check_failback(vdisk));
  return vdisk.fail_over({.timeout_ns = request.timeout_ms * kNsPerMs,
                          .accept_loss = request.accept_loss,
                          .keep_following = request.keep_following});
}

std::vector<control::VdiskReport> ControlServer::reports(const std::string& only) const {
  std::vector<session::VdiskStatus> opened = engine_.status();
  std::vector<control::VdiskReport> all;
  const auto configuration = engine_.configuration();
  for (const std::string& name : engine_.vdisk_names()) {
    if (!only.empty() && name != only) continue;
    auto status = std::find_if(opened.begin(), opened.end(),
                               [&](const session::VdiskStatus& s) { return s.name == name; });
    if (status != opened.end()) {
      all.push_back(report_of(*status, *configuration));
      continue;
    }
    control::VdiskReport closed;
    closed.name = name;
    closed.state = "closed";
    closed.reason = "no client has opened it since the server started";
    if (const config::Vdisk* vdisk = configuration->find_vdisk(name)) closed.size = vdisk->size;
    all.push_back(std::move(closed));
  }
  add_leases(engine_.leases(), all);
  if (reloader_ == nullptr) return all;
  const session::ReloadStatus reloads = reloader_->status();
  for (control::VdiskReport& report : all) {
    report.config_source = reloads.source;
    report.config_generation = reloads.generation;
    report.config_loaded_ns = reloads.loaded_ns;
    report.config_error = reloads.error;
    report.config_error_ns = reloads.error_ns;
  }
  return all;
}

}  // namespace tlog::plugin
