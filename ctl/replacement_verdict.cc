// Whether a replacement is safe. What is not known counts as not safe.
#include <fmt/format.h>

#include <algorithm>

#include "ctl/cluster_view.h"
#include "ctl/replacement.h"
#include "ctl/status_table.h"
#include "tlog/blocks/cluster_layout.h"
#include "tlog/store/stores.h"

namespace tlog::ctl {
namespace {

using control::StoreReport;
using control::VdiskReport;

std::string store_name(const config::Server& server) {
  store::RespStoreOptions options;
  options.address = server.address;
  options.db = server.db;
  return store::name_of(options);
}

class Judge {
 public:
  Judge(const Replacement& replacement, const std::vector<VdiskReport>& reports,
        const NewServer& found, const Leniency& leniency)
      : replacement_(replacement),
        cluster_(replacement.old_cluster()),
        reports_(reports),
        found_(found),
        leniency_(leniency),
        is_in_use_(replacement.is_done) {}

  Verdict run() {
    for (const config::Vdisk& vdisk : replacement_.before.vdisks) judge_vdisk(vdisk);
    judge_new_server();
    warn_of_unreadable_blocks();
    return std::move(verdict_);
  }

 private:
  void refuse(std::string reason) { verdict_.refusals.push_back(std::move(reason)); }
  void warn(std::string warning) { verdict_.warnings.push_back(std::move(warning)); }

  void judge_vdisk(const config::Vdisk& vdisk);
  bool is_served(const config::Vdisk& vdisk, const VdiskReport* report);
  void judge_log(const config::Vdisk& vdisk, const VdiskReport& report);
  void judge_blocks(const config::Vdisk& vdisk, const VdiskReport& report);
  bool is_the_same_list(const config::Vdisk& vdisk, const std::vector<StoreReport>& stores);
  unsigned bad_besides(const config::Vdisk& vdisk, const VdiskReport& report,
                       std::string& which) const;
  void warn_of_unreadable_blocks();
  std::string remedy_for(const Error& error) const;
  void refuse_standby(const config::Vdisk& vdisk);
  void judge_new_server();
  void judge_uuid();
  void judge_block_ids();

