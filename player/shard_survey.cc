#include "player/shard_survey.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/walk/gather.h"

namespace tlog::player {

namespace {

constexpr std::size_t kBatchItemsMax = 64;
constexpr std::size_t kBatchItemsMin = 4;
constexpr std::uint64_t kBatchBytes = 32 * kMiB;
// Of one part of the pile, without a success in between: then it is not asked any more.
constexpr unsigned kFailuresMax = 32;

struct PileBatch {
  std::vector<PileItem> items;
  walk::Gather<Buffer> gather;

  PileBatch(ShardPile& pile, std::vector<PileItem> all)
      : items(std::move(all)), gather(items.size()) {
    for (std::size_t i = 0; i < items.size(); ++i) pile.read(items[i], gather.slot(i));
  }
};

bool is_outage(const Error& error) {
  return error.code() == Code::kUnavailable || error.code() == Code::kTimeout ||
         error.code() == Code::kIoError;
}

// Files what was read.
class Surveyor {
 public:
  Surveyor(const ShardPile& pile, ShardSurvey& survey) : pile_(pile), survey_(survey) {}

  Status visit(const PileItem& item, Result<Buffer>& value) {
    if (!value) {
      take_failure(item, value.error());
      return {};
    }
    survey_.bytes += value->size();
    auto view = shard::parse(value->span());
    if (!view && view.error().code() == Code::kNotSupported) {
      survey_.newer = fmt::format("{}: {}", item.name, view.error().message());
    }
    if (!view) {
      take_rotten(item);
      return {};
    }
    file(item, *view);
    return {};
  }

 private:
  void take_failure(const PileItem& item, const Error& error) {
    const bool no_shard = error.code() == Code::kInvalidArgument;
    if (no_shard && !pile_.expected(item)) {
      ++survey_.foreign;
      return;
    }
    if (no_shard || error.code() == Code::kCorruption) return take_rotten(item);
    if (survey_.unreadable++ == 0) survey_.unreadable_why = error.message();
    note_lost(item);
  }
  void take_rotten(const PileItem& item) {
    ++survey_.rotten;
    note_lost(item);
  }
  void note_lost(const PileItem& item) {
    auto expected = pile_.expected(item);
    if (expected) {
      survey_.lost.push_back({expected->uuid, expected->key.number, expected->key.epoch});
    }
  }
  void file(const PileItem& item, const shard::ShardView& view) {
    ++survey_.shards;
    SurveyedVdisk& vdisk = survey_.vdisks[view.identity.vdisk];
    if (const std::string& label = pile_.label(item.where); !label.empty()) {
      vdisk.labels.insert(label);
    }
    FoundShard found;
    found.number = view.identity.number;
    found.epoch = view.identity.epoch;
    found.tag = tag_of(view.identity.aggregation_hash);
    found.where = item.where;
    found.index = static_cast<std::uint8_t>(view.index);
    found.data = static_cast<std::uint8_t>(view.geometry.data);
    found.parity = static_cast<std::uint8_t>(view.geometry.parity);
    found.usual = pile_.usual_name(item.where, view.identity, view.index) == item.name;
    if (!found.usual) {
      found.where = static_cast<std::uint32_t>(survey_.odd.size());
      survey_.odd.push_back(item);
    }
    vdisk.index.add(found);
  }

