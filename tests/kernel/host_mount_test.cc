// The quick form of kernel_test: the host's own kernel, through nbdfuse and a loop device. One
// connection, FLUSH but no FUA, no reconnection. Goal: ext4 on our disk is clean and complete after
// everyday use and after a restart of the server. Method: files are written, synced, compared;
// e2fsck has the last word.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "tests/crash/loop_mount.h"
#include "tests/crash/process.h"
#include "tests/kernel/file_system.h"
#include "tests/kernel/subject.h"

namespace tlog::kernel {
namespace {

class HostMount : public ::testing::TestWithParam<SubjectKind> {
 protected:
  void SetUp() override {
    const std::string missing = crash::LoopMount::missing();
    if (!missing.empty()) GTEST_SKIP() << missing;
    subject_ = GetParam().make(scratch_.path());
    mount_ = std::make_unique<crash::LoopMount>(scratch_.path());
    const Status started = subject_->server().start();
    ASSERT_TRUE(started) << started.error().message();
    const Status attached = mount_->attach(subject_->server().uri());
    ASSERT_TRUE(attached) << attached.error().message();
  }
  void TearDown() override { mount_.reset(); }  // before the server under it

  void run(const std::string& command) {
    const Status status = mount_->run("cd mnt && " + command);
    ASSERT_TRUE(status) << status.error().message();
  }
  void must(const Status& status) { ASSERT_TRUE(status) << status.error().message(); }

  crash::ScratchDirectory scratch_{"host-mount"};
  std::unique_ptr<Subject> subject_;
  std::unique_ptr<crash::LoopMount> mount_;
};

TEST_P(HostMount, FilesAreThereAfterEverydayUse) {
  must(mount_->run("mkfs.ext4 -q " + mount_->device()));
  must(mount_->mount());
  run("dd if=/dev/urandom of=plain bs=64k count=128");
  run("dd if=/dev/urandom of=synced bs=4k count=256 conv=fsync");
  run("dd if=/dev/urandom of=direct bs=4k count=64 oflag=direct,dsync");
  run("cp plain gone && sync -f . && rm gone");
  run("fstrim . || [ $? -eq 1 ]");  // a loop device over nbdfuse may not discard
  run("md5sum plain synced direct > ../sums");
  must(mount_->unmount());
  must(mount_->run("e2fsck -fn " + mount_->device()));

  mount_->detach();
  must(subject_->server().terminate(60'000));
  must(subject_->server().start());
  must(mount_->attach(subject_->server().uri()));
  must(mount_->mount());
  run("md5sum -c ../sums");
  must(mount_->unmount());
}

TEST_P(HostMount, SyncedFilesSurviveTheServersDeath) {
  must(mount_->run("mkfs.ext4 -q " + mount_->device()));
  must(mount_->mount());
  run("dd if=/dev/urandom of=synced bs=4k count=256 conv=fsync");
  const Status noise = mount_->run("cd mnt && dd if=/dev/urandom of=unsynced bs=4k count=256");
  ASSERT_TRUE(noise) << noise.error().message();
  run("md5sum synced > ../sums");
  must(subject_->server().kill());
  mount_->detach();

  must(subject_->server().start());
  must(mount_->attach(subject_->server().uri()));
  must(mount_->mount());  // replays ext4's journal
  run("md5sum -c ../sums");
  must(mount_->unmount());
  must(mount_->run("e2fsck -fn " + mount_->device()));
  mount_->detach();

  const std::string image = scratch_.path() + "/restored.img";
  const auto restored = subject_->restore(image);
  ASSERT_TRUE(restored) << restored.error().message();
  if (*restored) must(check_ext4(image));
}

INSTANTIATE_TEST_SUITE_P(Disks, HostMount, ::testing::ValuesIn(subject_kinds()),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace tlog::kernel
