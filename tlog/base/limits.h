// File: tlog/base/limits.h
// Every limit of the engine, in one place. What users may set has its default here too.
#pragma once

#include "tlog/base/types.h"

namespace tlog {

constexpr std::uint64_t kBlockAlignment = 4096;       // of journal writes and arenas
constexpr std::uint64_t kRecordDataMax = 256 * kKiB;  // a longer request becomes several records
constexpr std::uint64_t kMarkNameMax = 1024;
constexpr std::uint64_t kAggregationDataMax =
    4 * kMiB;  // payload of one aggregation, before sealing
constexpr std::uint64_t kAggregationRecordsMax = 64 * kKiB;
constexpr std::uint64_t kSealedMax = 16 * kMiB;  // a sealed aggregation; longer ones are corrupt
constexpr std::uint64_t kVdiskSizeMax = std::uint64_t{1} << 62;
constexpr unsigned kDataShardsMax = 16;
constexpr unsigned kParityShardsMax = 4;
constexpr std::uint64_t kIndexPageAggregations = 256;
constexpr std::size_t kLastReferencesMax = 5;             // of the metadata's head hint
constexpr std::uint64_t kMetadataBytesMax = 16 * kMiB;    // one message of metadata
constexpr std::size_t kEpochsMax = 128 * kKiB;            // openings of a vdisk for writing
constexpr std::size_t kTextMax = 1024;                    // names and ids inside metadata

// The configuration file.
constexpr std::uint64_t kConfigFileMax = kMiB;
constexpr std::size_t kConfigProblemsMax = 100;    // reported of one file
constexpr std::size_t kConfigSectionKeysMax = 64;  // of one section, known or not
constexpr std::size_t kClustersMax = 64;
constexpr std::size_t kClusterStoresMax = 64;
constexpr std::size_t kVdisksMax = 1024;
constexpr std::size_t kNameMax = 64;               // of a vdisk or a cluster
constexpr std::size_t kPathMax = 4095;
constexpr std::size_t kSocketPathMax = 107;        // sun_path without its final zero
constexpr std::size_t kDescriptionMax = 1024;      // a line of text in the configuration

static_assert(kRecordDataMax <= kAggregationDataMax);
static_assert(kRecordDataMax % kBlockAlignment == 0);
// Room for the record table (at most ~96 bytes a record) besides the payload.
static_assert(kSealedMax >= kAggregationDataMax + 96 * kAggregationRecordsMax);

}  // namespace tlog
