// What a good file means: values, defaults, inheritance, paths. And where the limits of a file are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>

#include "tlog/base/limits.h"
#include "tlog/config/config.h"
#include "tlog/config/render.h"

namespace tlog::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kDefaultPath[] = "/etc/tlogdisk/tlogdisk.yml";
// The shortest file that is one.
constexpr char kLeast[] =
    "clusters: {local: {directories: [log/0, log/1, log/2, log/3, log/4, log/5]}}\n"
    "vdisks: {vm1: {size: 1MiB, storage: {file: blocks/vm1}}}\n";

Config parsed(const std::string& text) {
  auto config = parse(text, kDefaultPath);
  EXPECT_TRUE(config.has_value()) << config.error().message();
  return config ? std::move(*config) : Config{};
}

TEST(ConfigLoad, absent_keys_have_their_defaults) {
  Config config = parsed(kLeast);
  EXPECT_EQ(config.path, kDefaultPath);
  EXPECT_EQ(config.key_file, "/etc/tlogdisk/tlogdisk.key");
  EXPECT_EQ(config.journal.directory, "/etc/tlogdisk/journal");
  EXPECT_EQ(config.journal.arena_directory, "/dev/shm");
  EXPECT_EQ(config.control_socket, "/etc/tlogdisk/control.sock");
  // The structs' own initialisers, which tests and tools use without a file, and the table must
  // agree.
  Config fresh;
  EXPECT_EQ(config.journal.size, fresh.journal.size);
  EXPECT_EQ(config.journal.arena_size, fresh.journal.arena_size);
  EXPECT_EQ(config.journal.io, fresh.journal.io);
  EXPECT_EQ(config.journal.arena_directory, fresh.journal.arena_directory);
  EXPECT_EQ(config.memory_budget, fresh.memory_budget);
  ASSERT_EQ(config.vdisks.size(), 1u);
  for (const Tlog& tlog : {config.tlog, config.vdisks[0].tlog}) {
    EXPECT_EQ(tlog.cluster, "local");
    EXPECT_EQ(tlog.data_shards, fresh.tlog.data_shards);
    EXPECT_EQ(tlog.parity_shards, fresh.tlog.parity_shards);
    EXPECT_EQ(tlog.flush_size, fresh.tlog.flush_size);
    EXPECT_EQ(tlog.flush_time_ns, fresh.tlog.flush_time_ns);
    EXPECT_EQ(tlog.durability, fresh.tlog.durability);
    EXPECT_EQ(tlog.stall_timeout_ns, fresh.tlog.stall_timeout_ns);
    EXPECT_EQ(tlog.scrub_every_ns, fresh.tlog.scrub_every_ns);
    EXPECT_EQ(tlog.scrub_deep_every_ns, fresh.tlog.scrub_deep_every_ns);
    EXPECT_EQ(tlog.scrub_rate, fresh.tlog.scrub_rate);
    EXPECT_EQ(tlog.slave_sync, fresh.tlog.slave_sync);
    EXPECT_EQ(tlog.lag.max_ns, 0U);
    EXPECT_EQ(tlog.lag.on_lag, fresh.tlog.lag.on_lag);
  }
  EXPECT_EQ(config.vdisks[0].slave.cluster, "");
  EXPECT_EQ(config.vdisks[0].slave.failover_after_ns, SlaveStorage{}.failover_after_ns);
  EXPECT_EQ(config.vdisks[0].block_size, Vdisk{}.block_size);
  EXPECT_EQ(config.vdisks[0].read_only, Vdisk{}.read_only);
  EXPECT_EQ(config.vdisks[0].size, kMiB);
}

