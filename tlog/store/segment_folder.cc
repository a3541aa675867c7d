#include "tlog/store/segment_folder.h"

#include <fmt/format.h>

#include <algorithm>

#include "tlog/store/segment_index.h"

namespace tlog::store {

Status SegmentFolder::check_owner(const SegmentHeader& header, const std::string& path) const {
  if (header.vdisk == options_.vdisk) return {};
  return fail(
      Code::kInvalidArgument,
      fmt::format(
          "open: {}: the segment belongs to vdisk {}, not to {}; give each vdisk its own folder",
          path, header.vdisk, options_.vdisk));
}

Result<SegmentFolder::Candidate> SegmentFolder::examine(std::uint64_t number, std::string path) {
  Candidate candidate;
  candidate.number = number;
  candidate.path = std::move(path);
  TLOG_ASSIGN(auto file, files_.open(candidate.path, {}));
  TLOG_ASSIGN(candidate.file_bytes, file->size());
  if (candidate.file_bytes < kSegmentHeaderBytes) return candidate;
  Buffer block(kSegmentFooterBytes);
  if (candidate.file_bytes >= kSegmentHeaderBytes + kSegmentFooterBytes) {
    TLOG_TRY(file->read(candidate.file_bytes - kSegmentFooterBytes, block.span()));
    auto footer = decode_segment_footer(block.span(), candidate.path);
    if (!footer && footer.error().code() == Code::kNotSupported) return fail(footer.error());
    if (footer && footer->header.number == number) {
      candidate.header = footer->header;
      candidate.footer = std::move(*footer);
    }
  }
  if (!candidate.header) {
    TLOG_TRY(file->read(0, block.span()));
    auto header = decode_segment_header(block.span(), candidate.path);
    if (!header && header.error().code() == Code::kNotSupported) return fail(header.error());
    if (header && header->number == number) candidate.header = std::move(*header);
  }
  if (candidate.header) TLOG_TRY(check_owner(*candidate.header, candidate.path));
  return candidate;
}

const SegmentFolder::Member* SegmentFolder::known_member(std::uint64_t number) const {
  auto found = std::lower_bound(
      members_.begin(), members_.end(), number,
      [](const Member& member, std::uint64_t wanted) { return member.candidate.number < wanted; });
  return found != members_.end() && found->candidate.number == number ? &*found : nullptr;
}

Result<std::vector<SegmentFolder::Candidate>> SegmentFolder::find_candidates() {
  std::vector<Candidate> candidates;
  TLOG_ASSIGN(auto entries, files_.list(options_.path));
  std::uint64_t newest_known = members_.empty() ? 0 : members_.back().candidate.number;
  for (const io::DirectoryEntry& entry : entries) {
    auto number = segment_number_of(entry.name);
    if (!number || entry.is_directory) continue;
    // A sealed segment never changes, unless it is the newest: a writer that opens again may
    // continue that one.
    const Member* known = known_member(*number);
    if (known != nullptr && known->candidate.footer && *number < newest_known) {
      candidates.push_back(known->candidate);
      continue;
    }
    auto candidate = examine(*number, io::join_path(options_.path, entry.name));
    // A writer beside us may have removed one that it did not need after all.
    if (!candidate && candidate.error().code() == Code::kNotFound) continue;
    if (!candidate) return fail(candidate.error());
    candidates.push_back(std::move(*candidate));
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.number < b.number; });
  return candidates;
}

void SegmentFolder::add_damage(std::string what) {
  if (damage_.find(what) != std::string::npos) return;
  logger_.error(
      fmt::format("event=segment_damage store=\"{}\" damage=\"{}\"", options_.name, what));
  damage_ += damage_.empty() ? what : "; " + what;
}

// From the newest back, each naming the one before it. Ascending.
std::vector<SegmentFolder::Member> SegmentFolder::chain(std::vector<Candidate> candidates) {
  constexpr std::uint64_t kAny = std::numeric_limits<std::uint64_t>::max();
  std::vector<Member> members;
  std::uint64_t wanted = kAny;
  std::uint64_t end = kAny;
  while (!candidates.empty() && wanted != 0) {
    Candidate candidate = std::move(candidates.back());
    candidates.pop_back();
    if (wanted != kAny && candidate.number > wanted)
      continue;  // nothing of it was ever reported as stored
    if (wanted != kAny && candidate.number < wanted) {
      add_damage(segment_file_name(wanted) + " is missing");
      end = kAny;
    }
    bool readable = candidate.header.has_value();
    if (!readable && wanted == candidate.number)
      add_damage(candidate.path + " has no readable header");
    Member member;
    member.known_end = end;
    wanted = readable ? candidate.header->previous_number : kAny;
    end = readable && wanted != 0 ? candidate.header->previous_end : kAny;
    member.candidate = std::move(candidate);
    members.push_back(std::move(member));
  }
  if (candidates.empty() && wanted != 0 && wanted != kAny) {
    add_damage(segment_file_name(wanted) + " is missing");
  }
  std::reverse(members.begin(), members.end());
  return members;
}

