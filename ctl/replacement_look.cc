#include "ctl/replacement_look.h"

#include <algorithm>

#include "ctl/cluster_view.h"
#include "ctl/server_talk.h"
#include "tlog/blocks/cluster_layout.h"
#include "tlog/format/metadata.h"
#include "tlog/session/vdisk_storage.h"
#include "tlog/store/resp_identity.h"
#include "tlog/walk/chain.h"

namespace tlog::ctl {
namespace {

using store::RespReply;

// Shards whose lengths are looked at, for the average.
constexpr AggregationNumber kSamplesMax = 32;

// A server that certainly has what it should have.
const store::RespStoreOptions* whole_server(const Replacement& replacement,
                                            const control::VdiskReport& report,
                                            const std::vector<store::RespStoreOptions>& servers) {
  for (std::size_t i = 0; i < std::min(servers.size(), report.stores.size()); ++i) {
    if (i != replacement.place && is_whole(report.stores[i])) return &servers[i];
  }
  return nullptr;
}

std::optional<std::uint64_t> average_length(const std::vector<RespReply>& lengths) {
  std::uint64_t sum = 0;
  std::uint64_t count = 0;
  for (const RespReply& length : lengths) {
    if (length.type != RespReply::Type::kInteger || length.integer <= 0) continue;
    sum += static_cast<std::uint64_t>(length.integer);
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / count;
}

std::optional<std::uint64_t> average_shard(const control::VdiskReport& report,
                                           const store::RespStoreOptions& server, io::Loop& loop) {
  auto stored = talk_to(server, loop, {{"GET", format::metadata_key(report.name, report.epoch)}});
  if (!stored || stored->replies[0].type != RespReply::Type::kString) return std::nullopt;
  auto metadata = format::decode_metadata(stored->replies[0].value.span());
  if (!metadata || report.committed == 0) return std::nullopt;
  const AggregationNumber samples = std::min(report.committed, kSamplesMax);
  std::vector<Words> questions;
  for (AggregationNumber i = 1; i <= samples; ++i) {
    const AggregationNumber number = report.committed * i / samples;
    questions.push_back(
        {"STRLEN", format::shard_key(report.name, walk::epoch_of(*metadata, number), number)});
  }
  auto lengths = talk_to(server, loop, questions);
  if (!lengths) return std::nullopt;
  return average_length(lengths->replies);
}

}  // namespace

Result<std::vector<store::RespStoreOptions>> servers_after(const Replacement& replacement) {
  return session::server_options(*replacement.after.find_cluster(replacement.cluster),
                                 io::system_files());
}

NewServer ask_new_server(const Replacement& replacement,
                         const std::vector<control::VdiskReport>& reports,
                         const store::RespStoreOptions& server, io::Loop& loop) {
  std::vector<Words> questions = {
      {"HGET", std::string(store::kServerKey), std::string(store::kServerField)}, {"DBSIZE"}};
  std::vector<std::string> vdisks;  // of the questions that follow
  for (const config::Vdisk& vdisk : replacement.before.vdisks) {
    const control::VdiskReport* report = report_of(reports, vdisk.name);
    auto uuid = Uuid::parse(report == nullptr ? "" : report->uuid);
    if (active_cluster(vdisk, report) != replacement.cluster || !uuid) continue;
    const blocks::ClusterLayout layout{.vdisk = vdisk.name, .uuid = *uuid};
    questions.push_back({"HGET", layout.key(), std::string(blocks::kIdField)});
    vdisks.push_back(vdisk.name);
  }
  NewServer found;
  auto talk = talk_to(server, loop, questions);
  if (!talk) {
    found.error = talk.error();
    return found;
  }
  found.server = talk->replies[0].value_text();
  if (!talk->is_ardb && talk->replies[1].type == RespReply::Type::kInteger) {
    found.keys = static_cast<std::uint64_t>(talk->replies[1].integer);
  }
  for (std::size_t i = 0; i < vdisks.size(); ++i) {
    found.block_ids[vdisks[i]] = talk->replies[2 + i].value_text();
  }
  found.warning = talk->warning;
  return found;
}

void estimate_bytes(const Replacement& replacement,
                    const std::vector<control::VdiskReport>& reports,
                    const std::vector<store::RespStoreOptions>& servers, io::Loop& loop,
                    std::vector<Share>& shares) {
  for (Share& share : shares) {
    const control::VdiskReport* report = report_of(reports, share.vdisk);
    if (share.keeps_blocks || share.shards == 0 || report == nullptr) continue;
    const store::RespStoreOptions* server = whole_server(replacement, *report, servers);
    if (server == nullptr) continue;
    if (auto average = average_shard(*report, *server, loop)) share.bytes = *average * share.shards;
  }
}

}  // namespace tlog::ctl
