// Vdisks that are not in order: refused with a reason, never served blank, and in order again when
// what was missing is back.
#include <libnbd.h>

#include <filesystem>
#include <optional>

#include "tests/nbd/serving.h"

namespace tlog::testing {
namespace {

class NbdRefusal : public Serving {
 protected:
  // A vdisk with a written and flushed block, served once and ended in order.
  void SetUp() override {
    serve();
    {
      NbdClient client(server->uri("vm1"));
      client.write(0, data_, LIBNBD_CMD_FLAG_FUA);
    }
    ASSERT_EQ(server->stop(), 0) << server->log();
    server.reset();
  }
  // What a client can read, or nothing when the server refused to start or to open; said() then has
  // its reasons.
  std::optional<Bytes> try_to_read() {
    auto started = NbdkitServer::start(site->nbdkit());
    if (!started) {
      said_ = started.error().message();
      return std::nullopt;
    }
    std::optional<Bytes> bytes;
    try {
      bytes = NbdClient((*started)->uri("vm1")).read(0, data_.size());
    } catch (const std::runtime_error&) {
    }
    EXPECT_TRUE((*started)->process().running()) << "the process died";
    said_ = (*started)->log();
    (*started)->stop();
    return bytes;
  }
  void rename(const std::string& from, const std::string& to) {
    std::filesystem::rename(site->file(from), site->file(to));
  }
  void expect_refused(const std::string& because) {
    const std::optional<Bytes> bytes = try_to_read();
    EXPECT_FALSE(bytes) << (*bytes == data_ ? "served" : "served something else") << "\n" << said_;
    EXPECT_NE(said_.find(because), std::string::npos) << "expected '" << because << "' in:\n"
                                                      << said_;
    EXPECT_EQ(said_.find(site->key_hex()), std::string::npos);
  }
  void expect_served() {
    const std::optional<Bytes> bytes = try_to_read();
    ASSERT_TRUE(bytes) << said_;
    EXPECT_EQ(*bytes, data_);
  }

  const Bytes data_ = pattern(4096, 1);
  std::string said_;
};

TEST_F(NbdRefusal, InOrder) {
  expect_served();
}

TEST_F(NbdRefusal, AnotherKey) {
  rename("tlogdisk.key", "right.key");
  write_text(site->file("tlogdisk.key"), "tlogdisk-key-1:" + std::string(64, 'a') + "\n", 0600);
  expect_refused("key");
  rename("right.key", "tlogdisk.key");
  expect_served();
}

// The journal is there, so this is no new vdisk: an empty log means that it is lost or not mounted.
TEST_F(NbdRefusal, MissingLog) {
  rename("log", "elsewhere");
  expect_refused("vm1");
  std::filesystem::remove_all(site->file("log"));
  rename("elsewhere", "log");
  expect_served();
}

TEST_F(NbdRefusal, MissingBlockStorageIsNotServedBlank) {
  rename("blocks", "elsewhere");
  const std::optional<Bytes> bytes = try_to_read();
  if (bytes) {
    EXPECT_EQ(*bytes, data_) << "served blank";
  }
}

TEST_F(NbdRefusal, ChangedSize) {
  SiteOptions options;
  options.vdisks[0].size_mib = 128;
  site->configure(options);
  expect_refused("size");
  site->configure({});
  expect_served();
}

TEST_F(NbdRefusal, JournalOfAnotherVdisk) {
  SiteOptions options;
  options.vdisks.push_back({"vm2", 64, false, "", ""});
  site->configure(options);
  NbdkitOptions nbdkit = site->nbdkit();
  {
    auto started = NbdkitServer::start(nbdkit);
    ASSERT_TRUE(started) << started.error().message();
    NbdClient((*started)->uri("vm2")).write(0, pattern(4096, 2), LIBNBD_CMD_FLAG_FUA);
    ASSERT_EQ((*started)->stop(), 0) << (*started)->log();
  }
  rename("journal/vm1", "journal/vm1.right");
  std::filesystem::copy(site->file("journal/vm2"), site->file("journal/vm1"),
                        std::filesystem::copy_options::recursive);
  expect_refused("vm1");
  std::filesystem::remove_all(site->file("journal/vm1"));
  rename("journal/vm1.right", "journal/vm1");
  expect_served();
}

}  // namespace
}  // namespace tlog::testing
