#include "player/frame_pile.h"

#include <fmt/format.h>

#include <charconv>

#include "gateways/frames/frame.h"
#include "tlog/io/workers.h"

namespace tlog::player {

namespace {

constexpr unsigned kFrameReaders = 4;
constexpr std::size_t kMarkerBytesMax = 4096;

// Where the payload of an aggregation's frame is.
struct FramePlace {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

struct FrameLog {
  std::string path;
  logset::EpochLog of;
  std::string vdisk;  // its name
  std::map<AggregationNumber, FramePlace> frames;
};

std::string frame_name(Epoch epoch, AggregationNumber number) {
  return fmt::format("{}:{}", epoch, number);
}

class LogsetPile final : public ShardPile {
 public:
  LogsetPile(std::string directory, std::vector<FrameLog> logs, io::FileSystem& files,
             io::Loop& loop)
      : name_("logset copy " + std::move(directory)),
        logs_(std::move(logs)),
        files_(files),
        loop_(loop) {
    readers_.start(kFrameReaders, "tlogplay-files");
  }
  ~LogsetPile() override { readers_.stop(); }

  std::uint64_t count() override {
    std::uint64_t frames = 0;
    for (const FrameLog& log : logs_) frames += log.frames.size();
    return frames;
  }

  std::vector<PileItem> next(std::size_t limit) override {
    std::vector<PileItem> items;
    for (; log_ < logs_.size(); ++log_, after_ = 0) {
      const FrameLog& log = logs_[log_];
      for (auto at = log.frames.upper_bound(after_); at != log.frames.end(); ++at) {
        if (items.size() == limit) return items;
        items.push_back({static_cast<std::uint32_t>(log_), frame_name(log.of.epoch, at->first)});
        after_ = at->first;
      }
    }
    return items;
  }

  void read(const PileItem& item, store::GetDone done) override {
    readers_.submit([this, item, done = std::move(done)] {
      auto bytes = std::make_shared<Result<Buffer>>(read_frame(item));
      loop_.post([bytes, done] { done(std::move(*bytes)); });
    });
  }
  void stop() override { readers_.stop(); }
  void give_up(std::uint32_t where, const std::string& reason) override {
    problems_.push_back(fmt::format("{}: {}", logs_[where].path, reason));
  }

  std::string usual_name(std::uint32_t, const shard::Identity& identity, unsigned) const override {
    return frame_name(identity.epoch, identity.number);
  }
  std::optional<ExpectedShard> expected(const PileItem& item) const override {
    const FrameLog& log = logs_[item.where];
    return ExpectedShard{log.of.vdisk, {log.of.epoch, number_of(item)}};
  }
  const std::string& label(std::uint32_t where) const override { return logs_[where].vdisk; }

  // A cut of one piece: what is not in the copy is nowhere in it.
  unsigned unseen(const shard::Geometry&) const override { return 0; }
  std::vector<std::string> problems() const override { return problems_; }
  const std::string& name() const override { return name_; }

 private:
  static AggregationNumber number_of(const PileItem& item) {
    return std::strtoull(item.name.c_str() + item.name.find(':') + 1, nullptr, 10);
  }
  Result<Buffer> read_frame(const PileItem& item) const {
    const FrameLog& log = logs_[item.where];
    const auto place = log.frames.find(number_of(item));
    if (place == log.frames.end()) {
      return fail(Code::kNotFound, fmt::format("read: {}: no such frame", log.path));
    }
    TLOG_ASSIGN(const auto file, files_.open(log.path, {}));
    Buffer bytes(place->second.bytes);
    TLOG_ASSIGN(const std::size_t got, file->read(place->second.offset, bytes.span()));
    if (got == bytes.size()) return bytes;
    return fail(Code::kCorruption, fmt::format("read: {}: it became shorter", log.path));
  }

