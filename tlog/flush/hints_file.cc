// File: tlog/flush/hints_file.cc
#include "tlog/flush/hints_file.h"

#include <algorithm>
#include <bit>

#include "tlog/base/assert.h"
#include "tlog/base/crc32c.h"

namespace tlog::flush {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is written as the memory is");

constexpr std::uint64_t kHintsMagic = 0x32544e4948474c54;        // "TLGHINT2"
constexpr std::uint64_t kHintsMagicBefore = 0x31544e4948474c54;  // "TLGHINT1": its runs have kind 0

struct Header {
  std::uint64_t magic = kHintsMagic;
  std::uint64_t generation = 0;
  Uuid vdisk;
  std::uint64_t complete = 0;
  std::uint32_t runs = 0;
  std::uint32_t zero = 0;
};
static_assert(sizeof(Header) == 48);

enum class Kind : std::uint32_t { kMissing = 0, kWrong = 1 };

struct Run {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint32_t store = 0;
  Kind kind = Kind::kMissing;
};
static_assert(sizeof(Run) == 24);
constexpr std::size_t kRunsMax = (HintsFile::kSlotBytes - sizeof(Header) - 4) / sizeof(Run);

// By their first number.
std::vector<Run> runs_of(const std::vector<NumberSet>& stores, Kind kind) {
  std::vector<Run> runs;
  for (std::size_t store = 0; store < stores.size(); ++store) {
    for (const auto& [first, last] : stores[store].runs())
      runs.push_back({first, last, static_cast<std::uint32_t>(store), kind});
  }
  std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.first < b.first; });
  return runs;
}

// All runs. When there are too many, `complete` is lowered so that the rest of what is missing is
// looked up again. That would not find what is wrong, which therefore goes first; a scrub has to
// find the rest of it.
std::vector<Run> runs_of(const Hints& hints, AggregationNumber& complete) {
  std::vector<Run> runs = runs_of(hints.wrong, Kind::kWrong);
  if (runs.size() > kRunsMax) runs.resize(kRunsMax);
  std::vector<Run> missing = runs_of(hints.missing, Kind::kMissing);
  const std::size_t room = kRunsMax - runs.size();
  if (missing.size() > room) {
    complete = std::min(complete, missing[room].first - 1);
    missing.resize(room);
  }
  for (Run& run : missing) {
    run.last = std::min(run.last, complete);
    if (run.first <= run.last) runs.push_back(run);
  }
  return runs;
}

}  // namespace

Result<std::unique_ptr<HintsFile>> HintsFile::open(io::FileSystem& files, const std::string& path,
                                                   const Uuid& vdisk, std::size_t stores) {
  TLOG_ASSIGN(auto file, files.open(path, {.write = true, .create = true}));
  std::unique_ptr<HintsFile> hints(new HintsFile(std::move(file), vdisk));
  TLOG_TRY(hints->load(stores));
  TLOG_TRY(files.sync_directory(io::parent_path(path)));
  return hints;
}

Status HintsFile::load(std::size_t stores) {
  hints_.missing.resize(stores);
  hints_.wrong.resize(stores);
  Buffer both(2 * kSlotBytes);
  TLOG_ASSIGN(std::size_t length, file_->read(0, both.span()));
  ConstByteSpan bytes = ConstByteSpan(both.span()).first(length);
  for (std::size_t at = 0; at < bytes.size(); at += kSlotBytes) {
    load_slot(bytes.subspan(at, std::min(kSlotBytes, bytes.size() - at)), stores);
  }
  return {};
}

void HintsFile::load_slot(ConstByteSpan slot, std::size_t stores) {
  Header header;
  if (slot.size() < sizeof(header)) return;
  std::memcpy(&header, slot.data(), sizeof(header));
  const bool is_known = header.magic == kHintsMagic || header.magic == kHintsMagicBefore;
  if (!is_known || header.runs > kRunsMax) return;
  const std::size_t used = sizeof(header) + header.runs * sizeof(Run);
  std::uint32_t checksum = 0;
  if (slot.size() < used + sizeof(checksum)) return;
  std::memcpy(&checksum, slot.data() + used, sizeof(checksum));
  if (checksum != crc32c(slot.first(used))) return;
  if (header.generation <= generation_) return;
  generation_ = header.generation;
  if (header.vdisk != vdisk_) return;  // of another vdisk: nothing is known

  Hints hints{.complete = header.complete,
              .missing = std::vector<NumberSet>(stores),
              .wrong = std::vector<NumberSet>(stores)};
  for (std::uint32_t i = 0; i < header.runs; ++i) {
    Run run;
    std::memcpy(&run, slot.data() + sizeof(header) + i * sizeof(run), sizeof(run));
    if (run.store >= stores) return;  // of another cluster
    const bool is_wrong = run.kind == Kind::kWrong;
    if (!is_wrong && run.kind != Kind::kMissing) return;  // of a later version
    (is_wrong ? hints.wrong : hints.missing)[run.store].insert_run(run.first, run.last);
  }
  hints_ = std::move(hints);
  found_ = true;
}

void HintsFile::save(io::Loop& loop, const Hints& hints, io::IoDone done) {
  Header header{.generation = ++generation_, .vdisk = vdisk_, .complete = hints.complete};
  const std::vector<Run> runs = runs_of(hints, header.complete);
  header.runs = static_cast<std::uint32_t>(runs.size());
  const std::size_t used = sizeof(header) + runs.size() * sizeof(Run);
  slot_.reset_size(used + sizeof(std::uint32_t));
  std::memcpy(slot_.data(), &header, sizeof(header));
  if (!runs.empty())
    std::memcpy(slot_.data() + sizeof(header), runs.data(), runs.size() * sizeof(Run));
  const std::uint32_t checksum = crc32c(ConstByteSpan(slot_.span()).first(used));
  std::memcpy(slot_.data() + used, &checksum, sizeof(checksum));
  const ConstByteSpan piece = slot_.span();
  loop.write_and_sync(*file_, (generation_ % 2) * kSlotBytes, {&piece, 1}, std::move(done));
}

}  // namespace tlog::flush
