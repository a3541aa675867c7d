// File: tlog/io/uring_operations.h
// What the io_uring loop has under way. Every operation is a pooled object whose address is the
// ring's user data; bit 0 tells the sync of a linked pair. Threading: the loop's thread only.
#pragma once

#include <sys/uio.h>

#include <vector>

#include "tlog/io/loop_base.h"

struct io_uring;

namespace tlog::io {

class Operation {
 public:
  virtual ~Operation() = default;
  virtual unsigned entries() const {
    return 1;
  }  // of the submission queue; a linked pair may not be torn apart
  // Somebody else decides when it ends: a peer, perhaps never.
  virtual bool waits_for_others() const { return false; }
  virtual void prepare(io_uring& ring) = 0;
  // True: finished, the object may be used anew. False: to be submitted again, or the other half is
  // awaited.
  virtual void complete(int result, bool is_sync) = 0;
};

class FileOperation;
class DescriptorOperation;
class CancelOperation;

// The loop, as its operations see it.
class OperationHost {
 public:
  virtual ~OperationHost() = default;
  virtual void submit(Operation& operation) = 0;
  virtual void give_back(FileOperation* operation) = 0;
  virtual void give_back(DescriptorOperation* operation) = 0;
  virtual void give_back(CancelOperation* operation) = 0;
};

class FileOperation final : public Operation {
 public:
  explicit FileOperation(OperationHost& loop) : loop_(loop) {}
  void set_read(File& file, std::uint64_t offset, ByteSpan into, ReadDone done);
  void set_write(File& file, std::uint64_t offset, std::span<const ConstByteSpan> pieces, bool sync,
                 IoDone done);
  unsigned entries() const override { return links_sync() ? 2 : 1; }
  void prepare(io_uring& ring) override;
  void complete(int result, bool is_sync) override;

 private:
  bool transfers() const { return first_ < vectors_.size(); }
  bool is_last_chunk() const { return vectors_.size() - first_ <= IOV_MAX; }
  bool links_sync() const { return syncs_ && transfers() && is_last_chunk(); }
  void prepare_transfer(io_uring& ring);
  void prepare_sync(io_uring& ring);
  void take_transfer_result(int result);
  void advance(std::size_t bytes);
  void fail_with(std::string_view operation, int error_number);
  void decide();
  void finish();

  OperationHost& loop_;
  File* file_ = nullptr;
  std::uint64_t offset_ = 0;
  std::vector<iovec> vectors_;
  std::size_t first_ = 0;  // the vectors before it are done
  std::size_t moved_ = 0;
  bool reads_ = false;
  bool syncs_ = false;
  bool synced_ = false;
  bool at_end_ = false;
  unsigned awaited_ = 0;  // completions of what was submitted
  Status status_;
  ReadDone read_done_;
  IoDone io_done_;
};

// Receives into memory, or waits until a descriptor can be written or read.
class DescriptorOperation final : public Operation {
 public:
  enum class Kind { kReceive, kWritable, kReadable };

  explicit DescriptorOperation(OperationHost& loop) : loop_(loop) {}
  void set(int descriptor, ByteSpan into, Kind kind, LoopBase::Finished finished) {
    descriptor_ = descriptor;
    into_ = into;
    kind_ = kind;
    finished_ = std::move(finished);
  }
  bool waits_for_others() const override { return true; }
  void prepare(io_uring& ring) override;
  void complete(int result, bool is_sync) override;

 private:
  OperationHost& loop_;
  int descriptor_ = -1;
  ByteSpan into_;
  Kind kind_ = Kind::kReceive;
  LoopBase::Finished finished_;
};

// Cancels another operation. Queued like all others, so that it never meets a later use of the same
// object.
class CancelOperation final : public Operation {
 public:
  explicit CancelOperation(OperationHost& loop) : loop_(loop) {}
  void set(std::uint64_t target) { target_ = target; }
  void prepare(io_uring& ring) override;
  void complete(int, bool) override { loop_.give_back(this); }

 private:
  OperationHost& loop_;
  std::uint64_t target_ = 0;
};

// Reads the eventfd that wakes the loop; armed all the time.
class WakeOperation final : public Operation {
 public:
  explicit WakeOperation(OperationHost& loop) : loop_(loop) {}
  void set(int descriptor) { descriptor_ = descriptor; }
  void disarm_after_next() { last_ = true; }
  void prepare(io_uring& ring) override;
  void complete(int result, bool is_sync) override;
  bool armed() const { return armed_; }

 private:
  OperationHost& loop_;
  int descriptor_ = -1;
  std::uint64_t count_ = 0;
  bool armed_ = false;
  bool last_ = false;
};

}  // namespace tlog::io
