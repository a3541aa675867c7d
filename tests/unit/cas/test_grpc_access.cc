// Who may do what: by address, token and TLS.
#include <filesystem>
#include <thread>

#include "tests/support/process.h"
#include "tests/unit/cas/grpc_fixture.h"

namespace tlog::cas {
namespace {

using ::testing::HasSubstr;

constexpr char kTheToken[] = "0123456789abcdef0123456789abcdef";

struct GrpcAccess : testing::GrpcFixture {
  GrpcAccess() {
    testing::write_text(directory.file("token"), std::string(kTheToken) + "\n", 0600);
    testing::write_text(directory.file("other"), std::string("x") + kTheToken + "\n", 0600);
    scripted.put("there", "content");
  }
  void make_certificate() {
    const auto made = testing::run_command(
        {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:cas.test",
         "-days", "2", "-keyout", directory.file("key.pem"), "-out", directory.file("cert.pem")});
    if (!made.ok()) throw std::runtime_error(made.text());
  }
  GrpcServerOptions with_tls() const {
    return {.certificate_file = directory.file("cert.pem"),
            .key_file = directory.file("key.pem"),
            .insecure = false};
  }
};

TEST_F(GrpcAccess, without_a_token_tcp_is_for_reading) {
  ASSERT_TRUE(serve("127.0.0.1:0"));
  const auto remote = client();
  EXPECT_EQ(remote->get("there").value(), "content");
  EXPECT_EQ(remote->fetch("name").error().code(), Code::kNotFound);
  for (const Status& refused :
       {remote->update("name", "x"), Status(fail(remote->add("x").error()))}) {
    EXPECT_EQ(refused.error().code(), Code::kNotSupported);
    EXPECT_THAT(refused.error().message(), HasSubstr("read-only without a token; start the server "
                                                     "with --token-file, or use a Unix socket"));
  }
  EXPECT_EQ(remote->get(address_of("x")).error().code(), Code::kNotFound) << "it was added";
}

TEST_F(GrpcAccess, with_a_token_who_has_it_may_do_everything_and_nobody_else_anything) {
  ASSERT_TRUE(serve("127.0.0.1:0", {.token_file = directory.file("token")}));
  for (const std::string& file : {std::string(), directory.file("other"), std::string("none")}) {
    const auto stranger = client({.token_file = file});
    const auto got = stranger->get("there");
    EXPECT_EQ(got.error().code(), Code::kNotSupported) << file;
    EXPECT_THAT(got.error().message(), HasSubstr("authorization: Bearer")) << file;
    EXPECT_EQ(stranger->add("x").error().code(), Code::kNotSupported);
  }
  const auto friendly = client({.token_file = directory.file("token")});
  EXPECT_EQ(friendly->get("there").value(), "content");
  EXPECT_TRUE(friendly->add("x"));
  EXPECT_TRUE(friendly->update("name", "x"));
}

TEST_F(GrpcAccess, a_unix_socket_is_for_everything_and_for_its_user_alone) {
  serve_on_unix({.token_file = directory.file("token")});
  EXPECT_EQ(io::system_files().mode(directory.file("s")).value(), 0600u);
  const auto remote = client();
  EXPECT_TRUE(remote->add("x"));
  EXPECT_TRUE(remote->update("name", "x"));
  server->stop(0);
  EXPECT_FALSE(io::system_files().exists(directory.file("s")).value());
}

TEST_F(GrpcAccess, tls_is_spoken_with_who_trusts_the_certificate) {
  make_certificate();
  ASSERT_TRUE(serve("127.0.0.1:0", with_tls()));
  const std::string authority = directory.file("cert.pem");
  EXPECT_EQ(client({.ca_file = authority})->get("there").value(), "content");
  EXPECT_EQ(client({.ca_file = authority, .server_name = "cas.test"})->get("there").value(),
            "content");
  EXPECT_EQ(
      client({.ca_file = authority, .server_name = "other.test"})->get("there").error().code(),
      Code::kUnavailable);
  EXPECT_EQ(client({.tls = true})->get("there").error().code(), Code::kUnavailable);
  EXPECT_EQ(client()->get("there").error().code(), Code::kUnavailable);
  EXPECT_EQ(client({.ca_file = authority})->add("x").error().code(), Code::kNotSupported);
}

// Who is connected is answered what is under way; who comes then sees the new certificate.
TEST_F(GrpcAccess, a_certificate_is_changed_under_a_server_that_goes_on) {
  make_certificate();
  ASSERT_TRUE(serve("127.0.0.1:0", with_tls()));
  const std::string old_authority = directory.file("old.pem");
  std::filesystem::copy_file(directory.file("cert.pem"), old_authority);
  testing::Gate gate;
  scripted.before = [&] {
    gate.pass();
    return Status();
  };
  const auto early = client({.ca_file = old_authority});
  Result<std::string> got = fail(Code::kNotFound, "");
  std::thread asking([&] { got = early->get("there"); });
  gate.wait_for(1);

  make_certificate();
  const Status read = server->read_credentials_again();
  EXPECT_TRUE(read) << read.error().message();
  const std::string authority = directory.file("cert.pem");
  Result<std::string> later = fail(Code::kNotFound, "");
  std::thread coming([&] { later = client({.ca_file = authority})->get("there"); });
  gate.wait_for(2);  // before the early one has its answer
  gate.open();
  asking.join();
  coming.join();
  EXPECT_EQ(got.value_or("nothing"), "content");
  EXPECT_EQ(later.value_or("nothing"), "content");
  EXPECT_FALSE(client({.ca_file = old_authority})->get("there"));
  // It is told to come again, by a thread of the server's.
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  Result<std::string> still = early->get("there");
  while (still && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    still = early->get("there");
  }
  ASSERT_FALSE(still) << "it is still spoken with under the certificate of before";
  EXPECT_EQ(still.error().code(), Code::kUnavailable);
  const auto again = client({.ca_file = authority});
  EXPECT_EQ(again->get("there").value_or("nothing"), "content");

  // What is no pair changes nothing.
  testing::write_text(directory.file("key.pem"), "no key\n", 0600);
  EXPECT_FALSE(server->read_credentials_again());
  EXPECT_EQ(client({.ca_file = authority})->get("there").value_or("nothing"), "content");
  EXPECT_EQ(again->get("there").value_or("nothing"), "content");
}

TEST_F(GrpcAccess, a_server_whose_certificate_was_changed_ends_in_time) {
  make_certificate();
  testing::Gate gate;
  scripted.before = [&] {
    gate.pass();
    return Status();
  };
  ASSERT_TRUE(serve("127.0.0.1:0", with_tls()));
  const auto early = client({.ca_file = directory.file("cert.pem")});
  Result<std::string> got = std::string();
  std::thread asking([&] { got = early->get("there"); });
  gate.wait_for(1);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(server->read_credentials_again());
  // Its call is cancelled, although it would have had two minutes.
  std::thread stopping([&] { server->stop(1'000'000); });
  asking.join();
  EXPECT_FALSE(got);
  gate.open();
  stopping.join();
}

TEST_F(GrpcAccess, a_token_is_changed_under_a_server_that_goes_on) {
  ASSERT_TRUE(serve("127.0.0.1:0", {.token_file = directory.file("token")}));
  const auto with_old = client({.token_file = directory.file("token")});
  const auto with_other = client({.token_file = directory.file("other")});
  EXPECT_TRUE(with_old->add("x"));
  EXPECT_FALSE(with_other->add("x"));
  std::filesystem::copy_file(directory.file("other"), directory.file("token"),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE(server->read_credentials_again());
  EXPECT_FALSE(with_old->add("x"));
  EXPECT_TRUE(with_other->add("x"));
  testing::write_text(directory.file("token"), "short", 0600);
  EXPECT_FALSE(server->read_credentials_again());
  EXPECT_TRUE(with_other->add("x")) << "what cannot be read has changed something";
}

TEST_F(GrpcAccess, what_is_no_pair_of_certificate_and_key_does_not_start) {
  make_certificate();
  testing::write_text(directory.file("bad.pem"), "no certificate\n", 0600);
  for (const auto& [certificate, key] :
       {std::pair("cert.pem", ""), std::pair("", "key.pem"), std::pair("bad.pem", "key.pem"),
        std::pair("cert.pem", "bad.pem"), std::pair("cert.pem", "absent")}) {
    const auto path = [&](const std::string& name) {
      return name.empty() ? "" : directory.file(name);
    };
    EXPECT_FALSE(
        serve("127.0.0.1:0", {.certificate_file = path(certificate), .key_file = path(key)}))
        << certificate << " " << key;
  }
}

TEST_F(GrpcAccess, an_address_that_everybody_reaches_wants_tls_a_token_or_insecure) {
  make_certificate();
  for (const char* address : {"0.0.0.0:0", "[::]:0"}) {
    const Status refused = serve(address);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(refused.error().message(), HasSubstr("--insecure"));
    EXPECT_TRUE(serve(address, with_tls()));
    EXPECT_TRUE(serve(address, {.token_file = directory.file("token")}));
    EXPECT_TRUE(serve(address, {.insecure = true}));
    EXPECT_FALSE(serve(address, {.token_file = "none"}));
  }
  EXPECT_TRUE(serve(":0"));
  EXPECT_THAT(server->address(), HasSubstr("127.0.0.1:"));
}

TEST_F(GrpcAccess, an_address_is_one_servers) {
  ASSERT_TRUE(serve("127.0.0.1:0"));
  auto second = GrpcServer::start(server->address(), {}, scripted, logger);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message(), HasSubstr("another process listens there"));
}

}  // namespace
}  // namespace tlog::cas
