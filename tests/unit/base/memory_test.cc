// Where buffers get their memory: what the C library gave goes back to it.
#include <gtest/gtest.h>
#include <malloc.h>

#include <vector>

#include "tlog/base/memory.h"
#include "tlog/base/types.h"

namespace tlog {
namespace {

// Blocks whose size is just below that of those that are kept are as large as those: who decides by
// the size when one is taken, and by the capacity when it is given back, keeps the C library's.
TEST(Memory, nothing_of_the_c_librarys_is_kept_or_unmapped) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "nothing is kept, and the sanitizers' allocator tells nothing of itself";
#endif
  for (const std::size_t size : {28 * kKiB + 1, 32 * kKiB - 100}) {
    const std::size_t before = mallinfo2().uordblks;
    std::vector<MemoryBlock> blocks;
    for (std::size_t bytes = 0; bytes < 96 * kMiB; bytes += size) {
      blocks.push_back(take_block(size));
      ASSERT_GE(blocks.back().capacity, size);
      blocks.back().data[0] = blocks.back().data[size - 1] = std::byte{1};
    }
    for (const MemoryBlock& block : blocks) give_block(block);
    blocks = {};
    EXPECT_LT(mallinfo2().uordblks, before + kMiB) << size;
  }
}

}  // namespace
}  // namespace tlog
