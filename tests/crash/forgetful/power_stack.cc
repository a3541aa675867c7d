#include "tests/crash/forgetful/power_stack.h"

#include <fmt/core.h>

#include <filesystem>
#include <fstream>

namespace tlog::crash {

PowerStack::PowerStack(std::string directory, std::string plugin, std::string landing)
    : directory_(std::move(directory)),
      plugin_(std::move(plugin)),
      landing_(std::move(landing)),
      layers_(directory_) {}

Status PowerStack::create(std::uint64_t bytes) {
  const std::string image = directory_ + "/disk.img";
  std::ofstream(image).close();
  std::filesystem::resize_file(image, bytes);
  TLOG_TRY(
      layers_.run("mkfs.ext4 -q -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 disk.img"));
  return up(1);
}

void PowerStack::cut() {
  if (disk_) (void)disk_->kill();  // dead or never alive, both is a cut
}

Status PowerStack::up(std::uint64_t seed) {
  layers_.detach();
  disk_ = std::make_unique<Server>(ServerOptions{
      .command = fmt::format("nbdkit -f -U {{socket}} {} file={}/disk.img land={} seed={}", plugin_,
                             directory_, landing_, seed),
      .export_name = "",
      .directory = directory_});
  TLOG_TRY(disk_->start());
  TLOG_TRY(layers_.attach(disk_->uri()));
  return layers_.mount();
}

}  // namespace tlog::crash
