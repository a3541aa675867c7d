// Which stores a vdisk has, and what its log is stored with.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>

#include "server/program/vdisk_stores.h"
#include "tests/support/temp_directory.h"

namespace tlog::program {
namespace {

using ::testing::HasSubstr;

struct StoreChoosing : ::testing::Test {
  StoreChoosing() {
    auto made = io::make_loop({}, null_logger());
    if (!made || !(*made)->start()) throw std::runtime_error("no loop");
    loop = std::move(*made);
  }
  ~StoreChoosing() override { loop->stop(); }

  VdiskStores& make(const Arguments& arguments, const std::string& config_text = "") {
    std::optional<config::Config> config;
    if (!config_text.empty()) {
      config = config::parse(config_text, directory.file("tlogdisk.yml")).value();
    }
    stores = std::make_unique<VdiskStores>(
        arguments, std::move(config),
        VdiskStores::Parts{
            .files = &io::system_files(), .loop = loop.get(), .logger = &null_logger()});
    return *stores;
  }
  void close(VdiskStores::Stores opened) {
    std::latch closed(static_cast<std::ptrdiff_t>(opened.size()));
    for (auto& store : opened) store->close([&] { closed.count_down(); });
    closed.wait();
  }
  std::vector<std::string> names(const std::string& vdisk) {
    auto opened = stores->open(vdisk);
    if (!opened) return {opened.error().message()};
    std::vector<std::string> found;
    for (const auto& store : *opened) found.push_back(store->name());
    close(std::move(*opened));
    return found;
  }

  testing::TempDirectory directory;
  std::unique_ptr<io::Loop> loop;
  std::unique_ptr<VdiskStores> stores;
};

constexpr char kConfig[] =
    "clusters:\n"
    "  three: {directories: [a, b, c]}\n"
    "  two: {servers: [{address: '127.0.0.1:1'}, {address: '127.0.0.1:2', db: '3'}]}\n"
    "tlog: {cluster: three, dataShards: 2, parityShards: 1, flushSize: 7}\n"
    "vdisks:\n"
    "  vm1: {size: 1MiB, storage: {file: vm1}}\n"
    "  vm2: {size: 1MiB, storage: {file: vm2}, tlog: {cluster: two, dataShards: 1, parityShards: "
    "1,\n"
    "        flushTime: 3s}}\n";

TEST_F(StoreChoosing, addresses_are_for_all_vdisks) {
  Arguments arguments;
  arguments.storage = {{"127.0.0.1:1", ""}, {"127.0.0.1:1", "2"}};
  make(arguments, kConfig);
  for (const char* vdisk : {"vm1", "vm2", "other"}) {
    const auto found = names(vdisk);
    ASSERT_EQ(found.size(), 2u) << vdisk;
    EXPECT_THAT(found[0], HasSubstr("127.0.0.1:1"));
    EXPECT_THAT(found[1], HasSubstr("127.0.0.1:1@2"));
  }
}

TEST_F(StoreChoosing, configuration_says_it_for_its_vdisks) {
  Arguments arguments;
  arguments.config = "tlogdisk.yml";
  make(arguments, kConfig);
  EXPECT_EQ(names("vm1").size(), 3u);
  const auto found = names("vm2");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_THAT(found[1], HasSubstr("127.0.0.1:2@3"));
  const auto opened = stores->open("other");
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), Code::kNotFound);
  EXPECT_THAT(opened.error().message(), HasSubstr("tlogdisk.yml"));
}

TEST_F(StoreChoosing, who_reads_directories_neither_locks_nor_makes_anything) {
  Arguments arguments;
  arguments.config = "tlogdisk.yml";
  make(arguments, kConfig);
  auto early = stores->open("vm1", VdiskStores::Use::kRead);
  ASSERT_TRUE(early.has_value()) << early.error().message();
  EXPECT_EQ(early->size(), 3u);
  EXPECT_THAT((*early)[0]->status().condition, HasSubstr("there is no such folder"));
  EXPECT_FALSE(io::system_files().exists(directory.file("a")).value());
  auto writing = stores->open("vm1");
  ASSERT_TRUE(writing.has_value()) << writing.error().message();
  auto reading = stores->open("vm1", VdiskStores::Use::kRead);
  ASSERT_TRUE(reading.has_value()) << reading.error().message();
  EXPECT_EQ((*reading)[0]->status().condition, "up, reading only");
  close(std::move(*writing));
  writing = stores->open("vm1");
  EXPECT_TRUE(writing.has_value()) << "a reader is there, and holds nobody up";
  if (writing) close(std::move(*writing));
  close(std::move(*reading));
  close(std::move(*early));
}

