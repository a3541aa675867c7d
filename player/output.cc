#include "player/output.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

namespace tlog::player {

namespace {
void to_stderr(std::string_view text) {
  std::string line = fmt::format("tlogplay: {}\n", text);
  (void)std::fwrite(line.data(), 1, line.size(), stderr);
}
}  // namespace

ExitCode exit_code_of(const Error& error) {
  return error.code() == Code::kCorruption ? kExitCorruption : kExitFailed;
}

void Output::write(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) write_failed_ = true;
}

void Output::note(std::string_view text) {
  if (quiet_) return;
  warning(text);
}

void Output::warning(std::string_view text) {
  progress_.end();
  to_stderr(text);
}

int Output::failed(const Error& error, std::optional<Position> position) {
  progress_.end();
  to_stderr(error.message());
  if (json_) {
    nlohmann::ordered_json document;
    document["error"] = {{"code", code_name(error.code())}, {"message", error.message()}};
    if (position) {
      document["error"]["aggregation"] = position->aggregation;
      document["error"]["sequence"] = position->sequence;
    }
    using Handler = nlohmann::ordered_json::error_handler_t;
    write(document.dump(2, ' ', false, Handler::replace) + "\n");
  }
  return exit_code_of(error);
}

bool Output::finish() {
  if (std::fflush(stdout) != 0) write_failed_ = true;
  return !write_failed_;
}

}  // namespace tlog::player
