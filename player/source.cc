#include "player/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <thread>

#include "tlog/format/stripes.h"
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
  if (!vdisk.tlog.stripe_clusters.empty()) {
    return fail(Code::kNotSupported,
                fmt::format("{}: vdisk {}: its log is striped, this is done with one stripe after "
                            "the other; give each a vdisk of its name ({}), with its cluster as "
                            "tlog.cluster",
                            config.path, vdisk.name, format::stripe_name(vdisk.name, 0)));
  }
  if (!vdisk.tlog.servers.empty()) {
    return fail(Code::kNotSupported,
                fmt::format("{}: vdisk {}: its log is kept by tlogservers; read it with a "
                            "configuration that names the stores of one of them as tlog.cluster, "
                            "or those of each stripe as tlog.stripeClusters",
                            config.path, vdisk.name));
  }
  if (cluster == nullptr) {
    return fail(Code::kInvalidArgument,
                fmt::format("{}: vdisk {}: its cluster '{}' is not in the configuration",
                            config.path, vdisk.name, vdisk.tlog.cluster));
  }
  return open_in(*cluster, vdisk.name, config.journal.io, environment);
}

Result<std::unique_ptr<OpenStores>> OpenStores::open_in(const config::Cluster& cluster,
                                                        const std::string& name, io::IoMode mode,
                                                        const SourceEnvironment& environment) {
  std::unique_ptr<OpenStores> opened(new OpenStores());
  io::LoopOptions loop;
  loop.mode = mode;
  loop.thread_name = "tlogplay-ring";
  TLOG_ASSIGN(opened->loop_, io::make_loop(loop, environment.logger));
  TLOG_TRY(opened->loop_->start());
  TLOG_TRY(opened->add_all(cluster, name, environment));
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
  start_workers(source->workers_);
  if (!found->tlog.stripe_clusters.empty()) {
    TLOG_TRY(source->open_stripes(config, *found, environment));
    return source;
  }
  TLOG_ASSIGN(auto stores, OpenStores::open(config, *found, environment));
  TLOG_TRY(source->open_log(std::move(stores), vdisk, environment));
  return source;
}

// The stores are kept whatever becomes of it: readers end before they do.
Status LogSource::open_log(std::unique_ptr<OpenStores> stores, const std::string& name,
                           const SourceEnvironment& environment) {
  const std::vector<std::string>& unusable = stores->unusable();
  unusable_.insert(unusable_.end(), unusable.begin(), unusable.end());
  walk::LogReader::Parts parts;
  parts.vdisk = name;
  parts.stores = stores->pointers();
  parts.sealer = sealer_.get();
  parts.workers = &workers_;
  parts.logger = &environment.logger;
  logs_.push_back({std::move(stores), nullptr});
  TLOG_ASSIGN(logs_.back().reader, walk::LogReader::open(std::move(parts)));
  return {};
}

// A stripe that has no log any more is damage, of which the rest is told; one whose stores do not
// answer may have everything.
Status LogSource::open_stripes(const config::Config& config, const config::Vdisk& vdisk,
                               const SourceEnvironment& environment) {
  const auto count = static_cast<unsigned>(vdisk.tlog.stripe_clusters.size());
  std::vector<StripePart> parts;
  for (unsigned i = 0; i < count; ++i) {
    const std::string name = format::stripe_name(vdisk.name, i);
    StripePart part{
        .name = fmt::format("{} ({})", format::describe({.index = i, .count = count}), name)};
    const config::Cluster* cluster = config.find_cluster(vdisk.tlog.stripe_clusters[i]);
    if (cluster == nullptr) {
      return fail(Code::kInvalidArgument,
                  fmt::format("{}: vdisk {}: its cluster '{}' is not in the configuration",
                              config.path, vdisk.name, vdisk.tlog.stripe_clusters[i]));
    }
    TLOG_ASSIGN(auto stores, OpenStores::open_in(*cluster, name, config.journal.io, environment));
    if (auto opened = open_log(std::move(stores), name, environment); opened) {
      part.reader = logs_.back().reader.get();
    } else {
      const Code code = opened.error().code();
      const bool is_gone = code == Code::kNotFound || code == Code::kCorruption ||
                           logs_.back().stores->nothing_there();
      if (!is_gone) return fail(opened.error().within(part.name));
      part.missing = opened.error();
    }
    parts.push_back(std::move(part));
  }
  TLOG_ASSIGN(striped_, StripedLog::open(vdisk.name, std::move(parts)));
  return {};
}

LogSource::~LogSource() {
  striped_.reset();
  for (OneLog& log : logs_) log.reader.reset();
  workers_.stop();
}

}  // namespace tlog::player
