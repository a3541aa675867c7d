// File: tests/sim/sim_loop.h
// SimLoop: the loop of one simulated process, in the time of a World. Its sockets lead to the
// simulated servers of a Network; its files are those without a descriptor. A process can die: from
// then on nothing of it reaches a server or a disk, though its own objects still come to their end.
// SimWorkers: the process's workers, each task an event of its own. Threading: the World's.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/sim/sim_server.h"
#include "tests/sim/world.h"
#include "tlog/io/loop.h"
#include "tlog/io/workers.h"

namespace tlog::sim {

class SimLoop final : public io::Loop {
 public:
  SimLoop(World& world, Network& network) : world_(world), network_(network) {}

  void die();
  bool dead() const { return dead_; }
  void run(const io::Task& task);  // as the loop's thread

  Status start() override { return {}; }
  void stop() override {}
  io::IoMode mode() const override { return io::IoMode::kPosix; }
  bool in_loop_thread() const override { return running_ && !world_.in_fiber(); }
  void post(io::Task task) override;
  void read(io::File& file, std::uint64_t offset, ByteSpan into, io::ReadDone done) override;
  void write(io::File& file, std::uint64_t offset, std::span<const ConstByteSpan> pieces,
             io::IoDone done) override;
  void write_and_sync(io::File& file, std::uint64_t offset, std::span<const ConstByteSpan> pieces,
                      io::IoDone done) override;
  void sync(io::File& file, io::IoDone done) override;
  io::TimerId add_timer(std::uint64_t after_ns, io::Task task) override;
  void cancel_timer(io::TimerId timer) override { timers_.erase(timer); }
  void connect(const std::string& address, std::uint64_t timeout_ns, io::ConnectDone done) override;

  World& world() { return world_; }

 private:
  friend class SimSocket;
  void run_tasks();
  void finish_io(std::uint64_t delay_ns, std::function<Status()> operation, io::IoDone done);

  World& world_;
  Network& network_;
  bool dead_ = false;
  bool running_ = false;
  std::deque<io::Task> tasks_;
  bool scheduled_ = false;
  std::unordered_map<io::TimerId, io::Task> timers_;
  io::TimerId last_timer_ = 0;
  std::vector<std::weak_ptr<Link>> links_;
};

class SimWorkers final : public io::Workers {
 public:
  explicit SimWorkers(World& world) : world_(world) {}
  void submit(std::function<void()> task) override {
    world_.after(world_.between(1, 200) * kMicrosecond, std::move(task));
  }

 private:
  World& world_;
};

}  // namespace tlog::sim
