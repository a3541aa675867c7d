// How fast six segment stores of one loop take shards: store_bench DIRECTORY [VALUE_BYTES [MIB
// [urgent]]]
#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdlib>
#include <memory>

#include "tlog/base/clock.h"
#include "tlog/base/mutex.h"
#include "tlog/store/stores.h"

namespace tlog::store {
namespace {

constexpr int kStores = 6;
constexpr std::uint64_t kBytesInFlight = 64 * kMiB;  // what the writer of the log holds at most

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Load {
  std::string directory;
  std::uint64_t value_bytes = kMiB;
  std::uint64_t total_bytes = 1024 * kMiB;
  bool urgent = false;
};

// Puts the same value under ascending keys to all stores, with a bounded number of bytes under way.
class Run {
 public:
  explicit Run(const Load& load) : load_(load), value_(load.value_bytes) {
    std::memset(value_.data(), 7, value_.size());
  }
  int go() {
    auto loop = io::make_loop({}, null_logger());
    if (!loop || !(*loop)->start()) return 1;
    for (int i = 0; i < kStores; ++i) {
      SegmentStoreOptions options;
      options.directory = fmt::format("{}/{}", load_.directory, i);
      options.vdisk = "bench";
      auto store = open_segment_store(options, io::system_files(), **loop, null_logger());
      if (!store) {
        fmt::print(stderr, "store_bench: {}\n", store.error().message());
        return 1;
      }
      stores_.push_back(std::move(*store));
    }
    std::uint64_t started = system_clock().monotonic_ns();
    double cpu = cpu_seconds();
    put_all();
    for (auto& store : stores_) close_and_wait(*store);
    double seconds = static_cast<double>(system_clock().monotonic_ns() - started) / 1e9;
    double megabytes = static_cast<double>(load_.total_bytes) / 1e6;
    fmt::print("{} of {} bytes: {:.0f} MB/s, {:.2f} ms CPU per MB, {} failed\n",
               load_.urgent ? "urgent" : "gathered", load_.value_bytes, megabytes / seconds,
               (cpu_seconds() - cpu) * 1e3 / megabytes, failed_);
    stores_.clear();
    (*loop)->stop();
    return failed_ == 0 ? 0 : 1;
  }

 private:
  void put_all() {
    std::uint64_t number = 0;
    for (std::uint64_t put = 0; put < load_.total_bytes; put += load_.value_bytes, ++number) {
      {
        MutexLock lock(mutex_);
        while (in_flight_ + load_.value_bytes > kBytesInFlight) changed_.wait(mutex_);
        in_flight_ += load_.value_bytes;
      }
      std::string key = fmt::format("tlog:bench:1:{:016x}", number / kStores);
      stores_[number % kStores]->put(std::move(key), {value_.span()}, {.urgent = load_.urgent},
                                     [this](Status status) {
                                       MutexLock lock(mutex_);
                                       in_flight_ -= load_.value_bytes;
                                       failed_ += status ? 0 : 1;
                                       changed_.notify_one();
                                     });
    }
    for (auto& store : stores_) store->hurry();
    MutexLock lock(mutex_);
    while (in_flight_ > 0) changed_.wait(mutex_);
  }

  const Load load_;
  Buffer value_;
  std::vector<std::unique_ptr<Store>> stores_;
  Mutex mutex_;
  CondVar changed_;
  std::uint64_t in_flight_ GUARDED_BY(mutex_) = 0;
  int failed_ = 0;
};

}  // namespace
}  // namespace tlog::store

int main(int argc, char** argv) {
  tlog::store::Load load;
  if (argc < 2) {
    fmt::print(stderr, "usage: store_bench DIRECTORY [VALUE_BYTES [MIB [urgent]]]\n");
    return 2;
  }
  load.directory = argv[1];
  if (argc > 2) load.value_bytes = std::strtoull(argv[2], nullptr, 10);
  if (argc > 3) load.total_bytes = std::strtoull(argv[3], nullptr, 10) * tlog::kMiB;
  load.urgent = argc > 4 && std::string(argv[4]) == "urgent";
  return tlog::store::Run(load).go();
}
