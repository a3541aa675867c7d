#include "tlog/session/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <thread>

#include "tlog/base/assert.h"
#include "tlog/flush/claim.h"
#include "tlog/session/opening.h"
#include "tlog/session/reconfiguring.h"
#include "tlog/session/vdisk_storage.h"

namespace tlog::session {
namespace {

// Sealing, applying and releasing of one vdisk may each be on a thread; more only helps with more
// cores.
unsigned worker_threads() {
  return std::max(3u, std::thread::hardware_concurrency() + 1);
}

class EngineImpl final : public Engine {
 public:
  EngineImpl(config::Config config, std::vector<std::string> names, EngineOptions options,
             seal::MasterKey key, std::unique_ptr<io::Loop> loop, Environment environment)
      : names_(std::move(names)),
        options_(std::move(options)),
        environment_(environment),
        key_(std::move(key)),
        sealer_(key_, environment_.random),
        loop_(std::move(loop)),
        config_(std::make_shared<const config::Config>(std::move(config))) {}
  ~EngineImpl() override { stop(0); }

  Status prepare() override {
    const auto config = configuration();
    for (const std::string& name : names_) {
      TLOG_ASSIGN(auto journal,
                  prepare_vdisk(*config, *config->find_vdisk(name), budget(), environment_));
      MutexLock lock(mutex_);
      served_[name].prepared = std::move(journal);
    }
    return make_coordinators(*config);
  }

  Status start() override {
    TLOG_TRY(loop_->start());
    workers_.start(worker_threads(), "tlog-work");
    {
      MutexLock lock(mutex_);
      running_ = true;
    }
    for (auto& [name, coordinator] : coordinators_) TLOG_TRY(coordinator->start());
    return {};
  }

  void stop_waiting() override {
    for (auto& [name, coordinator] : coordinators_) coordinator->refuse();
    for (auto& vdisk : opened()) vdisk->stop_waiting();
  }

  void stop(std::uint64_t budget_ns) override {
    // What is under way is broken off; the leases are kept until everything is stored.
    for (auto& [name, coordinator] : coordinators_) coordinator->stop_beginning();
    {
      MutexLock opening(opening_);  // an opening under way ends first
      MutexLock lock(mutex_);
      if (!running_) return;
      running_ = false;
    }
    // All vdisks drain at once, each within the budget.
    std::vector<std::thread> closing;
    for (auto& vdisk : opened()) {
      closing.emplace_back([this, vdisk, budget_ns] {
        const bool everything_stored = vdisk->close(budget_ns);
        const auto coordinator = coordinators_.find(vdisk->name());
        if (coordinator == coordinators_.end()) return;
        coordinator->second->end(everything_stored, vdisk->status().epoch);
      });
    }
    for (std::thread& thread : closing) thread.join();
    for (auto& [name, coordinator] : coordinators_) coordinator->end(true, 0);  // not opened
    workers_.stop();
    loop_->stop();
  }

  std::shared_ptr<const config::Config> configuration() const override {
    MutexLock lock(mutex_);
    return config_;
  }
  std::vector<config::Refusal> reconfigure(const config::Config& wanted) override;
  std::vector<std::string> vdisk_names() const override { return names_; }

  Result<std::shared_ptr<Vdisk>> open(const std::string& name, bool read_only) override {
    if (std::find(names_.begin(), names_.end(), name) == names_.end()) {
      return fail(Code::kNotFound, fmt::format("open: vdisk '{}': not served here; served: {}",
                                               name, fmt::join(names_, ", ")));
    }
    const auto coordinator = coordinators_.find(name);
    if (coordinator == coordinators_.end()) return open_now(name, !read_only);
    if (auto vdisk = opened(name)) return std::shared_ptr<Vdisk>(vdisk);
    TLOG_TRY(coordinator->second->admit());
    TLOG_ASSIGN(std::shared_ptr<Vdisk> vdisk, open_now(name, !read_only));
    coordinator->second->look_again();
    return vdisk;
  }

