// File: tlog/config/problems.h
// Collects what is wrong with a file, and remembers where each key stands so that checks of meaning
// can point there. Threading: one thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tlog/base/limits.h"
#include "tlog/config/config.h"

namespace tlog::config {

std::string trail_of(std::string_view parent, std::string_view key);
std::string key_of(std::string_view trail);  // as people read it: "vdisks.vm1.size"

class Problems {
 public:
  void remember(const std::string& trail, Position position) {
    positions_.insert_or_assign(trail, position);
  }
  bool knows(const std::string& trail) const { return positions_.contains(trail); }
  bool failed(const std::string& trail) const { return failed_.contains(trail); }
  Position position(const std::string& trail) const { return position_in(positions_, trail); }
  const Positions& positions() const { return positions_; }

  // The same problem at the same place is kept once.
  void add(Position position, const std::string& trail, std::string reason);
  void add(const std::string& trail, std::string reason) {
    add(position(trail), trail, std::move(reason));
  }
  // More would not be read: whoever walks the file may stop.
  bool full() const { return problems_.size() >= kConfigProblemsMax; }
  bool empty() const { return problems_.empty(); }
  std::vector<Problem> take();  // in the file's order

 private:
  Positions positions_;
  std::set<std::string> failed_;
  std::vector<Problem> problems_;
};

}  // namespace tlog::config
