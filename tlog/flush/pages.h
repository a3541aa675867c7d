// File: tlog/flush/pages.h
// Pages: writes the index page of every 256 aggregations to all stores. What it does not know of a
// page (the writer was opened in the middle of it) it reads from the log, in the background. A page
// that cannot be made is tried again later; it never holds an append up, because readers do without
// a page.
//
// Threading: the loop's thread only; opening aggregations runs where `run` puts it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tlog/base/log.h"
#include "tlog/flush/backoff.h"
#include "tlog/seal/sealer.h"
#include "tlog/walk/fetch.h"

namespace tlog::flush {

class Pages : public std::enable_shared_from_this<Pages> {
 public:
  struct Parts {
    std::shared_ptr<const walk::LogPlace> place;
    std::function<Epoch(AggregationNumber)> epoch_of;
    const seal::Sealer* sealer = nullptr;
    std::size_t quorum = 0;
    io::Loop* loop = nullptr;
    Random* random = nullptr;
    Logger* logger = nullptr;
    walk::Run run;
    std::function<void(std::uint64_t pages)>
        written;  // pages 0 .. pages-1 are on a quorum of stores
  };
  // `pages` exist; everything up to `committed` is in the log.
  Pages(Parts parts, std::uint64_t pages, AggregationNumber committed);

  void add(const format::AggregationReference& committed);
  void go_on();
  void stop();

 private:
  struct Round;  // of putting one page
  void read_missing();
  void took(AggregationNumber number, Result<format::AggregationReference> reference);
  void find_previous(std::size_t store);
  void previous_answered(std::size_t store, Result<Buffer> stored);
  void write_page();
  void page_put(const std::shared_ptr<Round>& round, const Status& status);
  void try_later(const std::string& why);

  const Parts parts_;
  std::uint64_t page_;  // the next to be written
  AggregationNumber committed_;
  std::map<AggregationNumber, format::AggregationReference> entries_;  // from page_ on
  std::optional<Hash256> previous_;  // hash of the page before page_
  bool previous_lost_ = false;       // no store was unreachable when it was not found
  bool busy_ = false;
  bool stopped_ = false;
  Backoff backoff_;
  io::TimerId timer_ = 0;
};

}  // namespace tlog::flush
