// Requests and answers survive the way; whatever else arrives is refused and harms nobody.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "ctl/control_protocol.h"

namespace tlog::control {
namespace {

using ::testing::HasSubstr;

TEST(ControlProtocol, requests_survive_the_way) {
  for (const Request& request :
       {Request{.command = Command::kPing}, Request{.command = Command::kStatus},
        Request{.command = Command::kStatus, .vdisk = "vm1"},
        Request{.command = Command::kMark, .vdisk = "vm1", .name = "before \"upgrade\" \xc3\xa4"},
        Request{.command = Command::kFlush, .vdisk = "vm1", .timeout_ms = 1234},
        Request{.command = Command::kScrub, .vdisk = "vm1", .deep = true, .bytes_per_second = 9},
        Request{.command = Command::kScrub, .vdisk = "vm1", .repair = true}}) {
    std::string line = encode_request(request);
    ASSERT_EQ(line.find('\n'), line.size() - 1);
    auto decoded = decode_request(std::string_view(line).substr(0, line.size() - 1));
    ASSERT_TRUE(decoded.has_value()) << line << decoded.error().message();
    EXPECT_EQ(decoded->command, request.command);
    EXPECT_EQ(decoded->vdisk, request.vdisk);
    EXPECT_EQ(decoded->name, request.name);
    EXPECT_EQ(decoded->timeout_ms, request.timeout_ms);
    EXPECT_EQ(decoded->deep, request.deep);
    EXPECT_EQ(decoded->repair, request.repair);
    EXPECT_EQ(decoded->bytes_per_second, request.bytes_per_second);
  }
}

TEST(ControlProtocol, the_documented_requests_are_read) {
  EXPECT_EQ(decode_request(R"({"command":"ping"})")->command, Command::kPing);
  EXPECT_EQ(decode_request(R"({"command":"flush","vdisk":"vm1","timeoutMs":5})")->timeout_ms, 5u);
  EXPECT_EQ(decode_request(R"({"command":"mark","vdisk":"vm1","name":"x","newer":[1]})")->name,
            "x");
}

TEST(ControlProtocol, wrong_requests_are_refused) {
  const std::pair<std::string, std::string> kWrong[] = {
      {"", "not a JSON object"},
      {"null", "not a JSON object"},
      {"[]", "not a JSON object"},
      {"{", "not a JSON object"},
      {"{\"command\":\"ping\"} x", "not a JSON object"},
      {std::string(60'000, '['), "not a JSON object"},
      {"{}", "unknown \"command\""},
      {R"({"command":"stop"})", "unknown \"command\""},
      {R"({"command":1})", "\"command\" is not text"},
      {R"({"command":"mark","vdisk":"vm1"})", "\"name\" is missing"},
      {R"({"command":"mark","name":"x"})", "\"vdisk\" is missing"},
      {R"({"command":"mark","vdisk":"vm1","name":"a\nb"})", "control character"},
      {R"({"command":"flush"})", "\"vdisk\" is missing"},
      {R"({"command":"flush","vdisk":"vm1","timeoutMs":-1})",
       "\"timeoutMs\" is not an unsigned number"},
      {R"({"command":"flush","vdisk":"vm1","timeoutMs":1e99})",
       "\"timeoutMs\" is not an unsigned number"},
      {R"({"command":"flush","vdisk":"vm1","timeoutMs":86400001})", "larger than 86400000"},
      {"{\"command\":\"mark\",\"vdisk\":\"vm1\",\"name\":\"\xff\"}", "not a JSON object"},
      {R"({"command":"status","vdisk":")" + std::string(65, 'v') + "\"}", "too long"},
      {R"({"command":"mark","vdisk":"v","name":")" + std::string(1025, 'n') + "\"}",
       "longer than 1024"},
      {std::string(kRequestBytesMax + 1, ' '), "too long"},
  };
  for (const auto& [line, reason] : kWrong) {
    auto request = decode_request(line);
    ASSERT_FALSE(request.has_value()) << line.substr(0, 100);
    EXPECT_EQ(request.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(request.error().message(), HasSubstr(reason)) << line.substr(0, 100);
  }
}

TEST(ControlProtocol, every_field_of_a_report_survives_the_way) {
  VdiskReport vdisk;
  vdisk.name = "vm1";
  vdisk.uuid = "u";
  vdisk.state = "serving";
  vdisk.reason = "r";
  vdisk.waiting_for = "w";
  std::uint64_t value = ~std::uint64_t{0};
  for (auto* field : {&vdisk.size,
                      &vdisk.epoch,
                      &vdisk.appended,
                      &vdisk.durable,
                      &vdisk.stored,
                      &vdisk.applied,
                      &vdisk.journal_bytes_used,
                      &vdisk.journal_bytes_total,
                      &vdisk.arena_bytes_used,
                      &vdisk.arena_bytes_total,
                      &vdisk.overlay_extents,
                      &vdisk.reads,
                      &vdisk.read_bytes,
                      &vdisk.writes,
                      &vdisk.write_bytes,
                      &vdisk.flushes,
                      &vdisk.slowed,
                      &vdisk.stalls,
                      &vdisk.committed,
                      &vdisk.in_flight,
                      &vdisk.missing_shards,
                      &vdisk.buffered_bytes,
                      &vdisk.hinted_bytes,
                      &vdisk.scrub_runs,
                      &vdisk.scrub_done,
                      &vdisk.scrub_last,
                      &vdisk.scrub_checked,
                      &vdisk.scrub_missing,
                      &vdisk.scrub_wrong,
                      &vdisk.scrub_unreachable,
                      &vdisk.scrub_bytes}) {
    *field = value--;
  }
  vdisk.scrub_finding = "f";
  vdisk.scrub_running = vdisk.scrub_deep = true;
  for (BackgroundScrubReport* scrub : {&vdisk.light_scrub, &vdisk.deep_scrub}) {
    scrub->running = true;
    for (auto* field : {&scrub->began_ns, &scrub->done, &scrub->last, &scrub->missing,
                        &scrub->wrong, &scrub->unreachable, &scrub->mended, &scrub->next_ns,
                        &scrub->finished_ns, &scrub->finished_missing, &scrub->finished_wrong,
                        &scrub->finished_unreachable, &scrub->finished_mended}) {
      *field = value--;
    }
  }
  vdisk.background_scrub_waiting = "b";
  vdisk.stores.push_back({"directory log/\xff", true, "up", 1, 2, 3, 4});
  vdisk.block_servers.push_back(
      {.name = "redis", .condition = "c", .state = "rebuilding", .has = 5, .wanted = 6, .left = 7});
  Reply reply{.pid = 7, .monotonic_ns = 8, .sequence = 9, .vdisks = {vdisk}};
  std::string line = encode_reply(reply);
  auto decoded = decode_reply(line);
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message();
  EXPECT_EQ(decoded->pid, 7u);
  EXPECT_EQ(decoded->monotonic_ns, 8u);
  EXPECT_EQ(decoded->sequence, 9u);
  ASSERT_EQ(decoded->vdisks.size(), 1u);
  EXPECT_EQ(encode_reply(*decoded), line);
  EXPECT_EQ(decoded->vdisks[0].appended, vdisk.appended);
  EXPECT_EQ(decoded->vdisks[0].buffered_bytes, vdisk.buffered_bytes);
  EXPECT_EQ(decoded->vdisks[0].hinted_bytes, vdisk.hinted_bytes);
  EXPECT_EQ(decoded->vdisks[0].stores[0].queued_bytes, 4u);
  ASSERT_EQ(decoded->vdisks[0].block_servers.size(), 1u);
  EXPECT_EQ(decoded->vdisks[0].block_servers[0].state, "rebuilding");
  EXPECT_EQ(decoded->vdisks[0].block_servers[0].wanted, 6u);
  EXPECT_EQ(decoded->vdisks[0].block_servers[0].left, 7u);
  EXPECT_EQ(decoded->vdisks[0].scrub_bytes, vdisk.scrub_bytes);
  EXPECT_TRUE(decoded->vdisks[0].scrub_running);
  EXPECT_TRUE(decoded->vdisks[0].deep_scrub.running);
  EXPECT_EQ(decoded->vdisks[0].light_scrub.finished_mended, vdisk.light_scrub.finished_mended);
  EXPECT_EQ(decoded->vdisks[0].deep_scrub.began_ns, vdisk.deep_scrub.began_ns);
  EXPECT_EQ(decoded->vdisks[0].background_scrub_waiting, "b");
  // The names that the documents promise.
  for (const char* key : {"\"appended\"", "\"durable\"", "\"stored\"", "\"applied\""})
    EXPECT_THAT(line, HasSubstr(key));
}

TEST(ControlProtocol, errors_keep_their_code) {
  for (Code code :
       {Code::kInvalidArgument, Code::kNotFound, Code::kCorruption, Code::kWrongKey, Code::kNoSpace,
        Code::kTimeout, Code::kFenced, Code::kShutdown, Code::kNotSupported}) {
    auto reply = decode_reply(encode_error(Error(code, "mark: vm1: \"why\"")));
    ASSERT_FALSE(reply.has_value());
    EXPECT_EQ(reply.error().code(), code);
    EXPECT_EQ(reply.error().message(), "mark: vm1: \"why\"");
  }
}

TEST(ControlProtocol, nonsense_answers_are_corruption) {
  for (const char* line :
       {"", "[]", R"({"ok":1})", R"({"ok":true,"vdisks":{}})", R"({"ok":true,"vdisks":[1]})",
        R"({"ok":true,"vdisks":[{"size":-1}]})", R"({"ok":true,"vdisks":[{"stores":[0]}]})"}) {
    auto reply = decode_reply(line);
    ASSERT_FALSE(reply.has_value()) << line;
    EXPECT_EQ(reply.error().code(), Code::kCorruption) << line;
  }
}

TEST(ControlProtocol, random_bytes_are_refused) {
  EXPECT_TRUE(rc::check("random bytes", [](const std::string& line) {
    RC_ASSERT(!decode_request(line).has_value());
    RC_ASSERT(!decode_reply(line).has_value());
  }));
  const std::string good =
      encode_request({.command = Command::kMark, .vdisk = "vm1", .name = "name"});
  EXPECT_TRUE(rc::check("one byte of a request changed", [&good] {
    std::string line = good;
    line[*rc::gen::inRange<std::size_t>(0, line.size())] = *rc::gen::arbitrary<char>();
    auto request = decode_request(line);
    if (request) RC_ASSERT(request->command == Command::kMark);
  }));
}

}  // namespace
}  // namespace tlog::control
