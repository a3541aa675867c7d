#include "gateways/sync/sync.h"

#include <fmt/format.h>

#include <thread>

#include "gateways/sync/piece_queue.h"

namespace tlog::logset {
namespace {

std::string text_of_lengths(const LogLengths& lengths) {
  std::vector<LogLength> logs;
  for (const auto& [name, bytes] : lengths) logs.push_back({.name = name, .bytes = bytes});
  return offsets_text(logs);
}

// What a pull answers: offsets, then slices, which are handed on as they come, after a look at
// each.
class PulledAnswer final : public SliceVisitor {
 public:
  PulledAnswer(const LogLengths& target, PieceQueue& queue)
      : target_(target), cutter_([&queue](Piece piece) { return queue.put(std::move(piece)); }) {}

  Status take(ConstByteSpan piece) {
    if (!offsets_.done()) {
      TLOG_ASSIGN(const std::size_t used, offsets_.take(piece));
      piece = piece.subspan(used);
    }
    return slices_.take(piece);
  }
  Status finish() {
    TLOG_TRY(offsets_.finish());
    TLOG_TRY(slices_.finish());
    return cutter_.finish();
  }

  Status begin(const SliceHead& head) override {
    const auto known = target_.find(head.name);
    if (head.offset != (known == target_.end() ? 0 : known->second)) {
      return fail(Code::kInvalidArgument,
                  "sync: pull: a slice does not begin where was asked: log '" + head.name + "'");
    }
    ++logs;
    return cutter_.begin(head);
  }
  Status bytes(ConstByteSpan piece) override { return cutter_.bytes(piece); }
  Status end() override { return cutter_.end(); }

  const LogLengths& lengths() const { return offsets_.lengths(); }
  std::uint64_t logs = 0;

 private:
  const LogLengths& target_;
  PieceCutter cutter_;
  OffsetsParser offsets_;
  SliceParser slices_{*this};
};

// The target as the source's status calls it; without a user and password.
std::string target_header(const SiteAccess& target) {
  std::string url = target.url;
  const std::size_t host = url.find("://") + 3;
  const std::size_t user_end = url.rfind('@', url.find('/', host));
  if (user_end != std::string::npos && user_end >= host) url.erase(host, user_end + 1 - host);
  return fmt::format("{}: {}", kTargetHeader, url);
}

TransferRequest pull_request(const SiteAccess& target, const LogLengths& has) {
  return {.endpoint = "pull",
          .post = true,
          .header = target_header(target),
          .body = text_of_lengths(has)};
}

Status pull_into(SiteConnection& source, const SiteAccess& target, const LogLengths& has,
                 PulledAnswer& answer) {
  TransferRequest request = pull_request(target, has);
  request.take = [&](ConstByteSpan piece) { return answer.take(piece); };
  TLOG_TRY(source.transfer(request));
  return answer.finish();
}

// Asked as a pull of which only the beginning is read: so the source learns what the target has,
// and can tell how far it is behind when we are gone.
Result<LogLengths> offsets_after(SiteConnection& source, const SiteAccess& target,
                                 const LogLengths& has) {
  OffsetsParser parser;
  TransferRequest request = pull_request(target, has);
  request.take = [&](ConstByteSpan piece) -> Status {
    TLOG_ASSIGN(const std::size_t used, parser.take(piece));
    if (used == piece.size()) return {};
    return fail(Code::kShutdown, "sync: no more is wanted");
  };
  if (Status asked = source.transfer(request); !asked && !parser.done()) return fail(asked.error());
  TLOG_TRY(parser.finish());
  return parser.lengths();
}

Status push(SiteConnection& target, const Piece& piece) {
  std::vector<std::string> lines;
  for (const PieceSlice& slice : piece) lines.push_back(slice_line(slice.head));
  TransferRequest request{.endpoint = "push", .post = true};
  for (std::size_t i = 0; i < piece.size(); ++i) {
    request.parts.push_back(std::as_bytes(std::span(lines[i])));
    request.parts.push_back(piece[i].bytes);
  }
  return target.transfer(request);
}

// Answers how many bytes of logs the target has taken. Each piece is there before the next one is
// sent: what breaks off costs no more than one.
Result<std::uint64_t> push_from(PieceQueue& queue, SiteConnection& target) {
  for (std::uint64_t sent = 0;;) {
    TLOG_ASSIGN(const std::optional<Piece> piece, queue.take());
    if (!piece) return sent;
    TLOG_TRY(push(target, *piece));
    sent += piece_bytes(*piece);
  }
}

Result<LogLengths> offsets_of(SiteConnection& site) {
  OffsetsParser parser;
  const auto take = [&](ConstByteSpan piece) -> Status {
    TLOG_TRY(parser.take(piece));
    return {};
  };
  TLOG_TRY(site.transfer({.endpoint = "offsets", .take = take}));
  TLOG_TRY(parser.finish());
  return parser.lengths();
}

}  // namespace

std::uint64_t bytes_lacking(const LogLengths& source, const LogLengths& target) {
  std::uint64_t lacking = 0;
  for (const auto& [name, bytes] : source) {
    const auto there = target.find(name);
    const std::uint64_t known = there == target.end() ? 0 : there->second;
    if (bytes > known) lacking += bytes - known;
  }
  return lacking;
}

Result<OneWay> sync_one_way(const SiteAccess& source, const SiteAccess& target) {
  SiteConnection target_connection(target);
  TLOG_ASSIGN(const LogLengths known, offsets_of(target_connection));
  PieceQueue queue;
  PulledAnswer answer(known, queue);
  Status pulled;
  SiteConnection source_connection(source);  // the puller's until that is joined
  std::thread puller([&] {
    pulled = pull_into(source_connection, target, known, answer);
    if (pulled) {
      queue.end();
    } else {
      queue.fail_with(pulled.error());
    }
  });
  const Result<std::uint64_t> pushed = push_from(queue, target_connection);
  queue.close();
  puller.join();
  // A push that is refused ends the pull too: its reason is the one to tell.
  if (!pulled && (pushed || pulled.error().code() != Code::kShutdown)) return fail(pulled.error());
  if (!pushed) return fail(pushed.error());
  TLOG_ASSIGN(const LogLengths there, offsets_of(target_connection));
  TLOG_ASSIGN(const LogLengths here, offsets_after(source_connection, target, there));
  return OneWay{.lacked_bytes = bytes_lacking(answer.lengths(), known),
                .sent_bytes = *pushed,
                .lacking_bytes = bytes_lacking(here, there),
                .logs_sent = answer.logs};
}

}  // namespace tlog::logset
