#include "tests/fault/server/server_rig.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "server/log/read_only_log.h"
#include "tlog/store/stores.h"

namespace tlog::testing {

ServerRig::ServerRig(const std::function<void(server::ServerOptions&)>& change) {
  for (std::size_t i = 0; i < key_.size(); ++i) key_[i] = static_cast<std::uint8_t>(3 * i + 1);
  loop_ = std::move(io::make_loop({}, logger_).value());
  EXPECT_TRUE(loop_->start());
  workers_.start(2, "rig");
  options_.address = "unix:" + directory_.file("s");
  options_.open_stores = [this](const std::string& vdisk) { return open_stores(vdisk); };
  if (change) change(options_);
  start();
}

ServerRig::~ServerRig() {
  server_.reset();
  workers_.stop();
  loop_->stop();
}

void ServerRig::start() {
  server_.reset();
  auto started = server::Server::start(options_, {.files = &io::system_files(),
                                                  .loop = loop_.get(),
                                                  .workers = &workers_,
                                                  .clock = &system_clock(),
                                                  .random = &system_random(),
                                                  .logger = &logger_});
  if (!started) throw std::runtime_error(started.error().message());
  server_ = std::move(*started);
}

VdiskContents& ServerRig::contents(const std::string& vdisk) {
  MutexLock lock(mutex_);
  VdiskContents& contents = contents_[vdisk];
  while (contents.stores.size() < kRigStores)
    contents.stores.push_back(std::make_shared<store::MemoryStoreContents>());
  return contents;
}

std::vector<std::unique_ptr<store::Store>> ServerRig::open_stores(const std::string& vdisk) {
  std::vector<std::unique_ptr<store::Store>> stores;
  for (unsigned i = 0; i < kRigStores; ++i) {
    stores.push_back(make_store ? make_store(vdisk, i, *loop_)
                                : store::make_memory_store(fmt::format("memory {}", i), *loop_,
                                                           contents(vdisk).stores[i]));
  }
  return stores;
}

protocol::Hello ServerRig::hello(const std::string& vdisk, unsigned journal) const {
  protocol::Hello hello;
  hello.client = fmt::format("host{}:1", journal);
  hello.journal.bytes.fill(static_cast<std::uint8_t>(journal));
  hello.format = {.vdisk = {},
                  .name = vdisk,
                  .size = kGiB,
                  .block_size = 4096,
                  .data_shards = 0,
                  .parity_shards = 0};
  for (std::size_t i = 0; i < 16; ++i)
    hello.format.vdisk.bytes[i] = static_cast<std::uint8_t>(vdisk[i % vdisk.size()] + i);
  hello.may_create = true;
  hello.key.assign(key_.begin(), key_.end());
  return hello;
}

seal::MasterKey ServerRig::key() const {
  return std::move(seal::MasterKey::from_bytes(std::as_bytes(std::span(key_))).value());
}

protocol::Hello ServerRig::reader(const std::string& vdisk) const {
  protocol::Hello hello = this->hello(vdisk);
  hello.role = protocol::Role::kReader;
  hello.journal = {};
  hello.may_create = false;
  return hello;
}

std::string ServerRig::outer_address() const {
  const std::string host = testing::outer_address();
  return host.empty() ? "" : host + address().substr(address().rfind(':'));
}

std::vector<SentRecord> ServerRig::read_stores(const std::string& vdisk) {
  auto log = server::ReadOnlyLog::open({.vdisk = vdisk,
                                        .stores = open_stores(vdisk),
                                        .key = std::make_shared<const seal::MasterKey>(key()),
                                        .loop = loop_.get(),
                                        .workers = &workers_,
                                        .random = &system_random(),
                                        .logger = &logger_});
  if (!log) throw std::runtime_error(log.error().message());
  const Sequence end = (*log)->position().sequence;
  std::vector<SentRecord> stored;
  if (end == 0) return stored;
  const Status read =
      (*log)->read(1, end, [&](std::span<const format::Record> records) -> Result<bool> {
        for (SentRecord& each : sent_of(records)) stored.push_back(std::move(each));
        return true;
      });
  if (!read) throw std::runtime_error(read.error().message());
  return stored;
}

void ServerRig::expect_log(const std::string& vdisk, const std::vector<SentRecord>& model) {
  const std::vector<SentRecord> stored = read_stores(vdisk);
  ASSERT_EQ(stored.size(), model.size()) << vdisk;
  EXPECT_TRUE(stored == model) << vdisk << ": the log is not what was sent";
}

bool ServerRig::wait_until(const std::function<bool()>& condition) const {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

server::SessionStatus ServerRig::session(const std::string& vdisk) const {
  for (const server::SessionStatus& each : server_->status().sessions) {
    if (each.vdisk == vdisk && each.role == protocol::Role::kWriter) return each;
  }
  throw std::runtime_error("no writer of " + vdisk);
}

protocol::Refusal refused(SessionClient& client) {
  const auto answer = client.knock();
  const auto* refusal = std::get_if<protocol::Refusal>(&answer);
  EXPECT_NE(refusal, nullptr) << "it was let in";
  return refusal ? *refusal : protocol::Refusal{};
}

}  // namespace tlog::testing
