// Which key the server has, and that none of it is said.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/program/key.h"
#include "tests/support/temp_directory.h"

namespace tlog::program {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Lines final : public Logger {
 public:
  void write(LogLevel, std::string_view line) override { text += std::string(line) + "\n"; }
  std::string text;
};

SecretText secret(std::string_view text) {
  SecretText made;
  made.assign(text);
  return made;
}

struct KeyChoosing : ::testing::Test {
  auto choose(const KeyChoice& choice) {
    return choose_key(choice, io::system_files(), system_random(), lines);
  }
  std::string made_file() {
    const std::string path = directory.file("t.key");
    const auto key = seal::MasterKey::generate(system_random());
    EXPECT_TRUE(key->save(io::system_files(), path).has_value());
    return path;
  }
  testing::TempDirectory directory;
  Lines lines;
};

TEST_F(KeyChoosing, characters_and_digits_are_the_same_key) {
  const SecretText characters = secret("12345678901234567890123456789012");
  const SecretText digits =
      secret("3132333435363738393031323334353637383930313233343536373839303132");
  const auto first = choose({.text = &characters});
  const auto second = choose({.text = &digits});
  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_EQ((*first)->id(), (*second)->id());
  EXPECT_THAT(lines.text, HasSubstr("lists of processes"));
  EXPECT_THAT(lines.text, Not(HasSubstr("1234567")));
}

TEST_F(KeyChoosing, what_is_no_key_is_refused_without_saying_it) {
  for (const std::string& bad :
       {std::string(), std::string("secret"), std::string(64, 'g'), std::string(200, 'a')}) {
    const SecretText text = secret(bad);
    const auto key = choose({.text = &text});
    ASSERT_FALSE(key.has_value()) << bad;
    EXPECT_EQ(key.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(key.error().message(), HasSubstr("--priv-key"));
    const std::string unsaid = bad.empty() ? "\n" : bad;
    EXPECT_THAT(key.error().message(), Not(HasSubstr(unsaid)));
  }
}

TEST_F(KeyChoosing, file_of_the_flag_has_to_be_there) {
  EXPECT_TRUE(choose({.flag_file = made_file()}).has_value());
  const auto absent = choose({.flag_file = directory.file("none")});
  ASSERT_FALSE(absent.has_value());
  EXPECT_THAT(absent.error().message(), HasSubstr("--priv-key-file"));
}

// The configuration's key file may be absent on a host that is not to know the key; one that is
// there and cannot be used is an error.
TEST_F(KeyChoosing, without_a_key_only_clients_with_one_are_served) {
  const auto none = choose({.config_file = directory.file("none")});
  ASSERT_TRUE(none.has_value());
  EXPECT_EQ(*none, nullptr);
  EXPECT_THAT(lines.text, HasSubstr("only clients that hand their key over"));

  const std::string path = made_file();
  const auto found = choose({.config_file = path});
  ASSERT_TRUE(found.has_value());
  EXPECT_NE(*found, nullptr);
  testing::write_text(directory.file("bad"), "no key\n", 0600);
  EXPECT_FALSE(choose({.config_file = directory.file("bad")}).has_value());
}

// There is no built-in key: two servers that keep logs in memory have different ones.
TEST_F(KeyChoosing, memory_gets_a_key_of_the_process) {
  const auto first = choose({.only_memory = true});
  const auto second = choose({.only_memory = true});
  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_NE((*first)->id(), (*second)->id());
}

}  // namespace
}  // namespace tlog::program
