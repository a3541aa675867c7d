#include "slave-sync/receipts.h"

#include <fmt/format.h>

#include "tlog/session/receipt.h"

namespace tlog::standby {

Status keep_receipt(io::FileSystem& files, const std::string& directory,
                    session::Receipt& receipt) {
  TLOG_TRY(files.make_directories(directory));
  const std::string path = io::join_path(
      directory, fmt::format("failover-{}-{}.json", receipt.began, receipt.standby.sequence));
  TLOG_TRY(io::write_file_atomically(files, path,
                                     bytes_of(std::string_view(session::receipt_json(receipt)))));
  receipt.path = path;
  return {};
}

}  // namespace tlog::standby
