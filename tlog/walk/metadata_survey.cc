// File: tlog/walk/metadata_survey.cc
#include "tlog/walk/metadata_survey.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/walk/gather.h"
#include "tlog/walk/log_place.h"
#include "tlog/walk/log_reader.h"
#include "tlog/walk/metadata_ask.h"

namespace tlog::walk {
namespace {

struct Tally {
  std::size_t intact = 0;
  std::size_t absent = 0;
  std::string unreachable;  // and why, for people
  std::string corrupt;
};

void add(std::string& list, const std::string& store, const std::string& why) {
  if (!list.empty()) list += "; ";
  // What a store says of itself has its name already.
  list += why.starts_with(store + ": ") ? why : fmt::format("{}: {}", store, why);
}

// A fenced writer may have written more generations than its successor has.
std::pair<Epoch, std::uint64_t> age_of(const format::Metadata& metadata) {
  return {metadata.epochs.empty() ? 0 : metadata.epochs.back().epoch, metadata.generation};
}

void take_copy(format::Metadata copy, MetadataSurvey& survey) {
  const auto age = age_of(copy);
  const auto newest = age_of(survey.metadata);
  if (survey.copies > 0 && age < newest) return;
  if (survey.copies > 0 && age == newest) {
    ++survey.copies;
    return;
  }
  survey.metadata = std::move(copy);
  survey.copies = 1;
}

Tally take_answers(const std::string& vdisk, std::span<store::Store* const> stores,
                   Gather<Buffer>::Answers& answers, MetadataSurvey& survey) {
  Tally tally;
  survey.lacking.assign(stores.size(), false);
  survey.silent.assign(stores.size(), false);
  for (std::size_t i = 0; i < stores.size(); ++i) {
    const std::string& name = stores[i]->name();
    if (!answers[i]) {
      survey.silent[i] = true;
      add(tally.unreachable, name, "no answer in time");
    } else if (!*answers[i]) {
      const Error& error = answers[i]->error();
      if (error.code() == Code::kNotFound) {
        ++tally.absent;
        survey.lacking[i] = true;
      } else {
        survey.silent[i] = error.code() != Code::kCorruption;
        add(survey.silent[i] ? tally.unreachable : tally.corrupt, name, error.message());
      }
    } else {
      auto copy = format::decode_metadata((*answers[i])->span());
      if (!copy) {
        add(tally.corrupt, name, copy.error().message());
      } else if (copy->format.name != vdisk) {
        add(tally.corrupt, name, fmt::format("is of vdisk '{}'", copy->format.name));
      } else {
        ++tally.intact;
        take_copy(std::move(*copy), survey);
      }
    }
  }
  return tally;
}

// A vdisk whose metadata is gone while anything else of it is there must never be taken for a new
// one.
Status check_nothing_left(const std::string& vdisk, std::span<store::Store* const> stores) {
  Gather<std::vector<std::string>> gather(stores.size());
  for (std::size_t i = 0; i < stores.size(); ++i) {
    stores[i]->scan(format::key_prefix(vdisk), "", 1, gather.slot(i));
  }
  auto answers = gather.wait();
  std::size_t answered = 0;
  std::string unreachable;
  for (std::size_t i = 0; i < stores.size(); ++i) {
    if (!answers[i] || !*answers[i]) {
      add(unreachable, stores[i]->name(),
          answers[i] ? answers[i]->error().message() : "no answer in time");
      continue;
    }
    ++answered;
    if ((**answers[i]).empty()) continue;
    return fail(
        Code::kCorruption,
        fmt::format(
            "open log: vdisk '{}': its shards exist in {} but its metadata does not; put "
            "the stores' contents back, or move what is left of the vdisk away to begin anew",
            vdisk, stores[i]->name()));
  }
  if (answered >= stores.size() / 2 + 1) return {};
  return fail(Code::kUnavailable,
              fmt::format("open log: vdisk '{}': too few stores answer: {}", vdisk, unreachable));
}

// A server that had the metadata says nothing about the newest generation by not having it now.
std::size_t find_wiped(std::span<store::Store* const> stores, MetadataSurvey& survey,
                       Tally& tally) {
  std::size_t count = 0;
  survey.wiped.assign(stores.size(), false);
  for (std::size_t i = 0; i < std::min(stores.size(), survey.metadata.servers.size()); ++i) {
    if (!survey.lacking[i] || survey.metadata.servers[i].server.is_nil()) continue;
    survey.wiped[i] = true;
    ++count;
    add(tally.unreachable, stores[i]->name(),
        fmt::format("wiped: it kept shards of the vdisk since epoch {}, and has nothing of it",
                    store::marked_in(survey.metadata.servers[i].since)));
  }
  return count;
}

}  // namespace

Result<MetadataSurvey> survey_metadata(const std::string& vdisk,
                                       std::span<store::Store* const> stores) {
  const std::size_t n = stores.size();
  if (n == 0) return fail(Code::kInvalidArgument, "open log: no stores are configured");
  Gather<Buffer> gather(n);
  for (std::size_t i = 0; i < n; ++i) ask_metadata(*stores[i], vdisk, gather.slot(i));
  auto answers = gather.wait([n](const Gather<Buffer>::Answers& so_far) {
    std::size_t good = 0;
    for (const auto& answer : so_far) good += answer && *answer ? 1 : 0;
    return good >= n / 2 + 1;
  });

  MetadataSurvey survey;
  Tally tally = take_answers(vdisk, stores, answers, survey);
  const std::string all = tally.unreachable.empty() ? tally.corrupt
                          : tally.corrupt.empty()   ? tally.unreachable
                                                    : tally.unreachable + "; " + tally.corrupt;
  if (tally.intact == 0) {
    // At least a majority had it once; so many "absent" leave no room for a majority.
    if (tally.absent >= n - n / 2) {
      TLOG_TRY(check_nothing_left(vdisk, stores));
      if (tally.corrupt.empty()) {
        return fail(Code::kNotFound, fmt::format("open log: no vdisk '{}' in these stores", vdisk));
      }
    }
    return fail(tally.unreachable.empty() ? Code::kCorruption : Code::kUnavailable,
                fmt::format("open log: vdisk '{}': its metadata cannot be read: {}", vdisk, all));
  }
  tally.absent -= find_wiped(stores, survey, tally);
  // Every generation reached this quorum or a larger one, so that this many answers include the
  // newest.
  const std::size_t needed = n - least_metadata_quorum(n, geometry_of(survey.metadata.format)) + 1;
  if (tally.intact + tally.absent < needed) {
    return fail(
        tally.unreachable.empty() ? Code::kCorruption : Code::kUnavailable,
        fmt::format("open log: vdisk '{}': {} of {} stores answer with metadata, {} needed: {}",
                    vdisk, tally.intact, n, needed, all));
  }
  if (!tally.corrupt.empty()) survey.warnings.push_back("metadata is corrupt in " + tally.corrupt);
  if (!tally.unreachable.empty()) survey.warnings.push_back("not reachable: " + tally.unreachable);
  for (std::size_t i = 0; i < n; ++i) {
    if (survey.lacking[i] && !survey.wiped[i]) {
      survey.warnings.push_back(stores[i]->name() +
                                " has no metadata of the vdisk: it is new or was wiped");
    }
  }
  return survey;
}

Result<MetadataFound> read_metadata(const std::string& vdisk,
                                    std::span<store::Store* const> stores) {
  TLOG_ASSIGN(MetadataSurvey survey, survey_metadata(vdisk, stores));
  return MetadataFound{.metadata = std::move(survey.metadata), .copies = survey.copies};
}

}  // namespace tlog::walk
