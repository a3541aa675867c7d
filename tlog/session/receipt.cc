#include "tlog/session/receipt.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "tlog/base/hex.h"

namespace tlog::session {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kVersionKey[] = "tlogdiskReceipt";
constexpr std::uint64_t kVersion = 1;

tl::unexpected<Error> damaged(std::string_view reason) {
  return fail(Code::kCorruption, fmt::format("receipt: {}", reason));
}

// One list of keys for both directions: `visit` is called with each key and its field.
template <class Value, class Visit>
void visit_receipt(Value& receipt, Visit visit) {
  visit("vdisk", receipt.vdisk);
  visit("from", receipt.from);
  visit("to", receipt.to);
  visit("cause", receipt.cause);
  visit("planned", receipt.planned);
  visit("beganNs", receipt.began);
  visit("endedNs", receipt.ended);
  visit("pauseNs", receipt.pause_ns);
  visit("epoch", receipt.epoch);
  visit("appended", receipt.appended);
  visit("applied", receipt.applied);
}
template <class Value, class Visit>
void visit_position(Value& position, Visit visit) {
  visit("epoch", position.epoch);
  visit("sequence", position.sequence);
  visit("aggregation", position.number);
  visit("hash", position.hash);
}
template <class Value, class Visit>
void visit_lost(Value& lost, Visit visit) {
  visit("firstSequence", lost.first_sequence);
  visit("lastSequence", lost.last_sequence);
  visit("firstTimestampNs", lost.first_timestamp);
  visit("lastTimestampNs", lost.last_timestamp);
  visit("bytesKnown", lost.bytes_known);
}

// Names come from the configuration: bytes that are no UTF-8 must not stop a receipt.
std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

Json json_of(const SyncPosition& position) {
  Json json = Json::object();
  auto put = [&json](const char* key, const auto& field) {
    if constexpr (std::is_same_v<std::decay_t<decltype(field)>, Hash256>) {
      json[key] = field.hex();
    } else {
      json[key] = field;
    }
  };
  visit_position(position, put);
  return json;
}

// `room` byte ranges at most, which are taken from it.
Json json_of(const LostRange& lost, std::size_t& room) {
  Json json = Json::object();
  visit_lost(lost, [&json](const char* key, const auto& field) { json[key] = field; });
  const std::size_t shown = std::min(room, lost.bytes.size());
  room -= shown;
  Json bytes = Json::array();
  for (std::size_t i = 0; i < shown; ++i) {
    bytes.push_back({lost.bytes[i].first, lost.bytes[i].second});
  }
  json["bytes"] = std::move(bytes);
  if (shown < lost.bytes.size()) json["moreRanges"] = lost.bytes.size() - shown;
  return json;
}

std::string encode(const Receipt& receipt, std::size_t room) {
  Json json = {{kVersionKey, kVersion}, {"summary", receipt.text()}};
  visit_receipt(receipt, [&json](const char* key, const auto& field) { json[key] = field; });
  json["log"] = json_of(receipt.log);
  json["standby"] = json_of(receipt.standby);
  Json lost = Json::array();
  for (const LostRange& range : receipt.lost) lost.push_back(json_of(range, room));
  json["lost"] = std::move(lost);
  if (!receipt.path.empty()) json["file"] = receipt.path;
  return dump(json);
}

// Reads fields that must be there, and remembers the first that is not, or is of the wrong kind.
class Reader {
 public:
  Reader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) note("", "is no object");
  }
  void operator()(const char* key, std::string& into) {
    if (const Json* found = find(key, &Json::is_string, "is no text")) {
      into = found->get<std::string>();
    }
  }
  void operator()(const char* key, bool& into) {
    if (const Json* found = find(key, &Json::is_boolean, "is neither true nor false")) {
      into = found->get<bool>();
    }
  }
  void operator()(const char* key, std::uint64_t& into) {
    if (const Json* found = find(key, &Json::is_number_unsigned, "is no unsigned number")) {
      into = found->get<std::uint64_t>();
    }
  }
  void operator()(const char* key, Hash256& into) {
    std::string hex;
    (*this)(key, hex);
    if (!status_) return;
    const std::optional<Hash256> hash = parse_hash(hex);
    if (!hash) return note(key, "is no hash, expected 64 hexadecimal digits");
    into = *hash;
  }
  const Json* object(const char* key) { return find(key, &Json::is_object, "is no object"); }
  const Json* list(const char* key) { return find(key, &Json::is_array, "is no list"); }
  const Status& status() const { return status_; }

 private:
  const Json* find(const char* key, bool (Json::*is_kind)() const noexcept,
                   std::string_view otherwise) {
    if (!status_) return nullptr;
    const auto found = object_.find(key);
    if (found == object_.end()) {
      note(key, "is missing");
      return nullptr;
    }
    if (!((*found).*is_kind)()) {
      note(key, otherwise);
      return nullptr;
    }
    return &*found;
  }
  void note(std::string_view key, std::string_view reason) {
    if (status_) status_ = damaged(fmt::format("\"{}{}\" {}", where_, key, reason));
  }

  const Json& object_;
  const std::string where_;  // of the keys, for errors
  Status status_;
};

