#include "tests/sim/sim_loop.h"

#include <utility>

#include "tlog/base/assert.h"

namespace tlog::sim {

class SimSocket final : public io::Socket {
 public:
  SimSocket(SimLoop& loop, std::shared_ptr<Link> link) : loop_(loop), link_(std::move(link)) {}
  ~SimSocket() override { close(); }

  void start(Handlers handlers) override {
    reading_->on_data = std::move(handlers.on_data);
    link_->on_reply = [&loop = loop_, reading = reading_](const std::string& bytes) {
      reading->held += bytes;
      reading->deliver(loop);
    };
    link_->on_closed = [&loop = loop_, on_closed = std::move(handlers.on_closed)] {
      loop.run([&] { on_closed(Error(Code::kUnavailable, "closed by the server")); });
    };
  }

  void send(std::vector<ConstByteSpan> pieces, io::IoDone done) override {
    TLOG_ASSERT(loop_.in_loop_thread());
    std::string bytes;
    for (ConstByteSpan piece : pieces) {
      bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    }
    if (!loop_.dead()) link_->send(std::move(bytes));
    sends_->push_back(std::move(done));
    loop_.world().after(kMicrosecond, [&loop = loop_, sends = sends_] {
      if (sends->empty()) return;  // closed meanwhile
      io::IoDone taken = std::move(sends->front());
      sends->pop_front();
      loop.run([&] { taken({}); });
    });
  }

  void set_reading(bool on) override {
    reading_->on = on;
    if (on) loop_.post([&loop = loop_, reading = reading_] { reading->deliver(loop); });
  }
  void end_when_peer_vanishes(std::uint64_t) override {}
  void set_quick_ack(bool) override {}

  void close() override {
    if (link_) link_->client_closes();
    link_.reset();
    reading_->on = false;
    for (auto sends = std::exchange(*sends_, {}); !sends.empty(); sends.pop_front()) {
      sends.front()(tlog::fail(Code::kShutdown, "send: the connection has been closed"));
    }
  }

 private:
  struct Reading {
    bool on = true;
    std::function<void(ConstByteSpan)> on_data;
    std::string held;  // what came while it was off
    void deliver(SimLoop& loop) {
      if (!on || held.empty()) return;
      const std::string bytes = std::exchange(held, {});
      loop.run([&] { on_data(bytes_of(std::string_view(bytes))); });
    }
  };

  SimLoop& loop_;
  std::shared_ptr<Link> link_;
  const std::shared_ptr<Reading> reading_ = std::make_shared<Reading>();
  // Told when the kernel has taken the bytes, long before a reply can come.
  const std::shared_ptr<std::deque<io::IoDone>> sends_ = std::make_shared<std::deque<io::IoDone>>();
};

void SimLoop::run(const io::Task& task) {
  const bool was_running = std::exchange(running_, true);
  task();
  running_ = was_running;
}

void SimLoop::die() {
  dead_ = true;
  for (const auto& weak : links_) {
    if (auto link = weak.lock()) link->client_closes();
  }
  links_.clear();
}

void SimLoop::post(io::Task task) {
  tasks_.push_back(std::move(task));
  if (std::exchange(scheduled_, true)) return;
  world_.after(world_.below(20) * kMicrosecond, [this] { run_tasks(); });
}

// Those that are posted meanwhile come with the next turn.
void SimLoop::run_tasks() {
  scheduled_ = false;
  std::deque<io::Task> tasks = std::exchange(tasks_, {});
  run([&] {
    for (io::Task& task : tasks) {
      task();
      task = nullptr;
    }
  });
}

io::TimerId SimLoop::add_timer(std::uint64_t after_ns, io::Task task) {
  TLOG_ASSERT(in_loop_thread());
  const io::TimerId id = ++last_timer_;
  timers_.emplace(id, std::move(task));
  world_.after(after_ns + world_.below(100) * kMicrosecond, [this, id] {
    auto timer = timers_.extract(id);
    if (!timer.empty()) run(timer.mapped());
  });
  return id;
}

void SimLoop::connect(const std::string& address, std::uint64_t timeout_ns, io::ConnectDone done) {
  TLOG_ASSERT(in_loop_thread());
  auto finish = [this, done = std::move(done)](Result<std::shared_ptr<Link>> link) {
    run([&] {
      if (!link) return done(tlog::fail(link.error()));
      links_.push_back(*link);
      std::erase_if(links_, [](const auto& weak) { return weak.expired(); });
      done(std::unique_ptr<io::Socket>(std::make_unique<SimSocket>(*this, std::move(*link))));
    });
  };
  if (dead_) {
    return world_.after(kMillisecond, [finish] {
      finish(tlog::fail(Code::kUnavailable, "connect: the process is dead"));
    });
  }
  network_.connect(address, timeout_ns, [this, finish](Result<std::shared_ptr<Link>> link) {
    if (link && dead_) {
      (*link)->client_closes();
      return finish(tlog::fail(Code::kUnavailable, "connect: the process is dead"));
    }
    finish(std::move(link));
  });
}

// ---- Files ----

void SimLoop::finish_io(std::uint64_t delay_ns, std::function<Status()> operation,
                        io::IoDone done) {
  world_.after(delay_ns, [this, operation = std::move(operation), done = std::move(done)] {
    Status status =
        dead_ ? Status(tlog::fail(Code::kShutdown, "the process is dead")) : operation();
    run([&] { done(std::move(status)); });
  });
}

void SimLoop::read(io::File& file, std::uint64_t offset, ByteSpan into, io::ReadDone done) {
  world_.after(world_.between(10, 300) * kMicrosecond,
               [this, &file, offset, into, done = std::move(done)] {
                 run([&] { done(file.read(offset, into)); });
               });
}

void SimLoop::write(io::File& file, std::uint64_t offset, std::span<const ConstByteSpan> pieces,
                    io::IoDone done) {
  std::vector<ConstByteSpan> kept(pieces.begin(), pieces.end());
  finish_io(
      world_.between(10, 300) * kMicrosecond,
      [&file, offset, kept = std::move(kept)] { return file.write(offset, kept); },
      std::move(done));
}

void SimLoop::write_and_sync(io::File& file, std::uint64_t offset,
                             std::span<const ConstByteSpan> pieces, io::IoDone done) {
  std::vector<ConstByteSpan> kept(pieces.begin(), pieces.end());
  write(file, offset, kept, [this, &file, done = std::move(done)](Status written) {
    if (!written) return done(std::move(written));
    sync(file, done);
  });
}

void SimLoop::sync(io::File& file, io::IoDone done) {
  finish_io(
      world_.between(100, 20'000) * kMicrosecond, [&file] { return file.sync_data(); },
      std::move(done));
}

}  // namespace tlog::sim
