// Making a log that is nowhere.
//
// A host that has lost its journal knows nothing of what there is, and wants a new log in the place
// of one that is written. So servers are asked without leave to create it first. It is given when
// all but so few of them say that they do not have it that none was acknowledged by those alone,
// and never when one says that it has the log, and that it is another's.
#include <fmt/format.h>

#include <algorithm>

#include "server/client/client.h"

namespace tlog::client {

// Nothing is known to have been written.
bool Client::may_be_new() const {
  if (!options_.may_create || options_.needed != 0) return false;
  return std::all_of(links_.begin(), links_.end(), [](const auto& link) {
    return !link->welcomed() || link->welcome().received == 0;
  });
}

// False: not yet, or the opening has failed.
bool Client::creation_is_settled() {
  if (!may_be_new()) return true;
  unsigned without = 0;
  unsigned away = 0;
  std::optional<Error> refusal;
  for (const auto& link : links_) {
    if (link->refused() && link->refused()->code() != Code::kNotFound) {
      refusal = link->refused()->within(link->address());
    } else if (link->refused()) {
      ++without;
    } else if (!link->welcomed() && !(link->stands_by() && !link->log().is_nil())) {
      ++away;
    }
  }
  if (refusal) {  // those that are away may have the log still
    if (away == 0) {
      opened(tlog::fail(
          refusal->code(),
          fmt::format("open: log client: the log is not created: {}; one that exists, and that a "
                      "server cannot open for this client, would be hidden by an empty one",
                      refusal->message())));
    }
    return false;
  }
  if (creating_ || without == 0) return true;
  if (away > away_max() || !everybody_was_tried()) return false;
  creating_ = true;
  for (auto& link : links_) {
    if (link->refused()) link->connect();
  }
  return false;
}

}  // namespace tlog::client
