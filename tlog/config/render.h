// File: tlog/config/render.h
// What is written from the property table, with what tests need to see.
#pragma once

#include <string>

namespace tlog::config {

// The example file; `all_active` leaves nothing commented out, so that a test can load every key of
// it.
std::string render_example(bool all_active);

}  // namespace tlog::config
