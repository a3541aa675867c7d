// Goal: the whole log over the embedded stores, in real directories: what was committed is there
// after the stores were opened again, and while two of the directories are gone.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>

#include "tests/support/log_rig.h"
#include "tests/support/temp_directory.h"
#include "tlog/store/stores.h"

namespace tlog::flush {
namespace {

using testing::LogRig;

testing::LogRigOptions on_directories(const testing::TempDirectory& directory) {
  testing::LogRigOptions options;
  options.hints_path = directory.file("hints");
  options.record_bytes_max = 64 * kKiB;
  options.make_store = [&directory](unsigned index, io::Loop& loop) {
    auto store = store::open_segment_store({.directory = directory.file(std::to_string(index)),
                                            .vdisk = "vm1",
                                            .segment_bytes = 4 * kMiB},
                                           io::system_files(), loop, null_logger());
    EXPECT_TRUE(store) << store.error().message();
    return std::move(*store);
  };
  return options;
}

TEST(SegmentLog, survives_reopening_of_its_stores) {
  testing::TempDirectory directory;
  std::vector<testing::Appended> model;
  {
    LogRig rig(on_directories(directory));
    ASSERT_TRUE(rig.create());
    ASSERT_TRUE(rig.open_writer());
    rig.append(150, false);
    ASSERT_TRUE(rig.wait_committed(150)) << rig.writer().status().waiting_for;
    rig.crash_writer();
    rig.expect_log_is_model();
    ASSERT_TRUE(rig.open_writer());
    rig.append(150, true);
    ASSERT_TRUE(rig.wait_committed(300));
    ASSERT_TRUE(rig.wait_until([&] { return rig.writer().status().missing_shards == 0; }));
    rig.close_writer();
    rig.expect_log_is_model();
    model = rig.model();
  }
  for (unsigned gone : {1U, 4U}) std::filesystem::remove_all(directory.file(std::to_string(gone)));
  LogRig rig(on_directories(directory));  // the same seed: the same key
  rig.expect_model(model);
}

}  // namespace
}  // namespace tlog::flush