Status read_position(Reader& receipt, const char* key, SyncPosition& into) {
  const Json* json = receipt.object(key);
  if (json == nullptr) return receipt.status();
  Reader reader(*json, fmt::format("{}.", key));
  visit_position(into, std::ref(reader));
  return reader.status();
}

Status read_ranges(const Json& ranges, LostRange& into) {
  for (const Json& range : ranges) {
    const bool is_range = range.is_array() && range.size() == 2 && range[0].is_number_unsigned() &&
                          range[1].is_number_unsigned();
    if (!is_range) return damaged("a range in \"lost.bytes\" is no [offset, length]");
    const auto offset = range[0].get<std::uint64_t>();
    const auto length = range[1].get<std::uint64_t>();
    if (length > std::numeric_limits<std::uint64_t>::max() - offset) {
      return damaged(
          fmt::format("the range [{}, {}] in \"lost.bytes\" has no end", offset, length));
    }
    into.bytes.emplace_back(offset, length);
  }
  return {};
}

Status read_lost(Reader& receipt, std::vector<LostRange>& into) {
  const Json* list = receipt.list("lost");
  if (list == nullptr) return receipt.status();
  for (const Json& json : *list) {
    LostRange& lost = into.emplace_back();
    Reader reader(json, "lost.");
    visit_lost(lost, std::ref(reader));
    const Json* ranges = reader.list("bytes");
    if (ranges == nullptr) return reader.status();
    TLOG_TRY(read_ranges(*ranges, lost));
    if (lost.first_sequence > lost.last_sequence) {
      return damaged(
          fmt::format("\"lost\" from sequence {} to {}", lost.first_sequence, lost.last_sequence));
    }
  }
  return {};
}

}  // namespace

std::string receipt_json(const Receipt& receipt) {
  return encode(receipt, std::numeric_limits<std::size_t>::max());
}

std::string receipt_summary_json(const Receipt& receipt) {
  return encode(receipt, kReceiptSummaryRanges);
}

Result<Receipt> parse_receipt(std::string_view text) {
  if (text.size() > kReceiptBytesMax) {
    return damaged(fmt::format("{} bytes, none has more than {}", text.size(), kReceiptBytesMax));
  }
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return damaged("no JSON object");
  Reader reader(json, "");
  std::uint64_t version = 0;
  reader(kVersionKey, version);
  if (!reader.status()) return fail(reader.status().error());
  if (version > kVersion) {
    return fail(Code::kNotSupported,
                fmt::format("receipt: is of version {}, this program knows {}; use a newer one",
                            version, kVersion));
  }
  if (version == 0) return damaged("is of version 0, which there never was");
  Receipt receipt;
  visit_receipt(receipt, std::ref(reader));
  TLOG_TRY(reader.status());
  TLOG_TRY(read_position(reader, "log", receipt.log));
  TLOG_TRY(read_position(reader, "standby", receipt.standby));
  TLOG_TRY(read_lost(reader, receipt.lost));
  if (json.contains("file")) reader("file", receipt.path);
  TLOG_TRY(reader.status());
  return receipt;
}

}  // namespace tlog::session
