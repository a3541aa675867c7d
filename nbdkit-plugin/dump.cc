#include "nbdkit-plugin/dump.h"

#include <cstdio>

#include "tlog/base/log.h"
#include "tlog/format/aggregation.h"
#include "tlog/io/loop.h"

namespace tlog::plugin {
namespace {

bool io_uring_works() {
  io::LoopOptions options;
  options.mode = io::IoMode::kUring;
  return io::make_loop(options, null_logger()).has_value();
}

}  // namespace

void dump_plugin() {
  std::printf("tlogdisk_version=%s\n", TLOG_VERSION);
  std::printf("tlogdisk_format_version=%u\n", static_cast<unsigned>(format::kAggregationVersion));
  std::printf("tlogdisk_io_uring=%s\n", io_uring_works() ? "yes" : "no");
  // Of the libraries this was built with.
  std::printf("tlogdisk_libsodium=%s\n", TLOG_LIBSODIUM_VERSION);
  std::printf("tlogdisk_libisal=%s\n", TLOG_LIBISAL_VERSION);
  std::printf("tlogdisk_liburing=%s\n", TLOG_LIBURING_VERSION);
  std::printf("tlogdisk_capnproto=%s\n", TLOG_CAPNPROTO_VERSION);
}

}  // namespace tlog::plugin
