#include "server/log/opening.h"

#include <fmt/format.h>

#include "server/log/pipeline.h"
#include "tlog/flush/claim.h"
#include "tlog/store/stores.h"
#include "tlog/walk/fetch.h"

namespace tlog::server {
namespace {

// Others may be in the way: create or claim at the same time.
constexpr unsigned kAttempts = 5;

class Opening {
 public:
  Opening(const ServedLog::Parts& parts, const seal::Sealer& sealer, const WriterNews& news)
      : parts_(parts), sealer_(sealer), stores_(store::borrow(parts.stores)) {
    writer_parts_.stores = stores_;
    writer_parts_.sealer = &sealer;
    writer_parts_.files = parts.files;
    writer_parts_.loop = parts.loop;
    writer_parts_.clock = parts.clock;
    writer_parts_.logger = parts.logger;
    writer_parts_.write_quorum = parts.write_quorum;
    writer_parts_.buffered_bytes_max = Pipeline::sealed_bytes_max(parts.memory_bytes_max);
    writer_parts_.random = parts.random;
    writer_parts_.workers = parts.workers;
    writer_parts_.on_room = news.on_room;
    writer_parts_.on_fenced = news.on_fenced;
    writer_parts_.journal = parts.journal;
    // The journal is the client's, who may write with it through other servers too.
    writer_parts_.opening = parts.random->next_uuid();
  }

  Result<OpenedLog> run();

 private:
  using BadShards = std::vector<std::pair<AggregationNumber, std::vector<walk::BadShard>>>;
  Status check_wanted() const;
  Result<format::Metadata> find_or_create();
  Status check_format(const format::VdiskFormat& have) const;
  Status check_writer(const format::Metadata& metadata) const;
  Result<std::unique_ptr<walk::LogReader>> find_end(const format::Metadata& metadata,
                                                    BadShards& bad) const;
  Result<OpenedLog> attempt();

