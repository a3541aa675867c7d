// rude_client URI FIRST COUNT: writes blocks of 4 KiB from block FIRST on, 64 in flight, prints the
// number of each that was answered, and after COUNT answers kills itself with requests in flight.
#include <libnbd.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
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
  tlog::testing::Bytes read_into;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  tlog::testing::NbdClient client(argv[1]);
  std::uint64_t next = std::strtoull(argv[2], nullptr, 10);
  const std::uint64_t count = std::strtoull(argv[3], nullptr, 10);
  std::deque<Request> requests;
  for (std::uint64_t answered = 0; answered < count;) {
    while (requests.size() < kInFlight) {
      requests.push_back({next, tlog::testing::pattern(4096, next), 0, {}});
      requests.back().cookie = client.send_write(next * 4096, requests.back().bytes);
      if (next % 2 == 0) {
        requests.back().read_into.resize(kReadBytes);
        client.send_read(0, requests.back().read_into);
      }
      next++;
    }
    if (client.await(requests.front().cookie) != 0) return 1;
    const std::string line = std::to_string(requests.front().block) + "\n";
    if (write(STDOUT_FILENO, line.data(), line.size()) < 0) return 1;
    requests.pop_front();
    answered++;
  }
  kill(getpid(), SIGKILL);
  return 3;
}
