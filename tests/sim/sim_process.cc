#include "tests/sim/sim_process.h"

namespace tlog::sim {

SimProcess::SimProcess(World& world, Network& network, std::string vdisk)
    : world_(world), vdisk_(std::move(vdisk)), loop_(world, network), workers_(world) {
  for (std::size_t i = 0; i < network.size(); ++i) {
    const store::RespStoreOptions options{
        .address = network[i].address(), .db = {}, .password = {}, .vdisk = vdisk_};
    stores_.push_back(std::move(store::open_resp_store(options, loop_, world.logger()).value()));
  }
}

std::vector<store::Store*> SimProcess::stores() const {
  std::vector<store::Store*> all;
  for (const auto& store : stores_) all.push_back(store.get());
  return all;
}

Result<std::unique_ptr<walk::LogReader>> SimProcess::read(const seal::Sealer& sealer,
                                                          std::vector<bool> not_fenced,
                                                          bool accept_loss) {
  return walk::LogReader::open({.vdisk = vdisk_,
                                .stores = stores(),
                                .sealer = &sealer,
                                .workers = &workers_,
                                .logger = &world_.logger(),
                                .not_fenced = std::move(not_fenced),
                                .accept_loss = accept_loss});
}

}  // namespace tlog::sim
