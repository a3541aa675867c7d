// The engine's way of 256 writes of 4 KiB on one core, without disks and stores: copy into the
// arena with its checksum, hash, seal, cut into shards with theirs. First google-benchmark's
// figures of each primitive, then one line per hash implementation: the path's rate, the harmonic
// sum of its primitives measured in turns with it, and their ratio. GB = 10^9 bytes of payload.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <functional>

#include "tests/support/log_samples.h"
#include "tlog/base/assert.h"
#include "tlog/base/crc32c.h"
#include "tlog/base/limits.h"
#include "tlog/seal/cipher.h"
#include "tlog/seal/hash.h"
#include "tlog/seal/sealer.h"
#include "tlog/shard/erasure.h"
#include "tlog/shard/shard.h"

namespace tlog {
namespace {

constexpr std::size_t kRecords = 256;
constexpr std::size_t kRecordBytes = 4096;
constexpr std::size_t kPayload = kRecords * kRecordBytes;
constexpr shard::Geometry kGeometry{.data = 4, .parity = 2};
constexpr unsigned kRounds = 15;
constexpr unsigned kRepeats = 20;  // of each thing in a round

const char* name_of(seal::HashLanes lanes) {
  switch (lanes) {
    case seal::HashLanes::kAvx512:
      return "avx512, 8 lanes";
    case seal::HashLanes::kAvx2:
      return "avx2, 4 lanes";
    case seal::HashLanes::kPortable:
      return "portable, libsodium";
    default:
      return "best";
  }
}

class Workload {
 public:
  Workload() : source_(kPayload), arena_(kPayload), output_(kPayload + 4096), parity_(kPayload) {
    testing::SeededRandom random(1);
    random.fill(source_.span());
    std::memcpy(arena_.data(), source_.data(), kPayload);
    std::memset(output_.data(), 0, output_.size());
    std::memset(parity_.data(), 0, parity_.size());
    for (std::size_t i = 0; i < kRecords; ++i)
      messages_.push_back(arena_.span().subspan(i * kRecordBytes, kRecordBytes));
  }

  void copy() {
    for (std::size_t i = 0; i < kRecords; ++i) copy_one(i);
  }
  void checksum() {
    for (ConstByteSpan message : messages_) benchmark::DoNotOptimize(crc32c(message));
  }
  void hash(seal::HashLanes lanes) {
    hashes_.resize(kRecords);
    seal::hash_many(messages_, hashes_, lanes);
    benchmark::DoNotOptimize(hashes_.data());
  }
  void encrypt(seal::Cipher cipher) {
    std::array<std::byte, 16> tag;
    const ConstByteSpan plaintext = arena_.span();
    const seal::CipherInput input{.cipher = cipher, .key = key_, .nonce = nonce_, .associated = {}};
    TLOG_ASSERT(
        seal::encrypt(input, std::span(&plaintext, 1), output_.span().first(kPayload), tag));
  }
  void encode() {
    std::array<std::byte*, 4> data;
    std::array<std::byte*, 2> parity;
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = output_.data() + i * (kPayload / 4);
    for (std::size_t i = 0; i < parity.size(); ++i) parity[i] = parity_.data() + i * (kPayload / 4);
    shard::encode_parity_pieces(kGeometry, kPayload / 4, data, parity);
  }
  void checksum_shards() {
    for (std::size_t i = 0; i < 4; ++i)
      benchmark::DoNotOptimize(crc32c(output_.span().subspan(i * kPayload / 4, kPayload / 4)));
    for (std::size_t i = 0; i < 2; ++i)
      benchmark::DoNotOptimize(crc32c(parity_.span().subspan(i * kPayload / 4, kPayload / 4)));
  }

  // All of it as the engine does it, with its own interfaces.
  void path(const seal::Sealer& sealer) {
    format::Aggregation aggregation;
    aggregation.header = {.vdisk = testing::SampleAggregation::sample_uuid(),
                          .number = 2,
                          .epoch = 1,
                          .first_sequence = 1,
                          .last_sequence = kRecords,
                          .timestamp = 1,
                          .prev = {}};
    aggregation.records.reserve(kRecords);
    for (std::size_t i = 0; i < kRecords; ++i) {
      copy_one(i);
      benchmark::DoNotOptimize(crc32c(messages_[i]));
      aggregation.records.push_back({.sequence = i + 1,
                                     .offset = i * 8192,
                                     .size = kRecordBytes,
                                     .operation = Operation::kWrite,
                                     .timestamp = i,
                                     .hash = {},
                                     .data = messages_[i]});
    }
    const std::size_t room = shard::tail_room(kGeometry, seal::sealed_bytes(aggregation));
    auto sealed = sealer.seal(aggregation, room);
    TLOG_ASSERT(sealed);
    shard::ShardSet set(kGeometry,
                        {.vdisk = aggregation.header.vdisk,
                         .epoch = 1,
                         .number = 2,
                         .aggregation_hash = sealed->hash},
                        std::move(sealed->bytes), sealed->length);
    benchmark::DoNotOptimize(set.pieces(5).data());
  }

