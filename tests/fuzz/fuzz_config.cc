// config::parse(): a file is read or refused with a place, quickly, whatever is in it; and the
// requests and answers of the control socket, the other texts that come from outside.
#include "ctl/control_protocol.h"
#include "tests/fuzz/fuzz.h"
#include "tlog/config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tlog;
  const std::string text(reinterpret_cast<const char*>(data), size);
  auto config = config::parse(text, "/fuzz/tlogdisk.yml");
  if (!config) {
    TLOG_ASSERT(config.error().message().starts_with("/fuzz/tlogdisk.yml:"));
  } else {
    TLOG_ASSERT(!config->vdisks.empty() && !config->clusters.empty());
    for (const config::Vdisk& vdisk : config->vdisks) {
      TLOG_ASSERT(config::is_valid_name(vdisk.name) && vdisk.size != 0 && vdisk.size % 512 == 0);
      const config::Cluster* cluster = config->find_cluster(vdisk.tlog.cluster);
      TLOG_ASSERT(cluster != nullptr);
      TLOG_ASSERT(vdisk.tlog.data_shards + vdisk.tlog.parity_shards <= cluster->stores());
    }
  }
  auto request = control::decode_request(text);
  if (request) TLOG_ASSERT(control::decode_request(control::encode_request(*request)).has_value());
  auto reply = control::decode_reply(text);
  if (reply) TLOG_ASSERT(control::decode_reply(control::encode_reply(*reply)).has_value());
  return 0;
}