  const Replacement& replacement_;
  const config::Cluster& cluster_;
  const std::vector<VdiskReport>& reports_;
  const NewServer& found_;
  const Leniency leniency_;
  // Begun before: the servers have the new one in its place already, and have judged it.
  bool is_in_use_;
  Verdict verdict_;
  std::vector<std::string> known_;  // uuids of the places, "" where none is known
};

void Judge::judge_vdisk(const config::Vdisk& vdisk) {
  const bool keeps_log = vdisk.tlog.cluster == cluster_.name;
  const VdiskReport* report = report_of(reports_, vdisk.name);
  const bool keeps_blocks = active_cluster(vdisk, report) == cluster_.name;
  if (standby_cluster(vdisk, report) == cluster_.name) refuse_standby(vdisk);
  if (!keeps_log && !keeps_blocks) return;
  const bool served = is_served(vdisk, report);
  if (keeps_log) {
    verdict_.shares.push_back({.vdisk = vdisk.name,
                               .state = report == nullptr ? "not served" : report->state,
                               .bytes = {}});
    if (served) judge_log(vdisk, *report);
  }
  if (keeps_blocks) {
    verdict_.shares.push_back({.vdisk = vdisk.name,
                               .keeps_blocks = true,
                               .state = report == nullptr ? "not served" : report->state,
                               .bytes = vdisk.size / cluster_.servers.size()});
    if (served) judge_blocks(vdisk, *report);
  }
}

// What follows is filled by the follower, which this command does not know.
void Judge::refuse_standby(const config::Vdisk& vdisk) {
  refuse(
      fmt::format("vdisk {}: '{}' is its standby now; put the new address into the file yourself, "
                  "and `tlogctl reload`: the empty server is filled from the log",
                  vdisk.name, cluster_.name));
}

// False when nothing is known of its stores.
bool Judge::is_served(const config::Vdisk& vdisk, const VdiskReport* report) {
  if (report != nullptr && report->state == kNotCreated) return false;
  const bool is_closed = report != nullptr && report->state == "closed";
  if (report == nullptr || is_closed) {
    const std::string_view how = is_closed ? "closed" : "not served";
    if (is_closed && leniency_.is_trial) {
      warn(fmt::format("vdisk {} is closed: it would be opened, to see how its stores are",
                       vdisk.name));
    } else if (leniency_.may_be_unserved) {
      warn(
          fmt::format("vdisk {} is {}: nothing is known of its stores; what belongs on the new "
                      "server is made when it is served again",
                      vdisk.name, how));
    } else {
      refuse(
          fmt::format("vdisk {} is {}, so that nobody knows whether its other stores are whole; "
                      "have it served first, or give --allow-unserved",
                      vdisk.name, how));
    }
    return false;
  }
  if (!report->config_error.empty()) {
    refuse(
        fmt::format("the server of vdisk {} does not take the file as it is: {}; put that right "
                    "first",
                    vdisk.name, report->config_error));
  }
  if (report->state != "serving" && report->state != "read-only") {
    refuse(fmt::format("vdisk {} is {}: {}; have it served again first", vdisk.name, report->state,
                       report->reason));
    return false;
  }
  return true;
}

bool Judge::is_the_same_list(const config::Vdisk& vdisk, const std::vector<StoreReport>& stores) {
  bool same = stores.size() == cluster_.servers.size();
  for (std::size_t i = 0; same && i < stores.size(); ++i) {
    const bool is_old = i == replacement_.place && stores[i].name == store_name(replacement_.from);
    if (is_old) is_in_use_ = false;
    same = is_old || stores[i].name == store_name(cluster_.servers[i]);
  }
  if (!same) {
    refuse(
        fmt::format("the server of vdisk {} has other addresses for cluster {} than the file; "
                    "`tlogctl reload` first",
                    vdisk.name, cluster_.name));
  }
  return same;
}

// Stores of the vdisk's log that cannot give what they should have, but for the one that goes.
unsigned Judge::bad_besides(const config::Vdisk& vdisk, const VdiskReport& report,
                            std::string& which) const {
  unsigned bad = 0;
  for (std::size_t i = 0; i < report.stores.size(); ++i) {
    if (vdisk.tlog.cluster == cluster_.name && i == replacement_.place) continue;
    const StoreReport& store = report.stores[i];
    if (is_whole(store)) continue;
    ++bad;
    which += fmt::format("{}{} ({})", which.empty() ? "" : ", ", store.name,
                         is_up(store) ? fmt::format("{} shards to be looked up or made", store.left)
                                      : std::string(state_of(store)));
  }
  return bad;
}

void Judge::judge_log(const config::Vdisk& vdisk, const VdiskReport& report) {
  Share& share = verdict_.shares.back();
  const std::uint64_t total = vdisk.tlog.data_shards + vdisk.tlog.parity_shards;
  share.shards = report.committed * total / cluster_.servers.size();
  if (!is_the_same_list(vdisk, report.stores)) return;
  if (known_.empty()) known_.resize(report.stores.size());
  for (std::size_t i = 0; i < known_.size(); ++i) {
    if (!report.stores[i].server.empty()) known_[i] = report.stores[i].server;
  }
  std::string which;
  const unsigned bad = bad_besides(vdisk, report, which);
  const unsigned parity = vdisk.tlog.parity_shards;
  if (is_in_use_) return;  // it is only looked at
  if (bad + 1 > parity) {
    refuse(
        fmt::format("vdisk {}: {}; its log bears the loss of {} of {} stores, so that fewer than "
                    "{} whole ones would be left to make the new one's shards from{}",
                    vdisk.name, bad == 0 ? "no store of it can be spared" : "not whole: " + which,
                    parity, cluster_.servers.size(), vdisk.tlog.data_shards,
                    bad == 0 ? "; copy the old server's data to the new one, which is then known "
                               "by it, and change the address"
                             : fmt::format("; bring those back first, `tlogctl cluster status {}` "
                                           "says how they are",
                                           cluster_.name)));
  } else if (bad + 1 == parity) {
    warn(
        fmt::format("vdisk {}: until the new server is whole the loss of no other one can be borne",
                    vdisk.name));
  }
}

void Judge::judge_blocks(const config::Vdisk& vdisk, const VdiskReport& report) {
  if (!is_the_same_list(vdisk, report.block_servers)) return;
  if (vdisk.tlog.cluster == cluster_.name) return;  // what is said of the log is all there is
  std::string which;
  if (bad_besides(vdisk, report, which) > vdisk.tlog.parity_shards) {
    refuse(
        fmt::format("vdisk {}: its blocks are refilled from its log, which cannot be read now, not "
                    "whole: {}; bring those back first",
                    vdisk.name, which));
  }
}

void Judge::warn_of_unreadable_blocks() {
  for (const Share& share : verdict_.shares) {
    auto id = found_.block_ids.find(share.vdisk);
    const bool has_them = id != found_.block_ids.end() && !id->second.empty();
    if (!share.keeps_blocks || has_them) continue;
    warn(
        fmt::format("vdisk {}: until the new server is refilled, blocks that were on the old one "
                    "cannot be read, but for those in the cache",
                    share.vdisk));
  }
}

// ---- The new one ----

std::string Judge::remedy_for(const Error& error) const {
  const bool is_about_password = error.message().find("AUTH") != std::string::npos ||
                                 error.message().find("WRONGPASS") != std::string::npos ||
                                 error.message().find("-1004") != std::string::npos;  // ardb's
  if (is_about_password && !replacement_.to.password_file.empty()) {
    return fmt::format(
        "; it is asked with the password in {}, as the old one was: give it that password, or "
        "write "
        "its passwordFile and address into the file by hand and `tlogctl reload`",
        replacement_.to.password_file);
  }
  if (is_about_password) {
    return "; write its passwordFile and address into the file by hand and `tlogctl reload`";
  }
  if (error.code() == Code::kInvalidArgument) return "";  // it says itself what to do
  return "; start it, and see that it can be reached from here";
}

void Judge::judge_new_server() {
  if (found_.error) {
    return refuse(fmt::format("{}: {}{}", replacement_.to.address, found_.error->message(),
                              remedy_for(*found_.error)));
  }
  if (is_in_use_ && !verdict_.shares.empty()) {
    verdict_.is_known = true;
    return;
  }
  judge_block_ids();
  judge_uuid();
  if (!found_.warning.empty()) {
    warn(fmt::format("{}: {}", replacement_.to.address, found_.warning));
  }
  if (verdict_.is_known || !verdict_.refusals.empty()) return;
  if (!found_.keys) {
    warn(fmt::format("{} does not count its keys: see for yourself that its database is empty",
                     replacement_.to.address));
  } else if (*found_.keys != 0) {
    refuse(
        fmt::format("{}: its database is not empty, it has {} keys, and they are not of this "
                    "place; give an empty one, or FLUSHDB if nobody needs them",
                    replacement_.to.address, *found_.keys));
  }
}

void Judge::judge_block_ids() {
  for (const config::Vdisk& vdisk : replacement_.before.vdisks) {
    auto id = found_.block_ids.find(vdisk.name);
    const VdiskReport* report = report_of(reports_, vdisk.name);
    if (id == found_.block_ids.end() || id->second.empty() || report == nullptr) continue;
    const blocks::ClusterLayout layout{.vdisk = vdisk.name,
                                       .uuid = Uuid::parse(report->uuid).value_or(Uuid{}),
                                       .size = vdisk.size,
                                       .block_size = vdisk.block_size,
                                       .servers = cluster_.servers.size()};
    if (Status right = blocks::check_id(layout, replacement_.place, id->second); !right) {
      refuse(fmt::format("{}: {}", replacement_.to.address, right.error().message()));
    } else {
      verdict_.is_known = true;
    }
  }
}

void Judge::judge_uuid() {
  if (found_.server.empty()) return;
  const std::string& address = replacement_.to.address;
  for (std::size_t i = 0; i < known_.size(); ++i) {
    if (known_[i] != found_.server) continue;
    if (i == replacement_.place) {
      verdict_.is_known = true;
      return;
    }
    return refuse(
        fmt::format("{}: it is the server of clusters.{}.servers.{} ({}) already; give an "
                    "empty one of its own",
                    address, cluster_.name, i, found_.server));
  }
  if (verdict_.is_known) return;  // it has blocks of this place, and shards of another cluster
  refuse(
      fmt::format("{}: it holds shards of another place or another log (server {}); give an empty "
                  "one, or FLUSHDB if nobody needs them",
                  address, found_.server));
}

}  // namespace

Verdict judge(const Replacement& replacement, const std::vector<control::VdiskReport>& reports,
              const NewServer& found, const Leniency& leniency) {
  return Judge(replacement, reports, found, leniency).run();
}

}  // namespace tlog::ctl
