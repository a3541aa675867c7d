// Contents and names as files: what was confirmed is there, whole, whatever fails and wherever the
// power goes; what is damaged is never answered, and mended by adding it again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <thread>

#include "gateways/cas/directory_contents.h"
#include "tests/support/fault_files.h"
#include "tests/support/forgetful_files.h"
#include "tests/support/temp_directory.h"

namespace tlog::cas {
namespace {

using ::testing::HasSubstr;

std::string hex_of_digest(const Address& address) {
  return text_of(address).substr(8);
}

std::string content_path(const testing::TempDirectory& directory, const Address& address) {
  const std::string digest = hex_of_digest(address);
  return directory.file("cas/contents/" + digest.substr(0, 2) + "/" + digest);
}

std::string name_path(const testing::TempDirectory& directory, const std::string& name) {
  return directory.file("cas/names/" + hex_of_digest(address_of(name)));
}

std::unique_ptr<Contents> opened(const testing::TempDirectory& directory) {
  return open_directory_contents(io::system_files(), directory.file("cas")).value();
}

TEST(DirectoryContents, what_is_added_is_found_by_its_address) {
  const testing::TempDirectory directory;
  auto contents = opened(directory);
  for (const std::string& content :
       {std::string(), std::string("a\0b", 3), std::string(9000, 'x')}) {
    const Address address = contents->add(content).value();
    EXPECT_EQ(text_of(address).substr(0, 8), "a0e40220");
    EXPECT_EQ(address, address_of(content));
    EXPECT_EQ(contents->add(content).value(), address);
    EXPECT_EQ(contents->get(address).value(), content);
  }
  contents.reset();
  EXPECT_EQ(opened(directory)->get(address_of("")).value(), "");
}

TEST(DirectoryContents, a_name_holds_its_last_content_as_it_came) {
  const testing::TempDirectory directory;
  auto contents = opened(directory);
  const std::string names[] = {"vdisk/vm1", "../../etc/passwd", "ü", std::string("\xff\0/", 3),
                               std::string(kNameBytesMax, '/')};
  for (const std::string& name : names) {
    EXPECT_EQ(contents->fetch(name).error().code(), Code::kNotFound);
    ASSERT_TRUE(contents->update(name, "first"));
    ASSERT_TRUE(contents->update(name, std::string("\0second\xff", 8) + name));
  }
  ASSERT_TRUE(contents->update("empty", ""));
  contents.reset();
  contents = opened(directory);
  for (const std::string& name : names) {
    EXPECT_EQ(contents->fetch(name).value(), std::string("\0second\xff", 8) + name);
  }
  EXPECT_EQ(contents->fetch("empty").value(), "");
}

TEST(DirectoryContents, sizes_have_limits) {
  const testing::TempDirectory directory;
  auto contents = opened(directory);
  const std::string most(kContentBytesMax, 'm');
  const Address address = contents->add(most).value();
  EXPECT_EQ(contents->get(address).value(), most);
  ASSERT_TRUE(contents->update(std::string(kNameBytesMax, 'n'), most));
  EXPECT_EQ(contents->fetch(std::string(kNameBytesMax, 'n')).value(), most);

  const std::string more(kContentBytesMax + 1, 'm');
  EXPECT_EQ(contents->add(more).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(contents->update("name", more).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(contents->fetch("name").error().code(), Code::kNotFound);
  for (const std::string& name : {std::string(), std::string(kNameBytesMax + 1, 'n')}) {
    EXPECT_EQ(contents->update(name, "x").error().code(), Code::kInvalidArgument);
    EXPECT_EQ(contents->fetch(name).error().code(), Code::kInvalidArgument);
  }
  EXPECT_EQ(contents->get("").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(contents->get(std::string(kAddressBytesMax + 1, 'a')).error().code(),
            Code::kInvalidArgument);
  for (const std::string& other : {std::string("x"), std::string("\x12\x20") + std::string(32, 'h'),
                                   address_of("not there"), std::string(kAddressBytesMax, '/')}) {
    EXPECT_EQ(contents->get(other).error().code(), Code::kNotFound) << text_of(other);
  }
}

TEST(DirectoryContents, one_process_at_a_time) {
  const testing::TempDirectory directory;
  const auto contents = opened(directory);
  auto second = open_directory_contents(io::system_files(), directory.file("cas"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::kUnavailable);
  EXPECT_THAT(second.error().message(), HasSubstr("another process"));
}

TEST(DirectoryContents, a_damaged_content_is_never_answered_and_is_mended_by_adding_it) {
  const testing::TempDirectory directory;
  auto contents = opened(directory);
  const std::string content(5000, 'c');
  const Address address = contents->add(content).value();
  const std::string path = content_path(directory, address);
  ASSERT_EQ(testing::read_text(path), content);
  std::string flipped = content;
  flipped[4999] ^= 1;
  for (const std::string& damage : {flipped, content.substr(1), std::string(), content + "c",
                                    std::string(kContentBytesMax + 5000, 'c')}) {
    testing::write_text(path, damage);
    const auto got = contents->get(address);
    ASSERT_FALSE(got) << damage.size();
    EXPECT_EQ(got.error().code(), Code::kCorruption) << damage.size();
    EXPECT_EQ(contents->add(content).value(), address);
    EXPECT_EQ(contents->get(address).value(), content) << damage.size();
  }
}

TEST(DirectoryContents, a_damaged_name_is_never_answered_and_is_mended_by_updating_it) {
  const testing::TempDirectory directory;
  auto contents = opened(directory);
  ASSERT_TRUE(contents->update("name", "content"));
  ASSERT_TRUE(contents->update("other", "another"));
  const std::string path = name_path(directory, "name");
  const std::string whole = testing::read_text(path);
  std::vector<std::string> damages = {"", whole.substr(1), whole + "x",
                                      testing::read_text(name_path(directory, "other"))};
  for (std::size_t i = 0; i < whole.size(); ++i) {
    damages.push_back(whole);
    damages.back()[i] ^= 0x40;
    damages.push_back(whole.substr(0, i));
  }
  for (const std::string& damage : damages) {
    testing::write_text(path, damage);
    const auto got = contents->fetch("name");
    ASSERT_FALSE(got) << damage.size();
    EXPECT_EQ(got.error().code(), Code::kCorruption);
  }
  ASSERT_TRUE(contents->update("name", "mended"));
  EXPECT_EQ(contents->fetch("name").value(), "mended");
}

TEST(DirectoryContents, what_a_kill_left_is_gone_at_the_next_opening) {
  const testing::TempDirectory directory;
  opened(directory).reset();
  testing::write_text(directory.file("cas/new/0"), "half");
  testing::write_text(directory.file("cas/new/17"), "");
  auto contents = opened(directory);
  EXPECT_TRUE(io::system_files().list(directory.file("cas/new")).value().empty());
  EXPECT_TRUE(contents->add("fresh"));
  EXPECT_TRUE(io::system_files().list(directory.file("cas/new")).value().empty());
}

// Each step of adding and updating fails, and then the power goes.
void cut_contents_at_every_step(testing::PowerCut mode) {
  const std::string content(9000, 'c');
  const std::string before(7000, 'b');
  const std::string after(8000, 'a');
  bool reached_end = false;
  for (std::uint64_t step = 1; !reached_end; ++step) {
    ASSERT_LT(step, 100u);
    const testing::TempDirectory directory;
    testing::ForgetfulFiles disk(directory.path());
    testing::FaultFiles files(disk);
    auto contents = open_directory_contents(files, directory.file("cas")).value();
    ASSERT_TRUE(contents->update("name", before));
    files.inject({.nth = step, .sticky = true});
    const bool added = contents->add(content).has_value();
    const bool again = contents->add(content).has_value();
    const bool updated = contents->update("name", after).has_value();
    const bool made = contents->update("new", after).has_value();
    reached_end = !files.fired();
    files.clear();
    disk.power_cut(step, mode);
    contents.reset();
    auto reopened = open_directory_contents(disk, directory.file("cas"));
    ASSERT_TRUE(reopened) << step << ": " << reopened.error().message();
    contents = std::move(*reopened);
    const auto got = contents->get(address_of(content));
    EXPECT_TRUE(got ? *got == content : !added && !again && got.error().code() == Code::kNotFound)
        << step;
    const auto name = contents->fetch("name");
    ASSERT_TRUE(name) << step << ": " << name.error().message();
    EXPECT_TRUE(*name == after || (!updated && *name == before)) << step;
    const auto fresh = contents->fetch("new");
    EXPECT_TRUE(fresh ? *fresh == after : !made && fresh.error().code() == Code::kNotFound) << step;
    // And it goes on.
    EXPECT_TRUE(contents->add(content)) << step;
    EXPECT_TRUE(contents->update("name", "on")) << step;
    EXPECT_TRUE(io::system_files().list(directory.file("cas/new")).value().empty()) << step;
  }
}

TEST(DirectoryContents, nothing_half_after_a_power_cut_at_any_step) {
  cut_contents_at_every_step(testing::PowerCut::kDropAll);
  cut_contents_at_every_step(testing::PowerCut::kDropBlocks);
  cut_contents_at_every_step(testing::PowerCut::kTearSectors);
}

// One step fails and the next ones do not: what is answered well afterwards has to be durable too.
TEST(DirectoryContents, what_is_added_again_after_a_failure_outlives_a_power_cut) {
  const std::string content(9000, 'c');
  bool reached_end = false;
  for (std::uint64_t step = 1; !reached_end; ++step) {
    ASSERT_LT(step, 100u);
    const testing::TempDirectory directory;
    testing::ForgetfulFiles disk(directory.path());
    testing::FaultFiles files(disk);
    auto contents = open_directory_contents(files, directory.file("cas")).value();
    files.inject({.nth = step});
    bool added = contents->add(content).has_value();
    reached_end = !files.fired();
    files.clear();
    // A part that was there and not known to be: the same in a new life of the server.
    contents.reset();
    contents = open_directory_contents(files, directory.file("cas")).value();
    added = contents->add(content).has_value();
    ASSERT_TRUE(added) << step;
    disk.power_cut(step, testing::PowerCut::kDropAll);
    contents.reset();
    contents = open_directory_contents(disk, directory.file("cas")).value();
    const auto got = contents->get(address_of(content));
    EXPECT_TRUE(got && *got == content) << step;
  }
}

// That a content is there does not say that its directory would be there after a loss of power: a
// server may have been killed before it had synced that.
TEST(DirectoryContents, directories_that_were_there_are_synced_before_anything_is_confirmed) {
  const testing::TempDirectory directory;
  opened(directory)->add("content").value();
  testing::FaultFiles files(io::system_files());
  auto contents = open_directory_contents(files, directory.file("cas")).value();
  const testing::Fault counted{
      .operations = testing::kSyncDirectory, .nth = 1'000'000, .path_contains = "cas/contents"};
  files.inject(counted);
  EXPECT_TRUE(contents->add("content"));
  EXPECT_EQ(files.count(), 2u);  // contents, and its part
  files.inject(counted);
  EXPECT_TRUE(contents->add("content"));
  EXPECT_EQ(files.count(), 1u);  // the part: nobody says that it has been
}

TEST(DirectoryContents, after_a_directory_could_not_be_synced_nothing_is_taken_until_opened_anew) {
  const testing::TempDirectory directory;
  testing::FaultFiles files(io::system_files());
  auto contents = open_directory_contents(files, directory.file("cas")).value();
  ASSERT_TRUE(contents->update("name", "before"));
  files.inject({.operations = testing::kSyncDirectory});
  EXPECT_FALSE(contents->update("name", "after"));
  ASSERT_TRUE(files.fired());
  files.clear();
  const Status refused = contents->update("other", "more");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("start the server anew"));
  EXPECT_FALSE(contents->add("content"));
  EXPECT_TRUE(contents->fetch("name"));
  contents.reset();
  contents = open_directory_contents(files, directory.file("cas")).value();
  EXPECT_TRUE(contents->add("content"));
  EXPECT_TRUE(contents->update("name", "later"));
}

TEST(DirectoryContents, a_full_disk_is_told_and_goes_by) {
  const testing::TempDirectory directory;
  testing::FaultFiles files(io::system_files());
  auto contents = open_directory_contents(files, directory.file("cas")).value();
  ASSERT_TRUE(contents->update("name", "before"));
  for (const unsigned operation : {testing::kWriteFile, testing::kSyncFile}) {
    files.inject({.operations = operation, .error_number = ENOSPC, .path_contains = "/new/"});
    EXPECT_EQ(contents->add("content").error().code(), Code::kNoSpace);
    files.inject({.operations = operation, .error_number = ENOSPC, .path_contains = "/new/"});
    EXPECT_EQ(contents->update("name", "after").error().code(), Code::kNoSpace);
    files.clear();
    EXPECT_TRUE(io::system_files().list(directory.file("cas/new")).value().empty());
    EXPECT_EQ(contents->fetch("name").value(), "before");
  }
  EXPECT_TRUE(contents->add("content"));
  EXPECT_TRUE(contents->update("name", "after"));
}

// The system's, with a directory that takes its time to be synced.
class SlowDirectory final : public io::FileSystem {
 public:
  std::function<void()> before_sync;

  Status sync_directory(const std::string& path) override {
    if (path.ends_with("names") && before_sync) before_sync();
    return below_.sync_directory(path);
  }
  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenOptions o) override {
    return below_.open(path, o);
  }
  Status make_directories(const std::string& path) override {
    return below_.make_directories(path);
  }
  Result<std::vector<io::DirectoryEntry>> list(const std::string& path) override {
    return below_.list(path);
  }
  Status remove(const std::string& path) override { return below_.remove(path); }
  Status rename(const std::string& from, const std::string& to) override {
    return below_.rename(from, to);
  }
  Result<bool> exists(const std::string& path) override { return below_.exists(path); }
  Result<unsigned> mode(const std::string& path) override { return below_.mode(path); }
  Result<std::uint64_t> free_bytes(const std::string& p) override { return below_.free_bytes(p); }
  Result<std::unique_ptr<io::RingMapping>> map_ring(const std::string& p, std::size_t n) override {
    return below_.map_ring(p, n);
  }
  std::string boot_id() override { return below_.boot_id(); }

 private:
  io::FileSystem& below_ = io::system_files();
};

TEST(DirectoryContents, a_name_is_not_read_before_it_is_synced) {
  const testing::TempDirectory directory;
  SlowDirectory files;
  auto contents = open_directory_contents(files, directory.file("cas")).value();
  ASSERT_TRUE(contents->update("name", "before"));
  std::promise<void> at_sync, go_on;
  files.before_sync = [&] {
    at_sync.set_value();
    go_on.get_future().wait();
  };
  std::thread updating([&] { EXPECT_TRUE(contents->update("name", "after")); });
  at_sync.get_future().wait();
  auto seen = std::async(std::launch::async, [&] { return contents->fetch("name").value(); });
  EXPECT_EQ(seen.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout);
  go_on.set_value();
  updating.join();
  EXPECT_EQ(seen.get(), "after");
}

TEST(DirectoryContents, many_at_once) {
  const testing::TempDirectory directory;
  auto contents = opened(directory);
  std::vector<std::thread> threads;
  for (char letter : std::string("abcdefgh")) {
    threads.emplace_back([&, letter] {
      for (int i = 0; i < 20; ++i) {
        const std::string content = "shared " + std::to_string(i);
        EXPECT_EQ(contents->add(content).value(), address_of(content));
        EXPECT_EQ(contents->get(address_of(content)).value(), content);
        EXPECT_TRUE(contents->update("name", std::string(2000, letter)));
        const std::string seen = contents->fetch("name").value();
        EXPECT_EQ(seen, std::string(2000, seen.front()));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace tlog::cas