  Result<TakeoverReport> take_over(const std::string& name, const TakeoverOptions& options,
                                   const TakeoverProgress& progress) override {
    const auto config = configuration();
    const config::Tlog& tlog = config->find_vdisk(name)->tlog;
    if (!tlog.servers.empty() || !tlog.stripe_clusters.empty()) {
      return fail(Code::kNotSupported,
                  fmt::format("takeover: vdisk '{}': its log is kept by tlogservers, and goes on "
                              "only with the journal of the host that wrote it; restore it to "
                              "another vdisk from the stores of the servers (`tlogplay "
                              "restore {} --to vdisk:NEW`)",
                              name, name));
    }
    const OpeningContext context{.config = *config,
                                 .vdisk = *config->find_vdisk(name),
                                 .environment = environment_,
                                 .loop = *loop_,
                                 .workers = workers_,
                                 .sealer = sealer_,
                                 .memory_budget = budget()};
    return session::take_over(context, options, progress);
  }

  std::vector<VdiskStatus> status() const override {
    std::vector<VdiskStatus> all;
    for (const auto& vdisk : opened()) all.push_back(vdisk->status());
    return all;
  }
  std::vector<LeaseStatus> leases() const override {
    std::vector<LeaseStatus> all;
    for (const auto& [name, coordinator] : coordinators_) all.push_back(coordinator->status());
    return all;
  }

 private:
  struct Served {
    std::unique_ptr<journal::Journal> prepared;
    std::shared_ptr<ServedVdisk> vdisk;
  };

  Result<std::shared_ptr<Vdisk>> open_now(const std::string& name, bool may_create) {
    MutexLock opening(opening_);
    std::unique_ptr<journal::Journal> prepared;
    const auto config = configuration();
    const config::Vdisk& vdisk = *config->find_vdisk(name);
    {
      MutexLock lock(mutex_);
      if (!running_)
        return fail(Code::kShutdown, fmt::format("open: vdisk '{}': shutting down", name));
      Served& served = served_[name];
      if (served.vdisk) return std::shared_ptr<Vdisk>(served.vdisk);
      prepared = std::move(served.prepared);
    }
    // A failed attempt has given the journal (and its lock) up: the next one begins from the start.
    if (!prepared) {
      TLOG_ASSIGN(prepared, prepare_vdisk(*config, vdisk, budget(), environment_));
    }
    OpeningContext context{.config = *config,
                           .vdisk = vdisk,
                           .environment = environment_,
                           .loop = *loop_,
                           .workers = workers_,
                           .sealer = sealer_,
                           .memory_budget = budget(),
                           .memory_stores = options_.memory_stores,
                           .may_create = may_create && !vdisk.read_only,
                           .make_standby = options_.make_standby,
                           .open_remote_log = options_.open_remote_log,
                           .key = &key_};
    TLOG_ASSIGN(std::shared_ptr<ServedVdisk> opened, open_vdisk(context, std::move(prepared)));
    opened->start();
    MutexLock lock(mutex_);
    served_[name].vdisk = opened;
    return std::shared_ptr<Vdisk>(opened);
  }

  Status make_coordinators(const config::Config& config);
  LocalVdisk look_at(const std::string& name) const;
  void let_go(const std::string& name);
  Status begin(const std::string& name, const TakeoverOptions& options,
               const TakeoverProgress& progress);
  void retire(const std::string& name);

  std::uint64_t budget() const {
    return configuration()->memory_budget / std::max<std::size_t>(names_.size(), 1);
  }

  std::vector<std::shared_ptr<ServedVdisk>> opened() const {
    std::vector<std::shared_ptr<ServedVdisk>> vdisks;
    MutexLock lock(mutex_);
    for (const auto& [name, served] : served_) {
      if (served.vdisk) vdisks.push_back(served.vdisk);
    }
    return vdisks;
  }

