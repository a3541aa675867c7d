// Offered: a repository as clients are offered it. Lookout: looks again and again how long the logs
// of those are that clients ask for, so that what Traffic says of them is not older than about 2 s
// when the clients are gone: that is when it matters.
//
// Threading: start() once; stop() and the destructor from the same thread, they wait for a look
// that is under way. Errors: of a look, told by Traffic.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <thread>

#include "gateways/logset/repository.h"
#include "gateways/logset/traffic.h"

namespace tlog::logset {

struct Offered {
  std::shared_ptr<Repository> repository;
  std::shared_ptr<Traffic> traffic;

  Result<std::vector<LogLength>> lengths() const;  // and tells Traffic of them
};
using Repositories = std::map<std::string, Offered>;

class Lookout {
 public:
  ~Lookout() { stop(); }
  void start(Repositories repositories);
  void stop() EXCLUDES(mutex_);

 private:
  void run() EXCLUDES(mutex_);

  Repositories repositories_;  // set by start()
  std::thread thread_;
  Mutex mutex_;
  CondVar stopped_;
  bool stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace tlog::logset
