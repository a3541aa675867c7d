#include "tlog/io/uring_operations.h"

#include <fmt/format.h>
#include <liburing.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace tlog::io {
namespace {

std::uint64_t user_data(const Operation& operation) {
  return reinterpret_cast<std::uintptr_t>(&operation);
}

}  // namespace

void FileOperation::set_read(File& file, std::uint64_t offset, ByteSpan into, ReadDone done) {
  set_write(file, offset, {}, false, nullptr);
  if (!into.empty()) vectors_.push_back({into.data(), into.size()});
  reads_ = true;
  read_done_ = std::move(done);
}

void FileOperation::set_write(File& file, std::uint64_t offset,
                              std::span<const ConstByteSpan> pieces, bool sync, IoDone done) {
  file_ = &file;
  offset_ = offset;
  vectors_.clear();
  for (ConstByteSpan piece : pieces) {
    if (!piece.empty()) vectors_.push_back({const_cast<std::byte*>(piece.data()), piece.size()});
  }
  first_ = 0;
  moved_ = 0;
  reads_ = false;
  syncs_ = sync;
  synced_ = false;
  at_end_ = false;
  awaited_ = 0;
  status_ = {};
  io_done_ = std::move(done);
}

void FileOperation::prepare(io_uring& ring) {
  if (!transfers()) {
    if (syncs_) {
      prepare_sync(ring);
    } else {  // nothing to do, but the completion must still come from the loop
      io_uring_sqe* entry = io_uring_get_sqe(&ring);
      io_uring_prep_nop(entry);
      io_uring_sqe_set_data64(entry, user_data(*this));
      awaited_ = 1;
    }
    return;
  }
  bool linked = links_sync();
  prepare_transfer(ring);
  if (linked) prepare_sync(ring);
}

void FileOperation::prepare_transfer(io_uring& ring) {
  io_uring_sqe* entry = io_uring_get_sqe(&ring);
  auto count = static_cast<unsigned>(std::min<std::size_t>(vectors_.size() - first_, IOV_MAX));
  if (reads_) {
    io_uring_prep_readv(entry, file_->descriptor(), &vectors_[first_], count, offset_);
  } else {
    io_uring_prep_writev(entry, file_->descriptor(), &vectors_[first_], count, offset_);
  }
  if (links_sync()) entry->flags |= IOSQE_IO_LINK;
  io_uring_sqe_set_data64(entry, user_data(*this));
  ++awaited_;
}

void FileOperation::prepare_sync(io_uring& ring) {
  io_uring_sqe* entry = io_uring_get_sqe(&ring);
  io_uring_prep_fsync(entry, file_->descriptor(), IORING_FSYNC_DATASYNC);
  io_uring_sqe_set_data64(entry, user_data(*this) | 1);
  ++awaited_;
}

void FileOperation::complete(int result, bool is_sync) {
  --awaited_;
  if (!is_sync) {
    take_transfer_result(result);
  } else if (result == 0) {
    synced_ = true;
  } else if (result != -ECANCELED && result != -EINTR) {
    fail_with("sync", -result);  // ECANCELED: the write before it was short or failed
  }
  if (awaited_ == 0) decide();
}

void FileOperation::take_transfer_result(int result) {
  if (!transfers() || result == -EINTR || result == -EAGAIN || result == -ECANCELED) return;
  if (result < 0) return fail_with(reads_ ? "read" : "write", -result);
  if (result > 0) return advance(static_cast<std::size_t>(result));
  if (reads_) {
    at_end_ = true;
  } else if (status_) {
    status_ = fail(Code::kIoError, fmt::format("write: {}: nothing was taken", file_->path()));
  }
}

void FileOperation::advance(std::size_t bytes) {
  moved_ += bytes;
  offset_ += bytes;
  while (first_ < vectors_.size() && bytes >= vectors_[first_].iov_len) {
    bytes -= vectors_[first_++].iov_len;
  }
  if (!transfers()) return;
  synced_ = false;  // a sync that did run did not cover what is still to be written
  vectors_[first_].iov_base = static_cast<std::byte*>(vectors_[first_].iov_base) + bytes;
  vectors_[first_].iov_len -= bytes;
}

void FileOperation::fail_with(std::string_view operation, int error_number) {
  if (status_)
    status_ = fail(os_error(error_number, fmt::format("{}: {}", operation, file_->path())));
}

void FileOperation::decide() {
  if (transfers()) synced_ = false;
  bool more = status_ && !at_end_ && (transfers() || (syncs_ && !synced_));
  if (more) {
    loop_.submit(*this);
  } else {
    finish();
  }
}

void FileOperation::finish() {
  // Given back first: what the callback submits may use this object again.
  ReadDone read_done = std::move(read_done_);
  IoDone io_done = std::move(io_done_);
  read_done_ = nullptr;
  io_done_ = nullptr;
  Status status = std::move(status_);
  std::size_t moved = moved_;
  loop_.give_back(this);
  if (io_done) return io_done(std::move(status));
  if (!status) return read_done(fail(std::move(status).error()));
  read_done(moved);
}

void DescriptorOperation::prepare(io_uring& ring) {
  io_uring_sqe* entry = io_uring_get_sqe(&ring);
  if (kind_ == Kind::kReceive) {
    io_uring_prep_recv(entry, descriptor_, into_.data(), into_.size(), 0);
  } else {
    io_uring_prep_poll_add(entry, descriptor_, kind_ == Kind::kWritable ? POLLOUT : POLLIN);
  }
  io_uring_sqe_set_data64(entry, user_data(*this));
}

void DescriptorOperation::complete(int result, bool) {
  LoopBase::Finished finished = std::move(finished_);
  finished_ = nullptr;
  loop_.give_back(this);
  finished(result);
}

void WakeOperation::prepare(io_uring& ring) {
  io_uring_sqe* entry = io_uring_get_sqe(&ring);
  io_uring_prep_read(entry, descriptor_, &count_, sizeof count_, 0);
  io_uring_sqe_set_data64(entry, user_data(*this));
  armed_ = true;
}

void WakeOperation::complete(int, bool) {
  armed_ = false;
  if (!last_) loop_.submit(*this);
}

void CancelOperation::prepare(io_uring& ring) {
  io_uring_sqe* entry = io_uring_get_sqe(&ring);
  io_uring_prep_cancel64(entry, target_, 0);
  io_uring_sqe_set_data64(entry, user_data(*this));
}

}  // namespace tlog::io
