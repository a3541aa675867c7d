#include "player/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <thread>

#include "tlog/store/stores.h"
#include "tlog/store/unusable_store.h"

namespace tlog::player {

namespace {

constexpr std::size_t kPasswordBytesMax = 4096;
constexpr unsigned kWorkersMax = 4;

Result<std::string> read_password(io::FileSystem& files, const std::string& path) {
  if (path.empty()) return std::string();
  TLOG_ASSIGN(std::string text, io::read_file(files, path, kPasswordBytesMax));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

const config::Cluster* cluster_of(const config::Config& config, const config::Vdisk& vdisk) {
  return config.find_cluster(vdisk.tlog.cluster);
}

}  // namespace

Result<std::unique_ptr<OpenStores>> OpenStores::open(const config::Config& config,
                                                     const config::Vdisk& vdisk,
                                                     const SourceEnvironment& environment) {
  const config::Cluster* cluster = cluster_of(config, vdisk);
  if (!vdisk.tlog.servers.empty()) {
    return fail(Code::kNotSupported,
                fmt::format("{}: vdisk {}: its log is kept by tlogservers; read it with a "
                            "configuration that names the stores of one of them as tlog.cluster",
                            config.path, vdisk.name));
  }
  if (cluster == nullptr) {
    return fail(Code::kInvalidArgument,
                fmt::format("{}: vdisk {}: its cluster '{}' is not in the configuration",
                            config.path, vdisk.name, vdisk.tlog.cluster));
  }
  std::unique_ptr<OpenStores> opened(new OpenStores());
  io::LoopOptions loop;
  loop.mode = config.journal.io;
  loop.thread_name = "tlogplay-ring";
  TLOG_ASSIGN(opened->loop_, io::make_loop(loop, environment.logger));
  TLOG_TRY(opened->loop_->start());
  TLOG_TRY(opened->add_all(*cluster, vdisk.name, environment));
  return opened;
}

Status OpenStores::add_all(const config::Cluster& cluster, const std::string& vdisk,
                           const SourceEnvironment& environment) {
  for (const std::string& directory : cluster.directories) {
    store::SegmentStoreOptions options;
    options.directory = directory;
    options.vdisk = vdisk;
    options.read_only = true;
    add("directory " + directory,
        store::open_segment_store(options, environment.files, *loop_, environment.logger));
  }
  for (const config::Server& server : cluster.servers) {
    store::RespStoreOptions options;
    options.address = server.address;
    options.db = server.db;
    options.vdisk = vdisk;
    TLOG_ASSIGN(options.password, read_password(environment.files, server.password_file));
    add("redis " + server.address, store::open_resp_store(options, *loop_, environment.logger));
  }
  return {};
}

// A store that is not there keeps its place: which shard is where depends on the order.
void OpenStores::add(std::string name, Result<std::unique_ptr<store::Store>> opened) {
  if (opened) {
    stores_.push_back(std::move(*opened));
    return;
  }
  if (opened.error().code() == Code::kNotFound) ++absent_;
  unusable_.push_back(opened.error().message());
  stores_.push_back(store::make_unusable_store(std::move(name), opened.error(), *loop_));
}

OpenStores::~OpenStores() {
  if (!loop_) return;
  for (auto& store : stores_) {
    std::promise<void> closed;
    loop_->post([&] { store->close([&] { closed.set_value(); }); });
    closed.get_future().wait();
  }
  loop_->stop();
}

std::vector<store::Store*> OpenStores::pointers() const {
  std::vector<store::Store*> pointers;
  pointers.reserve(stores_.size());
  for (const auto& store : stores_) pointers.push_back(store.get());
  return pointers;
}

void start_workers(io::Workers& workers) {
  workers.start(std::clamp(std::thread::hardware_concurrency(), 1U, kWorkersMax), "tlogplay-work");
}

Result<std::unique_ptr<LogSource>> LogSource::open(const config::Config& config,
                                                   const std::string& vdisk,
                                                   const SourceEnvironment& environment) {
  const config::Vdisk* found = config.find_vdisk(vdisk);
  if (found == nullptr) {
    std::string known;
    for (const config::Vdisk& other : config.vdisks) known += " " + other.name;
    return fail(Code::kNotFound, fmt::format("{}: no vdisk '{}'; it has:{}", config.path, vdisk,
                                             known.empty() ? " none" : known));
  }
  std::unique_ptr<LogSource> source(new LogSource());
  TLOG_ASSIGN(auto key, seal::MasterKey::load(environment.files, config.key_file));
  source->key_ = std::make_unique<seal::MasterKey>(std::move(key));
  source->sealer_ = std::make_unique<seal::Sealer>(*source->key_, environment.random);
  TLOG_ASSIGN(source->stores_, OpenStores::open(config, *found, environment));
  start_workers(source->workers_);
  walk::LogReader::Parts parts;
  parts.vdisk = vdisk;
  parts.stores = source->stores_->pointers();
  parts.sealer = source->sealer_.get();
  parts.workers = &source->workers_;
  parts.logger = &environment.logger;
  TLOG_ASSIGN(source->reader_, walk::LogReader::open(std::move(parts)));
  return source;
}

LogSource::~LogSource() {
  reader_.reset();
  workers_.stop();
}

}  // namespace tlog::player
