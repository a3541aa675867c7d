// Bad files: each gets its errors with the exact line and column, the key, the reason and what is
// expected. Here what can be wrong with a document; the sections have files of their own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/bad_input.h"
#include "tests/unit/config/replaced.h"

namespace tlog::config {
namespace {

using testing::HasSubstr;

// With which blocks can be on servers.
constexpr char kServers[] =
    "clusters:\n  c: {directories: [a]}\n  p: {servers: [{address: h:1}]}\n"
    "  s: {servers: [{address: h:2}]}\ntlog: {cluster: c, dataShards: 1, parityShards: 0}\n";
constexpr char kVdisks[] = "vdisks: {v: {size: 1MiB, storage: {file: x}}}\n";

TEST_P(ConfigProblems, are_all_named_with_their_places) {
  std::string text =
      replaced(replaced(GetParam().text, "CLUSTERS\n", kClusters), "VDISKS\n", kVdisks);
  text = replaced(text, "SERVERS\n", kServers);
  std::string errors = errors_of(text);
  std::vector<std::string> lines;
  for (std::size_t start = 0; start < errors.size();) {
    std::size_t end = std::min(errors.find('\n', start), errors.size());
    lines.push_back(errors.substr(start, end - start));
    start = end + 1;
  }
  ASSERT_EQ(lines.size(), GetParam().errors.size()) << errors << "\n\n" << text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string expected = std::string(kProblemsPath) + ":" + GetParam().errors[i];
    EXPECT_EQ(lines[i].substr(0, expected.size()), expected);
    EXPECT_THAT(lines[i], HasSubstr("expected "));
  }
}

const BadInput kBadDocuments[] = {
    {"empty", "", {"1:1: empty, expected clusters and vdisks"}},
    {"only_comments", "# nothing\n\n", {"1:1: empty"}},
    {"null_document", "~\n", {"1:1: empty"}},
    {"a_word", "hello\n", {"1:1: is a single value"}},
    {"a_list", "- 1\n- 2\n", {"1:1: is a list"}},
    {"two_documents", "CLUSTERS\nVDISKS\n---\nkeyFile: x\n", {"3:1: yaml: a second document"}},
    {"tab",
     "journal:\n  io: auto\n\tsize: 1GiB\n",
     {"3:1: yaml: a tab in the indentation, expected spaces"}},
    {"tab_after_spaces", "journal:\n  \tsize: 1GiB: 2\n", {"2:3: yaml: a tab"}},
    {"unfinished_flow", "clusters: {a: {directories: [x\n", {"2:1: yaml: end of "}},
    {"colon_in_value", "keyFile: a: b\n", {"1:11: yaml: "}},
    {"bad_indentation", "journal:\n  io: auto\n size: 1GiB\n", {"3:2: yaml: "}},
    {"undefined_alias", "keyFile: *k\n", {"1:10: yaml: the referenced anchor is not defined"}},
    {"deep", std::string(100'000, '['), {"1:"}},
    {"deep_maps",
     [] {
       std::string t;
       for (int i = 0; i < 50'000; ++i) t += "{a: ";
       return t;
     }(),
     {"1:"}},
    {"leading_comma", ", a: 1\n", {"1:1: yaml: an unexpected character, expected a key"}},
    {"no_sections",
     "keyFile: k\n",
     {"1:1: vdisks: missing, expected a mapping",
      "1:1: clusters: missing, expected a mapping of names to sections, for example clusters: "
      "{local"}},
    {"no_clusters",
     "clusters: {}\nVDISKS\n",
     {"1:11: clusters: empty, expected a mapping of names to sections, for example clusters: "
      "{local"}},
    {"null_clusters", "clusters:\nVDISKS\n", {"1:1: clusters: is nothing"}},
    {"no_vdisks", "CLUSTERS\nvdisks: {}\n", {"2:9: vdisks: empty"}},
    {"clusters_list", "clusters: [a]\nVDISKS\n", {"1:11: clusters: is a list"}},
    {"cluster_of_nothing", "clusters:\n  c:\nVDISKS\n", {"2:3: clusters.c: is nothing"}},

    {"unknown_key",
     "CLUSTERS\nVDISKS\njounral: {}\n",
     {"3:1: jounral: unknown key; did you mean 'journal'? expected keyFile, journal"}},
    {"unknown_key_far",
     "CLUSTERS\nVDISKS\nxyzzy: 1\n",
     {"3:1: xyzzy: unknown key, expected keyFile"}},
    {"unknown_deep",
     "CLUSTERS\nvdisks:\n  v:\n    size: 1MiB\n    storage: {file: x}\n    tlog: {datashards: 1}\n",
     {"6:12: vdisks.v.tlog.datashards: unknown key; did you mean 'dataShards'?"}},
    {"merge_key",
     "CLUSTERS\nVDISKS\ntlog:\n  <<: {dataShards: 1}\n",
     {"4:3: tlog.<<: unknown key"}},
    {"key_that_is_a_list",
     "CLUSTERS\nVDISKS\n? [a]\n: 1\n",
     {"3:3: the key is a list, expected a word"}},
    {"duplicate_key",
     "CLUSTERS\nVDISKS\nkeyFile: a\nkeyFile: b\n",
     {"4:1: keyFile: duplicate key"}},
    {"duplicate_vdisk",
     "CLUSTERS\nvdisks:\n  v: {size: 512, storage: {file: x}}\n  v: {size: 512, storage: {file: "
     "y}}\n",
     {"4:3: vdisks.v: duplicate name"}},
    {"several",
     "CLUSTERS\nvdisks:\n  v: {size: 1, storage: {file: x}}\ntlog: {dataShards: x}\nkeyfile: a\n",
     {"3:13: vdisks.v.size: too small", "4:20: tlog.dataShards: not a number",
      "5:1: keyfile: unknown key; did you mean 'keyFile'?"}},
};

TLOG_BAD_INPUTS(Documents, kBadDocuments);

}  // namespace
}  // namespace tlog::config
