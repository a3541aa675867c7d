#include "server/serve/log_lines.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace tlog::server {

std::string utc_text(TimestampNs time) {
  const auto seconds = static_cast<std::time_t>(time / 1'000'000'000);
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(seconds));
}

Error held_by_another(const HostedLog& hosted) {
  const std::string since = utc_text(hosted.since);
  const bool is_away = hosted.user == nullptr && hosted.state == HostedLog::State::kOpen;
  return Error(Code::kFenced,
               fmt::format("open: {}: it is written by {} at {} (journal {}) since {}{}; stop that "
                           "one, or take the vdisk over",
                           hosted.vdisk, hosted.holder.client, hosted.holder.peer,
                           hosted.holder.hello.journal.text(), since,
                           is_away ? ", which is away at the moment" : ""));
}

std::string opened_line(const HostedLog& hosted) {
  return fmt::format("event=vdisk_opened vdisk={} epoch={} stored={} client=\"{}\" peer={}{}",
                     hosted.vdisk, hosted.log->epoch(), hosted.stored, hosted.holder.client,
                     hosted.holder.peer, hosted.log->created() ? " created=yes" : "");
}

}  // namespace tlog::server
