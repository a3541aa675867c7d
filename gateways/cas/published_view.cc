#include "gateways/cas/published_view.h"

#include <fmt/format.h>

#include "gateways/frames/frame.h"

namespace tlog::cas {

void PublishedView::claim(const std::string& name) {
  MutexLock lock(mutex_);
  names_.insert(name);
  unread_.insert(name);
}

void PublishedView::has_offered_all(const std::string& name) {
  MutexLock lock(mutex_);
  unread_.erase(name);
}

void PublishedView::offer(logset::Repository& log, const Uuid& vdisk, const Piece& piece) {
  MutexLock lock(mutex_);
  places_.insert_or_assign(piece.address, Place{.log = &log,
                                                .vdisk = vdisk,
                                                .epoch = piece.epoch,
                                                .offset = piece.offset,
                                                .length = piece.length});
}

Status PublishedView::update(const std::string& name, std::string_view content) {
  {
    MutexLock lock(mutex_);
    // Emptied, it is published anew from the log.
    if (names_.contains(name) && !content.empty()) {
      return fail(Code::kNotSupported,
                  fmt::format("update: '{}': this server publishes it; only its vdisk's log moves "
                              "it",
                              name));
    }
  }
  return behind_.update(name, content);
}

Result<std::string> PublishedView::get(const Address& address) {
  Place place;
  std::string unread;
  {
    MutexLock lock(mutex_);
    const auto found = places_.find(address);
    if (found != places_.end()) place = found->second;
    if (!unread_.empty()) unread = *unread_.begin();
  }
  if (place.log == nullptr) {
    auto kept = behind_.get(address);
    if (kept || kept.error().code() != Code::kNotFound || unread.empty()) return kept;
    return fail(Code::kUnavailable,
                fmt::format("get: {}: it may be of '{}', whose log could not be looked at so far; "
                            "ask again",
                            text_of(address), unread));
  }
  std::string content(place.length, '\0');
  const Status read = place.log->read(logset::epoch_log_name(place.vdisk, place.epoch),
                                      place.offset, std::as_writable_bytes(std::span(content)));
  // It was there: what does not show it now are stores that are away.
  if (!read && read.error().code() == Code::kNotFound) {
    return fail(Code::kUnavailable, read.error().message() + "; ask again");
  }
  TLOG_TRY(read);
  if (may_be_of(address, content)) return content;
  return fail(Code::kCorruption,
              fmt::format("get: {}: the log of vdisk {} has other bytes there: epoch {}, offset {}",
                          text_of(address), place.vdisk.text(), place.epoch, place.offset));
}

}  // namespace tlog::cas
