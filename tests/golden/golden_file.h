// File: tests/golden/golden_file.h
// The kept bytes of a format, and how they come to be.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/support/temp_directory.h"
#include "tlog/base/types.h"

namespace tlog::testing {

inline std::string golden_path(std::string_view name) {
  return std::string(TLOG_GOLDEN_DIRECTORY) + "/" + std::string(name);
}

inline std::string text_of(ConstByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline bool golden_is_written() {
  return std::getenv("TLOG_GOLDEN_WRITE") != nullptr;
}

// The kept bytes; they are `made`, or are written so when asked for.
inline std::string golden(std::string_view name, ConstByteSpan made) {
  if (golden_is_written()) write_text(golden_path(name), text_of(made));
  std::string kept = read_text(golden_path(name));
  EXPECT_EQ(to_hex(bytes_of(std::string_view(kept))), to_hex(made))
      << name << ": the format has changed";
  return kept;
}

}  // namespace tlog::testing