  const ServedLog::Parts& parts_;
  const seal::Sealer& sealer_;
  const std::vector<store::Store*> stores_;
  flush::LogWriter::Parts writer_parts_;
  bool created_ = false;
  bool refused_ = false;  // for a reason that no other attempt changes
};

Status Opening::check_wanted() const {
  if (parts_.format.name.empty()) {
    return fail(Code::kInvalidArgument, "the client names no vdisk");
  }
  if (!parts_.journal.is_nil()) return {};
  return fail(Code::kInvalidArgument,
              "the client says no journal, so that it could not be told from another writer");
}

Result<format::Metadata> Opening::find_or_create() {
  auto found = walk::read_metadata(parts_.format.name, stores_);
  if (!found && found.error().code() == Code::kNotFound) {
    if (!parts_.may_create) {
      return fail(Code::kNotFound,
                  "there is no log of it in this server's stores, and the client does not allow "
                  "to create one; check that the server has the right stores");
    }
    if (parts_.format.vdisk.is_nil()) {
      return fail(Code::kInvalidArgument, "to create its log, the client must say its uuid");
    }
    const Status made = flush::LogWriter::create(writer_parts_, parts_.format);
    if (!made && made.error().code() != Code::kAlreadyExists) return fail(made.error());
    created_ = created_ || made.has_value();
    found = walk::read_metadata(parts_.format.name, stores_);
  }
  if (!found) return fail(found.error());
  return std::move(found->metadata);
}

Status Opening::check_format(const format::VdiskFormat& have) const {
  const format::VdiskFormat& want = parts_.format;
  if (!want.vdisk.is_nil() && have.vdisk != want.vdisk) {
    return fail(Code::kInvalidArgument,
                fmt::format("the log in this server's stores is of another vdisk of this name "
                            "(uuid {}, the client's is {}); give each vdisk a name of its own, "
                            "or the server other stores",
                            have.vdisk.text(), want.vdisk.text()));
  }
  // A size of 0, and a nil uuid, fit every log that is there.
  if ((want.size != 0 && have.size != want.size) || have.block_size != want.block_size) {
    return fail(
        Code::kInvalidArgument,
        fmt::format("its log was created with size {} and blockSize {}, the client says {} and {}; "
                    "they cannot be changed",
                    have.size, have.block_size, want.size, want.block_size));
  }
  if (have.data_shards != want.data_shards || have.parity_shards != want.parity_shards) {
    return fail(
        Code::kInvalidArgument,
        fmt::format("its log was created with {}+{} shards, {}+{} are wanted; they cannot be "
                    "changed",
                    have.data_shards, have.parity_shards, want.data_shards, want.parity_shards));
  }
  return {};
}

Status Opening::check_writer(const format::Metadata& metadata) const {
  if (parts_.only_own &&
      (metadata.epochs.empty() || metadata.epochs.back().journal != parts_.journal)) {
    return fail(Code::kFenced, fmt::format("it is not as journal {} has left it",
                                           parts_.journal.text()));
  }
  if (metadata.epochs.empty() || parts_.take_over) return {};
  const format::EpochEntry& newest = metadata.epochs.back();
  if (newest.journal.is_nil() || newest.journal == parts_.journal) return {};
  return fail(
      Code::kFenced,
      fmt::format("it is written with another journal ({}, epoch {} of {}; the client's "
                  "is {}): write it from that host, or take it over from this one",
                  newest.journal.text(), newest.epoch, newest.writer, parts_.journal.text()));
}

// Where the log ends, as soon as nothing can be added to it any more.
Result<std::unique_ptr<walk::LogReader>> Opening::find_end(const format::Metadata& metadata,
                                                           BadShards& bad) const {
  TLOG_ASSIGN(std::vector<bool> not_fenced, flush::LogWriter::fence(writer_parts_, metadata));
  walk::LogReader::Parts reader_parts{
      .vdisk = parts_.format.name,
      .stores = stores_,
      .sealer = &sealer_,
      .workers = parts_.workers,
      .logger = parts_.logger,
      .not_fenced = std::move(not_fenced),
      .found_bad = [&bad](AggregationNumber number, const auto& shards) {
        bad.emplace_back(number, shards);
      }};
  TLOG_ASSIGN(auto reader, walk::LogReader::open(std::move(reader_parts)));
  TLOG_TRY(flush::check_still_fenced(metadata, reader->metadata()));
  return reader;
}

Result<OpenedLog> Opening::attempt() {
  TLOG_ASSIGN(const format::Metadata metadata, find_or_create());
  refused_ = true;
  TLOG_TRY(check_format(metadata.format));
  TLOG_TRY(walk::check_key(metadata, sealer_));
  TLOG_TRY(check_writer(metadata));
  refused_ = false;
  BadShards bad;
  TLOG_ASSIGN(auto reader, find_end(metadata, bad));
  OpenedLog opened{.writer = nullptr,
                   .format = reader->metadata().format,
                   .head = reader->head(),
                   .epochs = reader->metadata().epochs,
                   .created = created_};
  TLOG_ASSIGN(opened.writer,
              flush::LogWriter::open(writer_parts_, reader->metadata(), opened.head));
  format::EpochEntry own;
  own.epoch = opened.writer->epoch();
  own.first_number = opened.head.number + 1;
  own.first_sequence = opened.head.sequence + 1;
  own.journal = parts_.journal;
  opened.epochs.push_back(std::move(own));
  for (auto& [number, shards] : bad) opened.writer->mend(number, std::move(shards));
  return opened;
}

Result<OpenedLog> Opening::run() {
  TLOG_TRY(check_wanted());
  for (unsigned i = 1;; ++i) {
    auto opened = attempt();
    const bool again = !opened && opened.error().code() == Code::kFenced && !refused_;
    if (!again || i == kAttempts) return opened;
  }
}

}  // namespace

Result<OpenedLog> open_log(const ServedLog::Parts& parts, const seal::Sealer& sealer,
                           const WriterNews& news) {
  auto opened = Opening(parts, sealer, news).run();
  if (!opened) {
    return fail(opened.error().within(fmt::format("open log: vdisk '{}'", parts.format.name)));
  }
  return opened;
}

}  // namespace tlog::server
