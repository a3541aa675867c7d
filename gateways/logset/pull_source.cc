#include "gateways/logset/pull_source.h"

#include <algorithm>

namespace tlog::logset {

PullSource::PullSource(std::shared_ptr<Repository> repository, const std::vector<LogLength>& here,
                       const LogLengths& there)
    : repository_(std::move(repository)) {
  parts_.push_back({.text = offsets_text(here), .slice = {}});
  for (const LogLength& log : here) {
    const auto known = there.find(log.name);
    const std::uint64_t offset = known == there.end() ? 0 : known->second;
    if (offset >= log.bytes) continue;
    SliceHead head{.name = log.name, .offset = offset, .length = log.bytes - offset};
    parts_.push_back({.text = slice_line(head), .slice = std::move(head)});
  }
  for (const Part& part : parts_) size_ += part.text.size() + part.slice.length;
}

std::size_t PullSource::fill_text(ByteSpan into) {
  const std::string& text = parts_[part_].text;
  const std::size_t size = std::min<std::size_t>(into.size(), text.size() - at_);
  std::copy_n(reinterpret_cast<const std::byte*>(text.data()) + at_, size, into.begin());
  return size;
}

Result<std::size_t> PullSource::fill_slice(ByteSpan into) {
  const Part& part = parts_[part_];
  const std::uint64_t done = at_ - part.text.size();
  const std::size_t size = std::min<std::uint64_t>(into.size(), part.slice.length - done);
  TLOG_TRY(repository_->read(part.slice.name, part.slice.offset + done, into.first(size)));
  return size;
}

Result<std::size_t> PullSource::fill(ByteSpan into) {
  std::size_t filled = 0;
  while (filled < into.size() && part_ < parts_.size()) {
    const Part& part = parts_[part_];
    std::size_t size = 0;
    if (at_ < part.text.size()) {
      size = fill_text(into.subspan(filled));
    } else if (at_ < part.text.size() + part.slice.length) {
      TLOG_ASSIGN(size, fill_slice(into.subspan(filled)));
    } else {
      ++part_;
      at_ = 0;
      continue;
    }
    at_ += size;
    filled += size;
  }
  return filled;
}

}  // namespace tlog::logset
