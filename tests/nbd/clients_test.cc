// Other people's NBD clients, as their users would run them.
#include <random>

#include "tests/nbd/serving.h"

namespace tlog::testing {
namespace {

constexpr std::size_t kMi = 1024 * 1024;

class NbdClients : public Serving {
 protected:
  CommandResult succeed(const std::vector<std::string>& arguments,
                        const CommandOptions& options = {}) {
    CommandResult result = run_command(arguments, options);
    EXPECT_TRUE(result.ok()) << arguments[0] << " " << result.text();
    return result;
  }
  // An image of `mib` MiB with data at its beginning, in the middle and at its end, and holes
  // between.
  std::string sparse_image(std::size_t mib) {
    const std::string path = site->file("image");
    succeed({"truncate", "-s", std::to_string(mib) + "M", path});
    const Bytes data = pattern(3 * kMi, std::random_device{}());
    write_text(site->file("data"),
               std::string(reinterpret_cast<const char*>(data.data()), data.size()));
    for (std::size_t at : {std::size_t{0}, mib / 2, mib - 3}) {
      succeed({"dd", "if=" + site->file("data"), "of=" + path, "bs=1M",
               "seek=" + std::to_string(at), "conv=notrunc", "status=none"});
    }
    return path;
  }
};

TEST_F(NbdClients, NbdinfoDescribesTheDisk) {
  serve();
  const CommandResult info = succeed({"nbdinfo", server->uri("vm1")});
  for (const char* expected :
       {"export-size: 67108864 (64M)", "can_multi_conn: true", "can_fua: true",
        "can_fast_zero: true", "is_rotational: false", "base:allocation"}) {
    EXPECT_NE(info.output.find(expected), std::string::npos) << expected << "\n" << info.output;
  }
  EXPECT_EQ(succeed({"nbdinfo", "--size", server->uri("vm1")}).output, "67108864\n");
  EXPECT_EQ(run_command({"nbdinfo", "--is", "read-only", server->uri("vm1")}).exit_code, 2);
}

TEST_F(NbdClients, NbdcopyUpAndDownWithFourConnections) {
  serve({"-t", "64"});
  const std::string image = sparse_image(64);
  succeed({"nbdcopy", "--connections=4", "--flush", image, server->uri("vm1")});
  succeed({"nbdcopy", "--connections=4", server->uri("vm1"), site->file("back")});
  succeed({"cmp", image, site->file("back")});
  // What was a hole in the image has stayed one here.
  const CommandResult map = succeed({"nbdinfo", "--map", "--totals", server->uri("vm1")});
  EXPECT_NE(map.output.find("hole,zero"), std::string::npos) << map.output;
  // A second server on the same files, after an orderly end, has the same disk.
  ASSERT_EQ(server->stop(), 0) << server->log();
  start();
  succeed({"nbdcopy", server->uri("vm1"), site->file("back2")});
  succeed({"cmp", image, site->file("back2")});
}

TEST_F(NbdClients, NbdcopyAllocatedKeepsZerosAllocated) {
  serve();
  const std::string image = sparse_image(64);
  succeed({"nbdcopy", "--allocated", "--destination-is-zero", image, server->uri("vm1")});
  succeed({"nbdcopy", "--synchronous", server->uri("vm1"), site->file("back")});
  succeed({"cmp", image, site->file("back")});
}

TEST_F(NbdClients, QemuImgConvertCompareMap) {
  serve({"-t", "64"});
  const std::string image = sparse_image(64);
  succeed({"qemu-img", "convert", "-n", "-W", "-m", "8", "-f", "raw", "-O", "raw", image,
           server->uri("vm1")});
  succeed({"qemu-img", "compare", "-f", "raw", "-F", "raw", image, server->uri("vm1")});
  const CommandResult map =
      succeed({"qemu-img", "map", "--output=json", "-f", "raw", server->uri("vm1")});
  EXPECT_NE(map.output.find("\"zero\": true"), std::string::npos) << map.output;
  EXPECT_NE(map.output.find("\"start\": 0, \"length\": 3145728"), std::string::npos) << map.output;
  succeed({"qemu-img", "convert", "-f", "raw", "-O", "qcow2", server->uri("vm1"),
           site->file("back.qcow2")});
  succeed({"qemu-img", "compare", "-f", "raw", "-F", "qcow2", image, site->file("back.qcow2")});
}

TEST_F(NbdClients, QemuIoPatterns) {
  serve();
  succeed({"qemu-io",
           "-f",
           "raw",
           "-c",
           "write -P 0x11 0 1M",
           "-c",
           "write -P 0x22 -f 64k 64k",  // FUA
           "-c",
           "write -P 0x33 12345 54321",
           "-c",
           "write -z 256k 128k",
           "-c",
           "write -z -u 512k 128k",
           "-c",
           "discard 768k 64k",
           "-c",
           "flush",
           "-c",
           "read -P 0x11 0 12345",
           "-c",
           "read -P 0x33 12345 54321",
           "-c",
           "read -P 0x22 66666 64406",
           "-c",
           "read -P 0 256k 128k",
           "-c",
           "read -P 0 512k 128k",
           "-c",
           "read -P 0 768k 64k",
           "-c",
           "read -P 0x11 832k 192k",
           server->uri("vm1")});
}

TEST_F(NbdClients, QemuImgBench) {
  serve({"-t", "64"});
  succeed({"qemu-img", "bench", "-w", "-c", "2000", "-d", "32", "-s", "4k", "--flush-interval=64",
           "-f", "raw", server->uri("vm1")});
}

TEST_F(NbdClients, FioVerifiesAtDepth32WithFourConnections) {
  serve({"-t", "64"});
  CommandOptions options;
  options.directory = site->directory();
  options.timeout = Milliseconds(120'000);
  for (const char* mode : {"randwrite", "randrw", "write"}) {
    succeed({"fio", "--name=verify", "--ioengine=nbd", "--uri=" + server->uri("vm1"),
             std::string("--rw=") + mode, "--bs=4k", "--iodepth=32", "--numjobs=4", "--size=8m",
             "--offset_increment=8m", "--fsync=64", "--verify=crc32c", "--do_verify=1",
             "--verify_fatal=1", "--group_reporting"},
            options);
  }
}

TEST_F(NbdClients, FioMixedSizesAndTrims) {
  serve({"-t", "64"});
  CommandOptions options;
  options.directory = site->directory();
  options.timeout = Milliseconds(120'000);
  succeed({"fio", "--name=mixed", "--ioengine=nbd", "--uri=" + server->uri("vm1"), "--rw=randwrite",
           "--bsrange=512-128k", "--bs_unaligned=1", "--iodepth=32", "--size=32m",
           "--verify=xxhash", "--do_verify=1", "--verify_fatal=1"},
          options);
  succeed({"fio", "--name=trims", "--ioengine=nbd", "--uri=" + server->uri("vm1"), "--rw=randtrim",
           "--bs=64k", "--iodepth=32", "--size=32m"},
          options);
}

TEST_F(NbdClients, NbdshScript) {
  serve();
  succeed({"/usr/bin/python3", "-m", "nbd", "-u", server->uri("vm1"), "-c",
           "h.pwrite(b'x' * 512, 0, nbd.CMD_FLAG_FUA)\n"
           "h.zero(256, 128)\n"
           "assert h.pread(512, 0) == b'x' * 128 + b'\\0' * 256 + b'x' * 128\n"
           "h.trim(512, 0)\n"
           "h.flush()\n"
           "assert h.pread(512, 0) == bytearray(512)\n"});
}

}  // namespace
}  // namespace tlog::testing
