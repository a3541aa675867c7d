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
        Request{.command = Command::kScrub, .vdisk = "vm1", .repair = true},
        Request{.command = Command::kWaitSlaveSync, .vdisk = "vm1", .timeout_ms = 7},
        Request{.command = Command::kFailover, .vdisk = "vm1", .timeout_ms = 8},
        Request{.command = Command::kFailover, .vdisk = "vm1", .accept_loss = true},
        Request{.command = Command::kFailover, .vdisk = "vm1", .keep_following = true},
        Request{.command = Command::kResync, .vdisk = "vm1"},
        Request{.command = Command::kResync, .vdisk = "vm1", .force = true}}) {
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
    EXPECT_EQ(decoded->accept_loss, request.accept_loss);
    EXPECT_EQ(decoded->keep_following, request.keep_following);
    EXPECT_EQ(decoded->force, request.force);
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
      {R"({"command":"wait-slave-sync"})", "\"vdisk\" is missing"},
      {R"({"command":"failover","timeoutMs":1})", "\"vdisk\" is missing"},
      {R"({"command":"failover","vdisk":"vm1","acceptLoss":1})", "\"acceptLoss\" is not true or"},
      {R"({"command":"failover","vdisk":"vm1","timeoutMs":86400001})", "larger than 86400000"},
      {R"({"command":"resync","vdisk":"vm1","force":"yes"})", "\"force\" is not true or false"},
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

std::string some_text() {
  return *rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127));
}

StandbyReport some_standby() {
  StandbyReport standby;
  for (std::string* text : {&standby.state, &standby.reason, &standby.primary, &standby.active,
                            &standby.standby, &standby.phase, &standby.synced.hash}) {
    *text = some_text();
  }
  for (std::uint64_t* number :
       {&standby.synced.epoch, &standby.synced.sequence, &standby.synced.aggregation,
        &standby.lag_records, &standby.lag_ms, &standby.applied_bytes, &standby.failing_ms,
        &standby.failover_after_ms}) {
    *number = *rc::gen::arbitrary<std::uint64_t>();
  }
  standby.was_complete = *rc::gen::arbitrary<bool>();
  if (*rc::gen::arbitrary<bool>()) standby.receipt = R"({"vdisk":"vm1","lost":[]})";
  const auto servers = *rc::gen::inRange(0, 4);
  for (int i = 0; i < servers; ++i) {
    standby.servers.push_back({.name = some_text(),
                               .usable = *rc::gen::arbitrary<bool>(),
                               .condition = some_text(),
                               .has = *rc::gen::arbitrary<std::uint64_t>(),
                               .wanted = *rc::gen::arbitrary<std::uint64_t>()});
  }
  return standby;
}

TEST(ControlProtocol, a_standby_survives_the_way) {
  EXPECT_TRUE(rc::check("every standby", [] {
    VdiskReport vdisk;
    vdisk.standby = some_standby();
    const StandbyReport& sent = *vdisk.standby;
    vdisk.alarms = *rc::gen::container<std::vector<std::string>>(rc::gen::just(some_text()));
    const std::string line = encode_reply({.vdisks = {vdisk}, .receipt = sent.receipt});
    const auto reply = decode_reply(line);
    RC_ASSERT(reply.has_value());
    RC_ASSERT(encode_reply(*reply) == line);
    RC_ASSERT(reply->receipt == sent.receipt);
    const VdiskReport& back = reply->vdisks.at(0);
    RC_ASSERT(back.alarms == vdisk.alarms);
    RC_ASSERT(back.standby.has_value());
    RC_ASSERT(back.standby->state == sent.state);
    RC_ASSERT(back.standby->phase == sent.phase);
    RC_ASSERT(back.standby->was_complete == sent.was_complete);
    RC_ASSERT(back.standby->synced.sequence == sent.synced.sequence);
    RC_ASSERT(back.standby->synced.hash == sent.synced.hash);
    RC_ASSERT(back.standby->lag_ms == sent.lag_ms);
    RC_ASSERT(back.standby->failing_ms == sent.failing_ms);
    RC_ASSERT(back.standby->receipt == sent.receipt);
    RC_ASSERT(back.standby->servers.size() == sent.servers.size());
    for (std::size_t i = 0; i < sent.servers.size(); ++i) {
      RC_ASSERT(back.standby->servers[i].name == sent.servers[i].name);
      RC_ASSERT(back.standby->servers[i].wanted == sent.servers[i].wanted);
    }
  }));
}

TEST(ControlProtocol, tlogservers_survive_the_way) {
  VdiskReport sent;
  sent.log_servers = {{.address = "10.0.0.1:11211",
                       .stripe = "0 of 2",
                       .state = "connecting",
                       .reason = "it does not answer",
                       .sent = 5,
                       .received = 4,
                       .stored = 3,
                       .synced = 2,
                       .connections = 7,
                       .resent_records = 8,
                       .round_trip_us = 9},
                      {.address = "unix:/run/tlogserver"}};
  const auto reply = decode_reply(encode_reply({.vdisks = {sent}}));
  ASSERT_TRUE(reply.has_value()) << reply.error().message();
  const auto& back = reply->vdisks.at(0).log_servers;
  ASSERT_EQ(back.size(), 2U);
  EXPECT_EQ(back[0].address, "10.0.0.1:11211");
  EXPECT_EQ(back[0].stripe, "0 of 2");
  EXPECT_EQ(back[1].stripe, "");
  EXPECT_EQ(back[0].state, "connecting");
  EXPECT_EQ(back[0].reason, "it does not answer");
  EXPECT_EQ(back[0].sent, 5U);
  EXPECT_EQ(back[0].received, 4U);
  EXPECT_EQ(back[0].stored, 3U);
  EXPECT_EQ(back[0].synced, 2U);
  EXPECT_EQ(back[0].connections, 7U);
  EXPECT_EQ(back[0].resent_records, 8U);
  EXPECT_EQ(back[0].round_trip_us, 9U);
  EXPECT_EQ(back[1].address, "unix:/run/tlogserver");
}

TEST(ControlProtocol, a_vdisk_without_a_standby_has_none) {
  const auto reply = decode_reply(encode_reply({.vdisks = {VdiskReport{}}}));
  ASSERT_TRUE(reply.has_value());
  EXPECT_FALSE(reply->vdisks.at(0).standby.has_value());
  EXPECT_EQ(reply->receipt, "");
  // What is no receipt does not make the answer unreadable.
  EXPECT_EQ(decode_reply(encode_reply({.vdisks = {}, .receipt = "no json"}))->receipt, "");
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
        R"({"ok":true,"vdisks":[{"size":-1}]})", R"({"ok":true,"vdisks":[{"stores":[0]}]})",
        R"({"ok":true,"vdisks":[{"standby":[]}]})", R"({"ok":true,"receipt":1})",
        R"({"ok":true,"vdisks":[{"standby":{"lagMs":"1"}}]})",
        R"({"ok":true,"vdisks":[{"standby":{"synced":{"hash":1}}}]})",
        R"({"ok":true,"vdisks":[{"standby":{"servers":{}}}]})",
        R"({"ok":true,"vdisks":[{"standby":{"receipt":[]}}]})",
        R"({"ok":true,"vdisks":[{"alarms":[1]}]})", R"({"ok":true,"changes":[1]})"}) {
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
