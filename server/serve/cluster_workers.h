// ClusterWorkers: threads for what waits for stores, some for each cluster: one that does not
// answer keeps those waiting that wait for it, and nobody else.
//
// Threading: loop thread, but for start() and stop(), which are its owner's. Idle threads cost
// nothing; those of a cluster are started when there is something to do for the first time.
#pragma once

#include <map>
#include <string>

#include "tlog/io/loop.h"
#include "tlog/io/workers.h"

namespace tlog::server {

class ClusterWorkers {
 public:
  // `threads`: of each cluster.
  void start(unsigned threads, std::string name) {
    threads_ = threads;
    name_ = std::move(name);
  }
  // `cluster`: of those that a configuration names. They are kept for ever.
  void submit(const std::string& cluster, io::Task task) {
    const auto [found, is_new] = workers_.try_emplace(cluster);
    if (is_new) found->second.start(threads_, name_);
    found->second.submit(std::move(task));
  }
  void stop() {  // when what was submitted has been done
    for (auto& [cluster, workers] : workers_) workers.stop();
  }

 private:
  unsigned threads_ = 1;
  std::string name_;
  std::map<std::string, io::Workers> workers_;
};

}  // namespace tlog::server
