// An NBD server, through libnbd: every change of a batch is a request of its own, up to a limit in
// flight at once; a batch has no overlaps, so their order does not matter, and apply() returns when
// all are answered.
#include <fmt/format.h>
#include <libnbd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "player/progress.h"
#include "player/target.h"
#include "tlog/base/buffer.h"

namespace tlog::player {

namespace {

constexpr std::size_t kInFlightMax = 64;
constexpr std::uint64_t kWriteMax = 256 * kKiB;
constexpr std::uint64_t kZeroMax = 64 * kMiB;
constexpr int kAnswerTimeoutMs = 60'000;

struct HandleClose {
  void operator()(nbd_handle* handle) const { nbd_close(handle); }
};

// One request in flight; `bytes` when the data had to be gathered.
struct Slot {
  bool busy = false;
  int error = 0;
  Buffer bytes;
};

// libnbd calls back when a request is answered; 1 retires the command at once.
int on_answer(void* user_data, int* error) {
  auto* slot = static_cast<Slot*>(user_data);
  slot->busy = false;
  slot->error = *error;
  return 1;
}

class NbdTarget final : public Target {
 public:
  explicit NbdTarget(const TargetOptions& options) : options_(options), slots_(kInFlightMax) {}
  ~NbdTarget() override { handle_.reset(); }  // before the slots that its callbacks use

  Result<std::string> check(bool resuming) override {
    TLOG_TRY(connect());
    if (nbd_is_read_only(handle_.get()) != 0) {
      return fail(Code::kInvalidArgument,
                  fmt::format("restore: {}: the server exports it read-only", options_.name));
    }
    if (server_size_ < options_.size) {
      return fail(Code::kInvalidArgument,
                  fmt::format("restore: {}: too small: {} bytes for a vdisk of {}; export a larger "
                              "one",
                              options_.name, server_size_, options_.size));
    }
    std::string what = fmt::format("NBD export of {}", format_bytes(server_size_));
    if (resuming) return what + ", continues";
    if (options_.force) return what + ", its contents will be lost";
    return fail(Code::kAlreadyExists,
                fmt::format("restore: {}: whatever this export holds would be overwritten; give "
                            "--force to do so",
                            options_.name));
  }

  Result<std::string> identity() override {
    TLOG_TRY(connect());
    return fmt::format("nbd:{}:{}", options_.name, server_size_);
  }

  Status prepare(bool resuming) override {
    TLOG_TRY(connect());
    if (resuming) return {};
    Change everything{ChangeKind::kDiscard, 0, options_.size, {}};
    return apply({&everything, 1});
  }

  Status apply(std::span<const Change> changes) override {
    for (const Change& change : changes) {
      bool aligned = change.offset % block_ == 0 && change.length % block_ == 0;
      if (!aligned) {
        TLOG_TRY(apply_unaligned(change));
      } else if (change.kind == ChangeKind::kData) {
        TLOG_TRY(send_data(change));
      } else {
        TLOG_TRY(send_zeros(change));
      }
    }
    return wait_for_all();
  }

  Status sync() override {
    if (nbd_can_flush(handle_.get()) != 1) return {};
    if (nbd_flush(handle_.get(), 0) == 0) return {};
    return fail(nbd_error("flush"));
  }

  Status commit() override {
    TLOG_TRY(sync());
    (void)nbd_shutdown(handle_.get(),
                       0);  // all is durable: how the server says goodbye is its own affair
    return {};
  }

  bool wants_probe() const override { return true; }
  Status read(std::uint64_t offset, ByteSpan into) override {
    Buffer bytes;
    while (!into.empty()) {
      std::uint64_t start = round_down(offset, block_);
      std::uint64_t stop = std::min(offset + into.size(), start + write_max_);
      bytes.reset_size(std::min(round_up(stop, block_), server_size_) - start);
      if (nbd_pread(handle_.get(), bytes.data(), bytes.size(), start, 0) != 0) {
        return fail(nbd_error("read"));
      }
      std::memcpy(into.data(), bytes.data() + (offset - start), stop - offset);
      into = into.subspan(stop - offset);
      offset = stop;
    }
    return {};
  }

  const std::string& name() const override { return options_.name; }
  std::string unfinished_name() const override { return options_.name; }
  std::string default_state_path() const override {
    std::string file = options_.name;
    for (char& c : file) {
      bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (!plain && c != '.' && c != '-') c = '_';
    }
    return file + ".tlogplay-state";
  }

 private:
  Error nbd_error(std::string_view operation) const {
    const char* reason = nbd_get_error();
    return Error(Code::kIoError, fmt::format("{}: {}: {}; see the server's messages", operation,
                                             options_.name, reason ? reason : "unknown"));
  }

  Status connect() {
    if (handle_) return {};
    std::unique_ptr<nbd_handle, HandleClose> handle(nbd_create());
    if (!handle) return fail(nbd_error("connect"));
    if (nbd_connect_uri(handle.get(), options_.name.c_str()) != 0) {
      const char* reason = nbd_get_error();
      return fail(Code::kUnavailable,
                  fmt::format("connect: {}: {}; start the server or correct the URI", options_.name,
                              reason ? reason : "unknown"));
    }
    std::int64_t size = nbd_get_size(handle.get());
    if (size < 0) return fail(nbd_error("connect"));
    server_size_ = static_cast<std::uint64_t>(size);
    std::int64_t minimum = nbd_get_block_size(handle.get(), LIBNBD_SIZE_MINIMUM);
    std::int64_t maximum = nbd_get_block_size(handle.get(), LIBNBD_SIZE_MAXIMUM);
    if (minimum > 1) block_ = static_cast<std::uint64_t>(minimum);
    if (maximum > 0) write_max_ = std::min(kWriteMax, static_cast<std::uint64_t>(maximum));
    write_max_ = std::max(block_, round_down(write_max_, block_));
    can_zero_ = nbd_can_zero(handle.get()) == 1;
    handle_ = std::move(handle);
    return {};
  }

