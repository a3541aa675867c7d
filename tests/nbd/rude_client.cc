// rude_client URI FIRST COUNT: writes blocks of 4 KiB from block FIRST on, 64 in flight, prints the
// number of each that was answered, and after COUNT answers kills itself with requests in flight.
#include <libnbd.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>

#include "tests/support/nbd_client.h"

namespace {

constexpr std::size_t kInFlight = 64;
constexpr std::size_t kReadBytes = 256 * 1024;

struct Request {
  std::uint64_t block;
  tlog::testing::Bytes bytes;
  std::int64_t cookie;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  tlog::testing::NbdClient client(argv[1]);
  std::uint64_t next = std::strtoull(argv[2], nullptr, 10);
  const std::uint64_t count = std::strtoull(argv[3], nullptr, 10);
  std::deque<Request> requests;
  tlog::testing::Bytes read_into(kReadBytes);  // of all reads: nobody looks at it
  for (std::uint64_t answered = 0; answered < count;) {
    while (requests.size() < kInFlight) {
      requests.push_back({next, tlog::testing::pattern(4096, next), 0});
      requests.back().cookie = client.send_write(next * 4096, requests.back().bytes);
      if (next % 2 == 0) client.send_read(0, read_into);
      next++;
    }
    if (const int error = client.await(requests.front().cookie); error != 0) {
      std::fprintf(stderr, "block %llu: %s: %s\n",
                   static_cast<unsigned long long>(requests.front().block), std::strerror(error),
                   nbd_get_error());
      return 1;
    }
    const std::string line = std::to_string(requests.front().block) + "\n";
    if (write(STDOUT_FILENO, line.data(), line.size()) < 0) return 1;
    requests.pop_front();
    answered++;
  }
  kill(getpid(), SIGKILL);
  return 3;
}
