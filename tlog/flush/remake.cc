#include "tlog/flush/remake.h"

#include <cstring>

namespace tlog::flush {

std::shared_ptr<const shard::ShardSet> remake_shards(const walk::LogPlace& place,
                                                     const walk::Fetched& fetched) {
  const auto length = static_cast<std::size_t>(fetched.sealed_length);
  const std::size_t room = shard::tail_room(place.geometry, length);
  Buffer sealed(length + room);
  std::size_t at = 0;
  for (ConstByteSpan piece : fetched.decoded.pieces) {
    std::memcpy(sealed.data() + at, piece.data(), piece.size());
    at += piece.size();
  }
  std::memset(sealed.data() + at, 0, sealed.size() - at);
  return std::make_shared<const shard::ShardSet>(place.geometry, fetched.identity,
                                                 std::move(sealed), length);
}

}  // namespace tlog::flush
