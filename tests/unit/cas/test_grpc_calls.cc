// What is asked over gRPC is what the contents answer, errors and all; what a service answers that
// is not to be trusted is found out.
#include "tests/unit/cas/grpc_fixture.h"

namespace tlog::cas {
namespace {

using ::testing::HasSubstr;

struct GrpcCalls : testing::GrpcFixture {};

TEST_F(GrpcCalls, contents_and_names_go_through) {
  serve_on_unix();
  const auto remote = client();
  for (const std::string& content :
       {std::string(), std::string("a\0b", 3), std::string(kContentBytesMax, 'x')}) {
    EXPECT_EQ(remote->add(content).value(), address_of(content));
    EXPECT_EQ(remote->get(address_of(content)).value(), content);
    ASSERT_TRUE(remote->update("ü/name", content));
    EXPECT_EQ(remote->fetch("ü/name").value(), content);
  }
  EXPECT_EQ(remote->get(address_of("other")).error().code(), Code::kNotFound);
  EXPECT_EQ(remote->fetch("other").error().code(), Code::kNotFound);
}

TEST_F(GrpcCalls, errors_come_with_their_kind_and_words) {
  serve_on_unix();
  const auto remote = client();
  const Code codes[] = {Code::kInvalidArgument, Code::kNotFound, Code::kAlreadyExists,
                        Code::kCorruption,      Code::kIoError,  Code::kNoSpace,
                        Code::kUnavailable,     Code::kTimeout,  Code::kFenced,
                        Code::kNotSupported};
  for (const Code code : codes) {
    const std::string said_before = logger.lines();
    scripted.before = [&] { return Status(fail(code, "so it is")); };
    for (const Status& failed :
         {remote->update("name", "x"), Status(fail(remote->add("x").error())),
          Status(fail(remote->get("x").error())), Status(fail(remote->fetch("name").error()))}) {
      ASSERT_FALSE(failed);
      EXPECT_EQ(failed.error().code(), code) << code_name(code);
      EXPECT_THAT(failed.error().message(), HasSubstr("so it is"));
      EXPECT_THAT(failed.error().message(), HasSubstr(server->address()));
    }
    const bool is_trouble =
        code == Code::kIoError || code == Code::kCorruption || code == Code::kNoSpace;
    EXPECT_EQ(logger.lines() != said_before, is_trouble) << code_name(code);
  }
  EXPECT_TRUE(logger.has("event=cas_trouble reason=\"so it is\""));
}

// Words that are too long for a status.
TEST_F(GrpcCalls, long_words_are_cut) {
  serve_on_unix();
  scripted.before = [] { return Status(fail(Code::kNotFound, std::string(100'000, 'w'))); };
  const auto got = client()->get("x");
  EXPECT_EQ(got.error().code(), Code::kNotFound);
  EXPECT_LT(got.error().message().size(), 2000u);
}

TEST_F(GrpcCalls, another_content_than_that_of_the_address_is_found_out) {
  serve_on_unix();
  scripted.put(address_of("right"), "wrong");
  const auto got = client()->get(address_of("right"));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), Code::kCorruption);
  EXPECT_THAT(got.error().message(), HasSubstr("another content was answered"));
}

TEST_F(GrpcCalls, another_address_than_that_of_the_content_is_found_out) {
  serve_on_unix();
  const auto remote = client();
  scripted.address_of = [](std::string_view) { return address_of("another"); };
  EXPECT_EQ(remote->add("content").error().code(), Code::kCorruption);
  for (const std::string& useless : {std::string(), std::string(kAddressBytesMax + 1, 'a')}) {
    scripted.address_of = [&](std::string_view) { return useless; };
    EXPECT_EQ(remote->add("content").error().code(), Code::kCorruption) << useless.size();
  }
}

TEST_F(GrpcCalls, addresses_of_another_kind_are_taken_as_they_are) {
  serve_on_unix();
  const auto remote = client();
  for (const std::string& other :
       {std::string("17"), std::string("\x12\x20", 2) + std::string(32, 'h'),
        std::string(kAddressBytesMax, '\xff')}) {
    scripted.address_of = [&](std::string_view) { return other; };
    EXPECT_EQ(remote->add("content").value(), other);
    EXPECT_EQ(remote->get(other).value(), "content");
  }
}

TEST_F(GrpcCalls, an_answer_that_is_too_long_is_refused_with_the_reason) {
  serve_on_unix();
  const auto remote = client();
  scripted.put("long", std::string(4 * 1024 * 1024, 'l'));
  const auto got = remote->get("long");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), Code::kNotSupported);
  EXPECT_THAT(got.error().message(), HasSubstr("longer than 4 MiB"));
  // Somewhat longer than what we put there ourselves is taken.
  const std::string longish(kContentBytesMax + 32, 'l');
  scripted.put("longish", longish);
  EXPECT_EQ(remote->get("longish").value(), longish);
}

TEST_F(GrpcCalls, a_service_that_is_not_there_is_told_soon_and_found_when_it_comes) {
  const std::string target = "unix:" + directory.file("s");
  const auto remote = client({.target = target});
  const auto got = remote->get("x");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), Code::kUnavailable);
  EXPECT_THAT(got.error().message(), HasSubstr(target));
  serve_on_unix();
  scripted.put("x", "found");
  for (int tries = 0; tries < 200; ++tries) {
    const auto again = remote->get("x");
    if (again) {
      EXPECT_EQ(*again, "found");
      return;
    }
    ASSERT_EQ(again.error().code(), Code::kUnavailable);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  FAIL() << "not found within 10 s";
}

TEST_F(GrpcCalls, a_service_that_hangs_is_not_waited_for_longer_than_said) {
  testing::Gate gate;
  scripted.before = [&] {
    gate.pass();
    return Status();
  };
  serve_on_unix();
  const auto got = client({.call_ns = 200'000'000})->get("x");
  EXPECT_EQ(got.error().code(), Code::kTimeout);
  gate.open();
  server.reset();  // which is in there
}

TEST_F(GrpcCalls, several_at_once) {
  serve_on_unix();
  const auto remote = client();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 50; ++i) {
        const std::string content = std::string(10'000, 'c') + std::to_string(thread * 1000 + i);
        EXPECT_EQ(remote->get(remote->add(content).value()).value(), content);
        const std::string name = "name " + std::to_string(thread);
        EXPECT_TRUE(remote->update(name, content));
        EXPECT_EQ(remote->fetch(name).value(), content);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(GrpcCalls, targets_and_files_that_cannot_be_are_refused) {
  for (const GrpcContentsOptions& options :
       {GrpcContentsOptions{.target = "nowhere"},
        GrpcContentsOptions{.target = "a:1:2"},
        {.target = "h:1", .ca_file = directory.file("none")},
        {.target = "h:1", .server_name = "name"},
        {.target = "h:1", .token_file = directory.file("n")}}) {
    EXPECT_FALSE(make_grpc_contents(options)) << options.target;
  }
}

}  // namespace
}  // namespace tlog::cas
