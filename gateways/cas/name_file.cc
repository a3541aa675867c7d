#include "gateways/cas/name_file.h"

#include "gateways/cas/address.h"

namespace tlog::cas {
namespace {

constexpr std::string_view kMagic("TLOGNAM\x01", 8);  // the last byte is the version
constexpr std::size_t kHeadBytes = 16;
static_assert(kHeadBytes + kDigestBytes == kNameFileBytesAround);

void append_number(std::string& to, std::size_t number) {
  for (unsigned shift = 0; shift < 32; shift += 8) to += static_cast<char>(number >> shift & 0xff);
}

std::size_t number_at(std::string_view file, std::size_t offset) {
  std::size_t number = 0;
  for (unsigned i = 0; i < 4; ++i) {
    number |= std::size_t{static_cast<unsigned char>(file[offset + i])} << (8 * i);
  }
  return number;
}

tl::unexpected<Error> damaged(std::string_view what) {
  return fail(Code::kCorruption, std::string(what));
}

}  // namespace

std::string encode_name_file(std::string_view name, std::string_view content) {
  std::string file(kMagic);
  file.reserve(kNameFileBytesAround + name.size() + content.size());
  append_number(file, name.size());
  append_number(file, content.size());
  file += name;
  file += content;
  file += digest_of(file);
  return file;
}

Result<std::string> decode_name_file(std::string_view file, std::string_view name) {
  if (file.size() < kNameFileBytesAround) return damaged("it is too short");
  if (!file.starts_with(kMagic.substr(0, kMagic.size() - 1)))
    return damaged("it is no name's file");
  const std::string_view body = file.substr(0, file.size() - kDigestBytes);
  if (file.substr(body.size()) != digest_of(body)) return damaged("its checksum is wrong");
  if (file[kMagic.size() - 1] != kMagic.back()) {
    return fail(Code::kNotSupported, "it was written by a newer version");
  }
  const std::size_t name_bytes = number_at(file, 8);
  const std::size_t content_bytes = number_at(file, 12);
  if (name_bytes + content_bytes + kHeadBytes != body.size())
    return damaged("its lengths are wrong");
  if (body.substr(kHeadBytes, name_bytes) != name) return damaged("it is another name's");
  return std::string(body.substr(kHeadBytes + name_bytes));
}

}  // namespace tlog::cas
