// File: ctl/standby_text.h
// What people read of a standby and of a failover's receipt.
// Threading: pure functions.
#pragma once

#include <string>

#include "ctl/control_protocol.h"

namespace tlog::ctl {

// The standby's lines of `tlogctl status`.
std::string standby_rows(const control::StandbyReport& standby);

// What a failover or failback has done, of the receipt as a server answers it; what is lost by
// sequence, time and place. A receipt that cannot be read says so.
std::string receipt_text(const std::string& receipt);

}  // namespace tlog::ctl
