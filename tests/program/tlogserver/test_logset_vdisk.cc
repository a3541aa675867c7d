// A vdisk's log by logset: published as it is written, carried to a copy by a client that knows the
// protocol alone, refused where it is damaged or forked, and restored from the copy with the key.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "gateways/frames/frame.h"
#include "tests/support/http_request.h"
#include "tests/support/log_builder.h"
#include "tests/support/process.h"
#include "tests/support/tlogserver_process.h"

namespace tlog::testing {
namespace {

using ::testing::HasSubstr;

struct LogsetVdisk : ::testing::Test {
  LogsetVdisk() {
    write_text(directory.file("tlogdisk.yml"),
               "keyFile: key\nclusters: {c: {directories: [s0, s1, s2, s3, s4, s5]}}\n"
               "vdisks: {vm1: {size: 8MiB, storage: {file: blocks}}}\n"
               "repos: {pub: {vdisk: vm1}}\n");
    write_text(directory.file("copy.yml"), "repos: {vm: {copy: copy}, others: others}\n");
    const auto made = run_command({TLOGCTL, "keygen", directory.file("key")});
    if (!made.ok()) throw std::runtime_error(made.text());
    builder.emplace(directory.file("tlogdisk.yml"), "vm1");
  }
  static std::string host_of(const TlogserverProcess& server) { return server.logset().substr(7); }
  static HttpReply post(const TlogserverProcess& server, const std::string& path,
                        const std::string& body) {
    return ask(host_of(server),
               "POST " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
                   std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  void publish() {
    publisher.emplace(std::vector<std::string>{"--config", directory.file("tlogdisk.yml"),
                                               "--insecure", "--logset", "127.0.0.1:0"});
  }
  void open_copy() {
    copy.emplace(std::vector<std::string>{"--memorystorage", "--insecure", "--config",
                                          directory.file("copy.yml"), "--logset", "127.0.0.1:0"});
  }
  // What the copy lacks, as slices.
  std::string lacking() const {
    const std::string known = http_get(host_of(*copy), "/vm/offsets").body;
    const HttpReply pulled = post(*publisher, "/pub/pull", known);
    EXPECT_EQ(pulled.status, 200) << pulled.body.substr(0, 300);
    return pulled.body.substr(pulled.body.find("\n\n") + 2);
  }
  CommandResult restore(const std::string& to, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments{TLOGPLAY,        "restore",
                                       "--from-logset", directory.file("copy"),
                                       "--key-file",    directory.file("key"),
                                       "--to",          directory.file(to)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_command(arguments, {.environment = {}, .directory = directory.path()});
  }
  bool is_image(const std::string& name, Sequence sequence) const {
    const std::vector<std::byte> model = builder->model_at(sequence);
    return read_text(directory.file(name)) ==
           std::string(reinterpret_cast<const char*>(model.data()), model.size());
  }

  const TempDirectory directory;
  std::optional<LogBuilder> builder;
  std::optional<TlogserverProcess> publisher, copy;
};

TEST_F(LogsetVdisk, is_carried_while_it_grows_and_restored_from_the_copy_alone) {
  builder->random_records(20);
  builder->close_aggregation();
  publish();
  open_copy();
  const std::string first = lacking();
  EXPECT_EQ(post(*copy, "/vm/push", first).status, 200);
  EXPECT_EQ(lacking(), "");
  builder->random_records(10);
  builder->mark("half");
  const Sequence half = builder->last_sequence();
  builder->close_aggregation();
  builder->new_epoch();
  builder->random_records(15);
  builder->close_aggregation();
  builder->end_log();
  ASSERT_TRUE(wait_until([&] { return lacking().find("e2 0 ") != std::string::npos; },
                         Milliseconds(20'000)));
  EXPECT_EQ(post(*copy, "/vm/push", lacking()).status, 200);
  EXPECT_EQ(lacking(), "");
  // Always the same bytes, also of another server, from the beginning.
  const std::string all = post(*publisher, "/pub/pull", "\n").body;
  EXPECT_EQ(publisher->stop(), 0);
  publish();
  EXPECT_TRUE(post(*publisher, "/pub/pull", "\n").body == all);
  EXPECT_TRUE(post(*copy, "/vm/pull", "\n").body == all);
  const HttpReply refused = post(*publisher, "/pub/push", "x 0 1\ny");
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.body, HasSubstr("read only"));

  publisher->kill();
  EXPECT_EQ(copy->stop(), 0);
  for (int i = 0; i < 6; ++i) {
    run_command({"rm", "-rf", directory.file("s" + std::to_string(i))});
  }
  const CommandResult whole = restore("whole.img");
  EXPECT_TRUE(whole.ok()) << whole.text();
  EXPECT_TRUE(is_image("whole.img", builder->last_sequence()));
  const CommandResult part = restore("half.img", {"--until-mark", "half", "vm1"});
  EXPECT_TRUE(part.ok()) << part.text();
  EXPECT_TRUE(is_image("half.img", half));

  // Killed in the middle of an append: what had been said to be there is restored.
  std::filesystem::path last;
  for (const auto& entry : std::filesystem::directory_iterator(directory.file("copy"))) {
    const std::string name = entry.path().filename().string();
    if (name.find("e2") != std::string::npos && !name.starts_with(".")) last = entry.path();
  }
  ASSERT_FALSE(last.empty());
  const auto length = std::filesystem::file_size(last);
  std::ofstream(last, std::ios::app) << "half a frame";
  EXPECT_FALSE(restore("torn.img").ok()) << "nobody says that an append was under way";
  std::ofstream(last.parent_path() / (".append-" + last.filename().string()))
      << last.filename().string() << ' ' << length << "\n\n";
  const CommandResult cut = restore("cut.img");
  EXPECT_TRUE(cut.ok()) << cut.text();
  EXPECT_TRUE(is_image("cut.img", builder->last_sequence()));
}

TEST_F(LogsetVdisk, a_copy_takes_nothing_that_is_damaged_or_another_history) {
  builder->random_records(20);
  builder->close_aggregation();
  builder->random_records(20);
  builder->close_aggregation();
  builder->finish();
  publish();
  open_copy();
  const std::string whole = lacking();
  const std::size_t line = whole.find('\n') + 1;
  const std::string log = whole.substr(0, whole.find(' '));
  const std::string frames = whole.substr(line);
  const auto push = [&](std::size_t offset, const std::string& bytes) {
    return post(
        *copy, "/vm/push",
        log + " " + std::to_string(offset) + " " + std::to_string(bytes.size()) + "\n" + bytes);
  };
  for (std::size_t at = 3; at < frames.size(); at += frames.size() / 37) {
    std::string damaged = frames;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    EXPECT_EQ(push(0, damaged).status, 400) << at;
  }
  EXPECT_EQ(push(0, frames.substr(0, frames.size() - 1)).status, 400) << "half a frame";
  EXPECT_EQ(push(0, frames.substr(logset::kFrameHeadBytes)).status, 400);
  EXPECT_EQ(post(*copy, "/vm/push", "plain 0 1\nx").status, 400);
  EXPECT_EQ(http_get(host_of(*copy), "/vm/offsets").body, "\n");

  // The opening, then the first aggregation; behind it one of another history.
  const auto frame_end = [&](std::size_t begin) {
    std::array<std::byte, logset::kFrameHeadBytes> head{};
    std::memcpy(head.data(), frames.data() + begin, head.size());
    return begin + head.size() + logset::decode_frame_head(head).value().payload_bytes;
  };
  const std::size_t first = frame_end(0);
  const std::size_t second = frame_end(first);
  ASSERT_LT(second, frames.size());
  EXPECT_EQ(push(0, frames.substr(0, first)).status, 200);
  EXPECT_EQ(push(first, frames.substr(second)).status, 403) << "one is missing";
  EXPECT_EQ(push(first, frames.substr(first, second - first)).status, 200);
  std::array<std::byte, logset::kFrameHeadBytes> bytes{};
  std::memcpy(bytes.data(), frames.data() + second, bytes.size());
  logset::FrameHead forked = logset::decode_frame_head(bytes).value();
  forked.prev.bytes[0] ^= 1;
  const auto head = logset::encode_frame_head(forked);
  const std::string fork = std::string(reinterpret_cast<const char*>(head.data()), head.size()) +
                           frames.substr(second + head.size());
  const HttpReply refused = push(second, fork);
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.body, HasSubstr("fork"));
  // Nothing of these has left anything, and the right one is still taken, also after a restart.
  copy->kill();
  copy->start();
  EXPECT_EQ(push(second, frames.substr(second)).status, 200);
  EXPECT_EQ(lacking(), "");

  // A copy that rots is not restored without a word.
  EXPECT_EQ(copy->stop(), 0);
  std::string rotten = frames;
  rotten[first + 300] = static_cast<char>(rotten[first + 300] ^ 1);
  write_text(directory.file("copy/" + log), rotten);
  EXPECT_FALSE(restore("rotten.img").ok());
  // It is offered no more, and says why; what else the server has is served.
  copy->start();
  for (const std::string path : {"/vm/offsets", "/vm/pull", "/vm/push"}) {
    const HttpReply broken = path == "/vm/offsets"
                                 ? http_get(host_of(*copy), path)
                                 : post(*copy, path, path == "/vm/pull" ? "\n" : log + " 0 1\nx");
    EXPECT_EQ(broken.status, 500) << path;
    EXPECT_THAT(broken.body, HasSubstr(log)) << path;
    EXPECT_THAT(broken.body, HasSubstr("start the server again")) << path;
  }
  EXPECT_EQ(post(*copy, "/others/push", "a 0 1\nx").status, 200);
  EXPECT_EQ(http_get(host_of(*copy), "/others/offsets").body, "a 1\n\n");
}

}  // namespace
}  // namespace tlog::testing
