// File: tlog/session/refilling.h
// Refilling: brings parts of block storage that have lost confirmed changes (a cluster's server
// that was emptied, or restarted without its newest writes) up to date from the log, while the
// vdisk is served. Such a part is neither read nor written meanwhile; the rest of the vdisk is.
//
// What a part lacks may be in the journal only: then the records are stored first. Applying goes on
// behind it. Threading: start() and stop() from one thread; a thread of its own in between, which
// ends when the store or the server that it waits for has answered, or is given up.
// Errors: logged, and tried again.
#pragma once

#include <thread>
#include <vector>

#include "tlog/flush/log_writer.h"
#include "tlog/seal/sealer.h"
#include "tlog/session/core.h"
#include "tlog/store/store.h"
#include "tlog/walk/log_reader.h"

namespace tlog::session {

class Refilling {
 public:
  // Everything is borrowed.
  Refilling(Core& core, std::vector<store::Store*> stores, const seal::Sealer& sealer,
            flush::LogWriter& log)
      : core_(core), stores_(std::move(stores)), sealer_(sealer), log_(log) {}
  ~Refilling() { stop(); }

  void start();
  void ask_to_stop();  // no step begins afterwards
  void stop();         // and waits until it has

 private:
  void run();
  Status refill(const blocks::Lacking& part);
  Status read_log(const blocks::Lacking& part);
  Status apply(const blocks::Lacking& part, const walk::Visited& visited, Sequence& reached);
  bool stopping();

  Core& core_;
  const std::vector<store::Store*> stores_;
  const seal::Sealer& sealer_;
  flush::LogWriter& log_;  // told of the shards that reading finds missing or wrong
  std::shared_ptr<blocks::BlockStorage> storage_;  // whose parts are looked at; the thread's own
  std::thread thread_;
  Mutex mutex_;
  CondVar changed_;
  bool stop_ GUARDED_BY(mutex_) = false;
};

}  // namespace tlog::session