Status SegmentFolder::load_open(Member& member, bool live) {
  const Candidate& candidate = member.candidate;
  TLOG_ASSIGN(auto file, files_.open(candidate.path, {}));
  if (candidate.header) member.scan.salt = candidate.header->salt;
  if (!member.segment) {
    SegmentHeader header =
        candidate.header.value_or(SegmentHeader{options_.vdisk, candidate.number});
    member.segment = std::make_shared<Segment>(std::move(header), candidate.path);
  }
  ScanOptions options;
  options.known_end = member.known_end;
  options.live = live;
  TLOG_TRY(scan_segment(*file, options, member.scan));
  for (ScannedEntry& entry : member.scan.entries) {
    member.segment->apply(std::move(entry.key), entry.location);
  }
  member.scan.entries.clear();
  return {};
}

Status SegmentFolder::load(Member& member, bool live) {
  const Candidate& candidate = member.candidate;
  if (candidate.footer) {
    if (member.segment && member.segment->footer()) return {};
    if (!member.segment)
      member.segment = std::make_shared<Segment>(*candidate.header, candidate.path);
    member.segment->set_footer(*candidate.footer);
    return {};
  }
  return load_open(member, live);
}

void SegmentFolder::note_damage(const Member& member) {
  const Candidate& candidate = member.candidate;
  std::uint64_t damaged =
      candidate.footer ? candidate.footer->damaged_bytes : member.scan.damaged_bytes();
  if (damaged > 0) add_damage(fmt::format("{} has {} damaged bytes", candidate.path, damaged));
}

void SegmentFolder::publish(std::vector<Member>& members) {
  SegmentCatalog::List list;
  for (Member& member : members) {
    note_damage(member);
    list.push_back(member.segment);
  }
  catalog_.set_damage(damage_);
  catalog_.replace(std::move(list));
}

// A header that was torn in a segment's first write, or altered later. All of it is known from
// elsewhere: the entries carry the salt, and the segment before is the next lower one.
Status SegmentFolder::repair_header(Member& member, const Member* before) {
  SegmentHeader header{options_.vdisk, member.candidate.number, member.scan.salt};
  if (before != nullptr) {
    header.previous_number = before->candidate.number;
    header.previous_end =
        before->candidate.footer ? before->candidate.footer->data_end : before->scan.position;
  }
  logger_.error(fmt::format("event=segment_header_repaired store=\"{}\" path={} entries={}",
                            options_.name, member.candidate.path, member.segment->entry_count()));
  TLOG_ASSIGN(auto file, files_.open(member.candidate.path, {.write = true}));
  Buffer block = encode_segment_header(header);
  TLOG_TRY(file->write(0, block.span()));
  TLOG_TRY(file->sync_data());
  auto segment = std::make_shared<Segment>(header, member.candidate.path);
  member.segment->visit([&](const EntryMap& entries) {
    for (const auto& [key, location] : entries) segment->apply(key, location);
  });
  member.segment = std::move(segment);
  member.candidate.header = std::move(header);
  return {};
}

Status SegmentFolder::seal(Member& member) {
  SealOptions options;
  options.data_end = member.scan.position;
  options.last_sequence = member.scan.last_sequence;
  options.damaged_bytes = member.scan.damaged_bytes();
  options.torn_bytes = member.scan.hole_bytes() - options.damaged_bytes;
  return seal_segment(files_, *member.segment, options);
}

// The writer's own handle goes around the page cache and writes whole blocks.
Status SegmentFolder::hand_over(Member& newest, io::File& file, WriterPosition& position) {
  const std::uint64_t block = round_down(position.last_end, kBlockAlignment);
  position.last_block = Buffer(position.last_end - block);
  TLOG_ASSIGN(std::size_t got, file.read(block, position.last_block.span()));
  if (got != position.last_block.size()) {
    return fail(Code::kIoError, fmt::format("open: {}: ends at byte {}, {} expected",
                                            newest.candidate.path, block + got, position.last_end));
  }
  TLOG_ASSIGN(position.file, files_.open(newest.candidate.path, {.write = true, .direct = true}));
  position.active = newest.segment;
  return {};
}

Status SegmentFolder::continue_open(Member& newest, WriterPosition& position) {
  TLOG_ASSIGN(std::shared_ptr<io::File> file, files_.open(newest.candidate.path, {.write = true}));
  TLOG_ASSIGN(std::uint64_t size, file->size());
  if (size > newest.scan.position) {
    logger_.info(
        fmt::format("event=segment_end_cut store=\"{}\" path={} entries={} end={} cut_bytes={}",
                    options_.name, newest.candidate.path, newest.segment->entry_count(),
                    newest.scan.position, size - newest.scan.position));
    TLOG_TRY(file->resize(newest.scan.position));
  }
  // What the scan has found may be in the machine's memory only; from now on it counts as durable.
  TLOG_TRY(file->sync_data());
  return hand_over(newest, *file, position);
}

