#include <fmt/format.h>

#include "player/recover.h"

namespace tlog::player {

namespace {

constexpr std::size_t kGapsTold = 20;

ScanSummary summary_of(const ScanSource& source) {
  const ShardSurvey& survey = source.survey();
  const ScanChain& chain = source.chain();
  ScanSummary summary;
  summary.uuid = survey.vdisks.begin()->first.text();
  summary.shards = source.index().size();
  summary.other_shards =
      survey.shards - source.index().size() - source.index().copies() - source.index().misfits();
  summary.rotten = survey.rotten;
  summary.misplaced = survey.odd.size();
  summary.copies = source.index().copies();
  summary.foreign = survey.foreign;
  summary.unreadable = survey.unreadable;
  summary.aggregations = chain.chosen.size();
  summary.superseded = chain.superseded;
  summary.unfinished = chain.unfinished;
  for (const format::EpochEntry& epoch : chain.epochs) summary.epochs.push_back(epoch.epoch);
  for (const ChainGap& gap : chain.gaps) summary.gaps.emplace_back(gap.first, gap.last);
  return summary;
}

std::string describe_summary(const ScanSummary& summary, const std::string& vdisk) {
  std::string text =
      fmt::format("vdisk {} ({}): {} shards of {} aggregations in {} epochs", vdisk, summary.uuid,
                  summary.shards, summary.aggregations, summary.epochs.size());
  auto add = [&text](std::uint64_t count, std::string_view what) {
    if (count > 0) text += fmt::format(", {} {}", count, what);
  };
  add(summary.rotten, "damaged");
  add(summary.unreadable, "unreadable");
  add(summary.misplaced, "found in another's place");
  add(summary.copies, "second copies");
  add(summary.other_shards, "of other vdisks");
  add(summary.foreign, "other files");
  add(summary.superseded, "aggregations superseded by a later epoch");
  add(summary.unfinished, "aggregations that were never stored to the end");
  return text;
}

std::string describe_gaps(const ScanChain& chain) {
  std::string text;
  for (std::size_t i = 0; i < chain.gaps.size() && i < kGapsTold; ++i) {
    const ChainGap& gap = chain.gaps[i];
    AggregationNumber end =
        i + 1 < chain.gaps.size() ? chain.gaps[i + 1].first - 1 : chain.tip.number;
    std::string sequence =
        gap.next_sequence == 0 ? "" : fmt::format(", from sequence {}", gap.next_sequence);
    text += fmt::format("; behind aggregation {} there are {} to {}{}", gap.last, gap.last + 1, end,
                        sequence);
  }
  if (chain.gaps.size() > kGapsTold) {
    text += fmt::format("; and {} more gaps", chain.gaps.size() - kGapsTold);
  }
  if (!chain.gaps.empty()) text += fmt::format(", up to sequence {}", chain.tip.last_sequence);
  return text;
}

std::string describe_tail(const ScanChain& chain) {
  if (!chain.tail) return {};
  return fmt::format(
      "aggregation {} (epoch {}), sequence {}: may have been stored, but cannot be "
      "read: {}",
      chain.tail->number, chain.tail->epoch, chain.tip.last_sequence + 1, chain.tail->why);
}

}  // namespace

int run_recover(const ScanRequest& request, RestoreJob job, const Console& console,
                const config::Config& config, const SourceEnvironment& environment) {
  auto source = ScanSource::open(request, {config, environment, console.progress, console.stop});
  if (!source) return console.output.failed(source.error());
  const ScanSummary summary = summary_of(**source);
  const std::vector<std::string> problems = (*source)->problems();
  console.output.note(describe_summary(summary, (*source)->vdisk()));
  for (const std::string& problem : problems) {
    console.output.warning("cannot be used: " + problem);
  }
  if ((*source)->survey().unreadable > 0) {
    console.output.warning(fmt::format("{} could not be read, the first: {}",
                                       (*source)->survey().unreadable,
                                       (*source)->survey().unreadable_why));
  }
  job.vdisk = (*source)->vdisk();
  job.beyond_damage = describe_gaps((*source)->chain());
  job.lost_tail = describe_tail((*source)->chain());
  job.scan = &summary;
  CommandContext context{(*source)->reader(), problems,      console.output,
                         console.progress,    console.clock, console.stop};
  return run_restore(job, context, config, environment);
}

}  // namespace tlog::player
