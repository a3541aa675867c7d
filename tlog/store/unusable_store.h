// File: tlog/store/unusable_store.h
// Stands in the place of a store that could not be opened: every request fails with that reason. It
// is never "absent": what it might hold is not known.
#pragma once

#include <memory>
#include <string>

#include "tlog/store/store.h"

namespace tlog::store {

std::unique_ptr<Store> make_unusable_store(std::string name, const Error& reason, io::Loop& loop);

}  // namespace tlog::store
