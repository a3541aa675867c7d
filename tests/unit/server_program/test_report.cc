// What is shown: metrics that Prometheus can read, JSON, a page, and whether the server is well.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "server/program/report.h"

namespace tlog::program {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

server::SessionStatus session(std::string vdisk, protocol::Role role = protocol::Role::kWriter) {
  server::SessionStatus made;
  made.vdisk = std::move(vdisk);
  made.client = "<host>:1";
  made.peer = "127.0.0.1:9";
  made.role = role;
  made.epoch = 3;
  made.received = 20;
  made.stored = 10;
  made.memory_bytes = 4096;
  return made;
}

server::ServerStatus status_of(std::vector<server::SessionStatus> sessions) {
  server::ServerStatus status;
  status.address = "127.0.0.1:11211";
  status.uptime_ns = 61'000'000'000;
  status.connections = 5;
  status.records = 20;
  status.memory_bytes = 12'288;
  status.memory_bytes_max = 1 * kGiB;
  status.sessions = std::move(sessions);
  return status;
}

// The text format: every line is a comment or a sample, families stand together, no series twice.
void expect_well_formed(const std::string& text) {
  std::istringstream lines(text);
  std::string line, family;
  std::set<std::string> families, series;
  while (std::getline(lines, line)) {
    if (line.starts_with("# TYPE ")) {
      std::istringstream words(line.substr(7));
      std::string type;
      words >> family >> type;
      EXPECT_TRUE(families.insert(family).second) << line;
      EXPECT_TRUE(type == "gauge" || type == "counter") << line;
      EXPECT_EQ(type == "counter", family.ends_with("_total")) << line;
      continue;
    }
    if (line.starts_with("# HELP ")) continue;
    const std::size_t space = line.rfind(' ');
    ASSERT_NE(space, std::string::npos) << line;
    const std::string name = line.substr(0, space);
    EXPECT_EQ(name.substr(0, name.find('{')), family) << line;
    EXPECT_TRUE(series.insert(name).second) << "twice: " << line;
    EXPECT_EQ(line.find_first_not_of("0123456789", space + 1), std::string::npos) << line;
  }
  EXPECT_TRUE(text.ends_with('\n'));
}

TEST(Metrics, are_well_formed) {
  expect_well_formed(metrics_text(status_of({}), {}));
  // The same vdisk twice (a client that is away, and its successor), readers, odd names.
  const std::string text =
      metrics_text(status_of({session("vm1"), session("vm1"),
                              session("vm1", protocol::Role::kReader), session("a\"b\\c\nd")}),
                   process_status(1'000'000'000, false));
  expect_well_formed(text);
  EXPECT_THAT(text, HasSubstr("tlogserver_vdisk_stored_sequence{vdisk=\"vm1\"} 10\n"));
  EXPECT_THAT(text, HasSubstr("tlogserver_vdisk_received_sequence{vdisk=\"vm1\"} 20\n"));
  EXPECT_THAT(text, HasSubstr("{vdisk=\"a\\\"b\\\\c\\nd\"}"));
  EXPECT_THAT(text, HasSubstr("tlogserver_sessions{role=\"reader\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("tlogserver_connections_total 5\n"));
  EXPECT_THAT(text, HasSubstr("tlogserver_memory_bytes 12288\n"));
  EXPECT_THAT(text, HasSubstr("tlogserver_memory_max_bytes 1073741824\n"));
  EXPECT_THAT(text, HasSubstr("tlogserver_vdisk_held_back{vdisk=\"vm1\"} 0\n"));
  EXPECT_THAT(text, Not(HasSubstr("process_resident_memory_bytes 0\n")));
}

TEST(Health, says_what_is_not_well) {
  auto waiting = session("vm2");
  const auto well = answer("/health", status_of({session("vm1"), waiting}), {});
  EXPECT_EQ(well.status, 200u);
  EXPECT_EQ(Json::parse(well.body)["status"], "ok");

  waiting.waiting_for = "3 of 6 stores, 5 needed";
  const auto ill = answer("/health", status_of({session("vm1"), waiting}), {});
  EXPECT_EQ(ill.status, 503u);
  const Json json = Json::parse(ill.body);
  ASSERT_EQ(json["reasons"].size(), 1u);
  EXPECT_EQ(json["reasons"][0]["vdisk"], "vm2");
  EXPECT_EQ(json["reasons"][0]["reason"], waiting.waiting_for);

  EXPECT_EQ(answer("/health", status_of({}), {.stopping = true}).status, 503u);
}

TEST(Status, is_json_whatever_clients_call_themselves) {
  auto odd = session("vm1");
  odd.client = "\xff\xfe\"<script>";
  const auto shown = answer("/status", status_of({odd}), {});
  EXPECT_EQ(shown.status, 200u);
  const Json json = Json::parse(shown.body);
  EXPECT_EQ(json["sessions"][0]["vdisk"], "vm1");
  EXPECT_EQ(json["sessions"][0]["stored"], 10);
  EXPECT_EQ(json["stopping"], false);
}

TEST(Page, escapes_what_clients_say) {
  auto odd = session("vm1");
  odd.client = "<script>alert('x')</script>&\"";
  odd.waiting_for = "<b>";
  const std::string page = answer("/", status_of({odd}), {}).body;
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;"));
  EXPECT_THAT(page, Not(HasSubstr("<script>")));
  EXPECT_THAT(page, Not(HasSubstr("<b>")));
  EXPECT_THAT(page, HasSubstr("vm1"));
}

TEST(Answer, of_what_is_not_there) {
  EXPECT_EQ(answer("/metrics/..", status_of({}), {}).status, 404u);
  EXPECT_EQ(answer("", status_of({}), {}).status, 404u);
}

TEST(Status, tells_how_far_copies_at_other_sites_are_behind) {
  server::ServerStatus status = status_of({});
  EXPECT_THAT(status_json(status, {}), Not(HasSubstr("repositories")));
  EXPECT_THAT(status_page(status, {}), Not(HasSubstr("Repositories")));
  server::RepositoryStatus repository;
  repository.name = "vm1";
  repository.kind = "vdisk";
  repository.vdisk = "<vm1>";
  repository.logs = 2;
  repository.bytes = 12'345;
  repository.looked_ns = 500'000'000;
  repository.pullers.push_back({.peer = "10.0.0.7",
                                .target = "http://there/<copy>",
                                .behind_bytes = 345,
                                .behind_ns = 12'300'000'000,
                                .pulled_ns = 2'000'000'000});
  repository.pullers.push_back({.peer = "10.0.0.8", .target = "", .behind_ns = {}});
  status.repositories = {repository};
  const Json found = Json::parse(status_json(status, {})).at("repositories").at(0);
  EXPECT_EQ(found.at("bytes"), 12'345);
  EXPECT_EQ(found.at("pushedNs"), Json()) << "nobody has pushed";
  EXPECT_EQ(found.at("pullers").at(0).at("behindBytes"), 345);
  EXPECT_EQ(found.at("pullers").at(0).at("behindNs"), 12'300'000'000);
  EXPECT_EQ(found.at("pullers").at(1).at("behindNs"), Json()) << "it never had everything";
  const std::string page = status_page(status, {});
  EXPECT_THAT(page, HasSubstr("10.0.0.7 for http://there/&lt;copy&gt;: 345 bytes, 12.3 s behind"));
  EXPECT_THAT(page, HasSubstr("&lt;vm1&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("<copy>")));
}

}  // namespace
}  // namespace tlog::program
