#include "gateways/cas/page.h"

#include <fmt/format.h>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <cstring>

#include "gateways/cas/remote_log.pb.h"

namespace tlog::cas {
namespace {

// On the wire, of a pair that can be right: its hash alone takes 34.
constexpr std::size_t kPairBytesMin = 40;

// Before they become objects: two million empty ones fit into a content.
bool has_too_many_pairs(std::string_view bytes) {
  using Wire = google::protobuf::internal::WireFormatLite;
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                                static_cast<int>(bytes.size()));
  std::size_t pairs = 0;
  while (const std::uint32_t tag = stream.ReadTag()) {
    if (Wire::GetTagFieldNumber(tag) == vac::cas::RemoteLog::kPairFieldNumber) ++pairs;
    if (!Wire::SkipField(&stream, tag)) return false;  // what is wrong with it is said elsewhere
  }
  return pairs > bytes.size() / kPairBytesMin;
}

template <class Bytes>
std::string as_string(const Bytes& value) {
  return {reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size()};
}

template <class Bytes>
bool read_bytes(const std::string& from, Bytes& into) {
  if (from.size() != into.bytes.size()) return false;
  std::memcpy(into.bytes.data(), from.data(), from.size());
  return true;
}

tl::unexpected<Error> wrong(std::string_view what) {
  return fail(Code::kCorruption, fmt::format("page: {}", what));
}

Result<PagePair> decode_pair(vac::cas::RemoteLog::Pair& pair) {
  PagePair decoded;
  Piece& piece = decoded.piece;
  piece.epoch = pair.epoch();
  piece.offset = pair.offset();
  piece.length = pair.length();
  piece.number = pair.number();
  piece.address = std::move(*pair.mutable_remotehash());
  decoded.data = std::move(*pair.mutable_data());
  if (!read_bytes(pair.localhash(), piece.hash)) return wrong("a hash that is not of 32 bytes");
  if (piece.epoch == 0 || piece.length == 0 || piece.length > kContentBytesMax ||
      piece.offset > ~std::uint64_t{0} - piece.length) {
    return wrong("it lists no parts of a vdisk's log; tlogdisk did not publish it");
  }
  if (piece.address.size() > kAddressBytesMax) return wrong("an address of too many bytes");
  if (decoded.data.empty() ? piece.address.empty() : decoded.data.size() != piece.length) {
    return wrong(fmt::format("epoch {} offset {}: neither an address nor all of the content",
                             piece.epoch, piece.offset));
  }
  if (!decoded.data.empty() && !may_be_of(piece.address, decoded.data)) {
    return wrong(fmt::format("epoch {} offset {}: the embedded content is not that of its address",
                             piece.epoch, piece.offset));
  }
  return decoded;
}

}  // namespace

std::string encode_page(const Page& page) {
  vac::cas::RemoteLog message;
  for (const PagePair& from : page.pairs) {
    auto* pair = message.add_pair();
    pair->set_remotehash(from.piece.address);
    pair->set_localhash(as_string(from.piece.hash));
    pair->set_data(from.data);
    pair->set_epoch(from.piece.epoch);
    pair->set_offset(from.piece.offset);
    pair->set_length(from.piece.length);
    pair->set_number(from.piece.number);
  }
  message.set_tail(page.tail);
  message.set_vdisk(as_string(page.vdisk));
  message.set_cas(page.cas);
  return message.SerializeAsString();
}

Result<Page> decode_page(std::string_view bytes) {
  vac::cas::RemoteLog message;
  if (bytes.size() <= kContentBytesMax && has_too_many_pairs(bytes)) {
    return wrong("it has more pairs than it has room for; tlogdisk did not publish it");
  }
  if (bytes.size() > kContentBytesMax ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return wrong("it cannot be read as a page of a remote log");
  }
  Page page;
  page.tail = std::move(*message.mutable_tail());
  page.cas = std::move(*message.mutable_cas());
  if (!read_bytes(message.vdisk(), page.vdisk)) {
    return wrong("it says not which vdisk it is of; tlogdisk did not publish it");
  }
  if (page.tail.size() > kAddressBytesMax) return wrong("an address of too many bytes");
  if (message.pair_size() == 0) return wrong("it lists nothing");
  page.pairs.reserve(static_cast<std::size_t>(message.pair_size()));
  for (auto& pair : *message.mutable_pair()) {
    TLOG_ASSIGN(PagePair decoded, decode_pair(pair));
    if (!page.pairs.empty() && !adjoin(decoded.piece, page.pairs.back().piece)) {
      return wrong(
          fmt::format("epoch {} offset {} does not come right before epoch {} offset {}: "
                      "reordered, or something is missing",
                      decoded.piece.epoch, decoded.piece.offset, page.pairs.back().piece.epoch,
                      page.pairs.back().piece.offset));
    }
    page.pairs.push_back(std::move(decoded));
  }
  return page;
}

std::vector<Piece> cut_frame(const Piece& frame) {
  std::vector<Piece> pieces;
  for (std::uint64_t at = 0; at < frame.length; at += pieces.back().length) {
    Piece piece = frame;
    piece.offset = frame.offset + at;
    piece.length =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(frame.length - at, kContentBytesMax));
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

bool adjoin(const Piece& older, const Piece& newer) {
  if (older.epoch != newer.epoch) {
    return older.epoch < newer.epoch && newer.offset == 0 && newer.number == 0;
  }
  return older.end() == newer.offset;
}

Result<std::string> target_of_multiaddr(std::string_view multiaddr) {
  const auto refuse = [&] {
    return fail(Code::kNotSupported,
                fmt::format("multiaddr '{}': expected /ip4/A/tcp/PORT, /ip6/A/tcp/PORT, "
                            "/dns/NAME/tcp/PORT or /unix/PATH; name the service with --cas",
                            printable(multiaddr.substr(0, 200))));
  };
  if (multiaddr.starts_with("/unix/")) return fmt::format("unix:{}", multiaddr.substr(5));
  std::vector<std::string> words;
  for (std::size_t at = 0; at < multiaddr.size();) {
    const std::size_t end = std::min(multiaddr.find('/', at + 1), multiaddr.size());
    words.emplace_back(multiaddr.substr(at + 1, end - at - 1));
    at = end;
  }
  if (words.size() != 4 || words[2] != "tcp" || words[1].empty() || words[3].empty())
    return refuse();
  if (words[0] == "ip6") return fmt::format("[{}]:{}", words[1], words[3]);
  if (words[0] == "ip4" || words[0].starts_with("dns")) return words[1] + ":" + words[3];
  return refuse();
}

}  // namespace tlog::cas
