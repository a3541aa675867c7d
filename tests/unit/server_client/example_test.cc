// Goal: the example of the client's README does what it says. Method: it is run, twice, against
// servers of the test's own.
#include <fstream>

#include "tests/support/process.h"
#include "tests/unit/server_client/rigged.h"

namespace tlog::testing {
namespace {

class ExampleTest : public Rigged {
 protected:
  CommandResult run(const std::string& lines) {
    const std::string file = rig.directory.path() + "/lines";
    std::ofstream(file) << lines;
    std::string command = "exec " CLIENT_EXAMPLE " my-log 2";
    for (const std::string& address : addresses()) command += " " + address;
    return run_command({"sh", "-c", command + " < " + file});
  }
};

TEST_F(ExampleTest, AppendsLinesAndGoesOnBehindThem) {
  make_servers(3);
  CommandResult result = run("one\ntwo\n");
  ASSERT_EQ(result.exit_code, 0) << result.error;
  EXPECT_EQ(result.output, "stored up to 2\n");
  result = run("three\n");
  ASSERT_EQ(result.exit_code, 0) << result.error;
  EXPECT_EQ(result.output, "stored up to 3\n");
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(eventually([&] { return server(i).stored().size() == 3; })) << i;
    EXPECT_EQ(server(i).stored()[0].data, "one");
    EXPECT_EQ(server(i).stored()[2].data, "three");
  }
  for (auto& one : servers)
    one->script({.refuse = protocol::Refusal{Code::kWrongKey, "another key"}});
  result = run("four\n");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.error.find("another key"), std::string::npos) << result.error;
}

}  // namespace
}  // namespace tlog::testing
