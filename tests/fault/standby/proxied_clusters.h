// ProxiedClusters: TwoClusters with a FaultProxy before each server.
#pragma once

#include "tests/fault/standby/two_clusters.h"
#include "tests/support/fault_proxy.h"

namespace tlog::standby {

// A cluster's proxies, in the order of its servers.
class Proxies {
 public:
  explicit Proxies(const RedisFleet& fleet) {
    for (const std::string& address : fleet.addresses())
      proxies_.push_back(std::make_unique<tlog::testing::FaultProxy>(address));
  }
  tlog::testing::FaultProxy& operator[](std::size_t index) { return *proxies_[index]; }
  std::vector<std::string> addresses() const {
    std::vector<std::string> result;
    for (const auto& proxy : proxies_) result.push_back(proxy->address());
    return result;
  }
  void set(const tlog::testing::Faults& faults) {
    for (auto& proxy : proxies_) proxy->set(faults);
  }
  void heal() { set({}); }
  // What was sent before has arrived, or never will.
  bool all_closed() {
    for (auto& proxy : proxies_) {
      if (proxy->counts().open_connections != 0) return false;
    }
    return true;
  }

 private:
  std::vector<std::unique_ptr<tlog::testing::FaultProxy>> proxies_;
};

class ProxiedClusters : public TwoClusters {
 protected:
  void SetUp() override {
    TwoClusters::SetUp();
    if (!log_) return;  // skipped
    to_log_ = std::make_unique<Proxies>(*log_);
    to_primary_ = std::make_unique<Proxies>(*primary_);
    to_standby_ = std::make_unique<Proxies>(*standby_);
  }
  // The engine must not outlive the proxies.
  void TearDown() override { rig_.reset(); }
  RigServers proxied() const {
    return {.log = to_log_->addresses(),
            .primary = to_primary_->addresses(),
            .standby = to_standby_->addresses()};
  }
  EngineRigOptions proxied_options() {
    EngineRigOptions options = rig_options(directory_.path(), proxied());
    options.make_standby = make_keeper;
    return options;
  }

  std::unique_ptr<Proxies> to_log_;
  std::unique_ptr<Proxies> to_primary_;
  std::unique_ptr<Proxies> to_standby_;
};

}  // namespace tlog::standby
