#include "tlog/seal/aggregation_hash.h"

#include "tlog/seal/sodium.h"

namespace tlog::seal {
namespace {
constexpr std::string_view kContext = "tlogdisk-1 aggregation hash";
}  // namespace

// records' hashes.
Hash256 aggregation_hash(const MasterKey& master, const format::Aggregation& aggregation) {
  StackSecret<32> key;
  master.derive(kContext, {}, key.bytes);
  Blake2b hash(key.bytes);
  const format::AggregationHeader& header = aggregation.header;
  hash.add_u64(format::kAggregationVersion);
  hash.add(bytes_of(header.vdisk.bytes));
  for (std::uint64_t field : {header.number, header.epoch, header.first_sequence,
                              header.last_sequence, header.timestamp}) {
    hash.add_u64(field);
  }
  hash.add(bytes_of(header.prev.bytes));
  hash.add_u64(aggregation.records.size());
  for (const format::Record& record : aggregation.records) {
    struct Fields {
      std::uint64_t offset, size, timestamp, operation;
      Hash256 hash;
    };
    static_assert(sizeof(Fields) == 64, "no padding may be hashed");
    const Fields fields{record.offset, record.size, record.timestamp,
                        static_cast<std::uint64_t>(record.operation), record.hash};
    hash.add(bytes_of(fields));
  }
  Hash256 result;
  hash.finish(std::as_writable_bytes(std::span(result.bytes)));
  return result;
}

}  // namespace tlog::seal
