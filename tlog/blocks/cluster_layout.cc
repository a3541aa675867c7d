#include "tlog/blocks/cluster_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace tlog::blocks {
namespace {

using store::RespReply;

constexpr std::string_view kVersion = "1";

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    std::size_t end = std::min(text.find(' '), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

Result<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return fail(Code::kCorruption, fmt::format("'{}' is not a number", text));
  }
  return value;
}

bool is_text_or_nil(const RespReply& reply) {
  return reply.type == RespReply::Type::kString || reply.type == RespReply::Type::kNil;
}

}  // namespace

std::uint32_t ClusterLayout::bytes_of_block(std::uint64_t index) const {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(block_size, size - index * block_size));
}

std::string ClusterLayout::key() const {
  return fmt::format("blocks:{}:{}", vdisk, uuid.text());
}

std::string ClusterLayout::id_of(std::size_t server) const {
  return fmt::format("{} {} {} {} {} {}", kVersion, uuid.text(), size, block_size, server, servers);
}

std::optional<Sequence> reach_of(const ServerRecord& record, Epoch last_writer) {
  if (!record.applying || record.applying->epoch != last_writer) return std::nullopt;
  return std::max(record.applying->sequence, record.applied.sequence);
}

bool is_forked_off(const ServerRecord& record, Epoch last_writer, const std::vector<Fork>& forks) {
  const std::optional<Sequence> reach = reach_of(record, last_writer);
  // A version that did not say `applying` did not see cut batches at takeovers either.
  const Epoch said_by = record.applying ? record.applying->epoch : 0;
  return std::any_of(forks.begin(), forks.end(), [&](const Fork& fork) {
    const bool is_applied =
        record.applied.epoch < fork.epoch && record.applied.sequence >= fork.first_sequence;
    const bool may_be_begun =
        said_by < fork.epoch && reach.value_or(fork.first_sequence) >= fork.first_sequence;
    return is_applied || may_be_begun;
  });
}

std::string applied_text(const Applied& applied) {
  return fmt::format("{} {}", applied.sequence, applied.epoch);
}

Result<Applied> parse_applied(std::string_view text) {
  const auto words = words_of(text);
  if (words.size() != 2) {
    return fail(Code::kCorruption, fmt::format("'{}' is not a sequence and an epoch", text));
  }
  Applied applied;
  TLOG_ASSIGN(applied.sequence, number_of(words[0]));
  TLOG_ASSIGN(applied.epoch, number_of(words[1]));
  return applied;
}

Result<ServerRecord> parse_record(const RespReply& reply) {
  const auto& fields = reply.elements;
  if (reply.type != RespReply::Type::kArray || fields.size() < kRecordFields ||
      !std::all_of(fields.begin(), fields.end(), is_text_or_nil)) {
    return fail(Code::kCorruption, "HMGET was not answered with a list of values");
  }
  ServerRecord record;
  if (fields[0].type == RespReply::Type::kString) record.id = std::string(fields[0].value_text());
  if (fields[1].type == RespReply::Type::kString) {
    TLOG_ASSIGN(record.applied, parse_applied(fields[1].value_text()));
  }
  if (fields[2].type == RespReply::Type::kString) {
    TLOG_ASSIGN(record.writer, number_of(fields[2].value_text()));
  }
  if (fields[3].type == RespReply::Type::kString) {
    TLOG_ASSIGN(record.applying, parse_applied(fields[3].value_text()));
  }
  return record;
}

Status check_id(const ClusterLayout& layout, std::size_t server, const std::string& id) {
  if (id == layout.id_of(server)) return {};
  auto differs = [&](const std::string& what) {
    return fail(Code::kInvalidArgument,
                fmt::format("its blocks of vdisk '{}' are {}; give the cluster's servers as they "
                            "were when the vdisk was created, in the same order, or restore to a "
                            "new vdisk with `tlogplay restore {} --to vdisk:NEW`",
                            layout.vdisk, what, layout.vdisk));
  };
  const auto words = words_of(id);
  if (words.size() != 6 || words[0] != kVersion) {
    return differs(fmt::format("of a kind that this version does not know ('{}')", id));
  }
  if (words[4] != std::to_string(server) || words[5] != std::to_string(layout.servers)) {
    return differs(
        fmt::format("part {} of {} (counted from 0), the configuration makes it part {} "
                    "of {}",
                    words[4], words[5], server, layout.servers));
  }
  return differs(fmt::format(
      "of uuid {}, size {} and block size {}, expected uuid {}, size {} and "
      "block size {}",
      words[1], words[2], words[3], layout.uuid.text(), layout.size, layout.block_size));
}

}  // namespace tlog::blocks
