// File: tests/support/stamped_writer.h
// Writes 4 KiB blocks that carry the number of the operation that wrote them, and checks what is
// left of them after any accident: everything flushed is there, what is there is a prefix, no block
// is torn or misplaced.
//
// Operation i is issued only after i-1 was answered (one writer), so "prefix" has one meaning.
// Several flushing threads may run beside it. A failed operation may be there or not.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "tlog/session/vdisk.h"

namespace tlog::testing {

class StampedWriter {
 public:
  StampedWriter(std::uint64_t blocks, std::uint64_t seed) : seed_(seed), last_(blocks) {}

  // What another process needs to know of a writer to check in its place, in memory of both: an
  // operation counts as issued before it is, and as answered after it has been.
  struct Progress {
    std::atomic<std::uint64_t> issued{0};
    std::atomic<std::uint64_t> answered{0};
    std::atomic<std::uint64_t> flushed{0};
  };
  // Where it is, and from now on whatever it does, is told there too. `progress` outlives it, or
  // adopt() is called before.
  void tell(Progress& progress);
  // Takes for its own what a writer of the same blocks and seed has told that went on from where
  // this one is, and tells nobody any more.
  void adopt(const Progress& progress);
  // The operation that was not answered, because its writer was killed, is issued again as the next
  // one: so that what follows it does not leave open whether it was.
  void repeat_unanswered();

  // Issues operations until one fails or `count` have been answered: writes, some with FUA, some
  // flushes, some zeros. Returns the first error.
  Status run(session::Vdisk& vdisk, std::uint64_t count);
  // Compares the vdisk with what must be there; "" when all is well, and then goes on from what was
  // found. `answered_survive`: not only what was flushed but everything answered must be there.
  std::string check(session::Vdisk& vdisk, bool answered_survive);

  std::uint64_t issued() const { return issued_; }
  std::uint64_t answered() const { return answered_; }
  std::uint64_t flushed() const { return flushed_; }

 private:
  struct Operation {
    std::uint64_t block = 0;
    bool zero = false;
    bool fua = false;
    bool discard = false;  // how it zeroes
    bool flush_before = false;
    bool answered = false;
  };
  Operation operation(std::uint64_t number) const;
  Status issue(session::Vdisk& vdisk, const Operation& operation, std::uint64_t number);
  void tell();
  static std::vector<std::byte> contents(std::uint64_t block, std::uint64_t number);
  static std::uint64_t number_in(const std::vector<std::byte>& bytes, std::uint64_t block,
                                 bool& intact);

  std::uint64_t seed_;
  std::uint64_t issued_ = 0;    // operations are numbered from 1
  std::uint64_t answered_ = 0;  // the last that was answered with success
  std::uint64_t flushed_ = 0;   // all up to here must survive everything
  std::vector<Operation> operations_{Operation{}};
  std::vector<std::uint64_t>
      last_;  // per block, what the last check found: the number of the operation, 0 for none
  std::uint64_t base_ = 0;  // operations up to here were settled by the last check
  Progress* progress_ = nullptr;
};

}  // namespace tlog::testing
