// VdiskStores: which stores a vdisk's log has: those of --storage-addresses, for all vdisks; else
// the cluster that the configuration names for this vdisk; else, with --memorystorage, memory,
// which is kept for the process's life, so that a vdisk that is opened again finds its log.
//
// Threading: any thread; open() may block.
// Errors: kInvalidArgument for what is no vdisk's name, kNotFound for a vdisk that has no stores,
// naming what to add where.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/program/arguments.h"
#include "server/serve/server.h"
#include "tlog/base/mutex.h"
#include "tlog/config/config.h"
#include "tlog/store/memory_store.h"
#include "tlog/store/stores.h"

namespace tlog::program {

class VdiskStores {
 public:
  using Stores = std::vector<std::unique_ptr<store::Store>>;
  struct Parts {  // borrowed
    io::FileSystem* files = nullptr;
    io::Loop* loop = nullptr;
    Logger* logger = nullptr;
  };
  VdiskStores(Arguments arguments, std::optional<config::Config> config, Parts parts)
      : arguments_(std::move(arguments)), config_(std::move(config)), parts_(parts) {}

  enum class Use {
    kWrite,
    kRead,  // creates, locks and changes nothing; a store that is not there keeps its place
  };
  Result<Stores> open(const std::string& vdisk, Use use = Use::kWrite);
  // A name for the stores that open() opens, without doing it.
  std::string cluster_of(const std::string& vdisk) const;
  // The flags that were given, else what the configuration says of it, else the defaults.
  server::LogSettings settings(const std::string& vdisk) const;

 private:
  using Contents = std::vector<std::shared_ptr<store::MemoryStoreContents>>;

  Result<Stores> open_addresses(const std::string& vdisk);
  Result<Stores> open_cluster(const config::Cluster& cluster, const std::string& vdisk, Use use);
  Result<Stores> open_memory(const std::string& vdisk);

  const Arguments arguments_;
  const std::optional<config::Config> config_;
  const Parts parts_;
  Mutex mutex_;
  std::map<std::string, Contents> memory_ GUARDED_BY(mutex_);
};

}  // namespace tlog::program
