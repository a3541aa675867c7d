#include "tlog/config/problems.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace tlog::config {

std::string trail_of(std::string_view parent, std::string_view key) {
  return parent.empty() ? std::string(key) : fmt::format("{}/{}", parent, key);
}

std::string key_of(std::string_view trail) {
  std::string key(trail);
  std::replace(key.begin(), key.end(), '/', '.');
  return key;
}

Position position_in(const Positions& positions, std::string trail) {
  while (true) {
    if (auto found = positions.find(trail); found != positions.end()) return found->second;
    std::size_t slash = trail.rfind('/');
    if (slash == std::string::npos) return {};
    trail.resize(slash);
  }
}

void Problems::add(Position position, const std::string& trail, std::string reason) {
  failed_.insert(trail);
  if (full()) return;
  Problem problem{position.line, position.column, key_of(trail), std::move(reason)};
  if (std::find(problems_.begin(), problems_.end(), problem) == problems_.end()) {
    problems_.push_back(std::move(problem));
  }
}

std::vector<Problem> Problems::take() {
  std::stable_sort(problems_.begin(), problems_.end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.line, a.column) < std::tie(b.line, b.column);
  });
  return std::move(problems_);
}

std::string format_problem(const Problem& problem, const std::string& path) {
  std::string text = fmt::format("{}:{}:{}: ", path, problem.line, problem.column);
  if (!problem.key.empty()) text += problem.key + ": ";
  return text + problem.reason;
}

std::string format_problems(const std::vector<Problem>& problems, const std::string& path) {
  std::string text;
  for (const Problem& problem : problems) {
    if (!text.empty()) text += '\n';
    text += format_problem(problem, path);
  }
  return text;
}

}  // namespace tlog::config
