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
  std::ofstream(image()).close();
  std::filesystem::resize_file(image(), bytes);
  // Blocks as on a disk of ordinary size. On a small one mkfs takes 1 KiB, and qemu-nbd with
  // O_DIRECT ends in an assertion at the first hole that is not aligned to 4 KiB.
  TLOG_TRY(layers_.run(
      "mkfs.ext4 -q -b 4096 -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 disk.img"));
  return up(1);
}

void PowerStack::cut() {
  if (disk_) (void)disk_->kill();  // dead or never alive, both is a cut
}

Status PowerStack::up(std::uint64_t seed) {
  layers_.detach();
  disk_ = std::make_unique<Server>(
      ServerOptions{.command = fmt::format("nbdkit -f -U {{socket}} {} file={} land={} seed={}",
                                           plugin_, image(), landing_, seed),
                    .export_name = "",
                    .directory = directory_});
  TLOG_TRY(disk_->start());
  TLOG_TRY(layers_.attach(disk_->uri()));
  if (layers_.mount()) return {};
  // ext4 writes its superblock to its place like any journaled block, but mounting looks at the
  // superblock's checksum before it replays the journal. Torn, it takes what a boot does: e2fsck,
  // which replays the journal from the backup; its exit code 1 says that it mended something.
  TLOG_TRY(layers_.run(fmt::format("e2fsck -y {} || [ $? -eq 1 ]", layers_.device())));
  return layers_.mount();
}

}  // namespace tlog::crash