  // A slot that nothing is in flight on; waits for one.
  Result<Slot*> free_slot() {
    while (true) {
      for (Slot& slot : slots_) {
        if (slot.error != 0) return fail(request_error(slot));
        if (!slot.busy) return &slot;
      }
      TLOG_TRY(wait_for_some());
    }
  }
  Error request_error(const Slot& slot) const {
    return os_error(slot.error, "write: " + options_.name);
  }
  Status wait_for_some() {
    int answer = nbd_poll(handle_.get(), kAnswerTimeoutMs);
    if (answer == 1) return {};
    if (answer < 0) return fail(nbd_error("write"));
    return fail(Code::kTimeout,
                fmt::format("write: {}: the server has not answered for {} s; run the same command "
                            "again to continue",
                            options_.name, kAnswerTimeoutMs / 1000));
  }
  Status wait_for_all() {
    for (Slot& slot : slots_) {
      while (slot.busy) TLOG_TRY(wait_for_some());
      if (slot.error != 0) return fail(request_error(slot));
    }
    return {};
  }

  Status send(Slot& slot, const std::byte* data, std::uint64_t length, std::uint64_t offset) {
    slot.busy = true;
    nbd_completion_callback done{on_answer, &slot, nullptr};
    std::int64_t cookie = data ? nbd_aio_pwrite(handle_.get(), data, length, offset, done, 0)
                               : nbd_aio_zero(handle_.get(), length, offset, done, 0);
    if (cookie >= 0) return {};
    slot.busy = false;
    return fail(nbd_error("write"));
  }

  // Pieces that are long enough are sent from where they are; short ones are gathered.
  Status send_data(const Change& change) {
    if (change.pieces.size() == 1) {
      ConstByteSpan piece = change.pieces.front();
      for (std::uint64_t at = 0; at < change.length; at += write_max_) {
        TLOG_ASSIGN(Slot * slot, free_slot());
        std::uint64_t part = std::min(write_max_, change.length - at);
        TLOG_TRY(send(*slot, piece.data() + at, part, change.offset + at));
      }
      return {};
    }
    std::size_t piece = 0;
    std::uint64_t in_piece = 0;
    for (std::uint64_t at = 0; at < change.length; at += write_max_) {
      TLOG_ASSIGN(Slot * slot, free_slot());
      slot->bytes.reset_size(std::min(write_max_, change.length - at));
      gather(change, piece, in_piece, slot->bytes.span());
      TLOG_TRY(send(*slot, slot->bytes.data(), slot->bytes.size(), change.offset + at));
    }
    return {};
  }

  static void gather(const Change& change, std::size_t& piece, std::uint64_t& in_piece,
                     ByteSpan into) {
    while (!into.empty()) {
      ConstByteSpan from = change.pieces[piece].subspan(in_piece);
      std::size_t part = std::min(from.size(), into.size());
      std::memcpy(into.data(), from.data(), part);
      into = into.subspan(part);
      in_piece += part;
      if (part == from.size()) {
        ++piece;
        in_piece = 0;
      }
    }
  }

  Status send_zeros(const Change& change) {
    std::uint64_t most = can_zero_ ? kZeroMax : write_max_;
    if (!can_zero_ && zeros_.empty()) {
      zeros_.reset_size(write_max_);
      std::memset(zeros_.data(), 0, zeros_.size());
    }
    for (std::uint64_t at = 0; at < change.length; at += most) {
      TLOG_ASSIGN(Slot * slot, free_slot());
      std::uint64_t part = std::min(most, change.length - at);
      TLOG_TRY(send(*slot, can_zero_ ? nullptr : zeros_.data(), part, change.offset + at));
    }
    return {};
  }

  // The server takes whole blocks only: read, patch, write, with nothing else in flight. The
  // vdisk's last block may reach beyond its end; the export is at least as long.
  Status apply_unaligned(const Change& change) {
    TLOG_TRY(wait_for_all());
    std::size_t piece = 0;
    std::uint64_t in_piece = 0;
    Buffer bytes;
    for (std::uint64_t at = change.offset; at < change.end();) {
      std::uint64_t start = round_down(at, block_);
      std::uint64_t stop = std::min(change.end(), start + write_max_);
      std::uint64_t end = std::min(round_up(stop, block_), server_size_);
      bytes.reset_size(end - start);
      if (nbd_pread(handle_.get(), bytes.data(), bytes.size(), start, 0) != 0) {
        return fail(nbd_error("read"));
      }
      ByteSpan part = bytes.span().subspan(at - start, stop - at);
      if (change.kind == ChangeKind::kData) {
        gather(change, piece, in_piece, part);
      } else {
        std::memset(part.data(), 0, part.size());
      }
      if (nbd_pwrite(handle_.get(), bytes.data(), bytes.size(), start, 0) != 0) {
        return fail(nbd_error("write"));
      }
      at = stop;
    }
    return {};
  }

  const TargetOptions options_;
  std::vector<Slot> slots_;
  std::unique_ptr<nbd_handle, HandleClose> handle_;
  std::uint64_t server_size_ = 0;
  std::uint64_t block_ = 1;
  std::uint64_t write_max_ = kWriteMax;
  bool can_zero_ = false;
  Buffer zeros_;
};

}  // namespace

std::unique_ptr<Target> make_nbd_target(const TargetOptions& options) {
  return std::make_unique<NbdTarget>(options);
}

}  // namespace tlog::player
