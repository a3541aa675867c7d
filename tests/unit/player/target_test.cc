// Targets against a model: the same changes on a file and on an NBD server.
#include "player/target.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <random>

#include "tests/support/nbdkit_server.h"
#include "tests/support/temp_directory.h"

namespace tlog::player {
namespace {

using testing::NbdkitOptions;
using testing::NbdkitServer;
using testing::TempDirectory;

constexpr std::uint64_t kSize = kMiB;

TargetOptions options_for(const std::string& name, bool force = false) {
  TargetOptions options;
  options.name = name;
  options.size = kSize;
  options.force = force;
  options.vdisk = "vm1";
  return options;
}

// Random batches onto the target and the model.
void play(Target& target, std::vector<std::byte>& model, std::uint64_t alignment, unsigned seed) {
  std::mt19937 random(seed);
  for (int round = 0; round < 20; ++round) {
    Batch batch;
    std::vector<std::vector<std::byte>> kept;
    kept.reserve(40);
    for (int i = 0; i < 40; ++i) {
      format::Record record;
      record.offset = random() % (kSize / alignment) * alignment;
      std::uint64_t units =
          1 + random() % (i == 0 ? 300 * kKiB / alignment : 20 * kKiB / alignment);
      record.size = std::min(kSize - record.offset, units * alignment);
      unsigned what = random() % 4;
      record.operation = what == 0   ? Operation::kDiscard
                         : what == 1 ? Operation::kZero
                                     : Operation::kWrite;
      if (record.operation == Operation::kWrite) {
        std::vector<std::byte> data(record.size);
        for (std::byte& byte : data) byte = static_cast<std::byte>(random());
        kept.push_back(std::move(data));
        record.data = kept.back();
        std::memcpy(model.data() + record.offset, record.data.data(), record.size);
      } else {
        std::memset(model.data() + record.offset, 0, record.size);
      }
      batch.add(record);
    }
    Status applied = target.apply(batch.changes());
    ASSERT_TRUE(applied) << applied.error().message();
  }
}

std::vector<std::byte> contents(const std::string& path) {
  std::string text = testing::read_text(path);
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

TEST(FileTarget, holds_what_was_applied) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  TempDirectory directory;
  const std::string path = directory.file("disk");
  auto target = make_path_target(options_for(path), io::system_files());
  ASSERT_TRUE(target) << target.error().message();
  ASSERT_TRUE((*target)->check(false));
  ASSERT_TRUE((*target)->prepare(false));
  std::vector<std::byte> model(kSize);
  play(**target, model, 1, seed);
  ASSERT_TRUE((*target)->sync());
  EXPECT_FALSE(io::system_files().exists(path).value());
  ASSERT_TRUE((*target)->commit());
  EXPECT_EQ(contents(path), model);
  EXPECT_FALSE(io::system_files().exists(path + ".tlogplay-partial").value());
}

TEST(FileTarget, zeros_are_holes) {
  TempDirectory directory;
  const std::string path = directory.file("disk");
  auto target = make_file_target(options_for(path), io::system_files());
  ASSERT_TRUE(target->prepare(false));
  std::vector<std::byte> data(kSize, std::byte{1});
  ConstByteSpan piece(data);
  Change write{ChangeKind::kData, 0, kSize, {&piece, 1}};
  ASSERT_TRUE(target->apply({&write, 1}));
  Change discard{ChangeKind::kDiscard, 4096, kSize - 4096, {}};
  ASSERT_TRUE(target->apply({&discard, 1}));
  ASSERT_TRUE(target->commit());
  struct stat found {};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_size, static_cast<off_t>(kSize));
  EXPECT_LE(found.st_blocks * 512, 64 * 1024);
}

TEST(FileTarget, restore_never_destroys_first) {
  TempDirectory directory;
  const std::string path = directory.file("disk");
  testing::write_text(path, "precious");
  auto careful = make_file_target(options_for(path), io::system_files());
  auto refused = careful->check(false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kAlreadyExists);
  EXPECT_NE(refused.error().message().find("--force"), std::string::npos);
  auto forced = make_file_target(options_for(path, true), io::system_files());
  ASSERT_TRUE(forced->check(false));
  ASSERT_TRUE(forced->prepare(false));
  std::vector<std::byte> model(kSize);
  play(*forced, model, 512, 1);
  EXPECT_EQ(testing::read_text(path), "precious");  // until the very end
  ASSERT_TRUE(forced->commit());
  EXPECT_EQ(contents(path), model);
}

TEST(FileTarget, a_file_that_appears_meanwhile_stays) {
  TempDirectory directory;
  const std::string path = directory.file("disk");
  auto target = make_file_target(options_for(path), io::system_files());
  ASSERT_TRUE(target->check(false));
  ASSERT_TRUE(target->prepare(false));
  testing::write_text(path, "new and precious");
  EXPECT_FALSE(target->commit());
  EXPECT_EQ(testing::read_text(path), "new and precious");
}

TEST(FileTarget, used_by_others_is_refused) {
  TempDirectory directory;
  const std::string path = directory.file("disk");
  testing::write_text(path, "served");
  io::OpenOptions how;
  how.write = true;
  auto server = io::system_files().open(path, how);
  ASSERT_TRUE(server);
  ASSERT_TRUE((*server)->try_lock());
  EXPECT_FALSE(make_file_target(options_for(path, true), io::system_files())->check(false));

  const std::string other = directory.file("other");
  auto first = make_file_target(options_for(other), io::system_files());
  ASSERT_TRUE(first->prepare(false));
  auto second = make_file_target(options_for(other), io::system_files())->check(false);
  ASSERT_FALSE(second) << "two restores into one file";
}

TEST(FileTarget, a_symbolic_link_stays_one) {
  TempDirectory directory;
  const std::string path = directory.file("disk");
  testing::write_text(path, "old");
  ASSERT_EQ(::symlink(path.c_str(), directory.file("link").c_str()), 0);
  auto target = make_file_target(options_for(directory.file("link"), true), io::system_files());
  ASSERT_TRUE(target->check(false));
  ASSERT_TRUE(target->prepare(false));
  ASSERT_TRUE(target->commit());
  struct stat found {};
  ASSERT_EQ(::lstat(directory.file("link").c_str(), &found), 0);
  EXPECT_TRUE(S_ISLNK(found.st_mode));
  EXPECT_EQ(contents(path).size(), kSize);
}

TEST(FileTarget, places_that_cannot_be_are_refused) {
  TempDirectory directory;
  auto nowhere = make_path_target(options_for(directory.file("no/disk")), io::system_files());
  ASSERT_TRUE(nowhere);
  EXPECT_FALSE((*nowhere)->check(false));
  EXPECT_FALSE(make_path_target(options_for(directory.path()), io::system_files()));
  EXPECT_FALSE(make_path_target(options_for("/dev/null"), io::system_files()));
}

std::unique_ptr<NbdkitServer> memory_server(const TempDirectory& directory, std::uint64_t size,
                                            std::vector<std::string> filters = {},
                                            std::vector<std::string> parameters = {}) {
  NbdkitOptions options;
  options.directory = directory.path();
  options.plugin = "memory";
  options.arguments = std::move(filters);
  options.parameters = {"size=" + std::to_string(size)};
  for (auto& parameter : parameters) options.parameters.push_back(parameter);
  auto server = NbdkitServer::start(options);
  EXPECT_TRUE(server) << (server ? "" : server.error().message());
  return server ? std::move(*server) : nullptr;
}

void play_on_nbd(NbdkitServer& server, std::uint64_t alignment) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  auto target = make_nbd_target(options_for(server.uri(), true));
  auto checked = target->check(false);
  ASSERT_TRUE(checked) << checked.error().message();
  Status prepared = target->prepare(false);
  ASSERT_TRUE(prepared) << prepared.error().message();
  std::vector<std::byte> model(kSize);
  play(*target, model, alignment, seed);
  std::vector<std::byte> back(kSize);
  ASSERT_TRUE(target->read(0, back));
  EXPECT_EQ(back, model);
  EXPECT_TRUE(target->commit());
}

