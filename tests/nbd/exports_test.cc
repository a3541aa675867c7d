// Which exports there are, who may open them, and how.
#include <libnbd.h>

#include <cerrno>

#include "tests/nbd/serving.h"

namespace tlog::testing {
namespace {

class NbdExports : public Serving {
 protected:
  static SiteOptions three_vdisks() {
    SiteOptions options;
    options.journal_mib = 16;
    options.vdisks = {{"vm1", 64, false, "the first", ""},
                      {"vm2", 16, false, "", ""},
                      {"Base-image_3.1", 16, false, "", ""}};
    return options;
  }
  // The text of the refusal; "" when the server let the client in.
  std::string refusal(const std::string& uri) {
    try {
      NbdClient client(uri);
      return "";
    } catch (const std::runtime_error& error) {
      return error.what();
    }
  }
};

TEST_F(NbdExports, ListNamesAndDescribesEveryVdisk) {
  serve({}, three_vdisks());
  const CommandResult list = run_command({"nbdinfo", "--list", server->uri()});
  ASSERT_TRUE(list.ok()) << list.text();
  for (const char* expected : {"export=\"vm1\"", "description: the first", "export=\"vm2\"",
                               "export=\"Base-image_3.1\""}) {
    EXPECT_NE(list.output.find(expected), std::string::npos) << expected << "\n" << list.output;
  }
}

TEST_F(NbdExports, ListAsJson) {
  serve({}, three_vdisks());
  const CommandResult sizes = run_command(
      {"/usr/bin/python3", "-c",
       "import json,subprocess,sys\n"
       "d=json.loads(subprocess.check_output(['nbdinfo','--list','--json',sys.argv[1]]))\n"
       "print(sorted((e['export-name'],e['export-size']) for e in d['exports']))",
       server->uri()});
  ASSERT_TRUE(sizes.ok()) << sizes.text();
  EXPECT_EQ(sizes.output, "[('Base-image_3.1', 16777216), ('vm1', 67108864), ('vm2', 16777216)]\n");
}

TEST_F(NbdExports, OnlyVdiskIsTheDefault) {
  serve();
  NbdClient client(server->uri());
  EXPECT_EQ(client.size(), 64u << 20);
}

// Serving one of several at random would be a wrong disk.
TEST_F(NbdExports, NoDefaultAmongSeveral) {
  serve({}, three_vdisks());
  EXPECT_NE(refusal(server->uri()), "");
  EXPECT_EQ(refusal(server->uri("vm2")), "");
}

TEST_F(NbdExports, VdiskParameterServesOnlyThatOne) {
  site = std::make_unique<Site>(three_vdisks());
  start({}, {"vdisk=vm2"});
  EXPECT_EQ(NbdClient(server->uri()).size(), 16u << 20);
  EXPECT_EQ(NbdClient(server->uri("vm2")).size(), 16u << 20);
  EXPECT_NE(refusal(server->uri("vm1")), "");
  const CommandResult list = run_command({"nbdinfo", "--list", server->uri()});
  EXPECT_EQ(list.output.find("vm1"), std::string::npos) << list.output;
}

TEST_F(NbdExports, UnknownExportIsRefusedAndTheKnownOnesNamed) {
  serve({}, three_vdisks());
  EXPECT_NE(refusal(server->uri("vm9")), "");
  EXPECT_NE(server->log().find("open: export 'vm9': not served here; this server has: vm1, vm2, "
                               "Base-image_3.1"),
            std::string::npos)
      << server->log();
  EXPECT_EQ(refusal(server->uri("vm1")), "");
}

// Names come from the network: paths, control characters, endless ones. Refused, and harmless in
// the log.
TEST_F(NbdExports, HostileNamesAreRefused) {
  serve({}, three_vdisks());
  for (const std::string& name :
       {std::string("vm1/"), std::string("../vm1"), std::string("a/b"), std::string("/etc/passwd"),
        std::string(".vm1"), std::string("-vm1"),
        std::string("vm1%0Anbdkit%3A%20error%3A%20forged"), std::string("vm1%20"),
        std::string("%1B%5B2J"), std::string(65, 'x'), std::string(4000, 'y')}) {
    EXPECT_NE(refusal(server->uri(name)), "") << name;
  }
  const std::string log = server->log();
  EXPECT_EQ(log.find("\nnbdkit: error: forged"), std::string::npos) << log;
  EXPECT_EQ(log.find('\x1b'), std::string::npos);
  EXPECT_EQ(log.find(std::string(65, 'y')), std::string::npos);
  EXPECT_EQ(refusal(server->uri("vm1")), "");
}

TEST_F(NbdExports, ReadOnlyServerRefusesWrites) {
  serve();
  {
    NbdClient client(server->uri("vm1"));
    client.write(0, pattern(4096, 1), LIBNBD_CMD_FLAG_FUA);
  }
  ASSERT_EQ(server->stop(), 0) << server->log();
  start({"-r"});
  NbdClient client(server->uri("vm1"));
  EXPECT_EQ(nbd_is_read_only(client.get()), 1);
  EXPECT_ANY_THROW(client.write(0, pattern(4096, 2)));
  EXPECT_EQ(client.errno_of_last(), EPERM);
  EXPECT_ANY_THROW(client.trim(0, 4096));
  EXPECT_ANY_THROW(client.zero(0, 4096));
  EXPECT_EQ(client.read(0, 4096), pattern(4096, 1));
  client.flush();
}

TEST_F(NbdExports, ReadOnlyVdiskRefusesWrites) {
  serve();
  {
    NbdClient client(server->uri("vm1"));
    client.write(0, pattern(4096, 1), LIBNBD_CMD_FLAG_FUA);
  }
  ASSERT_EQ(server->stop(), 0) << server->log();
  SiteOptions options;
  options.vdisks[0].read_only = true;
  site->configure(options);
  start();
  NbdClient client(server->uri("vm1"));
  EXPECT_EQ(nbd_is_read_only(client.get()), 1);
  EXPECT_ANY_THROW(client.write(0, pattern(4096, 2)));
  EXPECT_EQ(client.errno_of_last(), EPERM);
  EXPECT_EQ(client.read(0, 4096), pattern(4096, 1));
}

// Two vdisks of one process share nothing but the process.
TEST_F(NbdExports, VdisksAreIndependent) {
  serve({}, three_vdisks());
  NbdClient first(server->uri("vm1"));
  NbdClient second(server->uri("vm2"));
  first.write(0, pattern(8192, 1));
  second.write(0, pattern(8192, 2));
  first.trim(4096, 4096);
  first.flush();
  second.flush();
  EXPECT_EQ(second.read(0, 8192), pattern(8192, 2));
  EXPECT_EQ(first.read(4096, 4096), Bytes(4096));
}

}  // namespace
}  // namespace tlog::testing