  std::shared_ptr<ServedVdisk> opened(const std::string& name) const {
    MutexLock lock(mutex_);
    const auto served = served_.find(name);
    return served == served_.end() ? nullptr : served->second.vdisk;
  }

  const std::vector<std::string> names_;
  const EngineOptions options_;
  Environment environment_;
  const seal::MasterKey key_;
  const seal::Sealer sealer_;
  const std::unique_ptr<io::Loop> loop_;
  io::Workers workers_;
  Mutex opening_;        // one opening at a time; taken before mutex_
  mutable Mutex mutex_;  // never held for long
  std::shared_ptr<const config::Config> config_ GUARDED_BY(mutex_);
  bool running_ GUARDED_BY(mutex_) = false;
  std::map<std::string, Served> served_ GUARDED_BY(mutex_);
  std::map<std::string, std::unique_ptr<Coordinator>> coordinators_;  // constant after prepare()
};

std::vector<config::Refusal> EngineImpl::reconfigure(const config::Config& wanted) {
  MutexLock opening(opening_);
  {
    MutexLock lock(mutex_);
    if (!running_) return {{"", "the server is shutting down"}};
  }
  const auto running = configuration();
  const auto vdisks = opened();
  std::vector<ServedSettings> settings;
  std::vector<config::Refusal> refusals;
  for (const auto& vdisk : vdisks) {
    const std::string active = active_cluster(*vdisk, *running);
    auto read = settings_of(wanted, *wanted.find_vdisk(vdisk->name()), active, environment_.files);
    if (!read) return {{"clusters", read.error().message()}};
    if (options_.memory_stores) read->log_servers.clear();
    for (auto& refusal : check_servers(*vdisk, *running, wanted, active, *read, *loop_)) {
      if (std::find(refusals.begin(), refusals.end(), refusal) == refusals.end()) {
        refusals.push_back(std::move(refusal));
      }
    }
    settings.push_back(std::move(*read));
  }
  if (!refusals.empty()) return refusals;
  std::map<std::string, std::string> passwords;  // of etcd's users
  for (const auto& [name, coordinator] : coordinators_) {
    auto password =
        read_password(wanted.find_vdisk(name)->coordination.password_file, environment_.files);
    if (!password) return {{"coordination/passwordFile", password.error().message()}};
    passwords[name] = *std::move(password);
  }
  for (const auto& [name, coordinator] : coordinators_) {
    coordinator->reconfigure(wanted.find_vdisk(name)->coordination, passwords[name]);
  }
  for (std::size_t i = 0; i < vdisks.size(); ++i) vdisks[i]->reconfigure(settings[i]);
  MutexLock lock(mutex_);
  config_ = std::make_shared<const config::Config>(wanted);
  return {};
}

// ---- Coordination ----

Status EngineImpl::make_coordinators(const config::Config& config) {
  for (const std::string& name : names_) {
    const config::Vdisk& vdisk = *config.find_vdisk(name);
    if (!options_.coordinate || vdisk.coordination.etcd.empty() || options_.memory_stores) continue;
    const config::Cluster* cluster = config.find_cluster(vdisk.tlog.cluster);
    if (cluster == nullptr || cluster->servers.empty()) {
      environment_.logger.warning(fmt::format(
          "event=not_coordinated vdisk={} reason=\"{}\"", name,
          cluster == nullptr ? "its log is kept by tlogservers, and only this host's journal goes "
                               "with it"
                             : "its log is in directories, which are of this host alone"));
      continue;
    }
    Coordinator::Parts parts;
    parts.vdisk = name;
    parts.settings = vdisk.coordination;
    TLOG_ASSIGN(parts.password,
                read_password(vdisk.coordination.password_file, environment_.files));
    parts.host =
        vdisk.coordination.host_name.empty() ? flush::host_name() : vdisk.coordination.host_name;
    parts.control = options_.control_socket;
    parts.clock = &environment_.clock;
    parts.logger = &environment_.logger;
    parts.look = [this, name] { return look_at(name); };
    parts.let_go = [this, name] { let_go(name); };
    parts.begin = [this, name](const TakeoverOptions& options, const TakeoverProgress& progress) {
      return begin(name, options, progress);
    };
    parts.retire = [this, name] { retire(name); };
    coordinators_[name] = std::make_unique<Coordinator>(std::move(parts));
  }
  return {};
}

LocalVdisk EngineImpl::look_at(const std::string& name) const {
  LocalVdisk local;
  std::shared_ptr<ServedVdisk> vdisk;
  {
    MutexLock lock(mutex_);
    const auto served = served_.find(name);
    if (served == served_.end()) return local;
    vdisk = served->second.vdisk;
    if (served->second.prepared) local.journal = served->second.prepared->superblock().journal;
  }
  if (!vdisk) return local;
  const VdiskStatus status = vdisk->status();
  local.has_failed = status.state == State::kFailed;
  local.is_open = !local.has_failed;
  local.is_fenced = status.is_fenced;
  local.reason = status.reason;
  local.epoch = status.epoch;
  local.journal = status.journal;
  return local;
}

// Its lock: an operator may want to take the vdisk over here.
void EngineImpl::let_go(const std::string& name) {
  std::unique_ptr<journal::Journal> journal;
  MutexLock lock(mutex_);
  journal.swap(served_[name].prepared);
}

// A vdisk that does not exist yet is created when a client opens it for writing.
Status EngineImpl::begin(const std::string& name, const TakeoverOptions& options,
                         const TakeoverProgress& progress) {
  if (opened(name)) return {};
  let_go(name);
  auto taken = take_over(name, options, progress);
  if (taken) {
    environment_.logger.warning(
        fmt::format("event=taken_over vdisk={} epoch={} sequence={} from=\"{}\" journal_aside={}",
                    name, taken->epoch, taken->sequence, taken->from, taken->journal_aside));
  } else if (taken.error().code() == Code::kNotFound) {
    return {};
  } else if (taken.error().code() != Code::kAlreadyExists) {
    return fail(taken.error());
  }
  auto vdisk = open_now(name, /*may_create=*/false);
  return vdisk ? Status() : Status(fail(vdisk.error()));
}

// Clients that still have it get its errors; its journal stays locked until the last has gone.
void EngineImpl::retire(const std::string& name) {
  MutexLock opening(opening_);
  std::shared_ptr<ServedVdisk> vdisk;
  {
    MutexLock lock(mutex_);
    if (!running_) return;  // stop() closes it
    vdisk.swap(served_[name].vdisk);
  }
  if (vdisk) vdisk->close(0);
}

}  // namespace

Environment system_environment(Logger& logger) {
  return {io::system_files(), system_clock(), system_random(), logger};
}

Result<std::unique_ptr<Engine>> Engine::load(config::Config config, EngineOptions options,
                                             Environment environment) {
  std::vector<std::string> names = options.vdisks;
  if (names.empty()) {
    for (const config::Vdisk& vdisk : config.vdisks) names.push_back(vdisk.name);
  }
  for (const std::string& name : names) {
    const config::Vdisk* vdisk = config.find_vdisk(name);
    if (vdisk == nullptr) {
      return fail(Code::kNotFound,
                  fmt::format("load: {}: there is no vdisk '{}'", config.path, name));
    }
    // config::load checks it.
    TLOG_ASSERT(!vdisk->tlog.servers.empty() ||
                config.find_cluster(vdisk->tlog.cluster) != nullptr);
  }
  TLOG_ASSIGN(seal::MasterKey key, seal::MasterKey::load(environment.files, config.key_file));
  io::LoopOptions loop_options;
  loop_options.mode = config.journal.io;
  TLOG_ASSIGN(std::unique_ptr<io::Loop> loop, io::make_loop(loop_options, environment.logger));
  return std::unique_ptr<Engine>(std::make_unique<EngineImpl>(std::move(config), std::move(names),
                                                              std::move(options), std::move(key),
                                                              std::move(loop), environment));
}

}  // namespace tlog::session
