// The command line: the ancestor's flags and their defaults, with one dash or two, and the key that
// does not stay in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "server/program/arguments.h"
#include "server/program/storage_addresses.h"
#include "server/program/words.h"

namespace tlog::program {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// An argv that can be written to, as the system's.
struct CommandLine {
  explicit CommandLine(std::vector<std::string> given) : words(std::move(given)) {
    words.insert(words.begin(), "tlogserver");
    for (std::string& word : words) pointers.push_back(word.data());
  }
  Words take() { return take_words(static_cast<int>(pointers.size()), pointers.data()); }

  std::vector<std::string> words;
  std::vector<char*> pointers;
};

Parsed parsed(std::vector<std::string> words) {
  return parse(CommandLine(std::move(words)).take().words);
}

// The exit code, and what was printed.
std::pair<std::optional<int>, std::string> refusal(std::vector<std::string> words) {
  ::testing::internal::CaptureStderr();
  const Parsed result = parsed(std::move(words));
  return {result.exit_code, ::testing::internal::GetCapturedStderr()};
}

TEST(Arguments, defaults_are_the_ancestors) {
  const Parsed result = parsed({"--memorystorage"});
  ASSERT_FALSE(result.exit_code.has_value());
  const Arguments& a = result.arguments;
  EXPECT_EQ(a.address, "0.0.0.0:11211");
  EXPECT_EQ(a.block_size, 4096u);
  EXPECT_EQ(a.data_shards, std::nullopt);  // 4, unless the configuration says otherwise
  EXPECT_EQ(a.parity_shards, std::nullopt);
  EXPECT_EQ(a.flush_size, std::nullopt);
  EXPECT_EQ(a.flush_time_ns, std::nullopt);
  EXPECT_EQ(a.log_file, "");
  EXPECT_EQ(a.profile_address, "");
  EXPECT_FALSE(a.verbose);
  EXPECT_FALSE(a.with_slave_sync);
  EXPECT_TRUE(a.memory_storage);
  EXPECT_EQ(a.stop_timeout_ns, 20'000'000'000u);
}

TEST(Arguments, one_dash_or_two) {
  const std::vector<std::vector<std::string>> lines = {
      {"-address", "127.0.0.1:1", "-block-size=512", "-flush-size", "7", "-flush-time=3", "-k", "2",
       "-m=1", "-v", "-nonce", "37b8e8a308c354048d245f6d", "-profile-address=:6060",
       "-storage-addresses", "localhost:16379,[::1]:6379@2,unix:/run/r.sock@7", "-with-slave-sync",
       "-logfile=/tmp/l"},
      {"--address=127.0.0.1:1", "--block-size", "512", "--flush-size=7", "--flush-time", "3s",
       "--k=2", "--m", "1", "--v", "--nonce=37b8e8a308c354048d245f6d", "--profile-address",
       "0.0.0.0:6060", "--storage-addresses=localhost:16379,[::1]:6379@2,unix:/run/r.sock@7",
       "--with-slave-sync=true", "--logfile", "/tmp/l"}};
  for (const auto& line : lines) {
    const Parsed result = parsed(line);
    ASSERT_FALSE(result.exit_code.has_value());
    const Arguments& a = result.arguments;
    EXPECT_EQ(a.address, "127.0.0.1:1");
    EXPECT_EQ(a.block_size, 512u);
    EXPECT_EQ(a.flush_size, 7u);
    EXPECT_EQ(a.flush_time_ns, 3'000'000'000u);
    EXPECT_EQ(a.data_shards, 2u);
    EXPECT_EQ(a.parity_shards, 1u);
    EXPECT_TRUE(a.verbose);
    EXPECT_TRUE(a.with_slave_sync);
    EXPECT_EQ(a.profile_address, "0.0.0.0:6060");
    EXPECT_EQ(a.log_file, "/tmp/l");
    EXPECT_THAT(a.storage,
                ElementsAre(StoreAddress{"localhost:16379", ""}, StoreAddress{"[::1]:6379", "2"},
                            StoreAddress{"unix:/run/r.sock", "7"}));
  }
}

TEST(Arguments, our_own_flags) {
  const Parsed result =
      parsed({"-memorystorage", "-unix=/run/t.sock", "-tls-psk-file", "keys", "-insecure",
              "-session-memory=8MiB", "-memory-max=48MiB", "-linger", "0", "-threads=2",
              "-stop-timeout", "500ms", "-priv-key-file", "k"});
  ASSERT_FALSE(result.exit_code.has_value());
  const Arguments& a = result.arguments;
  EXPECT_EQ(a.unix_path, "/run/t.sock");
  EXPECT_EQ(a.tls_psk_file, "keys");
  EXPECT_TRUE(a.tls());
  EXPECT_TRUE(a.insecure);
  EXPECT_EQ(a.session_memory_bytes, 8 * kMiB);
  EXPECT_EQ(a.memory_bytes_max(), 48 * kMiB);
  EXPECT_EQ(a.linger_ns, 0u);
  EXPECT_EQ(a.threads, 2u);
  EXPECT_EQ(a.stop_timeout_ns, 500'000'000u);
  EXPECT_EQ(a.key_file, "k");
}

TEST(Arguments, a_unix_socket_may_be_an_address) {
  const Parsed result = parsed({"-memorystorage", "--address", "unix:/run/t.sock"});
  ASSERT_FALSE(result.exit_code.has_value());
  EXPECT_EQ(result.arguments.unix_path, "/run/t.sock");
}

TEST(Arguments, contents_over_grpc) {
  for (const char* address : {"127.0.0.1:0", ":17500", "[::1]:1", "unix:/run/cas.sock"}) {
    const Parsed result =
        parsed({"-memorystorage", "-config", "c", "--grpc", address, "--token-file", "t"});
    ASSERT_FALSE(result.exit_code.has_value()) << address;
    EXPECT_EQ(result.arguments.grpc_address, address);
    EXPECT_EQ(result.arguments.token_file, "t");
  }
}

TEST(Arguments, what_is_wrong_is_named) {
  const struct {
    std::vector<std::string> words;
    const char* flag;
  } cases[] = {{{"-address", "nowhere"}, "--address"},
               {{"-address", "h:99999"}, "--address"},
               {{"-address", "::1:11211"}, "--address"},
               {{"-profile-address", "h:"}, "--profile-address"},
               {{"-block-size", "1000"}, "--block-size"},
               {{"-block-size", "4096x"}, "--block-size"},
               {{"-flush-size", "0"}, "--flush-size"},
               {{"-flush-time", "soon"}, "--flush-time"},
               {{"-flush-time", "0"}, "--flush-time"},
               {{"-flush-time", "99999999999999999999"}, "--flush-time"},
               {{"-k", "0"}, "--k"},
               {{"-k=17"}, "--k"},
               {{"-m", "-1"}, "--m"},
               {{"-nonce", "xyz"}, "--nonce"},
               {{"-nonce", "abc"}, "--nonce"},
               {{"-logfile="}, "--logfile"},
               {{"-session-memory", "1"}, "--session-memory"},
               {{"-memory-max", "1MiB"}, "--memory-max"},
               {{"-threads", "0"}, "--threads"},
               {{"-stop-timeout", "2 days"}, "--stop-timeout"},
               {{"-unix", std::string(200, 'x')}, "--unix"},
               {{"-unix", "/s", "-address", "h:1"}, "--unix"},
               {{"-address", "unix:"}, "--address"},
               {{"-address", "unix:/" + std::string(200, 'x')}, "--address"},
               {{"-config", "c", "--grpc", "nowhere"}, "--grpc"},
               {{"-config", "c", "--grpc", "h:99999"}, "--grpc"},
               {{"-config", "c", "--grpc", "unix:"}, "--grpc"},
               {{"-config", "c", "--grpc", "unix:/" + std::string(200, 'x')}, "--grpc"},
               {{"--grpc", "127.0.0.1:0"}, "--grpc: kept where?"},
               {{"-config", "c", "--token-file", "t"}, "--token-file"},
               {{"-tls-cert", "c"}, "--tls-cert"},
               {{"-tls-key", "c"}, "--tls-key"},
               {{"-tls-ca", "c"}, "--tls-ca"},
               {{"-tls-verify-client"}, "--tls-verify-client"},
               {{"-tls-cert", "c", "-tls-key", "k", "-tls-verify-client"}, "--tls-ca"},
               {{"-tls-cert", "c", "-tls-key", "k", "-tls-ca", "a"}, "--tls-verify-client"},
               {{"-tls-cert", "c", "-tls-key", "k", "-tls-psk-file", "p"}, "--tls-psk-file"},
               {{"-priv-key", "x", "-priv-key-file", "y"}, "--priv-key"},
               {{"-storage-addresses", "h:1,h:2,h:3,h:4,h:5,h:6"}, "--memorystorage"},
               {{"-bogus"}, "-bogus"},
               {{"bogus"}, "bogus"}};
  for (const auto& one : cases) {
    std::vector<std::string> words = one.words;
    words.push_back("-memorystorage");
    const auto [exit_code, text] = refusal(words);
    EXPECT_EQ(exit_code, kExitUsage) << text << " " << words.front();
    EXPECT_THAT(text, HasSubstr(one.flag)) << words.front();
  }
}

TEST(Arguments, bad_storage_addresses_are_named) {
  for (const char* bad : {"", "h", "h:1,", "h:1@", "h:1@a/b", "h:1@ ", "h:x", "h:1,h:1",
                          "unix:", "unix:relative", ":6379", "h:1,,h:2", "a b:1"}) {
    const auto [exit_code, text] = refusal({"-k=1", "-m=0", "--storage-addresses", bad});
    EXPECT_EQ(exit_code, kExitUsage) << bad;
    EXPECT_THAT(text, HasSubstr("--storage-addresses")) << bad;
  }
  const auto [exit_code, text] = refusal({"-storage-addresses", "h:1,h:2"});
  EXPECT_EQ(exit_code, kExitUsage);
  EXPECT_THAT(text, HasSubstr("k + m = 6"));
  // A configuration may say another k and m.
  EXPECT_FALSE(parsed({"-storage-addresses", "h:1,h:2", "-config", "x.yml"}).exit_code);
}

// Whose stores it is to use is never guessed.
TEST(Arguments, without_stores_it_does_not_start) {
  const auto [exit_code, text] = refusal({});
  EXPECT_EQ(exit_code, kExitUsage);
  EXPECT_THAT(text, HasSubstr("--storage-addresses"));
}

TEST(Words, key_is_taken_out_of_the_argument_list) {
  const std::string key = "12345678901234567890123456789012";
  for (const std::vector<std::string>& words : {std::vector<std::string>{"-priv-key", key, "-v"},
                                                {"--priv-key", key, "-v"},
                                                {"-priv-key=" + key, "-v"},
                                                {"--priv-key=" + key, "-v"}}) {
    CommandLine line(words);
    const Words taken = line.take();
    EXPECT_TRUE(taken.has_key);
    EXPECT_EQ(taken.key.text(), key);
    EXPECT_THAT(taken.words, ElementsAre("--priv-key", "-", "-v"));
    for (const std::string& word : line.words) EXPECT_EQ(word.find("1234"), std::string::npos);
  }
}

TEST(Words, a_key_that_is_missing_is_no_key) {
  CommandLine line({"-priv-key"});
  const Words taken = line.take();
  EXPECT_FALSE(taken.has_key);
  EXPECT_EQ(refusal({"-priv-key"}).first, kExitUsage);
}

TEST(Words, only_flags_get_a_second_dash) {
  EXPECT_EQ(with_two_dashes("-address"), "--address");
  EXPECT_EQ(with_two_dashes("-address=-x"), "--address=-x");
  EXPECT_EQ(with_two_dashes("--address"), "--address");
  EXPECT_EQ(with_two_dashes("-k"), "-k");
  EXPECT_EQ(with_two_dashes("-k=3"), "--k=3");
  EXPECT_EQ(with_two_dashes("-v"), "-v");
  EXPECT_EQ(with_two_dashes("-unknown"), "-unknown");
  EXPECT_EQ(with_two_dashes("-"), "-");
  EXPECT_EQ(with_two_dashes(""), "");
}

}  // namespace
}  // namespace tlog::program
