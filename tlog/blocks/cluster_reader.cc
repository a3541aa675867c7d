#include "tlog/blocks/cluster_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace tlog::blocks {
namespace {

using store::RespReply;

// Some blocks of one server, in one command.
struct Question {
  std::size_t server = 0;
  std::vector<std::size_t> which{};  // of the wanted ones
  Result<BlockServer::Found> answer = fail(Code::kUnavailable, "not asked");
};

}  // namespace

Error ClusterReader::error_of(std::uint64_t index, const Error& reason) const {
  return reason.within(fmt::format("read: vdisk '{}': block {} at {}", layout_.vdisk, index,
                                   index * layout_.block_size));
}

bool ClusterReader::goes_on(std::uint64_t first, std::uint64_t next) {
  MutexLock lock(mutex_);
  ++reads_;
  Stream* oldest = &streams_[0];
  for (Stream& stream : streams_) {
    // The block in which the last read ended counts too.
    if (stream.next == first || stream.next == first + 1) {
      stream.next = next;
      stream.used_at = reads_;
      return true;
    }
    if (stream.used_at < oldest->used_at) oldest = &stream;
  }
  oldest->next = next;
  oldest->used_at = reads_;
  return false;
}

void ClusterReader::add_ahead(std::uint64_t next, std::vector<Wanted>& wanted) {
  const std::uint64_t end = std::min(next + read_ahead_blocks_, layout_.blocks());
  for (std::uint64_t index = next; index < end; ++index) {
    // Nobody shall wait for a server that is away only because of blocks that may never be read.
    if (!servers_[layout_.server_of(index)]->usable() || cache_.has(index)) continue;
    wanted.push_back({.index = index, .ticket = cache_.ticket(index), .ahead = true});
  }
}

Status ClusterReader::ask(const std::vector<Wanted>& wanted, bool must_be_current,
                          const Take& take) {
  std::vector<Question> questions;
  std::vector<std::size_t> open(servers_.size(), ~std::size_t{0});  // the question to add to
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::size_t server = layout_.server_of(wanted[i].index);
    if (open[server] == ~std::size_t{0} ||
        questions[open[server]].which.size() == kBlocksPerCommand) {
      open[server] = questions.size();
      questions.push_back({.server = server});
    }
    questions[open[server]].which.push_back(i);
  }
  Countdown countdown(questions.size());
  for (Question& question : questions) {
    std::vector<std::uint64_t> indexes;
    for (std::size_t i : question.which) indexes.push_back(wanted[i].index);
    servers_[question.server]->get(std::move(indexes), must_be_current,
                                   [&question, &countdown](Result<BlockServer::Found> answer) {
                                     question.answer = std::move(answer);
                                     countdown.arrive();
                                   });
  }
  countdown.wait();
  Status status;
  for (const Question& question : questions) {
    for (std::size_t i = 0; i < question.which.size(); ++i) {
      const Wanted& block = wanted[question.which[i]];
      Status taken;
      if (!question.answer) {
        taken = fail(question.answer.error());
      } else {
        const RespReply& value = question.answer->block(i);
        if (value.type != RespReply::Type::kNil && value.value.size() != layout_.block_size) {
          taken = fail(Code::kCorruption,
                       fmt::format("{}: has {} bytes instead of {}; somebody has changed it, "
                                   "restore with `tlogplay restore {} --to vdisk:NEW`",
                                   servers_[question.server]->name(), value.value.size(),
                                   layout_.block_size, layout_.vdisk));
        } else {
          taken = take(question.which[i], value.value.span());
        }
      }
      if (!taken && !block.ahead && status) status = fail(error_of(block.index, taken.error()));
    }
  }
  return status;
}

Status ClusterReader::read(std::uint64_t offset, ByteSpan into) {
  const std::uint32_t size = layout_.block_size;
  const std::uint64_t first = offset / size;
  const std::uint64_t next = (offset + into.size() - 1) / size + 1;
  // The part of the request that is in a block, and where in the block it begins.
  auto part_of = [&](std::uint64_t index) {
    const std::uint64_t begin = std::max(offset, index * size);
    const std::uint64_t end = std::min<std::uint64_t>(offset + into.size(), (index + 1) * size);
    return std::pair(static_cast<std::uint32_t>(begin - index * size),
                     into.subspan(begin - offset, end - begin));
  };
  std::vector<Wanted> wanted;
  for (std::uint64_t index = first; index < next; ++index) {
    auto [skip, to] = part_of(index);
    if (cache_.enabled() && cache_.read(index, skip, to)) continue;
    wanted.push_back({.index = index, .ticket = cache_.ticket(index)});
  }
  const bool sequential = goes_on(first, next);
  if (wanted.empty()) return {};
  if (sequential) add_ahead(next, wanted);
  return ask(wanted, true, [&](std::size_t which, ConstByteSpan block) -> Status {
    const Wanted& one = wanted[which];
    cache_.insert(one.index, block, one.ticket);
    if (one.ahead) return {};
    auto [skip, to] = part_of(one.index);
    if (block.empty()) {
      std::memset(to.data(), 0, to.size());
    } else {
      std::memcpy(to.data(), block.data() + skip, to.size());
    }
    return {};
  });
}

Status ClusterReader::fetch(const std::vector<std::uint64_t>& indexes, ByteSpan into,
                            bool must_be_current) {
  const std::uint32_t size = layout_.block_size;
  std::vector<Wanted> wanted;
  for (std::uint64_t index : indexes) wanted.push_back({.index = index});
  return ask(wanted, must_be_current, [&](std::size_t which, ConstByteSpan block) -> Status {
    std::byte* to = into.data() + which * size;
    if (block.empty()) {
      std::memset(to, 0, size);
    } else {
      std::memcpy(to, block.data(), size);
    }
    return {};
  });
}

}  // namespace tlog::blocks