Status SegmentFolder::continue_sealed(Member& newest, WriterPosition& position) {
  const SegmentFooter& footer = *newest.candidate.footer;
  TLOG_ASSIGN(std::shared_ptr<io::File> file, files_.open(newest.candidate.path, {.write = true}));
  Buffer bytes(footer.index_bytes);
  TLOG_TRY(file->read(footer.index_offset, bytes.span()));
  auto index = SegmentIndex::decode(std::move(bytes), footer, newest.candidate.path);
  if (!index) return {};  // the reader knows how to rebuild it; a new segment is begun
  auto segment = std::make_shared<Segment>(footer.header, newest.candidate.path);
  for (std::size_t i = 0; i < (*index)->size(); ++i) {
    segment->apply(std::string((*index)->key(i)), (*index)->location(i));
  }
  TLOG_TRY(file->resize(footer.data_end));
  TLOG_TRY(file->sync_data());
  newest.segment = std::move(segment);
  return hand_over(newest, *file, position);
}

Status SegmentFolder::prepare_writer(Member& newest, WriterPosition& position) {
  const Candidate& candidate = newest.candidate;
  position.last_number = candidate.number;
  if (candidate.footer) {
    position.last_end = candidate.footer->data_end;
    position.last_sequence = candidate.footer->last_sequence;
    bool small = candidate.footer->data_end < options_.segment_bytes / 2 &&
                 candidate.footer->entries < kSegmentEntriesMax / 2;
    bool whole = candidate.footer->damaged_bytes == 0 && candidate.footer->torn_bytes == 0;
    if (small && whole) return continue_sealed(newest, position);
    return {};
  }
  position.last_end = newest.scan.position;
  position.last_sequence = newest.scan.last_sequence;
  bool room = newest.scan.position < options_.segment_bytes &&
              newest.segment->entry_count() < kSegmentEntriesMax;
  if (newest.scan.holes.empty() && room) return continue_open(newest, position);
  if (!newest.scan.holes.empty()) {
    logger_.warning(fmt::format(
        "event=segment_holes store=\"{}\" path={} holes={} damaged_bytes={}", options_.name,
        candidate.path, newest.scan.holes.size(), newest.scan.damaged_bytes()));
  }
  // Without its index what was torn would look like damage once a newer segment vouches for this
  // one.
  return seal(newest);
}

Result<WriterPosition> SegmentFolder::recover() {
  TLOG_ASSIGN(std::vector<Candidate> candidates, find_candidates());
  WriterPosition position;
  if (!candidates.empty()) position.next_number = candidates.back().number + 1;
  std::vector<Member> members = chain(std::move(candidates));
  for (Member& member : members) TLOG_TRY(load(member, false));
  // One that was prepared, or torn in its first write: nothing in it was ever reported as stored.
  while (!members.empty() && !members.back().candidate.header &&
         members.back().segment->entry_count() == 0) {
    logger_.info(fmt::format("event=unused_segment_removed store=\"{}\" path={}", options_.name,
                             members.back().candidate.path));
    TLOG_TRY(files_.remove(members.back().candidate.path));
    members.pop_back();
  }
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (members[i].candidate.header || members[i].segment->entry_count() == 0) continue;
    TLOG_TRY(repair_header(members[i], i == 0 ? nullptr : &members[i - 1]));
  }
  if (!members.empty()) TLOG_TRY(prepare_writer(members.back(), position));
  for (std::size_t i = 0; i + 1 < members.size(); ++i) {
    if (members[i].candidate.footer) continue;
    Status sealed = seal(members[i]);
    if (sealed) continue;
    // It is as good as before: its entries stay in memory, the next opening tries again.
    logger_.warning(fmt::format("event=segment_not_sealed store=\"{}\" path={} reason=\"{}\"",
                                options_.name, members[i].candidate.path,
                                sealed.error().message()));
  }
  publish(members);
  return position;
}

Status SegmentFolder::refresh(std::vector<std::uint64_t>& changed) {
  TLOG_ASSIGN(std::vector<Candidate> candidates, find_candidates());
  damage_.clear();
  std::vector<Member> members = chain(std::move(candidates));
  // The writer is at work in the newest that has a header; one without is only prepared.
  std::size_t live_from = members.size();
  while (live_from > 0 && !members[live_from - 1].candidate.header) --live_from;
  for (std::size_t i = 0; i < members.size(); ++i) {
    Member& member = members[i];
    const Member* known = known_member(member.candidate.number);
    bool same_state = known != nullptr &&
                      known->candidate.footer.has_value() == member.candidate.footer.has_value() &&
                      known->candidate.file_bytes == member.candidate.file_bytes;
    bool grows = known != nullptr && !known->candidate.footer && !member.candidate.footer;
    if (same_state || grows) {
      member.segment = known->segment;
      member.scan = known->scan;
    } else {
      changed.push_back(member.candidate.number);
    }
    TLOG_TRY(load(member, i + 1 >= live_from));
  }
  while (!members.empty() && !members.back().candidate.header &&
         members.back().segment->entry_count() == 0) {
    members.pop_back();
  }
  members_ = std::move(members);
  publish(members_);
  return {};
}

}  // namespace tlog::store
