#include "ctl/replacement_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ctl/status_table.h"

namespace tlog::ctl {
namespace {

using Json = nlohmann::ordered_json;

std::string share_line(const Share& share, bool is_known) {
  std::string line = fmt::format("  vdisk {} ({}): ", share.vdisk, share.state);
  if (share.keeps_blocks) {
    line += fmt::format("its blocks there, at most {}, from its log", human_bytes(*share.bytes));
  } else {
    line += fmt::format("{} shards of its log", share.shards);
    if (share.bytes) line += fmt::format(", about {},", human_bytes(*share.bytes));
    line += " from the others";
  }
  return line + (is_known ? ", as far as the new one does not have them" : "") + "\n";
}

Json json_of(const Share& share) {
  Json json = {{"name", share.vdisk},
               {"use", share.keeps_blocks ? "blocks" : "log"},
               {"state", share.state},
               {"shards", share.shards}};
  json["bytes"] = share.bytes ? Json(*share.bytes) : Json(nullptr);
  return json;
}

Json json_of(const Filling& filling) {
  return {{"name", filling.vdisk},    {"use", filling.keeps_blocks ? "blocks" : "log"},
          {"state", filling.state},   {"condition", filling.condition},
          {"done", filling.done},     {"total", filling.total},
          {"whole", filling.is_whole}};
}

template <class Items>
Json list_of(const Items& items) {
  Json list = Json::array();
  for (const auto& item : items) list.push_back(json_of(item));
  return list;
}

}  // namespace

std::string plan_text(const Replacement& replacement, const Verdict& verdict) {
  std::string text =
      fmt::format("cluster {}: {} is to be replaced by {}\n  {} ({})\n", replacement.cluster,
                  replacement.from.address, replacement.to.address, replacement.before.path,
                  replacement.is_done ? "it says so already" : replacement.key());
  if (verdict.is_known) {
    text += "  the new one says that it is the server of this place already: what it has stays\n";
  }
  for (const Share& share : verdict.shares) text += share_line(share, verdict.is_known);
  if (verdict.shares.empty()) text += "  no vdisk uses the cluster: nothing has to be made\n";
  for (const std::string& warning : verdict.warnings) {
    text += fmt::format("  warning: {}\n", warning);
  }
  for (const std::string& refusal : verdict.refusals) {
    text += fmt::format("  not safe: {}\n", refusal);
  }
  return text;
}

std::string result_text(const Replacement& replacement, const ReplacementResult& result) {
  std::string text;
  if (!result.is_taken_over) {
    text += fmt::format("{}: written; taken over when a server is started with it\n",
                        replacement.before.path);
  }
  for (const Filling& filling : result.fillings) {
    text += fmt::format("vdisk {} ({}): {} is whole, {} written\n", filling.vdisk,
                        filling.keeps_blocks ? "blocks" : "log", replacement.to.address,
                        human_bytes(filling.put_bytes));
  }
  if (result.fillings.empty() && result.is_taken_over) {
    text += fmt::format("{} is in its place; `tlogctl cluster status {}` shows how it is filled\n",
                        replacement.to.address, replacement.cluster);
  } else if (!result.fillings.empty()) {
    text += fmt::format("{} is not used by these vdisks any more\n", replacement.from.address);
  }
  return text;
}

std::string replacement_json(const Replacement& replacement, const Verdict& verdict,
                             const ReplacementResult& result) {
  Json json = {{"cluster", replacement.cluster},
               {"file", replacement.before.path},
               {"key", replacement.key()},
               {"from", replacement.from.address},
               {"to", replacement.to.address},
               {"known", verdict.is_known},
               {"vdisks", list_of(verdict.shares)},
               {"warnings", verdict.warnings},
               {"refusals", verdict.refusals},
               {"written", result.is_written},
               {"takenOver", result.is_taken_over},
               {"whole", !result.fillings.empty() && all_whole(result.fillings)},
               {"filled", list_of(result.fillings)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace tlog::ctl
