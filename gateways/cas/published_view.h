// PublishedView: the contents of published logs, read from the logs themselves when somebody asks:
// nothing is stored a second time. Pages, names and what others add are in the store behind it.
//
// Threading: any thread. Memory: some 120 bytes for each content that was offered.
// Errors: kNotSupported for an update of a name that is published here; kUnavailable for a content
// that may be one of a log which could not be looked at so far; else those of Contents and
// of the logs.
#pragma once

#include <set>
#include <unordered_map>

#include "gateways/cas/page.h"
#include "gateways/logset/repository.h"
#include "tlog/base/mutex.h"

namespace tlog::cas {

class PublishedView final : public Contents {
 public:
  // Borrowed; outlives the view.
  explicit PublishedView(Contents& behind) : behind_(behind) {}

  Result<Address> add(std::string_view content) override { return behind_.add(content); }
  Result<std::string> get(const Address& address) override EXCLUDES(mutex_);
  Status update(const std::string& name, std::string_view content) override EXCLUDES(mutex_);
  Result<std::string> fetch(const std::string& name) override { return behind_.fetch(name); }

  // From now on the name belongs to its publisher, who updates it in the store behind. Until it has
  // offered what the name led to before, nobody is told that a content is not there.
  void claim(const std::string& name) EXCLUDES(mutex_);
  void has_offered_all(const std::string& name) EXCLUDES(mutex_);
  // The content of `piece.address` is that piece of `log`, which outlives the view.
  void offer(logset::Repository& log, const Uuid& vdisk, const Piece& piece) EXCLUDES(mutex_);

 private:
  struct Place {
    logset::Repository* log = nullptr;
    Uuid vdisk;
    Epoch epoch = 0;
    std::uint64_t offset = 0;
    std::uint32_t length = 0;
  };
  Contents& behind_;
  Mutex mutex_;
  std::set<std::string> names_ GUARDED_BY(mutex_);
  std::set<std::string> unread_ GUARDED_BY(mutex_);  // of them: what was offered is not all
  std::unordered_map<Address, Place> places_ GUARDED_BY(mutex_);
};

}  // namespace tlog::cas
