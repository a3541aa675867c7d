// File: tlog/store/segment_folder.h
// The segment files of a folder: found, put in order, recovered, sealed. All calls block.
//
// Each segment names the one before it and where that one's durable entries end; so what a failed
// write left behind is ignored, and a segment that is missing or cut short is told from one that
// never was. Threading: one thread. Errors: of the files; another vdisk's folder and a newer format
// are refused. What is damaged is kept, reported in the log and in the catalog.
#pragma once

#include "tlog/base/log.h"
#include "tlog/io/file.h"
#include "tlog/store/segment_catalog.h"
#include "tlog/store/segment_scan.h"

namespace tlog::store {

struct SegmentFolderOptions {
  std::string path;
  std::string vdisk;
  std::string name;  // of the store, for messages
  std::uint64_t segment_bytes = 0;
};

// Where a writer goes on.
struct WriterPosition {
  std::uint64_t next_number = 1;
  std::uint64_t last_number = 0;  // the newest segment; 0: none
  std::uint64_t last_end = 0;     // where its durable entries end
  std::uint64_t last_sequence = 0;
  std::shared_ptr<Segment> active;  // the newest, when it is to be continued, with its file
  std::shared_ptr<io::File> file;
  Buffer last_block;  // its bytes from the start of the block that last_end lies in, up to last_end
};

class SegmentFolder {
 public:
  SegmentFolder(SegmentFolderOptions options, io::FileSystem& files, SegmentCatalog& catalog,
                Logger& logger)
      : options_(std::move(options)), files_(files), catalog_(catalog), logger_(logger) {}

  // For a writer that holds the lock: removes torn ends and seals what a crash left unsealed.
  Result<WriterPosition> recover();
  // For a reader beside a writer: looks for what is new since the last call. The numbers of
  // segments of which something cached may be wrong are added to `changed`.
  Status refresh(std::vector<std::uint64_t>& changed);

 private:
  struct Candidate {
    std::uint64_t number = 0;
    std::string path;
    std::optional<SegmentFooter> footer;
    std::optional<SegmentHeader> header;  // nothing: neither footer nor header can be read
    std::uint64_t file_bytes = 0;
  };
  struct Member {  // of the chain
    Candidate candidate;
    std::uint64_t known_end = std::numeric_limits<std::uint64_t>::max();
    SegmentScan scan;
    std::shared_ptr<Segment> segment;
  };

  const Member* known_member(std::uint64_t number) const;
  Result<std::vector<Candidate>> find_candidates();
  Result<Candidate> examine(std::uint64_t number, std::string path);
  Status check_owner(const SegmentHeader& header, const std::string& path) const;
  std::vector<Member> chain(std::vector<Candidate> candidates);
  Status load(Member& member, bool live);
  Status load_open(Member& member, bool live);
  void note_damage(const Member& member);
  void add_damage(std::string what);
  void publish(std::vector<Member>& members);
  Status prepare_writer(Member& newest, WriterPosition& position);
  Status continue_open(Member& newest, WriterPosition& position);
  Status hand_over(Member& newest, io::File& file, WriterPosition& position);
  Status continue_sealed(Member& newest, WriterPosition& position);
  Status repair_header(Member& member, const Member* before);
  Status seal(Member& member);

  const SegmentFolderOptions options_;
  io::FileSystem& files_;
  SegmentCatalog& catalog_;
  Logger& logger_;
  std::vector<Member> members_;  // refresh(): what was known
  std::string damage_;
};

// Writes index and footer behind the entries, cuts the file there, makes it durable; the segment
// then forgets its map.
struct SealOptions {
  std::uint64_t data_end = 0;
  std::uint64_t last_sequence = 0;
  std::uint64_t damaged_bytes = 0;
  std::uint64_t torn_bytes = 0;
};
Status seal_segment(io::FileSystem& files, Segment& segment, const SealOptions& options);

}  // namespace tlog::store
