#include "gateways/sync/sync.h"

#include <thread>

#include "gateways/sync/byte_pipe.h"

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
  PulledAnswer(const LogLengths& target, BytePipe& pipe) : target_(target), pipe_(pipe) {}

  Status take(ConstByteSpan piece) {
    if (!offsets_.done()) {
      TLOG_ASSIGN(const std::size_t used, offsets_.take(piece));
      piece = piece.subspan(used);
    }
    return slices_.take(piece);
  }
  Status finish() const {
    TLOG_TRY(offsets_.finish());
    return slices_.finish();
  }

  Status begin(const SliceHead& head) override {
    const auto known = target_.find(head.name);
    if (head.offset != (known == target_.end() ? 0 : known->second)) {
      return fail(Code::kInvalidArgument,
                  "sync: pull: a slice does not begin where was asked: log '" + head.name + "'");
    }
    ++logs;
    const std::string line = slice_line(head);
    return pipe_.write(std::as_bytes(std::span(line)));
  }
  Status bytes(ConstByteSpan piece) override {
    sent += piece.size();
    return pipe_.write(piece);
  }
  Status end() override { return {}; }

  const LogLengths& lengths() const { return offsets_.lengths(); }
  std::uint64_t logs = 0;
  std::uint64_t sent = 0;

 private:
  const LogLengths& target_;
  BytePipe& pipe_;
  OffsetsParser offsets_;
  SliceParser slices_{*this};
};

Status pull_into(const SiteAccess& source, const LogLengths& target, PulledAnswer& answer) {
  TLOG_TRY(transfer(source, {.endpoint = "pull",
                             .post = true,
                             .body = text_of_lengths(target),
                             .take = [&](ConstByteSpan piece) { return answer.take(piece); }}));
  return answer.finish();
}

Status push_from(BytePipe& pipe, const SiteAccess& target) {
  TLOG_ASSIGN(const bool any, pipe.wait_for_any());
  if (!any) return {};
  return transfer(target, {.endpoint = "push", .post = true, .fill = [&](ByteSpan into) {
                             return pipe.read(into);
                           }});
}

}  // namespace

Result<LogLengths> offsets_of(const SiteAccess& site) {
  OffsetsParser parser;
  const auto take = [&](ConstByteSpan piece) -> Status {
    TLOG_TRY(parser.take(piece));
    return {};
  };
  TLOG_TRY(transfer(site, {.endpoint = "offsets", .take = take}));
  TLOG_TRY(parser.finish());
  return parser.lengths();
}

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
  TLOG_ASSIGN(const LogLengths known, offsets_of(target));
  BytePipe pipe;
  PulledAnswer answer(known, pipe);
  Status pulled;
  std::thread puller([&] {
    pulled = pull_into(source, known, answer);
    if (pulled) {
      pipe.end();
    } else {
      pipe.fail_writing(pulled.error());
    }
  });
  const Status pushed = push_from(pipe, target);
  pipe.stop_reading();
  puller.join();
  // A push that is refused ends the pull too: its reason is the one to tell.
  if (!pulled && (pushed || pulled.error().code() != Code::kShutdown)) return fail(pulled.error());
  if (!pushed) return fail(pushed.error());
  TLOG_ASSIGN(const LogLengths here, offsets_of(source));
  TLOG_ASSIGN(const LogLengths there, offsets_of(target));
  return OneWay{.lacked_bytes = bytes_lacking(answer.lengths(), known),
                .sent_bytes = answer.sent,
                .lacking_bytes = bytes_lacking(here, there),
                .logs_sent = answer.logs};
}

}  // namespace tlog::logset