  const ShardPile& pile_;
  ShardSurvey& survey_;
};

std::string list_vdisks(const ShardSurvey& survey) {
  std::string list;
  for (const auto& [uuid, vdisk] : survey.vdisks) {
    std::string names;
    for (const std::string& label : vdisk.labels) names += (names.empty() ? " (" : ", ") + label;
    if (!names.empty()) names += ")";
    list += fmt::format("\n  {}{}: {} shards", uuid.text(), names, vdisk.index.size());
  }
  return list;
}

std::vector<Uuid> matching(const ShardSurvey& survey, const std::string& name,
                           const std::string& uuid) {
  auto asked = Uuid::parse(uuid.empty() ? name : uuid);
  std::vector<Uuid> found;
  for (const auto& [id, vdisk] : survey.vdisks) {
    bool wanted = asked ? id == *asked : name.empty() || vdisk.labels.contains(name);
    if (wanted) found.push_back(id);
  }
  // Files that were renamed tell no name: the name is then the user's word for the only vdisk.
  if (found.empty() && !asked && survey.vdisks.size() == 1 &&
      survey.vdisks.begin()->second.labels.empty()) {
    found.push_back(survey.vdisks.begin()->first);
  }
  return found;
}

}  // namespace

Status read_pile(ShardPile& pile, const PileReading& how, const PileVisitor& visit) {
  how.progress.begin(how.title, pile.count(), 0);
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  std::uint64_t largest = 1;
  std::map<std::uint32_t, unsigned> failures;
  auto next_batch = [&] {
    std::uint64_t fits = kBatchBytes / largest;
    return std::make_unique<PileBatch>(
        pile, pile.next(std::clamp<std::uint64_t>(fits, kBatchItemsMin, kBatchItemsMax)));
  };
  auto batch = next_batch();
  while (!batch->items.empty()) {
    auto following = next_batch();  // is read while this one is looked at
    auto answers = batch->gather.wait();
    for (std::size_t i = 0; i < batch->items.size(); ++i) {
      if (how.stop.load()) return fail(Code::kShutdown, how.title + ": interrupted");
      const PileItem& item = batch->items[i];
      Result<Buffer> value = answers[i] ? std::move(*answers[i])
                                        : Result<Buffer>(fail(Code::kTimeout, "no answer in time"));
      if (value) {
        largest = std::max<std::uint64_t>(largest, value->size());
        bytes += value->size();
        failures.erase(item.where);
      } else if (is_outage(value.error()) && ++failures[item.where] == kFailuresMax) {
        pile.give_up(item.where, value.error().message());
      }
      TLOG_TRY(visit(item, value));
      how.progress.update(++items, bytes);
    }
    batch = std::move(following);
  }
  how.progress.complete(bytes);
  return {};
}

Result<ShardSurvey> survey_shards(ShardPile& pile, const PileReading& how) {
  ShardSurvey survey;
  Surveyor surveyor(pile, survey);
  TLOG_TRY(read_pile(pile, how, [&](const PileItem& item, Result<Buffer>& value) {
    return surveyor.visit(item, value);
  }));
  return survey;
}

Result<VdiskChoice> choose_vdisk(const ShardSurvey& survey, const ShardPile& pile,
                                 const std::string& name, const std::string& uuid) {
  if (survey.vdisks.empty()) {
    std::string why = survey.newer;
    if (why.empty() && !survey.unreadable_why.empty()) why = survey.unreadable_why;
    return fail(survey.newer.empty() ? Code::kNotFound : Code::kNotSupported,
                fmt::format("recover: {}: there is no intact shard ({} damaged, {} unreadable, {} "
                            "other files){}",
                            pile.name(), survey.rotten, survey.unreadable, survey.foreign,
                            why.empty() ? "" : ": " + why));
  }
  std::vector<Uuid> found = matching(survey, name, uuid);
  if (found.empty()) {
    return fail(Code::kNotFound,
                fmt::format("recover: {}: no shards of vdisk '{}'; there are:{}", pile.name(),
                            uuid.empty() ? name : uuid, list_vdisks(survey)));
  }
  if (found.size() > 1) {
    return fail(Code::kInvalidArgument,
                fmt::format("recover: {}: shards of several vdisks; choose one with --vdisk NAME "
                            "or --uuid UUID:{}",
                            pile.name(), list_vdisks(survey)));
  }
  VdiskChoice choice{found.front(), {}};
  const std::set<std::string>& labels = survey.vdisks.at(choice.uuid).labels;
  if (!name.empty() && !Uuid::parse(name)) {
    choice.name = name;
  } else if (labels.size() == 1) {
    choice.name = *labels.begin();
  }
  return choice;
}

}  // namespace tlog::player
