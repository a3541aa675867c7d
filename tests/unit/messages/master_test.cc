// A master without secondaries over stores of memory: what is appended while others append and
// read.
#include <gtest/gtest.h>

#include <future>
#include <map>

#include "gateways/messages/master.h"
#include "tests/support/served_log_rig.h"

namespace tlog::testing {
namespace {

struct MasterAlone : ::testing::Test {
  MasterAlone() { readers.start(1, "readers"); }
  ~MasterAlone() override {
    log.reset();
    readers.stop();
  }
  // Again: over the same stores, with nothing in memory.
  void open() {
    log.reset();
    messages::MasterOptions options;
    options.name = "audit";
    options.key = key;
    options.open_stores = [this]() -> Result<std::vector<std::unique_ptr<store::Store>>> {
      return rig.stores();
    };
    log.emplace(std::move(options), messages::NodeParts{.files = &io::system_files(),
                                                        .loop = &rig.loop(),
                                                        .workers = &rig.workers(),
                                                        .readers = &readers,
                                                        .clock = &system_clock(),
                                                        .random = &system_random(),
                                                        .logger = &rig.logger()});
    log->start();
    ASSERT_TRUE(soon([this] { return log->stored().has_value(); })) << rig.logger().lines();
  }
  // 0: not confirmed within the time.
  Sequence append(const std::string& text) {
    const auto deadline = steady_now() + std::chrono::seconds(30);
    const auto appended = log->append(text, 1, [&] { return steady_now() > deadline; });
    return appended && !appended->unconfirmed ? appended->id : 0;
  }
  std::map<Sequence, std::string> read(Sequence last) {
    std::map<Sequence, std::string> texts;
    for (Sequence next = 1; next <= last;) {
      const auto reached = log->read(
          next, last, [&](const messages::Message& message) { texts[message.id] = message.text; });
      EXPECT_TRUE(reached.has_value());
      if (!reached) return texts;
      next = *reached + 1;
    }
    return texts;
  }

  ServedLogRig rig;
  io::Workers readers;
  const std::shared_ptr<const seal::MasterKey> key =
      std::make_shared<const seal::MasterKey>(rig.new_key());
  std::optional<messages::Master> log;
};

// A list is made into JSON piece by piece: who appends or asks does not wait for that.
TEST_F(MasterAlone, IsNotLockedWhileAReaderMakesSomethingOfAMessage) {
  open();
  for (Sequence id = 1; id <= 3; ++id) ASSERT_EQ(append("one"), id);
  std::vector<std::future<Sequence>> beside;
  const auto reached = log->read(1, 3, [&](const messages::Message& message) {
    beside.push_back(std::async(std::launch::async, [&] { return append("beside"); }));
    EXPECT_EQ(beside.back().wait_for(std::chrono::seconds(10)), std::future_status::ready)
        << "message " << message.id;
  });
  ASSERT_TRUE(reached.has_value());
  EXPECT_EQ(*reached, 3u);
  for (auto& each : beside) EXPECT_GT(each.get(), 3u);
}

// Ids are given, and batches committed, by all of them at once: dense, each with its own text.
TEST_F(MasterAlone, ManyWhoAppendAtOnceGetOneOrder) {
  constexpr unsigned kWriters = 8;
  constexpr unsigned kEach = 200;
  open();
  std::vector<std::future<std::map<Sequence, std::string>>> writers;
  for (unsigned writer = 0; writer < kWriters; ++writer) {
    writers.push_back(std::async(std::launch::async, [this, writer] {
      std::map<Sequence, std::string> given;
      for (unsigned i = 0; i < kEach; ++i) {
        const std::string text = std::to_string(writer) + "." + std::to_string(i);
        given[append(text)] = text;
      }
      return given;
    }));
  }
  std::map<Sequence, std::string> given;
  for (auto& writer : writers) given.merge(writer.get());
  ASSERT_EQ(given.size(), kWriters * kEach);
  EXPECT_EQ(given.begin()->first, 1u) << "one was not confirmed";
  EXPECT_EQ(log->stored().value(), kWriters * kEach);
  EXPECT_EQ(read(kWriters * kEach), given);
  open();
  EXPECT_EQ(read(kWriters * kEach), given) << "as the stores have it";
}

}  // namespace
}  // namespace tlog::testing
