// Who may ask: tokens, TLS, and addresses that everybody reaches.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateways/http/http_server.h"
#include "gateways/http/token.h"
#include "tests/support/http_request.h"
#include "tests/support/process.h"
#include "tests/support/temp_directory.h"

namespace tlog::gateway {
namespace {

using ::testing::HasSubstr;

constexpr char kToken[] = "0123456789abcdef0123456789abcdef";

struct HttpAccess : ::testing::Test {
  HttpAccess() { testing::write_text(directory.file("token"), std::string(kToken) + "\n", 0600); }

  Status serve(const std::string& address, const HttpServerOptions& options) {
    auto started = HttpServer::start(address, options,
                                     [](const HttpRequest&) { return answered({.body = "in\n"}); });
    if (!started) return fail(started.error());
    server = std::move(*started);
    return {};
  }
  void make_certificate() {
    const auto made = testing::run_command(
        {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
         "-keyout", directory.file("key.pem"), "-out", directory.file("cert.pem")});
    if (!made.ok()) throw std::runtime_error(made.text());
  }
  std::string code(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(),
                     {"curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "20"});
    arguments.push_back(server->url() + "/");
    return testing::run_command(arguments).output;
  }

  const testing::TempDirectory directory;
  std::unique_ptr<HttpServer> server;
};

TEST_F(HttpAccess, a_token_is_asked_for) {
  ASSERT_TRUE(serve("127.0.0.1:0", {.token_file = directory.file("token")}));
  const std::string right = std::string("Authorization: Bearer ") + kToken;
  EXPECT_EQ(code({"-H", right}), "200");
  EXPECT_EQ(code({"-H", std::string("authorization: bearer ") + kToken}), "200");
  const std::string long_guess = right + std::string(32, '0');
  for (const std::string& wrong :
       {std::string("X: y"), std::string("Authorization: Bearer "), right.substr(0, 40),
        right + "0", long_guess, right.substr(0, right.size() - 1) + "0",
        std::string("Authorization: Basic ") + kToken}) {
    EXPECT_EQ(code({"-H", wrong}), "401") << wrong;
  }
  const auto told = testing::http_get(server->address(), "/");
  EXPECT_THAT(told.head, HasSubstr("WWW-Authenticate: Bearer"));
}

// Clients have the file with its line's end.
TEST_F(HttpAccess, what_a_client_makes_of_the_file_is_let_in) {
  const auto token = BearerToken::load(io::system_files(), directory.file("token"));
  ASSERT_TRUE(token.has_value()) << token.error().message();
  const auto header = token->header();
  const std::string sent(reinterpret_cast<const char*>(header.data()), header.size());
  EXPECT_EQ(sent, std::string("Bearer ") + kToken);
  EXPECT_TRUE(token->allows(&sent));
}

TEST_F(HttpAccess, none_is_no_token) {
  ASSERT_TRUE(serve("127.0.0.1:0", {.token_file = "none"}));
  EXPECT_EQ(code({}), "200");
}

TEST_F(HttpAccess, token_files_are_checked) {
  io::FileSystem& files = io::system_files();
  EXPECT_THAT(BearerToken::load(files, directory.file("none")).error().message(),
              HasSubstr("there is none"));
  testing::write_text(directory.file("open"), kToken, 0644);
  EXPECT_THAT(BearerToken::load(files, directory.file("open")).error().message(),
              HasSubstr("chmod 600"));
  int number = 0;
  for (const std::string& bad : {std::string("short"), std::string("two lines of it\nand more\n"),
                                 std::string(2000, 'x'), std::string("with a space in it ok?")}) {
    const std::string path = directory.file("bad" + std::to_string(++number));
    testing::write_text(path, bad, 0600);
    EXPECT_THAT(BearerToken::load(files, path).error().message(), HasSubstr("openssl rand")) << bad;
  }
}

TEST_F(HttpAccess, an_address_for_everybody_wants_a_reason) {
  const Status open = serve("0.0.0.0:0", {});
  ASSERT_FALSE(open);
  EXPECT_EQ(open.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(open.error().message(), HasSubstr("--insecure"));
  EXPECT_FALSE(serve("[::]:0", {}));
  EXPECT_FALSE(serve("0.0.0.0:0", {.token_file = "none"}));
  EXPECT_TRUE(serve("0.0.0.0:0", {.insecure = true}));
  EXPECT_TRUE(serve("0.0.0.0:0", {.token_file = directory.file("token")}));
  EXPECT_TRUE(serve(":0", {}));
  EXPECT_THAT(server->address(), ::testing::StartsWith("127.0.0.1:"));
  EXPECT_FALSE(serve(server->address(), {})) << "two servers have one address";
  EXPECT_FALSE(serve("nonsense", {}));
}

TEST_F(HttpAccess, tls) {
  make_certificate();
  const HttpServerOptions options{.certificate_file = directory.file("cert.pem"),
                                  .key_file = directory.file("key.pem")};
  ASSERT_TRUE(serve("0.0.0.0:0", options));
  ASSERT_TRUE(serve("127.0.0.1:0", options));
  EXPECT_EQ(code({"--cacert", directory.file("cert.pem")}), "200");
  EXPECT_EQ(code({}), "000") << "nobody has signed this certificate";
  EXPECT_EQ(code({"-k", "--tls-max", "1.1", "--tlsv1.0"}), "000");
  EXPECT_EQ(testing::http_get(server->address(), "/").status, 0) << "plain text over TLS";
  const HttpServerOptions half{.certificate_file = directory.file("cert.pem")};
  EXPECT_FALSE(serve("127.0.0.1:0", half));
  testing::write_text(directory.file("text.pem"), "no certificate", 0600);
  EXPECT_FALSE(serve("127.0.0.1:0", {.certificate_file = directory.file("text.pem"),
                                     .key_file = directory.file("key.pem")}));
}

}  // namespace
}  // namespace tlog::gateway
