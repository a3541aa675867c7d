#include "server/standby/standbys.h"

#include <fmt/format.h>

#include <utility>

#include "server/standby/log_standby.h"

namespace tlog::server {
namespace {

class Standbys final : public SlaveSync {
 public:
  Standbys(StandbyServers servers, StandbysParts parts)
      : servers_(std::move(servers)), parts_(parts) {}

  bool keeps(const std::string& vdisk) const override { return servers_.contains(vdisk); }

  Result<std::unique_ptr<Standby>> follow(ServedLog& log,
                                          std::function<void(Sequence)> on_synced) override {
    const std::string& vdisk = log.format().name;
    const auto found = servers_.find(vdisk);
    if (found == servers_.end()) {
      return fail(Code::kNotSupported,
                  fmt::format("no standby of vdisk '{}' is configured at this server; give it "
                              "slaveStorage and tlog: {{slaveSync: true}} in the file of --config",
                              vdisk));
    }
    return std::make_unique<LogStandby>(
        FollowedLog::Parts{
            .log = &log, .loop = parts_.loop, .workers = parts_.workers, .logger = parts_.logger},
        found->second, std::move(on_synced));
  }

 private:
  const StandbyServers servers_;
  const StandbysParts parts_;
};

}  // namespace

std::shared_ptr<SlaveSync> make_standbys(StandbyServers servers, StandbysParts parts) {
  return std::make_shared<Standbys>(std::move(servers), parts);
}

}  // namespace tlog::server