// Strangers choose vdisks' names: they make no clusters.
TEST_F(StoreChoosing, clusters_are_those_of_the_configuration) {
  Arguments arguments;
  arguments.memory_storage = true;
  make(arguments, kConfig);
  EXPECT_EQ(stores->cluster_of("vm1"), "three");
  EXPECT_EQ(stores->cluster_of("vm2"), "two");
  EXPECT_EQ(stores->cluster_of("other"), "");
  EXPECT_EQ(stores->cluster_of("another"), "");
  arguments.storage = {{"127.0.0.1:1", ""}};
  make(arguments, kConfig);
  EXPECT_EQ(stores->cluster_of("vm2"), "") << "all have the same stores";
}

TEST_F(StoreChoosing, memory_is_for_the_others_and_is_kept) {
  Arguments arguments;
  arguments.memory_storage = true;
  make(arguments, kConfig);
  EXPECT_EQ(names("vm1").size(), 3u);  // the configuration's
  auto opened = stores->open("other");
  ASSERT_TRUE(opened.has_value());
  ASSERT_EQ(opened->size(), 3u);  // k + m of the configuration's tlog section
  const std::string value = "kept";
  std::latch put(1);
  (*opened)[0]->put("key", {bytes_of(std::string_view(value))}, {}, [&](const Status& done) {
    EXPECT_TRUE(done.has_value());
    put.count_down();
  });
  put.wait();
  close(std::move(*opened));

  opened = stores->open("other");
  ASSERT_TRUE(opened.has_value());
  std::latch got(1);
  (*opened)[0]->stat("key", [&](const auto& found) {
    EXPECT_TRUE(found.has_value());
    got.count_down();
  });
  got.wait();
  close(std::move(*opened));
}

// A name comes from a client: it must not lead out of a directory.
TEST_F(StoreChoosing, names_that_are_none_are_refused) {
  Arguments arguments;
  arguments.memory_storage = true;
  make(arguments);
  for (const std::string& bad :
       {std::string(), std::string("../x"), std::string("a/b"), std::string(".hidden"),
        std::string(65, 'a'), std::string("a\nb")}) {
    const auto opened = stores->open(bad);
    ASSERT_FALSE(opened.has_value()) << bad;
    EXPECT_EQ(opened.error().code(), Code::kInvalidArgument);
  }
}

TEST_F(StoreChoosing, clients_cannot_fill_memory_with_vdisks) {
  Arguments arguments;
  arguments.memory_storage = true;
  arguments.data_shards = 1;
  arguments.parity_shards = 0;
  make(arguments);
  for (std::size_t i = 0; i < kVdisksMax; ++i) {
    auto opened = stores->open("vm" + std::to_string(i));
    ASSERT_TRUE(opened.has_value());
    close(std::move(*opened));
  }
  const auto one_more = stores->open("more");
  ASSERT_FALSE(one_more.has_value());
  EXPECT_EQ(one_more.error().code(), Code::kNoSpace);
  EXPECT_EQ(names("vm0").size(), 1u);
}

TEST_F(StoreChoosing, settings_are_the_flags_then_the_configurations_then_the_ancestors) {
  make({});
  server::LogSettings settings = stores->settings("vm1");
  EXPECT_EQ(settings.data_shards, 4u);
  EXPECT_EQ(settings.parity_shards, 2u);
  EXPECT_EQ(settings.flush_size, 25u);
  EXPECT_EQ(settings.flush_time_ns, 25'000'000'000u);

  make({}, kConfig);
  settings = stores->settings("vm1");
  EXPECT_EQ(settings.data_shards, 2u);
  EXPECT_EQ(settings.flush_size, 7u);
  settings = stores->settings("vm2");
  EXPECT_EQ(settings.data_shards, 1u);
  EXPECT_EQ(settings.flush_size, 7u);
  EXPECT_EQ(settings.flush_time_ns, 3'000'000'000u);

  Arguments arguments;
  arguments.flush_size = 9;
  arguments.flush_time_ns = 1'000'000'000;
  make(arguments, kConfig);
  settings = stores->settings("vm2");
  EXPECT_EQ(settings.flush_size, 9u);
  EXPECT_EQ(settings.flush_time_ns, 1'000'000'000u);
  EXPECT_EQ(settings.data_shards, 1u);
}

}  // namespace
}  // namespace tlog::program
