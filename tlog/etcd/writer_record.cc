#include "tlog/etcd/writer_record.h"

#include <nlohmann/json.hpp>

#include "tlog/etcd/gateway.h"

namespace tlog::etcd {

std::string encode_writer(const WriterRecord& writer) {
  nlohmann::ordered_json json;
  json["host"] = writer.host;
  json["epoch"] = writer.epoch;
  json["control"] = writer.control;
  json["journal"] = writer.journal;
  json["since"] = writer.since;
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Result<WriterRecord> decode_writer(std::string_view text) {
  const auto json = Answer::parse(text);
  if (!json) return fail(Code::kCorruption, "the value is no JSON object");
  return WriterRecord{.host = json->text("/host"),
                      .control = json->text("/control"),
                      .journal = json->text("/journal"),
                      .epoch = json->number("/epoch"),
                      .since = json->number("/since")};
}

}  // namespace tlog::etcd
