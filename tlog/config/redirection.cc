// The small local file that only says where the configuration really is.
#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "tlog/config/config.h"
#include "tlog/config/source.h"

namespace tlog::config {

Result<std::string> source_named_in(const std::string& text, const std::string& path) {
  try {
    const YAML::Node document = YAML::Load(text);
    const YAML::Node source = document.IsMap() ? document["configSource"] : YAML::Node();
    if (!document.IsMap() || !source) return std::string();
    const auto refuse = [&](const YAML::Node& at, std::string reason) {
      const Problem problem{.line = static_cast<std::size_t>(at.Mark().line) + 1,
                            .column = static_cast<std::size_t>(at.Mark().column) + 1,
                            .key = "configSource",
                            .reason = std::move(reason)};
      return fail(Code::kInvalidArgument, format_problem(problem, path));
    };
    if (document.size() != 1) {
      return refuse(document,
                    "stands beside other keys, expected it alone: everything else is "
                    "there where it points to");
    }
    if (!source.IsScalar() || source.Scalar().empty()) {
      return refuse(source, "is no address, expected etcd://HOST:PORT/KEY");
    }
    return source.Scalar();
  } catch (const YAML::Exception&) {
    return std::string();  // what is wrong with it is said when it is checked
  }
}

}  // namespace tlog::config
