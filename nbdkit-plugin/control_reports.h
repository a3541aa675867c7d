// File: nbdkit-plugin/control_reports.h
// What the engine says of itself, as the control socket's reports.
// Threading: pure functions.
#pragma once

#include <vector>

#include "ctl/control_protocol.h"
#include "tlog/config/config.h"
#include "tlog/session/engine.h"

namespace tlog::plugin {

control::StoreReport report_of(const store::StoreStatus& store);
std::vector<control::StoreReport> reports_of(const std::vector<blocks::PartStatus>& parts);
control::VdiskReport report_of(const session::VdiskStatus& status,
                               const config::Config& configuration);
// A vdisk that is not open here because it is another host's turn says so.
void add_leases(const std::vector<session::LeaseStatus>& leases,
                std::vector<control::VdiskReport>& reports);
// Of the standby, with what it has to alarm about; nothing for a vdisk without one.
void add_standby(const session::VdiskStatus& status, const config::Config& configuration,
                 control::VdiskReport& report);

}  // namespace tlog::plugin
