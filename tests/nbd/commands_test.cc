// Every command and flag of the protocol, one by one, against the real plugin.
#include <libnbd.h>

#include <cerrno>
#include <random>

#include "tests/nbd/serving.h"

namespace tlog::testing {
namespace {

constexpr std::uint32_t kHoleZero = LIBNBD_STATE_HOLE | LIBNBD_STATE_ZERO;
constexpr std::size_t kMi = 1024 * 1024;

class NbdCommands : public Serving {};

TEST_F(NbdCommands, AdvertisesWhatItDoes) {
  serve();
  NbdClient client(server->uri("vm1"));
  nbd_handle* nbd = client.get();
  EXPECT_EQ(nbd_get_size(nbd), 64 * 1024 * 1024);
  EXPECT_EQ(nbd_is_read_only(nbd), 0);
  EXPECT_EQ(nbd_can_flush(nbd), 1);
  EXPECT_EQ(nbd_can_fua(nbd), 1);
  EXPECT_EQ(nbd_can_trim(nbd), 1);
  EXPECT_EQ(nbd_can_zero(nbd), 1);
  EXPECT_EQ(nbd_can_fast_zero(nbd), 1);
  EXPECT_EQ(nbd_can_cache(nbd), 1);
  EXPECT_EQ(nbd_can_multi_conn(nbd), 1);
  EXPECT_EQ(nbd_can_df(nbd), 1);
  EXPECT_EQ(nbd_is_rotational(nbd), 0);
  EXPECT_EQ(nbd_can_meta_context(nbd, LIBNBD_CONTEXT_BASE_ALLOCATION), 1);
  EXPECT_EQ(nbd_get_block_size(nbd, LIBNBD_SIZE_MINIMUM), 1);
  EXPECT_EQ(nbd_get_block_size(nbd, LIBNBD_SIZE_PREFERRED), 4096);
  EXPECT_EQ(nbd_get_block_size(nbd, LIBNBD_SIZE_MAXIMUM), 32 * 1024 * 1024);
}

TEST_F(NbdCommands, NewDiskIsOneHoleOfZeros) {
  serve();
  NbdClient client(server->uri("vm1"));
  EXPECT_EQ(client.read(0, kMi), Bytes(kMi));
  EXPECT_EQ(client.extents(0, client.size()),
            (std::vector<NbdExtent>{{0, client.size(), kHoleZero}}));
}

// No alignment is special: one byte, across block borders, the last byte of the disk.
TEST_F(NbdCommands, ReadsBackWhatWasWrittenAtAnyAlignment) {
  serve();
  NbdClient client(server->uri("vm1"));
  for (std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{4095},
                               std::uint64_t{12287}, client.size() - 5000}) {
    const Bytes bytes = pattern(5000, offset);
    client.write(offset, bytes);
    EXPECT_EQ(client.read(offset, bytes.size()), bytes) << offset;
  }
  client.write(client.size() - 1, pattern(1, 7));
  EXPECT_EQ(client.read(client.size() - 1, 1), pattern(1, 7));
}

// The largest payload that is advertised, and what nbdkit takes beyond it.
TEST_F(NbdCommands, LargeRequests) {
  serve();
  NbdClient client(server->uri("vm1"));
  const Bytes bytes = pattern(33 * kMi + 1, 1);
  client.write(4097, bytes);
  EXPECT_EQ(client.read(4097, bytes.size()), bytes);
}

TEST_F(NbdCommands, EveryWriteLikeCommandTakesFua) {
  serve();
  NbdClient client(server->uri("vm1"));
  client.write(0, pattern(3 * kMi, 1), LIBNBD_CMD_FLAG_FUA);
  client.trim(0, kMi, LIBNBD_CMD_FLAG_FUA);
  client.zero(kMi, kMi, LIBNBD_CMD_FLAG_FUA);
  EXPECT_EQ(client.read(0, 2 * kMi), Bytes(2 * kMi));
  const Bytes all = pattern(3 * kMi, 1);
  EXPECT_EQ(client.read(2 * kMi, kMi), Bytes(all.begin() + 2 * kMi, all.end()));
}

TEST_F(NbdCommands, TrimMakesAHole) {
  serve();
  NbdClient client(server->uri("vm1"));
  client.write(0, pattern(kMi, 1));
  client.trim(256 * 1024, 512 * 1024);
  EXPECT_EQ(client.read(256 * 1024, 512 * 1024), Bytes(512 * 1024));
  EXPECT_EQ(client.extents(0, kMi), (std::vector<NbdExtent>{{0, 256 * 1024, 0},
                                                            {256 * 1024, 512 * 1024, kHoleZero},
                                                            {768 * 1024, 256 * 1024, 0}}));
}

// A trim need not be aligned, and touches not one byte beside its range.
TEST_F(NbdCommands, UnalignedTrimAndZeroAreExact) {
  serve();
  NbdClient client(server->uri("vm1"));
  Bytes expected = pattern(kMi, 3);
  client.write(0, expected);
  client.trim(1001, 9001);
  client.zero(50'001, 30'003);
  client.zero(100'001, 30'003, LIBNBD_CMD_FLAG_NO_HOLE);
  std::fill_n(expected.begin() + 1001, 9001, std::byte{0});
  std::fill_n(expected.begin() + 50'001, 30'003, std::byte{0});
  std::fill_n(expected.begin() + 100'001, 30'003, std::byte{0});
  EXPECT_EQ(client.read(0, kMi), expected);
  client.flush();
  EXPECT_EQ(client.read(0, kMi), expected);
}

// With NO_HOLE too. Whether such a range is listed as a hole later is the file system's choice:
// Linux lists what was set aside and not yet written as a hole.
TEST_F(NbdCommands, ZeroReadsAsZeros) {
  serve();
  NbdClient client(server->uri("vm1"));
  client.write(0, pattern(2 * kMi, 1));
  client.zero(0, kMi);
  client.zero(kMi, kMi, LIBNBD_CMD_FLAG_NO_HOLE);
  EXPECT_EQ(client.read(0, 2 * kMi), Bytes(2 * kMi));
  EXPECT_EQ(client.extents(0, kMi), (std::vector<NbdExtent>{{0, kMi, kHoleZero}}));
}

// A fast zero must be fast or refused; ours is one record, whatever the length and alignment.
TEST_F(NbdCommands, FastZeroIsNeverRefused) {
  serve();
  NbdClient client(server->uri("vm1"));
  client.write(0, pattern(kMi, 1));
  client.zero(0, client.size(), LIBNBD_CMD_FLAG_FAST_ZERO);
  EXPECT_EQ(client.read(0, kMi), Bytes(kMi));
  client.write(0, pattern(kMi, 1));
  client.zero(77, kMi - 99, LIBNBD_CMD_FLAG_FAST_ZERO | LIBNBD_CMD_FLAG_NO_HOLE);
  EXPECT_EQ(client.read(77, kMi - 99), Bytes(kMi - 99));
}

TEST_F(NbdCommands, ReqOneAnswersOneTrueExtent) {
  serve();
  NbdClient client(server->uri("vm1"));
  client.write(0, pattern(3 * kMi, 1));
  client.trim(kMi, kMi);
  const auto at = [&](std::uint64_t offset) {
    return client.extents(offset, client.size() - offset, LIBNBD_CMD_FLAG_REQ_ONE);
  };
  EXPECT_EQ(at(0), (std::vector<NbdExtent>{{0, kMi, 0}}));
  EXPECT_EQ(at(kMi), (std::vector<NbdExtent>{{kMi, kMi, kHoleZero}}));
  // Longer than the first look at it, so that looking further is tested too.
  EXPECT_EQ(at(3 * kMi), (std::vector<NbdExtent>{{3 * kMi, client.size() - 3 * kMi, kHoleZero}}));
}

TEST_F(NbdCommands, CacheIsAnsweredAndChangesNothing) {
  serve();
  NbdClient client(server->uri("vm1"));
  const Bytes bytes = pattern(kMi, 1);
  client.write(0, bytes);
  client.cache(0, client.size());
  client.cache(client.size() - 1, 1);
  EXPECT_EQ(client.read(0, kMi), bytes);
}

// Refused with what the protocol says, and the disk serves on, unchanged.
TEST_F(NbdCommands, BeyondTheEndIsRefused) {
  serve();
  NbdClient client(server->uri("vm1"));
  const std::uint64_t end = client.size();
  EXPECT_ANY_THROW(client.read(end - 1, 2));
  EXPECT_EQ(client.errno_of_last(), EINVAL);
  EXPECT_ANY_THROW(client.write(end - 1, pattern(2, 1)));
  EXPECT_EQ(client.errno_of_last(), ENOSPC);
  EXPECT_ANY_THROW(client.trim(end, 1));
  EXPECT_ANY_THROW(client.zero(end - 4096, 8192));
  EXPECT_EQ(client.errno_of_last(), ENOSPC);
  EXPECT_ANY_THROW(client.extents(end, 512));
  EXPECT_EQ(client.read(end - 2, 2), Bytes(2));
}

// Random operations of every kind against an array in memory.
TEST_F(NbdCommands, AgreesWithAnArray) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  SiteOptions options;
  options.vdisks[0].size_mib = 4;
  serve({}, options);
  NbdClient client(server->uri("vm1"));
  std::mt19937_64 random(seed);
  Bytes model(client.size());
  for (int step = 0; step < 400; step++) {
    const std::uint64_t offset = random() % model.size();
    const std::uint64_t length =
        1 + random() % std::min<std::uint64_t>(model.size() - offset, 70'000);
    const std::uint32_t fua = random() % 4 == 0 ? LIBNBD_CMD_FLAG_FUA : 0;
    const auto begin = model.begin() + static_cast<std::ptrdiff_t>(offset);
    switch (random() % 6) {
      case 0:
      case 1: {
        const Bytes bytes = pattern(length, random());
        client.write(offset, bytes, fua);
        std::copy(bytes.begin(), bytes.end(), begin);
        break;
      }
      case 2:
        client.trim(offset, length, fua);
        std::fill_n(begin, length, std::byte{0});
        break;
      case 3:
        client.zero(offset, length, fua | (random() % 2 == 0 ? LIBNBD_CMD_FLAG_NO_HOLE : 0));
        std::fill_n(begin, length, std::byte{0});
        break;
      case 4:
        client.flush();
        break;
      default:
        ASSERT_EQ(client.read(offset, length),
                  Bytes(begin, begin + static_cast<std::ptrdiff_t>(length)))
            << "step " << step;
    }
  }
  EXPECT_EQ(client.read(0, model.size()), model);
  for (const NbdExtent& extent : client.extents(0, model.size())) {
    if ((extent.type & LIBNBD_STATE_ZERO) == 0) continue;
    EXPECT_EQ(client.read(extent.offset, extent.length), Bytes(extent.length)) << extent.offset;
  }
}

TEST_F(NbdCommands, second_connection_sees_flushed_writes) {
  serve();
  NbdClient first(server->uri("vm1"));
  NbdClient second(server->uri("vm1"));
  for (std::uint64_t round = 0; round < 50; round++) {
    const Bytes bytes = pattern(4096, round);
    first.write(round * 1000, bytes);
    if (round % 2 == 0)
      first.flush();  // the promise; without it the one Vdisk object gives the same
    EXPECT_EQ(second.read(round * 1000, bytes.size()), bytes) << round;
    second.trim(round * 1000, 100, LIBNBD_CMD_FLAG_FUA);
    EXPECT_EQ(first.read(round * 1000, 100), Bytes(100)) << round;
  }
}

// 64 requests in flight on one connection, FLUSH and FUA among them: every one is answered.
TEST_F(NbdCommands, ManyRequestsInFlight) {
  serve({"-t", "64"});
  NbdClient client(server->uri("vm1"));
  std::vector<Bytes> payloads;
  for (std::uint64_t i = 0; i < 64; i++) payloads.push_back(pattern(4096, i));
  std::vector<std::int64_t> cookies;
  for (std::uint64_t i = 0; i < 64; i++) {
    cookies.push_back(
        client.send_write(i * 4096, payloads[i], i % 8 == 0 ? LIBNBD_CMD_FLAG_FUA : 0));
    if (i % 16 == 15) cookies.push_back(client.send_flush());
  }
  for (std::int64_t cookie : cookies) EXPECT_EQ(client.await(cookie), 0);
  for (std::uint64_t i = 0; i < 64; i++) EXPECT_EQ(client.read(i * 4096, 4096), payloads[i]);
}

}  // namespace
}  // namespace tlog::testing
