// File: tlog/base/buffer.h
// Buffer: owned memory, aligned to a page so that it can be written with O_DIRECT and hashed with
// vector loads. The contents of a new buffer are unspecified. Threading: a value; one owner at a
// time.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#include "tlog/base/types.h"

namespace tlog {

class Buffer {
 public:
  static constexpr std::size_t kAlignment = 4096;

  Buffer() = default;
  explicit Buffer(std::size_t size) { reserve_exact(size); }
  Buffer(Buffer&& other) noexcept
      : memory_(std::move(other.memory_)),
        capacity_(std::exchange(other.capacity_, 0)),
        size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    memory_ = std::move(other.memory_);
    capacity_ = std::exchange(other.capacity_, 0);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  static Buffer copy_of(ConstByteSpan bytes) {
    Buffer buffer(bytes.size());
    if (!bytes.empty()) std::memcpy(buffer.data(), bytes.data(), bytes.size());
    return buffer;
  }

  std::byte* data() { return memory_.get(); }
  const std::byte* data() const { return memory_.get(); }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }
  // Changes the size within the capacity, or drops the contents and allocates anew.
  void reset_size(std::size_t size) {
    if (size > capacity_) reserve_exact(size);
    size_ = size;
  }

  ByteSpan span() { return {data(), size_}; }
  ConstByteSpan span() const { return {data(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  void reserve_exact(std::size_t size) {
    capacity_ = static_cast<std::size_t>(round_up(size == 0 ? 1 : size, kAlignment));
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, capacity_)));
    if (!memory_) throw std::bad_alloc();
    size_ = size;
  }

  std::unique_ptr<std::byte[], Free> memory_;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
};

}  // namespace tlog
