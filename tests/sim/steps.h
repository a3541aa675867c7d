// File: tests/sim/steps.h
// Steps: simulated servers and what a test does to them and to the writers and readers of a log,
// one step after the other: for what the simulation has found. Threading: the World's.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <vector>

#include "tests/sim/sim_process.h"
#include "tests/support/aggregation_maker.h"
#include "tlog/flush/log_writer.h"
#include "tlog/store/resp_identity.h"
#include "tlog/walk/log_place.h"

namespace tlog::sim {

class Steps {
 public:
  Steps(std::uint8_t data, std::uint8_t parity)
      : format_{.vdisk = testing::SampleAggregation::sample_uuid(),
                .name = "vm1",
                .size = kGiB,
                .block_size = 4096,
                .data_shards = data,
                .parity_shards = parity},
        network(world, data + parity) {}
  ~Steps() { world.forget_events(); }

  // Errors of what must not fail end the steps.
  void run(const std::function<void()>& body) {
    world.start("steps", [&] {
      body();
      writer.reset();  // waits, which only a fiber may
    });
    EXPECT_TRUE(world.run(world.now() + 600 * kSecond));
    EXPECT_FALSE(world.failure()) << *world.failure();
  }
  SimProcess& new_process() { return processes_.emplace_back(world, network, format_.name); }
  Result<std::unique_ptr<walk::LogReader>> read(SimProcess& process,
                                                std::vector<bool> not_fenced = {}) {
    return process.read(sealer_, std::move(not_fenced));
  }
  Result<std::unique_ptr<walk::LogReader>> read_beside_writer(SimProcess& process) {
    return walk::LogReader::open({.vdisk = format_.name,
                                  .stores = process.stores(),
                                  .sealer = &sealer_,
                                  .workers = &process.workers(),
                                  .logger = &world.logger(),
                                  .beside_writer = true});
  }
  // Of the server's mark, as the metadata has it; 0 while it is being filled again.
  Epoch since(SimProcess& process, std::size_t server) {
    auto found = walk::read_metadata(format_.name, process.stores());
    if (!found || found->metadata.servers.size() <= server) return 0;
    const format::ServerEntry& entry = found->metadata.servers[server];
    return entry.rebuilding ? 0 : entry.since;
  }
  // Per store: it could not be closed. Empty with an error.
  std::vector<bool> fence(SimProcess& process) {
    auto found = walk::read_metadata(format_.name, process.stores());
    EXPECT_TRUE(found) << found.error().message();
    if (!found) return {};
    auto not_fenced = flush::LogWriter::fence(parts(process), found->metadata);
    EXPECT_TRUE(not_fenced) << not_fenced.error().message();
    return not_fenced ? std::move(*not_fenced) : std::vector<bool>{};
  }

  void create() {
    const Status created = flush::LogWriter::create(parts(new_process()), format_);
    ASSERT_TRUE(created) << created.error().message();
  }
  void open(SimProcess& process) {
    auto reader = read(process, fence(process));
    ASSERT_TRUE(reader) << reader.error().message();
    last_ = {.number = (*reader)->head().number,
             .hash = (*reader)->head().hash,
             .last_sequence = (*reader)->head().sequence};
    auto opened = flush::LogWriter::open(parts(process), (*reader)->metadata(), (*reader)->head());
    ASSERT_TRUE(opened) << opened.error().message();
    writer = std::move(*opened);
  }
  void append(unsigned count) {
    for (; count > 0; --count) {
      testing::Appended made;
      shard::ShardSet shards =
          maker_.make(writer->epoch(), last_.number + 1, last_.last_sequence + 1, last_.hash, made);
      last_ = made.reference;
      writer->append(std::move(shards), last_, true,
                     [this](const Status& status) { acknowledged += status ? 1 : 0; });
    }
  }
  bool all_stored(std::uint64_t count) {
    return wait([&] { return acknowledged == count && writer->status().missing_shards == 0; });
  }
  // With what was read some time ago.
  Result<std::unique_ptr<flush::LogWriter>> open_behind(SimProcess& process,
                                                        const walk::LogReader& reader) {
    return flush::LogWriter::open(parts(process), reader.metadata(), reader.head());
  }
  // The process ends as if it was killed.
  void die(SimProcess& process) {
    process.die();
    writer.reset();
    process.end();
  }
  std::string mark_of(SimServer& server) const { return control_of(server)["mark"]; }
  std::map<std::string, std::string> control_of(SimServer& server) const {
    return server.fields(store::control_key(format_.name));
  }
  bool wait(const std::function<bool()>& condition) {
    return world.sleep_until(condition, 60 * kSecond);
  }
  std::string metadata_key() const { return format::metadata_key(format_.name, last_.epoch); }
  std::string newest_key() const {
    return format::shard_key(format_.name, last_.epoch, last_.number);
  }
  // Of what the first writer has written.
  unsigned shards_on(SimServer& server) const {
    unsigned count = 0;
    for (AggregationNumber number = 1; number <= last_.number; ++number) {
      const std::string key = format::shard_key(format_.name, 1, number);
      count += server.value(key).has_value() ? 1 : 0;
    }
    return count;
  }
  // As a server does that comes back without its newest value.
  void restart_without_newest(SimServer& server) {
    server.remove(newest_key());
    server.kill(false);
    server.start();
  }

 private:
  flush::LogWriter::Parts parts(SimProcess& process) {
    flush::LogWriter::Parts parts;
    parts.stores = process.stores();
    parts.sealer = &sealer_;
    parts.loop = &process.loop();
    parts.clock = &system_clock();
    parts.logger = &world.logger();
    parts.buffered_bytes_max = buffered_bytes_max;
    parts.journal = system_random().next_uuid();
    return parts;
  }

  const format::VdiskFormat format_;

 public:
  World world{{.seed = 7}};
  Network network;
  std::uint64_t acknowledged = 0;
  std::uint64_t buffered_bytes_max = 64 * kMiB;
  std::unique_ptr<flush::LogWriter> writer;

 private:
  testing::SeededRandom random_{7};
  const seal::MasterKey key_ = std::move(seal::MasterKey::generate(random_).value());
  const seal::Sealer sealer_{key_, random_};
  testing::AggregationMaker maker_{format_, sealer_, 7, 200};
  format::AggregationReference last_;
  std::deque<SimProcess> processes_;
};

}  // namespace tlog::sim
