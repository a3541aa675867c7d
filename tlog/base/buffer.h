// File: tlog/base/buffer.h
// Buffer: owned memory, aligned to a page so that it can be written with O_DIRECT and hashed with
// vector loads. The contents of a new buffer are unspecified. Threading: a value; one owner at a
// time.
#pragma once

#include <cstddef>
#include <utility>

#include "tlog/base/memory.h"
#include "tlog/base/types.h"

namespace tlog {

class Buffer {
 public:
  static constexpr std::size_t kAlignment = 4096;

  Buffer() = default;
  explicit Buffer(std::size_t size) : block_(take_block(size)), size_(size) {}
  ~Buffer() { give_block(block_); }
  Buffer(Buffer&& other) noexcept
      : block_(std::exchange(other.block_, {})), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    if (this != &other) {
      give_block(block_);
      block_ = std::exchange(other.block_, {});
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  static Buffer copy_of(ConstByteSpan bytes) {
    Buffer buffer(bytes.size());
    if (!bytes.empty()) std::memcpy(buffer.data(), bytes.data(), bytes.size());
    return buffer;
  }

  std::byte* data() { return block_.data; }
  const std::byte* data() const { return block_.data; }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return block_.capacity; }
  bool empty() const { return size_ == 0; }
  // Changes the size within the capacity, or drops the contents and allocates anew.
  void reset_size(std::size_t size) {
    if (size > block_.capacity) *this = Buffer(size);
    size_ = size;
  }

  ByteSpan span() { return {data(), size_}; }
  ConstByteSpan span() const { return {data(), size_}; }

 private:
  MemoryBlock block_;
  std::size_t size_ = 0;
};

}  // namespace tlog
