// Goal: what the simulation has found of takeovers does not come back: who comes to nothing leaves
// everything as it was.
// Method: the same faults, step by step, on simulated servers.
#include <gtest/gtest.h>

#include "tests/sim/steps.h"

namespace tlog::sim {
namespace {

// A writer ends while it is connecting to a server again. What that has begun to ask and to mark is
// nobody's any more.
TEST(SimulationFound, a_writer_ends_while_a_server_is_greeted) {
  Steps steps(2, 1);
  steps.run([&] {
    steps.create();
    for (std::uint64_t round = 1; round <= 60; ++round) {
      SimProcess& process = steps.new_process();
      steps.open(process);
      SimServer& server = steps.network[0];
      server.set_latency({.least_ns = 10 * kMillisecond, .most_ns = 10 * kMillisecond});
      server.kill(false);
      server.start();
      // Between the first and the last step of the greeting, a step later each time.
      steps.world.sleep(50 * kMillisecond + round * 3 * kMillisecond);
      steps.writer.reset();
      steps.world.sleep(500 * kMillisecond);
      server.set_latency({});
      process.end();
      for (const auto& [field, value] : steps.control_of(server)) {
        if (!field.starts_with("closed:")) continue;
        ASSERT_LT(std::stoull(field.substr(7)), round) << field;
      }
    }
  });
}

}  // namespace
}  // namespace tlog::sim
