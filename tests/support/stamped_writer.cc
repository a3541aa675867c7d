#include "tests/support/stamped_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

namespace tlog::testing {
namespace {
constexpr std::uint64_t kBlock = 4096;
}

std::vector<std::byte> StampedWriter::contents(std::uint64_t block, std::uint64_t number) {
  std::vector<std::byte> bytes(kBlock);
  for (std::uint64_t cell = 0; cell < kBlock; cell += 16) {
    std::uint64_t words[2] = {number, block ^ (cell << 32)};
    std::memcpy(bytes.data() + cell, words, sizeof words);
  }
  return bytes;
}

// 0: never written or zeroed. Every cell must say the same number and be in its place.
std::uint64_t StampedWriter::number_in(const std::vector<std::byte>& bytes, std::uint64_t block,
                                       bool& intact) {
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data(), sizeof number);
  intact = number == 0 ? std::all_of(bytes.begin(), bytes.end(),
                                     [](std::byte b) { return b == std::byte{0}; })
                       : bytes == contents(block, number);
  return number;
}

void StampedWriter::tell() {
  if (progress_ == nullptr) return;
  progress_->issued = issued_;
  progress_->answered = answered_;
  progress_->flushed = flushed_;
}

void StampedWriter::tell(Progress& progress) {
  progress_ = &progress;
  tell();
}

void StampedWriter::adopt(const Progress& progress) {
  progress_ = nullptr;
  flushed_ = progress.flushed;
  while (issued_ < progress.issued) operations_.push_back(operation(++issued_));
  while (answered_ < progress.answered) operations_[++answered_].answered = true;
}

void StampedWriter::repeat_unanswered() {
  issued_ = answered_;
  operations_.resize(issued_ + 1);
}

// The same whoever asks.
StampedWriter::Operation StampedWriter::operation(std::uint64_t number) const {
  std::mt19937_64 random(seed_ * 1'000'003 + number);
  const std::uint64_t kind = random() % 100;
  Operation operation;
  operation.block = random() % last_.size();
  operation.flush_before = kind < 8;
  operation.fua = kind >= 80 && kind < 84;
  operation.zero = kind >= 90;
  operation.discard = kind % 2 == 0;
  return operation;
}

Status StampedWriter::issue(session::Vdisk& vdisk, const Operation& operation,
                            std::uint64_t number) {
  const std::uint64_t offset = operation.block * kBlock;
  if (!operation.zero) return vdisk.write(offset, contents(operation.block, number), operation.fua);
  return operation.discard ? vdisk.discard(offset, kBlock, false)
                           : vdisk.zero(offset, kBlock, false, false);
}

Status StampedWriter::run(session::Vdisk& vdisk, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const Operation next = operation(issued_ + 1);
    if (next.flush_before) {
      const std::uint64_t before = answered_;
      TLOG_TRY(vdisk.flush());
      flushed_ = std::max(flushed_, before);
    }
    operations_.push_back(next);
    const std::uint64_t number = ++issued_;
    tell();
    TLOG_TRY(issue(vdisk, next, number));
    operations_[number].answered = true;
    answered_ = number;
    if (next.fua) flushed_ = number;
    tell();
  }
  return {};
}

std::string StampedWriter::check(session::Vdisk& vdisk, bool answered_survive) {
  std::vector<std::uint64_t> found(last_.size());
  std::uint64_t newest = base_;
  for (std::uint64_t block = 0; block < last_.size(); ++block) {
    std::vector<std::byte> bytes(kBlock);
    if (Status done = vdisk.read(block * kBlock, bytes); !done) return done.error().message();
    bool intact = false;
    found[block] = number_in(bytes, block, intact);
    if (!intact) return fmt::format("block {}: torn or misplaced", block);
    if (found[block] > issued_)
      return fmt::format("block {}: has operation {}, never issued", block, found[block]);
    newest = std::max(newest, found[block]);
  }
  const std::uint64_t floor = answered_survive ? answered_ : flushed_;
  // What survives is the state after some operation `upto` (zeroed blocks do not show theirs: any
  // that explains all).
  std::vector<std::uint64_t> state = last_;
  auto apply = [&](std::uint64_t number) {
    const Operation& operation = operations_[number];
    state[operation.block] = operation.zero ? 0 : number;
  };
  for (std::uint64_t number = base_ + 1; number <= std::max(floor, newest); ++number) apply(number);
  for (std::uint64_t upto = std::max(floor, newest); upto <= issued_; ++upto) {
    if (upto > std::max(floor, newest)) apply(upto);
    // A failed operation may be missing in the middle only if nothing after it was answered: it is
    // the last one.
    if (state == found) {
      last_ = found;
      base_ = issued_;
      answered_ = flushed_ = issued_;
      return "";
    }
  }
  if (newest >= floor) {  // perhaps the one that failed is missing while everything else is there
    for (std::uint64_t missing = issued_; missing > base_ && !operations_[missing].answered;
         --missing) {
      state = last_;
      for (std::uint64_t number = base_ + 1; number < missing; ++number) apply(number);
      if (state == found) {
        last_ = found;
        base_ = issued_;
        answered_ = flushed_ = issued_;
        return "";
      }
    }
  }
  for (std::uint64_t block = 0; block < found.size(); ++block) {
    std::uint64_t expected = last_[block];
    for (std::uint64_t number = base_ + 1; number <= std::max(floor, newest); ++number) {
      if (operations_[number].block == block) expected = operations_[number].zero ? 0 : number;
    }
    if (found[block] != expected) {
      return fmt::format(
          "block {}: has operation {}, {} expected (flushed {}, answered {}, issued {}, newest "
          "found {})",
          block, found[block], expected, flushed_, answered_, issued_, newest);
    }
  }
  return "what is there is no prefix";
}

}  // namespace tlog::testing
