// File: server/log/reading.h
// Reading a part of a log by sequences, for servers that are behind and for whoever asks.
// Threading: as walk::LogReader. Errors: kNotFound outside of what the reader's head says is
// stored, those of the reader, the visitor's own.
#pragma once

#include "server/log/served_log.h"
#include "tlog/walk/log_reader.h"

namespace tlog::server {

protocol::LogPosition position_of(const walk::LogHead& head);
protocol::LogPosition position_of(const format::AggregationReference& reference);

Status read_range(walk::LogReader& reader, Sequence first, Sequence last,
                  const ServedLog::Visitor& visitor);

}  // namespace tlog::server
