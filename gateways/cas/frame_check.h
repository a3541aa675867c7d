// Whether a frame is what a page says of it: which aggregation it holds, and its hash. In front of
// everybody who takes frames from a content-addressed store: a page may be wrong where every
// address is right.
//
// Threading: a pure function. Errors: kCorruption, naming the place.
#pragma once

#include "gateways/cas/page.h"

namespace tlog::cas {

// `piece`: the frame's only one, or any of its pieces.
Status check_frame(const Piece& piece, std::string_view frame);

}  // namespace tlog::cas
