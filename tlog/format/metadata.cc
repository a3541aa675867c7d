#include "tlog/format/metadata.h"

#include <fmt/format.h>

#include "tlog/base/assert.h"
#include "tlog/base/crc32c.h"
#include "tlog/base/limits.h"
#include "tlog/format/wire.h"

namespace tlog::format {
namespace {

// Around each message: magic (8), version (u32), message length (u32), the message, CRC-32C of all
// before it.
constexpr std::size_t kEnvelopeHead = 16;
constexpr std::size_t kEnvelopeTail = 4;
// 1 had no servers, 2 no place of the blocks, 3 neither the log's id nor how far it is complete; all
// are still read. A program that does not know the place must not serve the vdisk: it would take the
// wrong cluster's blocks for its contents. One that does not know the id would drop it, and the log
// would count as another.
constexpr std::uint32_t kMetadataVersion = 4;
constexpr std::uint32_t kPageVersion = 1;
constexpr std::string_view kMetadataMagic = "TLOGMETA";
constexpr std::string_view kPageMagic = "TLOGPAGE";

Buffer enclose(std::string_view magic, std::uint32_t version, capnp::MessageBuilder& message) {
  kj::Array<capnp::word> words = capnp::messageToFlatArray(message);
  auto body = words.asBytes();
  TLOG_ASSERT(body.size() <= kMetadataBytesMax);
  Buffer buffer(kEnvelopeHead + body.size() + kEnvelopeTail);
  std::memcpy(buffer.data(), magic.data(), magic.size());
  store<std::uint32_t>(buffer.data() + 8, version);
  store<std::uint32_t>(buffer.data() + 12, static_cast<std::uint32_t>(body.size()));
  std::memcpy(buffer.data() + kEnvelopeHead, body.begin(), body.size());
  ConstByteSpan covered = buffer.span().first(kEnvelopeHead + body.size());
  store<std::uint32_t>(buffer.data() + covered.size(), crc32c(covered));
  return buffer;
}

// The message inside, checked; copied, because Cap'n Proto reads aligned words.
Result<kj::Array<capnp::word>> disclose(std::string_view magic, std::uint32_t newest,
                                        ConstByteSpan bytes) {
  if (bytes.size() < kEnvelopeHead + kEnvelopeTail)
    return fail(Code::kCorruption, fmt::format("length {}", bytes.size()));
  if (std::memcmp(bytes.data(), magic.data(), magic.size()) != 0)
    return fail(Code::kCorruption, "wrong magic");
  ConstByteSpan covered = bytes.first(bytes.size() - kEnvelopeTail);
  // The checksum comes before the version, so that a damaged version is not taken for a newer one.
  if (crc32c(covered) != load<std::uint32_t>(bytes.data() + covered.size())) {
    return fail(Code::kCorruption, "wrong checksum");
  }
  const auto version = load<std::uint32_t>(bytes.data() + 8);
  if (version > newest) {
    return fail(
        Code::kNotSupported,
        fmt::format("version {} is newer than this program's {}; upgrade", version, newest));
  }
  const auto length = load<std::uint32_t>(bytes.data() + 12);
  if (version == 0 || length != covered.size() - kEnvelopeHead ||
      length % sizeof(capnp::word) != 0 || length > kMetadataBytesMax) {
    return fail(Code::kCorruption, fmt::format("version {}, message of {} in {} bytes", version,
                                               length, bytes.size()));
  }
  auto words = kj::heapArray<capnp::word>(length / sizeof(capnp::word));
  std::memcpy(words.begin(), bytes.data() + kEnvelopeHead, length);
  return words;
}

void write_reference(wire::AggregationReference::Builder into,
                     const AggregationReference& reference) {
  into.setNumber(reference.number);
  into.setEpoch(reference.epoch);
  into.setFirstSequence(reference.first_sequence);
  into.setLastSequence(reference.last_sequence);
  into.setFirstTimestamp(reference.first_timestamp);
  into.setLastTimestamp(reference.last_timestamp);
  set_words(into.getHash(), reference.hash);
}

// References come in ascending order of their numbers.
Result<std::vector<AggregationReference>> read_references(
    capnp::List<wire::AggregationReference>::Reader list, std::size_t count_max) {
  if (list.size() > count_max)
    return fail(Code::kCorruption, fmt::format("{} references", list.size()));
  std::vector<AggregationReference> references;
  references.reserve(list.size());
  for (auto entry : list) {
    AggregationReference reference{.number = entry.getNumber(),
                                   .epoch = entry.getEpoch(),
                                   .hash = hash_from(entry.getHash()),
                                   .first_sequence = entry.getFirstSequence(),
                                   .last_sequence = entry.getLastSequence(),
                                   .first_timestamp = entry.getFirstTimestamp(),
                                   .last_timestamp = entry.getLastTimestamp()};
    if (reference.last_sequence < reference.first_sequence ||
        (!references.empty() && reference.number <= references.back().number)) {
      return fail(Code::kCorruption,
                  fmt::format("reference to aggregation {} is out of order", reference.number));
    }
    references.push_back(reference);
  }
  return references;
}

Result<VdiskFormat> read_format(wire::VdiskFormat::Reader from) {
  VdiskFormat format;
  format.vdisk = uuid_from(from.getVdisk());
  TLOG_ASSIGN(format.name, read_text(from.getName(), kTextMax));
  format.size = from.getSize();
  format.block_size = from.getBlockSize();
  format.data_shards = from.getDataShards();
  format.parity_shards = from.getParityShards();
  if (format.size > kVdiskSizeMax || format.block_size == 0 || format.data_shards == 0 ||
      format.data_shards > kDataShardsMax || format.parity_shards > kParityShardsMax) {
    return fail(Code::kCorruption,
                fmt::format("impossible format: size {}, block size {}, {}+{} shards", format.size,
                            format.block_size, format.data_shards, format.parity_shards));
  }
  return format;
}

Result<std::vector<EpochEntry>> read_epochs(capnp::List<wire::EpochEntry>::Reader list,
                                            const VdiskFormat& format) {
  std::vector<EpochEntry> epochs;
  if (list.size() > kEpochsMax)
    return fail(Code::kCorruption, fmt::format("{} epochs", list.size()));
  epochs.reserve(list.size());
  for (auto entry : list) {
    TLOG_ASSIGN(std::string writer, read_text(entry.getWriter(), kTextMax));
    if (!epochs.empty() && entry.getEpoch() <= epochs.back().epoch) {
      return fail(Code::kCorruption, fmt::format("epoch {} is out of order", entry.getEpoch()));
    }
    const unsigned quorum = entry.getWriteQuorum();
    if (quorum != 0 && (quorum < format.data_shards ||
                        quorum > unsigned{format.data_shards} + format.parity_shards)) {
      return fail(Code::kCorruption,
                  fmt::format("epoch {} has a write quorum of {}", entry.getEpoch(), quorum));
    }
    epochs.push_back({.epoch = entry.getEpoch(),
                      .started = entry.getStarted(),
                      .first_number = entry.getFirstNumber(),
                      .first_sequence = entry.getFirstSequence(),
                      .writer = std::move(writer),
                      .journal = uuid_from(entry.getJournal()),
                      .write_quorum = entry.getWriteQuorum()});
  }
  return epochs;
}

Result<std::vector<ServerEntry>> read_servers(capnp::List<wire::ServerEntry>::Reader list) {
  std::vector<ServerEntry> servers;
  if (list.size() > kClusterStoresMax)
    return fail(Code::kCorruption, fmt::format("{} servers", list.size()));
  for (auto entry : list) {
    TLOG_ASSIGN(std::string address, read_text(entry.getAddress(), kTextMax));
    servers.push_back({.server = uuid_from(entry.getServer()),
                       .since = entry.getSince(),
                       .address = std::move(address),
                       .rebuilding = entry.getRebuilding()});
  }
  return servers;
}

void write_servers(wire::Metadata::Builder root, const std::vector<ServerEntry>& servers) {
  auto list = root.initServers(static_cast<unsigned>(servers.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    set_words(list[i].getServer(), servers[i].server);
    list[i].setSince(servers[i].since);
    list[i].setAddress(text_of(servers[i].address));
    list[i].setRebuilding(servers[i].rebuilding);
  }
}

Result<BlockPlace> read_blocks(wire::BlockPlace::Reader from) {
  TLOG_ASSIGN(std::string cluster, read_text(from.getCluster(), kTextMax));
  return BlockPlace{.cluster = std::move(cluster),
                    .switches = from.getSwitches(),
                    .epoch = from.getEpoch(),
                    .sequence = from.getSequence(),
                    .since = from.getSince()};
}

void write_blocks(wire::BlockPlace::Builder into, const BlockPlace& blocks) {
  into.setCluster(text_of(blocks.cluster));
  into.setSwitches(blocks.switches);
  into.setEpoch(blocks.epoch);
  into.setSequence(blocks.sequence);
  into.setSince(blocks.since);
}

Result<Metadata> read_metadata_message(wire::Metadata::Reader from) {
  Metadata metadata;
  metadata.generation = from.getGeneration();
  TLOG_ASSIGN(metadata.format, read_format(from.getFormat()));
  TLOG_ASSIGN(metadata.epochs, read_epochs(from.getEpochs(), metadata.format));
  TLOG_ASSIGN(metadata.last, read_references(from.getLast(), kLastReferencesMax));
  metadata.index_pages = from.getIndexPages();
  auto key_id = from.getKeyId();
  if (key_id.size() > kTextMax)
    return fail(Code::kCorruption, fmt::format("a key id of {} bytes", key_id.size()));
  metadata.key_id.assign(key_id.begin(), key_id.end());
  TLOG_ASSIGN(metadata.servers, read_servers(from.getServers()));
  TLOG_ASSIGN(metadata.blocks, read_blocks(from.getBlocks()));
  metadata.log = uuid_from(from.getLog());
  metadata.complete = from.getComplete();
  return metadata;
}

Result<IndexPage> read_page_message(wire::IndexPage::Reader from) {
  IndexPage page;
  page.page = from.getPage();
  page.previous_page = hash_from(from.getPreviousPage());
  TLOG_ASSIGN(page.entries, read_references(from.getEntries(), kIndexPageAggregations));
  for (std::size_t i = 0; i < page.entries.size(); ++i) {
    // Overflow wraps to a number that is not in the page: an error all the same.
    if (page.entries[i].number != page.page * kIndexPageAggregations + i + 1) {
      return fail(Code::kCorruption, fmt::format("page {}: aggregation {} does not belong at {}",
                                                 page.page, page.entries[i].number, i));
    }
  }
  return page;
}

template <class T, class Wire, class Read>
Result<T> decode_message(std::string_view what, std::string_view magic, std::uint32_t newest,
                         ConstByteSpan bytes, Read read) {
  auto words = disclose(magic, newest, bytes);
  if (!words) return fail(words.error().within(what));
  auto value = catch_kj<T>("message", [&]() -> Result<T> {
    capnp::FlatArrayMessageReader reader(*words, reader_options(words->size()));
    if (reader.getEnd() != words->end()) return fail(Code::kCorruption, "bytes after the message");
    return read(reader.getRoot<Wire>());
  });
  if (!value) return fail(value.error().within(what));
  return value;
}

}  // namespace

std::uint32_t VdiskFormat::fingerprint() const {
  std::array<std::byte, 32> fixed{};
  std::memcpy(fixed.data(), vdisk.bytes.data(), 16);
  store<std::uint64_t>(fixed.data() + 16, size);
  store<std::uint32_t>(fixed.data() + 24, block_size);
  fixed[28] = std::byte{data_shards};
  fixed[29] = std::byte{parity_shards};
  return crc32c(bytes_of(std::string_view(name)), crc32c(fixed));
}

Buffer encode_metadata(const Metadata& metadata) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<wire::Metadata>();
  root.setGeneration(metadata.generation);
  auto format = root.initFormat();
  set_words(format.getVdisk(), metadata.format.vdisk);
  format.setName(text_of(metadata.format.name));
  format.setSize(metadata.format.size);
  format.setBlockSize(metadata.format.block_size);
  format.setDataShards(metadata.format.data_shards);
  format.setParityShards(metadata.format.parity_shards);
  auto epochs = root.initEpochs(static_cast<unsigned>(metadata.epochs.size()));
  for (unsigned i = 0; i < epochs.size(); ++i) {
    const EpochEntry& entry = metadata.epochs[i];
    epochs[i].setEpoch(entry.epoch);
    epochs[i].setStarted(entry.started);
    epochs[i].setFirstNumber(entry.first_number);
    epochs[i].setFirstSequence(entry.first_sequence);
    epochs[i].setWriter(text_of(entry.writer));
    epochs[i].setWriteQuorum(entry.write_quorum);
    set_words(epochs[i].getJournal(), entry.journal);
  }
  auto last = root.initLast(static_cast<unsigned>(metadata.last.size()));
  for (unsigned i = 0; i < last.size(); ++i) write_reference(last[i], metadata.last[i]);
  root.setIndexPages(metadata.index_pages);
  root.setKeyId(kj::arrayPtr(metadata.key_id.data(), metadata.key_id.size()));
  write_servers(root, metadata.servers);
  write_blocks(root.initBlocks(), metadata.blocks);
  set_words(root.getLog(), metadata.log);
  root.setComplete(metadata.complete);
  return enclose(kMetadataMagic, kMetadataVersion, message);
}

Result<Metadata> decode_metadata(ConstByteSpan bytes) {
  return decode_message<Metadata, wire::Metadata>("metadata", kMetadataMagic, kMetadataVersion,
                                                  bytes, read_metadata_message);
}

Buffer encode_index_page(const IndexPage& page) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<wire::IndexPage>();
  root.setPage(page.page);
  set_words(root.getPreviousPage(), page.previous_page);
  auto entries = root.initEntries(static_cast<unsigned>(page.entries.size()));
  for (unsigned i = 0; i < entries.size(); ++i) write_reference(entries[i], page.entries[i]);
  return enclose(kPageMagic, kPageVersion, message);
}

Result<IndexPage> decode_index_page(ConstByteSpan bytes) {
  return decode_message<IndexPage, wire::IndexPage>("index page", kPageMagic, kPageVersion, bytes,
                                                    read_page_message);
}

}  // namespace tlog::format
