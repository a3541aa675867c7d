// File: tlog/blocks/block_batch.h
// BlockBatch: changes of byte ranges, gathered and turned into changes of whole blocks.
//
// The ranges of one batch must not overlap. Bytes that were given are borrowed until the batch is
// cleared. Threading: one thread at a time.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "tlog/base/buffer.h"
#include "tlog/blocks/cluster_layout.h"

namespace tlog::blocks {

// Blocks [first, end) of all servers.
struct BlockRange {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
};
struct BlockBytes {
  std::uint64_t index = 0;
  ConstByteSpan bytes;  // a whole block
};
// What one server, or all of them, shall have afterwards.
struct BlockChanges {
  std::vector<BlockRange> zeros;  // these first
  std::vector<BlockBytes> data;
  bool empty() const { return zeros.empty() && data.empty(); }
};

class BlockBatch {
 public:
  // With `servers`, blocks of those that are false there are left out.
  explicit BlockBatch(const ClusterLayout& layout, std::vector<bool> servers = {})
      : layout_(layout), servers_(std::move(servers)) {}

  void write(std::uint64_t offset, ConstByteSpan bytes);
  void zero(std::uint64_t offset, std::uint64_t length);
  bool empty() const { return blocks_.empty() && zeros_.empty(); }
  void clear();

  // Blocks of which only a part is given: their old contents are needed. Ascending.
  std::vector<std::uint64_t> partial() const;
  // The changes of all servers in one list. `old` has a whole block for each of partial(), in its
  // order. What is answered is valid until clear().
  BlockChanges changes(ConstByteSpan old);

 private:
  struct Fragment {
    std::uint32_t at = 0;  // in the block
    std::uint32_t length = 0;
    const std::byte* bytes = nullptr;  // null: zeros
  };
  struct Block {
    std::vector<Fragment> fragments;
    std::uint32_t given = 0;  // bytes
  };

  void add(std::uint64_t offset, std::uint64_t length, const std::byte* bytes);
  bool wanted(std::uint64_t index) const {
    return servers_.empty() || servers_[layout_.server_of(index)];
  }
  bool is_partial(std::uint64_t index, const Block& block) const {
    return block.given < layout_.bytes_of_block(index);
  }
  bool is_one_piece(const Block& block) const {
    return block.fragments.size() == 1 && block.fragments[0].bytes != nullptr &&
           block.fragments[0].length == layout_.block_size;
  }

  const ClusterLayout layout_;
  const std::vector<bool> servers_;
  std::map<std::uint64_t, Block> blocks_;
  std::vector<BlockRange> zeros_;
  Buffer assembled_;
};

}  // namespace tlog::blocks