 private:
  void copy_one(std::size_t i) {
    std::memcpy(arena_.data() + i * kRecordBytes, source_.data() + i * kRecordBytes, kRecordBytes);
    benchmark::ClobberMemory();
  }

  Buffer source_, arena_, output_, parity_;
  std::vector<ConstByteSpan> messages_;
  std::vector<Hash256> hashes_;
  std::array<std::byte, 32> key_{};
  std::array<std::byte, 24> nonce_{};
};

// CPU time of this thread: what the work costs, not what the neighbours leave.
double cpu_seconds() {
  timespec now{};
  TLOG_ASSERT(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double seconds_of(const std::function<void()>& work) {
  const double start = cpu_seconds();
  for (unsigned i = 0; i < kRepeats; ++i) work();
  return (cpu_seconds() - start) / kRepeats;
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

void register_benchmarks(Workload& load) {
  auto add = [](const std::string& name, std::function<void()> work) {
    benchmark::RegisterBenchmark(name.c_str(), [work = std::move(work)](benchmark::State& state) {
      for (auto _ : state) work();
      state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * kPayload));
    });
  };
  add("copy", [&] { load.copy(); });
  add("crc32c of the payload", [&] { load.checksum(); });
  for (auto lanes :
       {seal::HashLanes::kPortable, seal::HashLanes::kAvx2, seal::HashLanes::kAvx512}) {
    if (seal::hash_lanes_available(lanes))
      add(std::string("hash ") + name_of(lanes), [&load, lanes] { load.hash(lanes); });
  }
  for (auto cipher : {seal::Cipher::kAes256Gcm, seal::Cipher::kXChaCha20Poly1305}) {
    add(std::string(seal::cipher_name(cipher)), [&load, cipher] { load.encrypt(cipher); });
  }
  add("encode 4+2", [&] { load.encode(); });
  add("crc32c of the shards", [&] { load.checksum_shards(); });
}

// Primitives and path in turns, so that a neighbour's noise hits both; medians.
void print_path(Workload& load, const seal::MasterKey& key, seal::HashLanes lanes) {
  const seal::Sealer sealer(key, system_random(), seal::best_cipher(), lanes);
  const std::vector<std::function<void()>> primitives = {
      [&] { load.copy(); },      [&] { load.checksum(); },
      [&] { load.hash(lanes); }, [&] { load.encrypt(seal::best_cipher()); },
      [&] { load.encode(); },    [&] { load.checksum_shards(); }};
  std::vector<std::vector<double>> samples(primitives.size());
  std::vector<double> path;
  for (unsigned round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < primitives.size(); ++i)
      samples[i].push_back(seconds_of(primitives[i]));
    path.push_back(seconds_of([&] { load.path(sealer); }));
  }
  double sum = 0;
  for (const auto& sample : samples) sum += median(sample);
  const double whole = median(path);
  fmt::print(
      "engine path ({}, {}): {:.2f} GB/s; harmonic sum of its primitives: {:.2f} GB/s; ratio "
      "{:.2f}\n",
      name_of(lanes), seal::cipher_name(seal::best_cipher()), kPayload / whole / 1e9,
      kPayload / sum / 1e9, sum / whole);
}

}  // namespace
}  // namespace tlog

int main(int argc, char** argv) {
  using namespace tlog;
  Workload load;
  register_benchmarks(load);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  auto key = seal::MasterKey::generate(system_random());
  if (!key) return 1;
  double averages[3] = {};
  if (getloadavg(averages, 3) == 3) fmt::print("load average {:.2f}\n", averages[0]);
  for (auto lanes :
       {seal::HashLanes::kPortable, seal::HashLanes::kAvx2, seal::HashLanes::kAvx512}) {
    if (seal::hash_lanes_available(lanes)) print_path(load, *key, lanes);
  }
  return 0;
}
