// Keeps what a SliceParser tells.
#pragma once

#include "gateways/logset/grammar.h"

namespace tlog::logset {

struct NotedSlices final : SliceVisitor {
  struct Slice {
    SliceHead head;
    std::string bytes;
    bool ended = false;
    friend bool operator==(const Slice&, const Slice&) = default;
  };
  Status begin(const SliceHead& head) override {
    slices.push_back({.head = head, .bytes = {}});
    return refuse == head.name ? Status(fail(Code::kFenced, "refused")) : Status();
  }
  Status bytes(ConstByteSpan piece) override {
    slices.back().bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return {};
  }
  Status end() override {
    slices.back().ended = true;
    return {};
  }
  std::vector<Slice> slices;
  std::string refuse;
};

inline ConstByteSpan bytes_in(std::string_view text) {
  return std::as_bytes(std::span(text));
}

}  // namespace tlog::logset
