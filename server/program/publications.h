// Publications: the vdisks whose log is published under a name (`cas.publish`), each by a thread of
// its own, once a second, as long as there is something new. What fails is told in the log, once
// for each reason, and tried again with back-off.
//
// Threading: one thread; tell_to_stop() and status() from any. Errors: of start(): credentials of
// another service that cannot be read.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gateways/cas/publisher.h"
#include "server/program/vdisk_stores.h"
#include "server/serve/publication_status.h"
#include "tlog/base/mutex.h"

namespace tlog::program {

class Publications {
 public:
  struct Parts {  // borrowed
    io::FileSystem* files = nullptr;
    Logger* logger = nullptr;
    VdiskStores* stores = nullptr;
    cas::Contents* contents = nullptr;   // this server's; null: it has none
    cas::PublishedView* view = nullptr;  // in front of them
  };
  static Result<std::unique_ptr<Publications>> start(
      const std::vector<config::CasPublish>& publications, const Parts& parts);
  ~Publications();  // tell_to_stop(); waits for calls that are under way

  // Nothing is begun any more. What was published can still be read.
  void tell_to_stop();

  std::vector<server::PublicationStatus> status() const;

 private:
  class One;
  Publications() = default;

  std::vector<std::unique_ptr<One>> all_;
};

}  // namespace tlog::program
