// File: tlog/format/capnp_border.h
// What codecs share, here and in server/protocol: words and bytes, and the border to Cap'n Proto.
// Included by .cc files only.
#pragma once

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include <capnp/message.h>
#include <capnp/serialize.h>
#pragma GCC diagnostic pop

#include <bit>
#include <exception>
#include <string>

#include "tlog/base/buffer.h"
#include "tlog/base/types.h"

namespace tlog::format {

static_assert(std::endian::native == std::endian::little, "words of the formats are little-endian");

template <class T>
T load(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
void store(std::byte* into, T value) {
  std::memcpy(into, &value, sizeof value);
}

// A hash or uuid as the words of a Cap'n Proto group, and back.
template <class Group>
void set_words(Group group, const Hash256& hash) {
  std::array<std::uint64_t, 4> words;
  std::memcpy(words.data(), hash.bytes.data(), sizeof words);
  group.setW0(words[0]);
  group.setW1(words[1]);
  group.setW2(words[2]);
  group.setW3(words[3]);
}
template <class Group>
void set_words(Group group, const Uuid& uuid) {
  std::array<std::uint64_t, 2> words;
  std::memcpy(words.data(), uuid.bytes.data(), sizeof words);
  group.setW0(words[0]);
  group.setW1(words[1]);
}
template <class Group>
Hash256 hash_from(Group group) {
  const std::array<std::uint64_t, 4> words{group.getW0(), group.getW1(), group.getW2(),
                                           group.getW3()};
  Hash256 hash;
  std::memcpy(hash.bytes.data(), words.data(), sizeof words);
  return hash;
}
template <class Group>
Uuid uuid_from(Group group) {
  const std::array<std::uint64_t, 2> words{group.getW0(), group.getW1()};
  Uuid uuid;
  std::memcpy(uuid.bytes.data(), words.data(), sizeof words);
  return uuid;
}

// Nothing in our schemas nests deeper; a message that does, or that points at its words more than
// twice over (overlapping or cyclic pointers), was not written by us.
inline capnp::ReaderOptions reader_options(std::size_t message_words) {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = 2 * message_words + 64;
  options.nestingLimit = 8;
  return options;
}

constexpr std::size_t kFramingBytes = 8;  // Cap'n Proto's segment table for one segment

inline void store_framing(std::byte* into, std::size_t words) {
  store<std::uint32_t>(into, 0);  // segments - 1
  store<std::uint32_t>(into + 4, static_cast<std::uint32_t>(words));
}
// One segment, and nothing behind it, as our encoders lay it out: pointers into other segments
// have nowhere to lead.
inline bool is_one_segment(kj::ArrayPtr<const capnp::word> words) {
  return words.size() > 1 && load<std::uint32_t>(words.begin()) == 0 &&
         load<std::uint64_t>(words.begin()) >> 32 == words.size() - 1;
}

// With its length: a plain std::string would be taken to end at its first zero byte.
inline capnp::Text::Reader text_of(const std::string& text) {
  return {text.c_str(), text.size()};
}
inline Result<std::string> read_text(capnp::Text::Reader text, std::size_t size_max) {
  if (text.size() > size_max) {
    return fail(Code::kCorruption, "a text of " + std::to_string(text.size()) + " bytes, at most " +
                                       std::to_string(size_max) + " are possible");
  }
  return std::string(text.begin(), text.size());
}

// Runs `read` and turns whatever Cap'n Proto throws into kCorruption: no exception leaves this
// folder.
template <class T, class F>
Result<T> catch_kj(const char* what, F read) {
  try {
    return read();
  } catch (const kj::Exception& e) {
    return fail(Code::kCorruption, std::string(what) + ": " + e.getDescription().cStr());
  } catch (const std::exception& e) {
    return fail(Code::kCorruption, std::string(what) + ": " + e.what());
  }
}

}  // namespace tlog::format
