// LogIndex: which contents a vdisk's log has, oldest first, as its name and the pages behind it
// tell. In front of everybody who follows a log.
//
// A refresh reads the name and then older pages until it finds one that it knows. What it knew must
// still be told: a log only grows. Pages and contents are checked against their addresses, pages
// against each other: they have to adjoin; an older page may overlap with a newer one.
//
// Threading: refresh() while nothing else is called; the others from any thread.
// Memory: 150 bytes for each content, and the newest page.
// Errors: kNotFound: there is no such name; kCorruption: a page is missing, altered, reordered, or
// comes again, naming it; kFenced: the name tells another history than before; kShutdown:
// stop_when(), and the index is as before; those of Contents.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "gateways/cas/page.h"
#include "tlog/base/mutex.h"

namespace tlog::cas {

class LogIndex {
 public:
  // Borrowed; outlives the index. `contents`: where pages and contents are; null: where the name
  // is.
  LogIndex(Contents& names, std::string name, Contents* contents = nullptr);

  // Asked before each older page, of which there may be many: true ends refresh() with kShutdown.
  void stop_when(std::function<bool()> stopping) { stopping_ = std::move(stopping); }

  Status refresh();
  Status refresh_head();  // the name's page alone: then pieces are those of it

  const Page& head() const { return head_; }
  const std::string& head_bytes() const { return head_bytes_; }

  std::size_t size() const { return closed_.size() + head_.pairs.size() - overlap_; }
  Piece piece(std::size_t at) const;
  // The bytes of a piece: embedded, or from its address.
  Result<std::string> content(std::size_t at) EXCLUDES(mutex_);

 private:
  struct ClosedPage {
    Address address;
    std::size_t first = 0;    // of its pieces in closed_
    std::size_t skipped = 0;  // older ones of it that an older page has too
    bool is_oldest = false;
  };
  // What was known before a refresh.
  struct Before {
    std::size_t closed = 0;
    std::size_t pages = 0;
    std::size_t overlap = 0;
    Page head;
    std::vector<Piece> known;  // and known_pages: set when none of the pages was told any more
    std::vector<ClosedPage> known_pages;
  };
  Status advance(Before& before);
  Status check_goes_on(const Before& before) const;
  Error another_history(const Piece& known) const;
  Result<Page> get_page(const Address& address, std::size_t behind);
  Status read_older(std::vector<ClosedPage>& pages, std::vector<std::vector<Piece>>& pieces);
  Status join(std::vector<Piece> pieces, const std::string& what, std::size_t& skipped);
  Result<std::string> embedded(std::size_t at) EXCLUDES(mutex_);

  Contents& names_;
  const std::string name_;
  Contents& contents_;
  std::function<bool()> stopping_;
  Page head_;
  std::string head_bytes_;
  std::size_t overlap_ = 0;  // how many of the head's oldest are in closed pages too
  std::vector<Piece> closed_;
  std::vector<ClosedPage> pages_;
  Mutex mutex_;
  Address cached_ GUARDED_BY(mutex_);  // the page that was read last for what it embeds
  Page cached_page_ GUARDED_BY(mutex_);
};

}  // namespace tlog::cas
