// Registry: the logs of a server by their vdisks' names: opens them on threads that may block,
// keeps them for a while for a client that comes back, and closes them. One writer per vdisk.
//
// Threading: loop thread. Durability: what was received may be all that is left of it (a flush that
// was answered by so many servers' memory), so a log that nobody comes back for is closed only when
// all of it is stored, or cannot be any more. At the server's end it has its budget for it.
// Errors: kFenced: another journal writes the vdisk, and take_over is not set.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "server/serve/hosted_log.h"

namespace tlog::server {

class Registry : public std::enable_shared_from_this<Registry> {
 public:
  explicit Registry(std::shared_ptr<Core> core) : core_(std::move(core)) {}

  // The log of the wish's vdisk, for its writer: it has no user then, and gets one in `done` or is
  // released there. `done` comes once, also before this returns.
  void open(Wish wish, HostedLog::Opened done);
  // Its user is gone. `for_good`: nobody comes back, it is stored and closed at once; else it
  // lingers first.
  void release(const std::shared_ptr<HostedLog>& hosted, bool for_good);
  // While a reading is under way the log is not closed; it should end soon once `ending` is set.
  void reading_begins(HostedLog& hosted) { ++hosted.readings; }
  void reading_ends(const std::shared_ptr<HostedLog>& hosted);

  // Whether more may be taken for it, as far as the memory of all goes. False: what it has is
  // stored now, and its user is told (on_room) when it may have changed.
  bool may_take(HostedLog& hosted);

  // Opens nothing more, and closes all. `done`: none that was open is left; whether all stored all.
  // One that is being opened has nothing to be stored, and is not waited for.
  void close_all(std::uint64_t deadline_ns, std::function<void(bool)> done);
  // For a server that ends without it: all logs stop at once, as soon as nobody reads them.
  void abandon();

  const std::map<std::string, std::shared_ptr<HostedLog>>& logs() const { return logs_; }

 private:
  static constexpr std::size_t kScrubRecordsMax = 4096;
  using Hosted = std::shared_ptr<HostedLog>;
  struct OpenedLog;
  void begin_opening(Wish wish, HostedLog::Opened done);
  std::shared_ptr<ServedLog::Parts> parts_for(const Hosted& hosted);
  std::shared_ptr<flush::ScrubRecord> scrub_record_of(const std::string& log);
  void watch_standby(const Hosted& hosted, OpenedLog& opened);
  void opened(const Hosted& hosted, OpenedLog& opened, const HostedLog::Opened& done);
  void serve_again(const Hosted& hosted, Wish wish, const HostedLog::Opened& done);
  void wait_for(HostedLog& hosted, Wish wish, HostedLog::Opened done);
  void serve_waiting(std::deque<HostedLog::Waiting> waiting);
  void take_away(const Hosted& hosted, const Error& why);
  void failed(const Hosted& hosted, const Error& error);
  void leave(const Hosted& hosted, HostedLog::Leaving why);
  void look_at_leaving(const Hosted& hosted);
  void close(const Hosted& hosted, std::uint64_t budget_ns);
  void close_now(const Hosted& hosted);
  void closed(const Hosted& hosted, bool all_stored);
  void forget(const Hosted& hosted);
  void tell_when_all_closed();
  void count(HostedLog& hosted, std::uint64_t bytes);
  bool has_room_for(HostedLog& hosted);
  void look_again_soon();
  void look_again();

  const std::shared_ptr<Core> core_;
  std::map<std::string, Hosted> logs_;
  std::map<std::string, std::shared_ptr<flush::ScrubRecord>> scrub_records_;
  std::uint64_t deadline_ns_ = 0;         // of close_all()
  std::function<void(bool)> all_closed_;  // likewise
  bool all_stored_ = true;
  io::TimerId look_ = 0;  // while somebody is held back
};

}  // namespace tlog::server
