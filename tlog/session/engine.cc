#include "tlog/session/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <thread>

#include "tlog/base/assert.h"
#include "tlog/session/opening.h"
#include "tlog/session/reconfiguring.h"

namespace tlog::session {
namespace {

// Sealing, applying and releasing of one vdisk may each be on a thread; more only helps with more
// cores.
unsigned worker_threads() {
  return std::max(3u, std::thread::hardware_concurrency() + 1);
}

class EngineImpl final : public Engine {
 public:
  EngineImpl(config::Config config, std::vector<std::string> names, bool memory_stores,
             seal::MasterKey key, std::unique_ptr<io::Loop> loop, Environment environment)
      : names_(std::move(names)),
        memory_stores_(memory_stores),
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
    return {};
  }

  Status start() override {
    TLOG_TRY(loop_->start());
    workers_.start(worker_threads(), "tlog-work");
    MutexLock lock(mutex_);
    running_ = true;
    return {};
  }

  void stop(std::uint64_t budget_ns) override {
    {
      MutexLock opening(opening_);  // an opening under way ends first
      MutexLock lock(mutex_);
      if (!running_) return;
      running_ = false;
    }
    // All vdisks drain at once, each within the budget.
    std::vector<std::thread> closing;
    for (auto& vdisk : opened())
      closing.emplace_back([vdisk, budget_ns] { vdisk->close(budget_ns); });
    for (std::thread& thread : closing) thread.join();
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
                           .memory_stores = memory_stores_,
                           .may_create = !read_only && !vdisk.read_only};
    TLOG_ASSIGN(std::shared_ptr<ServedVdisk> opened, open_vdisk(context, std::move(prepared)));
    opened->start();
    MutexLock lock(mutex_);
    served_[name].vdisk = opened;
    return std::shared_ptr<Vdisk>(opened);
  }

  Result<TakeoverReport> take_over(const std::string& name, const TakeoverOptions& options,
                                   const TakeoverProgress& progress) override {
    const auto config = configuration();
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

 private:
  struct Served {
    std::unique_ptr<journal::Journal> prepared;
    std::shared_ptr<ServedVdisk> vdisk;
  };

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

  const std::vector<std::string> names_;
  const bool memory_stores_;
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
    auto read = settings_of(wanted, *wanted.find_vdisk(vdisk->name()), environment_.files);
    if (!read) return {{"clusters", read.error().message()}};
    if (memory_stores_) read->log_servers.clear();
    for (auto& refusal : check_servers(*vdisk, *running, wanted, *read, *loop_)) {
      if (std::find(refusals.begin(), refusals.end(), refusal) == refusals.end()) {
        refusals.push_back(std::move(refusal));
      }
    }
    settings.push_back(std::move(*read));
  }
  if (!refusals.empty()) return refusals;
  for (std::size_t i = 0; i < vdisks.size(); ++i) vdisks[i]->reconfigure(settings[i]);
  MutexLock lock(mutex_);
  config_ = std::make_shared<const config::Config>(wanted);
  return {};
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
    TLOG_ASSERT(config.find_cluster(vdisk->tlog.cluster) != nullptr);  // config::load checks it
  }
  TLOG_ASSIGN(seal::MasterKey key, seal::MasterKey::load(environment.files, config.key_file));
  io::LoopOptions loop_options;
  loop_options.mode = config.journal.io;
  TLOG_ASSIGN(std::unique_ptr<io::Loop> loop, io::make_loop(loop_options, environment.logger));
  return std::unique_ptr<Engine>(std::make_unique<EngineImpl>(std::move(config), std::move(names),
                                                              options.memory_stores, std::move(key),
                                                              std::move(loop), environment));
}

}  // namespace tlog::session
