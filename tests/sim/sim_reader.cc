#include <fmt/format.h>

#include "tests/sim/actors.h"

namespace tlog::sim {

void Stage::check_refusal(const std::string& who, const Error& error) {
  ++counts.refused;
  refusal = error.message();
  world.note(fmt::format("{}: {}", who, refusal));
  // kFenced: another writer was quicker. All of them may be tried again.
  const Code code = error.code();
  if (code == Code::kUnavailable || code == Code::kTimeout || code == Code::kFenced) return;
  world.fail(fmt::format("{}: {}: {}", who, code_name(error.code()), error.message()));
}

bool Stage::undecided() const {
  return refusal.find("undecided") != std::string::npos;
}

void SimReader::live() {
  while (!stage_.ended && !stage_.world.failure()) {
    stage_.world.sleep(stage_.world.between(1, 30 * stage_.append_pause_ns));
    read_once();
  }
}

bool SimReader::read_once() {
  SimProcess& process = stage_.new_process();
  const AggregationNumber committed = stage_.model.committed();
  bool is_read = false;
  {
    auto reader = process.read(stage_.sealer);
    if (!reader) {
      stage_.check_refusal(name_ + " opens", reader.error());
    } else {
      stage_.model.check_head(name_, committed, (*reader)->head());
      if (const Error* damage = (*reader)->damage()) {
        stage_.world.fail(
            fmt::format("{}: the log is said to be damaged: {}", name_, damage->message()));
      }
      Hash256 before;
      AggregationNumber number = 0;
      Status walked = (*reader)->walk(
          {.read_ahead = static_cast<unsigned>(stage_.world.between(1, 8))},
          [&](walk::Visited& visited) -> Result<bool> {
            if (visited.opened.aggregation.header.number != ++number) {
              stage_.world.fail(fmt::format("{}: aggregation {} is passed over", name_, number));
            }
            stage_.model.check_visited(name_, committed, visited.opened, before);
            before = visited.opened.hash;
            return true;
          });
      // What was not acknowledged when it began may be lost meanwhile.
      if (!walked && (walked.error().code() != Code::kCorruption || number < committed)) {
        stage_.check_refusal(name_ + " walks", walked.error());
      }
      is_read = walked && number == (*reader)->head().number;
      if (walked && !is_read) stage_.world.fail(name_ + ": a walk ended before the head");
      stage_.counts.walks += is_read ? 1 : 0;
    }
  }
  process.end();
  return is_read;
}

}  // namespace tlog::sim
