// Pages: how a vdisk's log is told in a content-addressed store (docs/faces.md, "Pages";
// docs/format.md). A log is the frames of docs/format.md, epoch after epoch. Each frame is a
// content, or several when it is too long for one; a page lists contents, newest first, and names
// the next older page. The newest page is what the vdisk's name holds.
//
// Threading: pure functions and values.
// Errors: decode_page(): kCorruption for what is no page of a vdisk's log.
// Source: vac 3/REMOTE-LOG.
#pragma once

#include <vector>

#include "gateways/cas/contents.h"
#include "tlog/base/types.h"

namespace tlog::cas {

// A part of the log: a frame, or a part of one.
struct Piece {
  Epoch epoch = 0;
  std::uint64_t offset = 0;  // in the log of that epoch
  std::uint32_t length = 0;
  AggregationNumber number = 0;  // 0: the opening of the epoch's log
  Hash256 hash;                  // H1: of the aggregation, keyed; of an opening, of its frame
  Address address;               // H2; "": it is embedded only

  std::uint64_t end() const { return offset + length; }
  bool is_same(const Piece& other) const {
    return epoch == other.epoch && offset == other.offset && length == other.length &&
           number == other.number && hash == other.hash;
  }
};

struct PagePair {
  Piece piece;
  std::string data;  // the content, when it is embedded: `length` bytes
};

struct Page {
  Uuid vdisk;
  std::vector<PagePair> pairs;  // newest first, adjoining
  Address tail;                 // "": there is no older page
  std::string cas;              // of a name's page: where the contents are; "": where the name is
};

// Deterministic.
std::string encode_page(const Page& page);
Result<Page> decode_page(std::string_view bytes);

// The parts in which a frame is told, none too long for a content.
std::vector<Piece> cut_frame(const Piece& frame);
// Whether `newer` is what comes right behind `older`: in the same log, or at the beginning of a
// later epoch's.
bool adjoin(const Piece& older, const Piece& newer);

// "/ip4/127.0.0.1/tcp/17500" and the like as "127.0.0.1:17500", "/unix/..." as "unix:/...".
Result<std::string> target_of_multiaddr(std::string_view multiaddr);

}  // namespace tlog::cas
