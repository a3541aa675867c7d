// Taking a log over whose servers' logs have gone different ways.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "server/client/client.h"

namespace tlog::client {
namespace {

std::string reach_of(const Link& link) {
  return fmt::format("{} (up to {})", link.address(), link.welcome().stored.sequence);
}

}  // namespace

unsigned Client::empty_logs() const {
  std::set<Uuid> logs;
  for (const auto& link : links_) {
    if (link->welcomed() && link->welcome().stored.sequence == 0) logs.insert(link->log());
  }
  return static_cast<unsigned>(logs.size());
}

// Who has no journal goes by the servers' logs alone. True: those that are there are one log.
bool Client::logs_agree() {
  if (!options_.take_over) return true;
  std::vector<Link*> logs;
  for (const auto& link : links_) {
    if (link->welcomed() && link->welcome().stored.sequence != 0) logs.push_back(link.get());
  }
  if (!agreement_ || !agreement_->is_of(logs)) {
    undecided_.clear();
    agreement_ = std::make_unique<Agreement>(
        Agreement::Parts{.client = &parts_, .gate = gate_, .news = [this] { look_at_opening(); }},
        logs);
  }
  agreement_->go_on();
  if (!agreement_->known()) return false;
  Histories histories = agreement_->compared();
  histories.away = away();
  histories.acknowledging = away_max() + 1;
  // What had been in the others decides then: a log that was emptied may have had either.
  if (histories.differ()) histories.away += empty_logs();
  const auto right = right_log(histories);
  if (!right && !logs.empty()) {
    say_undecided(logs, histories);
    return false;
  }
  return leave_out_the_wrong(logs, histories, right.value_or(0));
}

// False: there were such.
bool Client::leave_out_the_wrong(const std::vector<Link*>& logs, const Histories& histories,
                                 std::size_t right) {
  bool all_agree = true;
  std::vector<std::pair<Link*, Error>> wrong;
  for (std::size_t i = 0; i < logs.size(); ++i) {
    if (histories.agrees[right][i]) continue;
    all_agree = false;
    wrong.emplace_back(
        logs[i],
        Error(Code::kInvalidArgument,
              fmt::format("compare: the log of {} is not that of {}, and what only the first has "
                          "was never acknowledged: fewer than {} servers can have it; empty the "
                          "stores of {}, and it is filled again",
                          reach_of(*logs[i]), reach_of(*logs[right]), histories.acknowledging,
                          logs[i]->address())));
  }
  if (all_agree) {
    for (Link* link : logs) link->compared(/*for_certain=*/true);
  }
  // Each looks at the opening again.
  for (const auto& [link, error] : wrong) link->refuse(error);
  return all_agree;
}

void Client::say_undecided(const std::vector<Link*>& logs, const Histories& histories) {
  std::string which;
  for (std::size_t one = 0; one < logs.size(); ++one) {
    for (std::size_t other = one + 1; other < logs.size(); ++other) {
      if (histories.agrees[one][other]) continue;
      which += fmt::format("{}{} and {}", which.empty() ? "" : "; ", reach_of(*logs[one]),
                           reach_of(*logs[other]));
    }
  }
  undecided_ = fmt::format(
      "compare: these logs have gone different ways: {}; which of them has what {} servers had to "
      "store before it was acknowledged cannot be told from those that are there",
      which, histories.acknowledging);
  if (histories.away != 0) {
    undecided_ += "; bring back the others";
    return;
  }
  opened(tlog::fail(Code::kCorruption,
                    fmt::format("open: log client: {}; find out which is right (`tlogplay list` on "
                                "the stores of each), keep a copy of the others' stores, and empty "
                                "them",
                                undecided_)));
}

}  // namespace tlog::client