TEST(NbdTarget, holds_what_was_applied) {
  TempDirectory directory;
  auto server = memory_server(directory, kSize);
  ASSERT_TRUE(server);
  play_on_nbd(*server, 512);
  play_on_nbd(*server, 1);
}

TEST(NbdTarget, without_zeroing_and_with_large_blocks) {
  TempDirectory directory;
  auto server =
      memory_server(directory, kSize + 4096, {"--filter=blocksize-policy", "--filter=nozero"},
                    {"blocksize-minimum=4096", "blocksize-preferred=4096",
                     "blocksize-maximum=65536", "blocksize-error-policy=error"});
  ASSERT_TRUE(server);
  play_on_nbd(*server, 512);
}

TEST(NbdTarget, refusals) {
  TempDirectory directory;
  auto server = memory_server(directory, kSize - 512);
  ASSERT_TRUE(server);
  auto small = make_nbd_target(options_for(server->uri(), true))->check(false);
  ASSERT_FALSE(small);
  EXPECT_NE(small.error().message().find("too small"), std::string::npos);

  TempDirectory second;
  auto large = memory_server(second, kSize);
  ASSERT_TRUE(large);
  auto unforced = make_nbd_target(options_for(large->uri()))->check(false);
  ASSERT_FALSE(unforced);
  EXPECT_EQ(unforced.error().code(), Code::kAlreadyExists);

  TempDirectory third;
  auto locked = memory_server(third, kSize, {"-r"});
  ASSERT_TRUE(locked);
  EXPECT_FALSE(make_nbd_target(options_for(locked->uri(), true))->check(false));

  auto nobody =
      make_nbd_target(options_for("nbd+unix:///?socket=" + third.file("nobody.sock"), true))
          ->check(false);
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code(), Code::kUnavailable);
}

TEST(NbdTarget, failing_server_is_an_error) {
  TempDirectory directory;
  auto server = memory_server(directory, kSize, {"--filter=error"},
                              {"error-pwrite-rate=100%", "error-pwrite=ENOSPC"});
  ASSERT_TRUE(server);
  auto target = make_nbd_target(options_for(server->uri(), true));
  ASSERT_TRUE(target->check(false));
  ASSERT_TRUE(target->prepare(false));
  std::vector<std::byte> data(kSize, std::byte{1});
  ConstByteSpan piece(data);
  Change write{ChangeKind::kData, 0, kSize, {&piece, 1}};
  Status applied = target->apply({&write, 1});
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().code(), Code::kNoSpace);
}

TEST(NbdTarget, vanishing_server_is_an_error) {
  TempDirectory directory;
  auto server = memory_server(directory, kSize);
  ASSERT_TRUE(server);
  auto target = make_nbd_target(options_for(server->uri(), true));
  ASSERT_TRUE(target->check(false));
  ASSERT_TRUE(target->prepare(false));
  server->kill();
  Change discard{ChangeKind::kDiscard, 0, kSize, {}};
  EXPECT_FALSE(target->apply({&discard, 1}));
}

}  // namespace
}  // namespace tlog::player
