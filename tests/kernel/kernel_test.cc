// The kernel's NBD client. Goal: a file system on our disk survives what happens to machines:
// everyday use, a guest that is cut off while writing, a server that is killed under a mounted file
// system. Method: a virtual machine with Debian's kernel (guest.h) runs the jobs of
// tests/kernel/jobs; the host looks at the disk, and at a restore from its log.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <time.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "tests/crash/process.h"
#include "tests/kernel/file_system.h"
#include "tests/kernel/guest.h"
#include "tests/kernel/subject.h"

namespace tlog::kernel {
namespace {

// Software emulation on a busy machine.
constexpr unsigned kJobMs = 300'000;
constexpr unsigned kSyncedFiles = 8;

void pause_ms(std::uint64_t ms) {
  const timespec pause{.tv_sec = static_cast<time_t>(ms / 1000),
                       .tv_nsec = static_cast<long>(ms % 1000 * 1'000'000)};
  nanosleep(&pause, nullptr);
}

struct Case {
  SubjectKind subject;
  unsigned connections;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.subject.name << " with " << c.connections << " connections";
}

class Kernel : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const char* const image = std::getenv("KERNEL_GUEST");
    if (image == nullptr || !std::ifstream(std::string(image) + "/initramfs.gz")) {
      GTEST_SKIP() << "no guest image: KERNEL_GUEST names a directory that build_guest has filled";
    }
    image_ = image;
    subject_ = GetParam().subject.make(scratch_.path());
    const Status started = server().start();
    ASSERT_TRUE(started) << started.error().message();
  }

  std::unique_ptr<Guest> boot(const std::string& job) {
    auto guest = std::make_unique<Guest>(
        GuestOptions{.image = image_,
                     .directory = scratch_.path(),
                     .job = job,
                     .arguments = {std::to_string(server().port()), "vm1",
                                   std::to_string(GetParam().connections)}});
    const Status started = guest->start();
    EXPECT_TRUE(started) << started.error().message();
    return guest;
  }
  crash::Server& server() { return subject_->server(); }

  void expect_success(Guest& guest) {
    const Result<int> code = guest.run_to_end(kJobMs);
    ASSERT_TRUE(code) << code.error().message();
    EXPECT_EQ(*code, 0) << guest.transcript() << crash::tail_of(server().log_path());
  }
  // The job has said that it writes; it goes on when it is told that the server is back.
  void kill_and_restart(Guest& guest) {
    const auto writing = guest.line_with("WRITING", kJobMs);
    ASSERT_TRUE(writing) << writing.error().message();
    const Status killed = server().kill();
    ASSERT_TRUE(killed) << killed.error().message();
    pause_ms(1000);  // the guest's requests meet a dead server for a while
    const Status started = server().start();
    ASSERT_TRUE(started) << started.error().message();
    const Status said = guest.say("back");
    ASSERT_TRUE(said) << said.error().message();
  }
  // What the server shows, as a file.
  std::string copy_of_disk() {
    if (!server().alive()) {
      const Status started = server().start();
      EXPECT_TRUE(started) << started.error().message();
    }
    std::string bytes;
    const auto read = crash::read_image(server().uri(), &bytes);
    EXPECT_TRUE(read) << (read ? "" : read.error().message());
    const std::string copy = scratch_.path() + "/copy.img";
    std::ofstream(copy, std::ios::binary) << bytes;
    return copy;
  }
  void expect_files(const std::string& image, const std::map<std::string, std::string>& sums) {
    const Status checked = check_ext4(image);
    EXPECT_TRUE(checked) << checked.error().message();
    for (const auto& [file, sum] : sums) {
      const auto found = md5_in_ext4(image, file);
      ASSERT_TRUE(found) << image << ": " << file << ": " << found.error().message();
      EXPECT_EQ(*found, sum) << image << ": " << file;
    }
  }
  // The disk and, if there is a log, what the log says it is.
  void expect_everywhere(const std::map<std::string, std::string>& sums) {
    expect_files(copy_of_disk(), sums);
    const std::string image = scratch_.path() + "/restored.img";
    const auto restored = subject_->restore(image);
    ASSERT_TRUE(restored) << restored.error().message();
    if (*restored) expect_files(image, sums);
  }

  crash::ScratchDirectory scratch_{"kernel"};
  std::string image_;
  std::unique_ptr<Subject> subject_;
};

TEST_P(Kernel, EverydayUse) {
  const auto guest = boot("everyday");
  expect_success(*guest);
  expect_everywhere({});
}

TEST_P(Kernel, GuestIsCutOffWhileWriting) {
  const auto guest = boot("cut");
  std::map<std::string, std::string> sums;
  while (sums.size() < kSyncedFiles) {
    const auto line = guest->line_with("SYNCED ", kJobMs);
    ASSERT_TRUE(line) << line.error().message();
    std::istringstream words(*line);
    std::string word;
    std::string file;
    words >> word >> file >> sums[file];
  }
  pause_ms(std::random_device()() % 300);
  guest->kill();
  expect_everywhere(sums);
}

TEST_P(Kernel, ServerIsKilledUnderAMountedFileSystem) {
  const auto guest = boot("reconnect");
  kill_and_restart(*guest);
  expect_success(*guest);
  expect_everywhere({});
}

// What the server has its blocks on dies under the file system: it goes on from the standby.
class KernelStandby : public Kernel {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(KernelStandby);

TEST_P(KernelStandby, PrimaryIsKilledUnderAMountedFileSystem) {
  const auto guest = boot("reconnect");
  const auto writing = guest->line_with("WRITING", kJobMs);
  ASSERT_TRUE(writing) << writing.error().message();
  const Status lost = subject_->lose_blocks();
  ASSERT_TRUE(lost) << lost.error().message() << crash::tail_of(server().log_path());
  const Status said = guest->say("on");
  ASSERT_TRUE(said) << said.error().message();
  expect_success(*guest);
  expect_everywhere({});
}

// Checks the rig: after the server has come back empty, the guest's own checks must complain.
class KernelRig : public Kernel {};

TEST_P(KernelRig, ServerThatForgetsIsSeen) {
  const auto guest = boot("reconnect");
  kill_and_restart(*guest);
  const Result<int> code = guest->run_to_end(kJobMs);
  ASSERT_TRUE(code) << code.error().message();
  EXPECT_NE(*code, 0) << guest->transcript();
}
std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const SubjectKind& kind : subject_kinds()) {
    for (const unsigned connections : {1U, 4U}) {
      // A stock server is there to check the rig; once is enough.
      if (connections == 4 || kind.name != "NbdkitFile") cases.push_back({kind, connections});
    }
  }
  return cases;
}

std::string case_name(const ::testing::TestParamInfo<Case>& one) {
  return fmt::format("{}_{}", one.param.subject.name, one.param.connections);
}

std::vector<Case> standby_cases() {
  std::vector<Case> cases;
  for (const SubjectKind& kind : standby_subject_kinds()) cases.push_back({kind, 4});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Disks, Kernel, ::testing::ValuesIn(all_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Disks, KernelStandby, ::testing::ValuesIn(standby_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Broken, KernelRig, ::testing::Values(Case{broken_subject_kind(), 1}),
                         case_name);

}  // namespace
}  // namespace tlog::kernel
