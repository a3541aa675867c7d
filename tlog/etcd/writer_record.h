// File: tlog/etcd/writer_record.h
// WriterRecord: what stands in etcd about who serves a vdisk, as JSON: the value of the writers'
// key (docs/operations.md, "Two hosts"). Keys that are not known are ignored. Threading: values.
#pragma once

#include <string>
#include <string_view>

#include "tlog/base/result.h"
#include "tlog/base/types.h"

namespace tlog::etcd {

struct WriterRecord {
  std::string host;
  std::string control;    // its control socket; "": none
  std::string journal;    // the uuid of its journal; "": not known yet
  Epoch epoch = 0;        // 0: it is about to open the vdisk
  TimestampNs since = 0;  // wall clock
  friend bool operator==(const WriterRecord&, const WriterRecord&) = default;
};

std::string encode_writer(const WriterRecord& writer);
Result<WriterRecord> decode_writer(std::string_view text);  // kCorruption

}  // namespace tlog::etcd
