#include "tests/support/engine_rig.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <stdexcept>

#include "tlog/seal/key.h"

namespace tlog::testing {
namespace {

void need(const Status& status) {
  if (!status) throw std::runtime_error(status.error().message());
}

}  // namespace

EngineRig::EngineRig(EngineRigOptions options, io::FileSystem& files, Logger& logger)
    : options_(std::move(options)), files_(files), logger_(logger) {
  const std::string key_file = options_.directory + "/key";
  auto present = files_.exists(key_file);
  if (present && *present) return;
  auto key = seal::MasterKey::generate(system_random());
  if (!key) throw std::runtime_error(key.error().message());
  need(key->save(files_, key_file));
}

EngineRig::~EngineRig() {
  if (engine_) stop(0);
}

config::Config EngineRig::configuration() const {
  const std::string& directory = options_.directory;
  config::Config config;
  config.path = directory + "/tlogdisk.yml";
  config.key_file = directory + "/key";
  config.journal.directory = directory + "/journal";
  config.journal.size = options_.journal_size;
  config.journal.arena_directory =
      options_.arena_directory.empty() ? directory + "/arena" : options_.arena_directory;
  config.journal.arena_size = options_.arena_size;
  config.journal.io = options_.io;
  config.memory_budget = options_.memory_budget;
  config::Cluster cluster;
  cluster.name = "local";
  for (const std::string& address : options_.servers) {
    cluster.servers.push_back({.address = address, .db = {}, .password_file = {}});
  }
  for (unsigned i = 0;
       options_.servers.empty() && i < options_.data_shards + options_.parity_shards; ++i) {
    cluster.directories.push_back(fmt::format("{}/log/{}", directory, i));
  }
  config.clusters.push_back(cluster);
  config::Vdisk vdisk;
  vdisk.name = "vm1";
  vdisk.size = options_.vdisk_size;
  if (options_.block_servers.empty()) {
    vdisk.storage_file = directory + "/blocks/vm1";
  } else {
    vdisk.storage_cluster = "blocks";
    config::Cluster blocks;
    blocks.name = vdisk.storage_cluster;
    blocks.request_timeout_ns = options_.block_timeout_ns;
    for (const std::string& address : options_.block_servers) {
      blocks.servers.push_back({.address = address, .db = "", .password_file = ""});
    }
    config.clusters.push_back(blocks);
  }
  if (!options_.slave_servers.empty()) {
    vdisk.slave.cluster = "standby";
    vdisk.slave.failover_after_ns = options_.failover_after_ns;
    vdisk.slave.lag = options_.slave_lag;
    vdisk.tlog.slave_sync = options_.slave_sync;
    config::Cluster standby;
    standby.name = vdisk.slave.cluster;
    standby.request_timeout_ns = options_.block_timeout_ns;
    for (const std::string& address : options_.slave_servers) {
      standby.servers.push_back({.address = address, .db = "", .password_file = ""});
    }
    config.clusters.push_back(standby);
  }
  if (options_.log_servers.empty()) vdisk.tlog.cluster = "local";
  vdisk.tlog.servers = options_.log_servers;
  vdisk.tlog.data_shards = options_.data_shards;
  vdisk.tlog.parity_shards = options_.parity_shards;
  vdisk.tlog.write_quorum = options_.write_quorum;
  vdisk.tlog.flush_size = options_.flush_size;
  vdisk.tlog.flush_time_ns = options_.flush_time_ns;
  vdisk.tlog.stall_timeout_ns = options_.stall_timeout_ns;
  vdisk.tlog.scrub_rate = options_.scrub_rate;
  vdisk.tlog.durability = options_.durability;
  vdisk.tlog.lag = options_.lag;
  config.vdisks.push_back(vdisk);
  return config;
}

session::Environment EngineRig::environment() const {
  return {files_, options_.clock ? *options_.clock : system_clock(), system_random(), logger_};
}

Status EngineRig::try_start() {
  session::EngineOptions how;
  how.make_standby = options_.make_standby;
  how.open_remote_log = options_.open_remote_log;
  TLOG_ASSIGN(auto engine, session::Engine::load(configuration(), how, environment()));
  TLOG_TRY(engine->prepare());
  TLOG_TRY(engine->start());
  auto opened = engine->open("vm1", false);
  if (!opened) {
    engine->stop(0);
    return fail(opened.error());
  }
  vdisk_ = std::move(*opened);
  engine_ = std::move(engine);
  return {};
}

Result<session::TakeoverReport> EngineRig::take_over(const session::TakeoverOptions& options) {
  TLOG_ASSIGN(auto engine, session::Engine::load(configuration(), {}, environment()));
  TLOG_TRY(engine->start());
  auto report = engine->take_over("vm1", options, {});
  engine->stop(0);
  return report;
}

void EngineRig::start() {
  need(try_start());
}

void EngineRig::stop(std::uint64_t budget_ns) {
  vdisk_.reset();
  engine_->stop(budget_ns);
  engine_.reset();
}

Status ShadowDisk::random_step(session::Vdisk& vdisk, std::uint64_t seed, bool fua) {
  std::mt19937_64 random(seed);
  const std::uint64_t size = bytes_.size();
  std::uint64_t offset = random() % size;
  std::uint64_t length =
      1 + random() % std::min<std::uint64_t>(size - offset, random() % 16 == 0 ? kMiB : 20000);
  if (random() % 2 == 0) {  // as file systems do it
    offset = round_down(offset, 4096);
    length = std::min(round_up(length, 4096), size - offset);
  }
  auto model = std::span(bytes_).subspan(offset, length);
  switch (random() % 10) {
    case 0:
      std::fill(model.begin(), model.end(), std::byte{0});
      return vdisk.discard(offset, length, fua);
    case 1:
      std::fill(model.begin(), model.end(), std::byte{0});
      return vdisk.zero(offset, length, random() % 2 == 0, fua);
    default:
      for (std::byte& byte : model) byte = static_cast<std::byte>(random());
      return vdisk.write(offset, model, fua);
  }
}

std::string ShadowDisk::difference(session::Vdisk& vdisk) const {
  std::vector<std::byte> got(std::min<std::uint64_t>(bytes_.size(), kMiB));
  for (std::uint64_t at = 0; at < bytes_.size(); at += got.size()) {
    std::uint64_t length = std::min<std::uint64_t>(got.size(), bytes_.size() - at);
    if (Status done = vdisk.read(at, std::span(got).first(length)); !done)
      return done.error().message();
    auto want = std::span(bytes_).subspan(at, length);
    auto wrong = std::mismatch(want.begin(), want.end(), got.begin());
    if (wrong.first != want.end()) {
      return fmt::format("byte {}: {:#x} expected, {:#x} read", at + (wrong.first - want.begin()),
                         static_cast<unsigned>(*wrong.first), static_cast<unsigned>(*wrong.second));
    }
  }
  return "";
}

}  // namespace tlog::testing
