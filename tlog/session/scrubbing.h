// File: tlog/session/scrubbing.h
// Scrubbing: has a vdisk's log scrubbed and repaired in the background, as often as the
// configuration says and at its rate (session/scrub_plan.h says when). What is found is in the log
// of events and in the status. A scrub that somebody asks for goes first; this one goes on
// afterwards where it was, as it does after a restart. When the vdisk fails, because another host
// has taken it over or for any other reason, nothing is scrubbed any more.
//
// Threading: start() and stop() from one thread; status() from any; step() by start()'s strand, or
// by whoever has not started it (tests). Errors: said in the log of events; a progress that cannot
// be saved only means that some of it is scrubbed twice.
#pragma once

#include <functional>
#include <string>

#include "tlog/flush/log_writer.h"
#include "tlog/session/core.h"
#include "tlog/session/scrub_plan.h"

namespace tlog::session {

class Scrubbing {
 public:
  struct Wishes {  // of the configuration
    ScrubIntervals every;
    std::uint64_t bytes_per_second = 0;
  };
  struct Parts {  // borrowed
    flush::LogWriter* log = nullptr;
    io::FileSystem* files = nullptr;
    std::string path;  // of the file that remembers; "": nothing does but `kept`
    std::shared_ptr<flush::ScrubRecord> kept = {};  // without a file: from one opening to the next
    std::string name;
    Uuid vdisk;
    io::Loop* loop = nullptr;
    io::Workers* workers = nullptr;
    const Clock* clock = nullptr;
    Logger* logger = nullptr;
    std::function<Wishes()> wishes;  // now; any thread
    std::function<bool()> failed;    // the vdisk has, for good
  };
  static Parts parts_of(Core& core, flush::LogWriter& log, io::FileSystem& files,
                        const std::string& path);
  explicit Scrubbing(Parts parts);

  void start();
  void stop();  // no scrub of the background runs afterwards, and its progress is saved
  // Looks how it goes and what is due, and does something about it. Not on the loop's thread.
  void step();
  ScrubSchedule status() const;

 private:
  void arm();
  void load();
  void load_file();
  void look(const flush::LogWriterStatus& log) REQUIRES(mutex_);
  std::optional<ScrubPlan::Run> wanted(const flush::LogWriterStatus& log, const Wishes& wishes);
  void interrupt();
  void begin(const ScrubPlan::Run& run, std::uint64_t bytes_per_second);
  void save(bool now);

  const Parts parts_;
  Strand strand_;

  // Loop thread only.
  io::TimerId timer_ = 0;
  bool timer_ended_ = false;

  // By who steps.
  std::optional<flush::ScrubFile> file_;
  bool loaded_ = false;
  std::uint64_t rate_ = 0;  // of the one that runs
  flush::ScrubRecord saved_;
  std::uint64_t save_after_ns_ = 0;  // monotonic
  std::string told_;                 // why it could not be saved

  mutable Mutex mutex_;
  ScrubPlan plan_ GUARDED_BY(mutex_);
  flush::ScrubStatus light_ GUARDED_BY(mutex_);  // as they were looked at
  flush::ScrubStatus deep_ GUARDED_BY(mutex_);
  std::string waiting_ GUARDED_BY(mutex_);
  bool stopped_ GUARDED_BY(mutex_) = false;  // for good
};

}  // namespace tlog::session