  const std::string name_;
  const std::vector<FrameLog> logs_;
  std::vector<std::string> problems_;
  io::FileSystem& files_;
  io::Loop& loop_;
  io::Workers readers_;
  std::size_t log_ = 0;
  AggregationNumber after_ = 0;
};

// How long the log was when an append began that has not ended (gateways/logset/log_directory.h):
// who was killed in it has not said that he has what lies behind. Nothing: there was none.
Result<std::optional<std::uint64_t>> length_before_append(io::FileSystem& files,
                                                          const std::string& directory,
                                                          const std::string& name) {
  const std::string path =
      io::join_path(directory, std::string(logset::kAppendMarkerPrefix) + name);
  TLOG_ASSIGN(const bool is_there, files.exists(path));
  if (!is_there) return std::optional<std::uint64_t>();
  TLOG_ASSIGN(const std::string text, io::read_file(files, path, kMarkerBytesMax));
  std::uint64_t length = 0;
  const std::string head = name + " ";
  const char* digits = text.data() + std::min(head.size(), text.size());
  const auto read = std::from_chars(digits, text.data() + text.size(), length);
  if (!text.starts_with(head) || read.ec != std::errc()) {
    return fail(Code::kCorruption,
                fmt::format("restore: {}: it does not say how long '{}' was", path, name));
  }
  return std::optional(length);
}

// What is behind a frame whose head is damaged cannot be found.
Status scan_log(io::File& file, std::optional<std::uint64_t> end, FrameLog& log,
                format::VdiskFormat& format) {
  std::array<std::byte, logset::kFrameHeadBytes> bytes{};
  TLOG_ASSIGN(std::uint64_t size, file.size());
  if (end && *end > size) {
    return fail(Code::kCorruption, fmt::format("it has {} bytes and had {}", size, *end));
  }
  size = end.value_or(size);
  for (std::uint64_t at = 0; at < size;) {
    TLOG_ASSIGN(const std::size_t got, file.read(at, bytes));
    if (got < bytes.size() || size - at < bytes.size())
      return fail(Code::kCorruption, "it ends inside of a frame");
    TLOG_ASSIGN(const logset::FrameHead head, logset::decode_frame_head(bytes));
    const FramePlace place{.offset = at + bytes.size(), .bytes = head.payload_bytes};
    if (head.payload_bytes > size - place.offset) {
      return fail(Code::kCorruption, "it ends inside of a frame");
    }
    if (head.kind == logset::FrameKind::kAggregation) {
      log.frames.emplace(head.number, place);
    } else {
      Buffer payload(head.payload_bytes);
      TLOG_TRY(file.read(place.offset, payload.span()));
      TLOG_ASSIGN(const format::Metadata opening, format::decode_metadata(payload.span()));
      if (opening.format.vdisk != log.of.vdisk) {
        return fail(Code::kCorruption, "its opening is that of another vdisk");
      }
      format = opening.format;
    }
    at = place.offset + head.payload_bytes;
  }
  return {};
}

}  // namespace

Result<FramePile> make_frame_pile(const std::string& directory, io::FileSystem& files,
                                  io::Loop& loop) {
  TLOG_ASSIGN(const auto entries, files.list(directory));
  FramePile made;
  std::vector<FrameLog> logs;
  for (const io::DirectoryEntry& entry : entries) {
    const auto of = logset::parse_epoch_log_name(entry.name);
    if (!of || entry.is_directory) continue;
    FrameLog log{
        .path = io::join_path(directory, entry.name), .of = *of, .vdisk = {}, .frames = {}};
    TLOG_ASSIGN(const auto file, files.open(log.path, {}));
    format::VdiskFormat format;
    TLOG_ASSIGN(const auto end, length_before_append(files, directory, entry.name));
    if (Status scanned = scan_log(*file, end, log, format); !scanned) {
      return fail(scanned.error().code(),
                  fmt::format("restore: {}: {}; bring it back from another site, or move it away "
                              "to restore what the other logs have",
                              log.path, scanned.error().message()));
    }
    if (!format.vdisk.is_nil()) made.formats[format.vdisk] = format;
    logs.push_back(std::move(log));
  }
  if (logs.empty()) {
    return fail(
        Code::kNotFound,
        fmt::format("restore: {}: there is no log of a vdisk that came by logset", directory));
  }
  for (FrameLog& log : logs) {
    if (made.formats.contains(log.of.vdisk)) log.vdisk = made.formats.at(log.of.vdisk).name;
  }
  made.pile = std::make_unique<LogsetPile>(directory, std::move(logs), files, loop);
  return made;
}

}  // namespace tlog::player