// The file of the documentation's first page, word for word but for the sixth server, which 4+2
// shards would need.
TEST(ConfigLoad, every_kind_of_value_is_read) {
  Config config = parsed(R"(
keyFile: tlogdisk.key
journal: {directory: journal, size: 1GiB}
clusters:
  local:   {directories: [log/0, log/1, log/2, log/3, log/4, log/5]}
  ardb:    {servers: [{address: "127.0.0.1:16379", db: 0}, {address: "unix:/run/ardb1.sock"}]}
tlog: {cluster: local, dataShards: 4, parityShards: 2, flushSize: 25, flushTime: 25s, durability: journal, stallTimeout: 30s}
vdisks:
  vm1: {size: 10GiB, blockSize: 4096, readOnly: false, storage: {file: blocks/vm1}, tlog: {durability: cluster}}
  vm2:
    size: 5M
    blockSize: 512
    readOnly: true
    description: the second
    storage: {file: /var/lib/vm2}
    tlog: {cluster: ardb, dataShards: 1, parityShards: 1, writeQuorum: 1, flushTime: 100ms}
)");
  ASSERT_EQ(config.clusters.size(), 2u);
  EXPECT_THAT(config.find_cluster("local")->directories,
              ElementsAre("/etc/tlogdisk/log/0", "/etc/tlogdisk/log/1", "/etc/tlogdisk/log/2",
                          "/etc/tlogdisk/log/3", "/etc/tlogdisk/log/4", "/etc/tlogdisk/log/5"));
  const Cluster& ardb = *config.find_cluster("ardb");
  ASSERT_EQ(ardb.stores(), 2u);
  EXPECT_EQ(ardb.servers[0].address, "127.0.0.1:16379");
  EXPECT_EQ(ardb.servers[0].db, "0");
  EXPECT_EQ(ardb.servers[1].address, "unix:/run/ardb1.sock");
  EXPECT_EQ(ardb.servers[1].password_file, "");
  const Vdisk& vm1 = *config.find_vdisk("vm1");
  EXPECT_EQ(vm1.size, 10 * kGiB);
  EXPECT_EQ(vm1.storage_file, "/etc/tlogdisk/blocks/vm1");
  EXPECT_EQ(vm1.tlog.durability, Durability::kCluster);
  EXPECT_EQ(vm1.tlog.cluster, "local");
  const Vdisk& vm2 = *config.find_vdisk("vm2");
  EXPECT_EQ(vm2.size, 5 * kMiB);
  EXPECT_EQ(vm2.block_size, 512u);
  EXPECT_TRUE(vm2.read_only);
  EXPECT_EQ(vm2.description, "the second");
  EXPECT_EQ(vm2.storage_file, "/var/lib/vm2");
  EXPECT_EQ(vm2.tlog.cluster, "ardb");
  EXPECT_EQ(vm2.tlog.flush_time_ns, 100'000'000u);
  EXPECT_EQ(vm1.tlog.write_quorum, 0u);
  EXPECT_EQ(vm2.tlog.write_quorum, 1u);
  EXPECT_EQ(vm2.tlog.stall_timeout_ns, 30'000'000'000u);
  EXPECT_EQ(config.find_vdisk("vm3"), nullptr);
}

TEST(ConfigLoad, logs_need_no_vdisks_and_take_the_only_cluster) {
  Config config = parsed(
      "clusters: {c: {directories: [a, b, c, d, e, f]}}\n"
      "logs:\n"
      "  audit: {secondaries: [\"h:1\", \"h:2\"], quorum: 3, create: quorum}\n"
      "  other: {master: \"http://h:5000\"}\n");
  ASSERT_EQ(config.logs.size(), 2u);
  const Log& audit = *config.find_log("audit");
  EXPECT_THAT(audit.secondaries, ElementsAre("h:1", "h:2"));
  EXPECT_EQ(audit.cluster, "c");
  EXPECT_EQ(audit.quorum, 3u);
  EXPECT_EQ(audit.create, LogCreate::kQuorum);
  EXPECT_EQ(config.find_log("other")->master, "http://h:5000");
  EXPECT_EQ(config.find_log("other")->create, LogCreate::kAll);
  EXPECT_EQ(config.find_log("none"), nullptr);
  EXPECT_TRUE(parsed("logs: {audit: {}}\n").find_log("audit")->cluster.empty());
}

TEST(ConfigLoad, the_order_of_sections_in_the_file_does_not_matter) {
  Config config = parsed(
      "vdisks: {vm1: {storage: {file: b}, size: 1MiB}}\n"
      "tlog: {dataShards: 1, parityShards: 0, flushSize: 7}\n"
      "clusters: {c: {directories: [d]}}\n");
  EXPECT_EQ(config.vdisks[0].tlog.data_shards, 1u);
  EXPECT_EQ(config.vdisks[0].tlog.flush_size, 7u);
  EXPECT_EQ(config.vdisks[0].tlog.cluster, "c");
}

TEST(ConfigLoad, coordination_is_there_when_it_is_named_and_inherited) {
  EXPECT_THAT(parsed(kLeast).vdisks[0].coordination.etcd, ElementsAre());
  const Config config = parsed(
      "coordination: {etcd: [\"http://h:1\", \"https://[::1]:2\"], leaseTtl: 1m, caFile: ca.pem,\n"
      "  hostName: a, user: u, passwordFile: p}\n"
      "clusters: {c: {servers: [{address: \"h:1\"}]}}\n"
      "tlog: {dataShards: 1, parityShards: 0}\n"
      "vdisks:\n"
      "  v: {size: 1MiB, storage: {file: x}}\n"
      "  w: {size: 1MiB, storage: {file: y}, coordination: {prefix: a/b, standby: true}}\n");
  for (const Vdisk& vdisk : config.vdisks) {
    EXPECT_THAT(vdisk.coordination.etcd, ElementsAre("http://h:1", "https://[::1]:2"));
    EXPECT_EQ(vdisk.coordination.lease_ttl_ns, 60'000'000'000U);
    EXPECT_EQ(vdisk.coordination.ca_file, "/etc/tlogdisk/ca.pem");
    EXPECT_EQ(vdisk.coordination.host_name, "a");
    EXPECT_EQ(vdisk.coordination.user, "u");
    EXPECT_EQ(vdisk.coordination.password_file, "/etc/tlogdisk/p");
  }
  EXPECT_EQ(config.vdisks[0].coordination.prefix, Coordination{}.prefix);
  EXPECT_FALSE(config.vdisks[0].coordination.standby);
  EXPECT_EQ(config.vdisks[1].coordination.prefix, "a/b");
  EXPECT_TRUE(config.vdisks[1].coordination.standby);
  EXPECT_EQ(parsed(kLeast).coordination.lease_ttl_ns, Coordination{}.lease_ttl_ns);
}

TEST(ConfigLoad, a_standby_and_what_it_promises) {
  const Config config = parsed(
      "clusters:\n"
      "  c: {directories: [a]}\n"
      "  p: {servers: [{address: \"h:1\"}]}\n"
      "  s: {servers: [{address: \"h:2\"}, {address: \"h:3\"}]}\n"
      "tlog: {cluster: c, dataShards: 1, parityShards: 0, slaveSync: true, maxLag: 2s}\n"
      "vdisks:\n"
      "  v:\n"
      "    size: 1MiB\n"
      "    storage: {cluster: p}\n"
      "    slaveStorage: {cluster: s, failoverAfter: 500ms, maxLag: 10s, onLag: fail}\n"
      "    tlog: {onLag: alarm}\n"
      "  w: {size: 1MiB, storage: {cluster: p}, slaveStorage: {cluster: s, failoverAfter: 0s}}\n"
      "  x: {size: 1MiB, storage: {file: x}}\n");
  const Vdisk& v = config.vdisks[0];
  EXPECT_EQ(v.slave.cluster, "s");
  EXPECT_EQ(v.slave.failover_after_ns, 500'000'000U);
  EXPECT_EQ(v.slave.lag.max_ns, 10'000'000'000U);
  EXPECT_EQ(v.slave.lag.on_lag, OnLag::kFail);
  EXPECT_TRUE(v.tlog.slave_sync);
  EXPECT_EQ(v.tlog.lag.max_ns, 2'000'000'000U);
  EXPECT_EQ(v.tlog.lag.on_lag, OnLag::kAlarm);
  EXPECT_EQ(config.vdisks[1].slave.failover_after_ns, 0U);
  EXPECT_EQ(config.vdisks[1].slave.lag.max_ns, 0U);
  EXPECT_EQ(config.vdisks[1].tlog.lag.on_lag, OnLag::kThrottle);
  // The file's slaveSync is for those that have a standby.
  EXPECT_EQ(config.vdisks[2].slave.cluster, "");
}

TEST(ConfigLoad, a_small_journal_has_a_small_arena) {
  EXPECT_EQ(parsed(std::string(kLeast) + "journal: {size: 8MiB}").journal.arena_size, 8 * kMiB);
}

TEST(ConfigLoad, aliases_share_settings) {
  Config config = parsed(
      "clusters: {c: {directories: [a, b, c]}}\n"
      "tlog: &t {dataShards: 2, parityShards: 1}\n"
      "vdisks: {v: {size: 512, storage: {file: x}, tlog: *t}}\n");
  EXPECT_EQ(config.vdisks[0].tlog.data_shards, 2u);
}

TEST(ConfigLoad, each_vdisk_has_a_control_socket_of_its_own) {
  Config config;
  config.control_socket = "/run/t/control.sock";
  EXPECT_EQ(control_socket_path(config, ""), "/run/t/control.sock");
  EXPECT_EQ(control_socket_path(config, "vm1"), "/run/t/control-vm1.sock");
  config.control_socket = "/run/t.d/control";
  EXPECT_EQ(control_socket_path(config, "vm1"), "/run/t.d/control-vm1");
  config.control_socket = "/run/.hidden";
  EXPECT_EQ(control_socket_path(config, "vm1"), "/run/.hidden-vm1");
}

TEST(ConfigLoad, the_example_loads_and_shows_the_defaults) {
  Config example = parsed(example_file());
  Config least = parsed(kLeast);
  EXPECT_EQ(example.key_file, least.key_file);
  EXPECT_EQ(example.journal.size, least.journal.size);
  EXPECT_EQ(example.control_socket, least.control_socket);
  EXPECT_EQ(example.memory_budget, least.memory_budget);
  EXPECT_EQ(example.vdisks[0].tlog.flush_time_ns, least.vdisks[0].tlog.flush_time_ns);
  EXPECT_EQ(example.clusters.size(), 1u);
  // What is commented out is right as well.
  Config all = parsed(render_example(true));
  EXPECT_EQ(all.clusters.size(), 2u);
  EXPECT_EQ(all.clusters[1].servers.size(), 1u);
}

// A file system of files in memory, for load() and read().
class OneFile final : public io::File {
 public:
  OneFile(std::string path, const std::string& text) : path_(std::move(path)), text_(text) {}
  Result<std::size_t> read(std::uint64_t offset, ByteSpan into) override {
    std::size_t length = std::min<std::size_t>(into.size(), text_.size() - offset);
    std::memcpy(into.data(), text_.data() + offset, length);
    return length;
  }
  Result<std::uint64_t> size() override { return text_.size(); }
  Status write(std::uint64_t, std::span<const ConstByteSpan>) override { return refused(); }
  Status sync_data() override { return refused(); }
  Status resize(std::uint64_t) override { return refused(); }
  Status preallocate(std::uint64_t, std::uint64_t) override { return refused(); }
  Status punch_hole(std::uint64_t, std::uint64_t) override { return refused(); }
  Result<std::uint64_t> next_data(std::uint64_t) override { return refused(); }
  Result<std::uint64_t> next_hole(std::uint64_t) override { return refused(); }
  void start_writeback(std::uint64_t, std::uint64_t) override {}
  Status try_lock() override { return refused(); }
  Status set_attribute(std::string_view, std::string_view) override { return refused(); }
  Result<std::string> attribute(std::string_view) override { return refused(); }
  const std::string& path() const override { return path_; }
  int descriptor() const override { return -1; }

 private:
  static tl::unexpected<Error> refused() {
    return fail(Code::kNotSupported, "a configuration is only read");
  }
  const std::string path_;
  const std::string text_;
};

class FilesInMemory final : public io::FileSystem {
 public:
  std::map<std::string, std::string> files;

  Result<std::unique_ptr<io::File>> open(const std::string& path,
                                         io::OpenOptions options) override {
    EXPECT_FALSE(options.write);
    auto found = files.find(path);
    if (found == files.end())
      return fail(Code::kNotFound, "open: " + path + ": No such file or directory");
    return std::make_unique<OneFile>(path, found->second);
  }
  Status make_directories(const std::string&) override { return refused(); }
  Status sync_directory(const std::string&) override { return refused(); }
  Result<std::vector<io::DirectoryEntry>> list(const std::string&) override { return refused(); }
  Status remove(const std::string&) override { return refused(); }
  Status rename(const std::string&, const std::string&) override { return refused(); }
  Result<bool> exists(const std::string&) override { return refused(); }
  Result<unsigned> mode(const std::string&) override { return refused(); }
  Result<std::uint64_t> free_bytes(const std::string&) override { return refused(); }
  Result<std::unique_ptr<io::RingMapping>> map_ring(const std::string&, std::size_t) override {
    return refused();
  }
  std::string boot_id() override { return ""; }

 private:
  static tl::unexpected<Error> refused() {
    return fail(Code::kNotSupported, "loading touches nothing else");
  }
};

TEST(ConfigLoad, a_file_is_read_and_nothing_else_touched) {
  FilesInMemory files;
  files.files[kDefaultPath] = kLeast;
  auto config = load(files, kDefaultPath);
  ASSERT_TRUE(config.has_value()) << config.error().message();
  EXPECT_EQ(config->vdisks[0].name, "vm1");
}

TEST(ConfigLoad, a_file_that_is_absent_or_too_long_is_refused) {
  FilesInMemory files;
  auto absent = load(files, kDefaultPath);
  EXPECT_EQ(absent.error().code(), Code::kNotFound);
  EXPECT_THAT(absent.error().message(), HasSubstr(kDefaultPath));
  files.files[kDefaultPath] = std::string(kConfigFileMax + 1, '#');
  auto long_file = load(files, kDefaultPath);
  ASSERT_FALSE(long_file.has_value());
  EXPECT_THAT(long_file.error().message(),
              HasSubstr("expected a configuration file of at most 1MiB"));
  files.files[kDefaultPath] =
      std::string(kLeast) + std::string(kConfigFileMax - sizeof(kLeast) + 1, '#');
  EXPECT_TRUE(load(files, kDefaultPath).has_value());
}

// Neither random bytes nor a good file with a few of them wrong may do more than be refused.
TEST(ConfigLoad, random_bytes_are_refused_or_read) {
  EXPECT_TRUE(rc::check("random bytes", [](const std::string& text) {
    auto config = parse(text, kDefaultPath);
    if (!config) RC_ASSERT(config.error().message().starts_with(kDefaultPath));
  }));
  const std::string good = example_file();
  EXPECT_TRUE(rc::check("a few bytes of the example changed", [&good] {
    std::string text = good;
    for (int i = *rc::gen::inRange(1, 4); i > 0; --i) {
      text[*rc::gen::inRange<std::size_t>(0, text.size())] =
          *rc::gen::elementOf(std::string(":{}[]-#\"'&*!|>%@ \t\nx0\xff"));
    }
    auto config = parse(text, kDefaultPath);
    if (!config) RC_ASSERT(config.error().message().starts_with(kDefaultPath));
  }));
}

}  // namespace
}  // namespace tlog::config
