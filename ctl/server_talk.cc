#include "ctl/server_talk.h"

#include <algorithm>
#include <latch>
#include <memory>
#include <utility>

#include "tlog/store/resp_connection.h"

namespace tlog::ctl {
namespace {

// A server that takes longer is treated as one that does not answer.
constexpr std::uint64_t kPatienceNs = 5'000'000'000;

// Shared with the loop's thread; read by who waits only after the latch.
struct Conversation {
  explicit Conversation(std::size_t questions)
      : left(static_cast<std::ptrdiff_t>(questions)), replies(questions) {}
  std::latch left;
  std::vector<Result<store::RespReply>> replies;
  bool is_ardb = false;
};

std::string command_of(const Words& words) {
  std::string command = store::command_head(words.size());
  for (const std::string& word : words) store::append_word(command, word);
  return command;
}

}  // namespace

Result<Talk> talk_to(const store::RespStoreOptions& server, io::Loop& loop,
                     const std::vector<Words>& questions) {
  store::RespStoreOptions alone = server;
  alone.vdisk.clear();  // nobody's mark is wanted or made
  alone.connect_timeout_ns = std::min(alone.connect_timeout_ns, kPatienceNs);
  alone.request_timeout_ns = std::min(alone.request_timeout_ns, kPatienceNs);
  auto health = std::make_shared<store::RespHealth>();
  auto connection = std::make_shared<store::RespConnection>(alone, store::name_of(alone), loop,
                                                            null_logger(), health);
  auto talk = std::make_shared<Conversation>(questions.size());
  loop.post([connection, talk, questions] {
    connection->set_greeter([talk](store::RespConnection&, const store::ServerInfo& info) {
      talk->is_ardb = info.is_ardb;
    });
    connection->open();
    for (std::size_t i = 0; i < questions.size(); ++i) {
      auto request = std::make_unique<store::RespRequest>();
      request->head = command_of(questions[i]);
      request->done = [talk, i](Result<store::RespReply> reply) {
        talk->replies[i] = std::move(reply);
        talk->left.count_down();
      };
      connection->submit(std::move(request));
    }
  });
  talk->left.wait();
  store::StoreStatus status;
  health->copy_to(status);
  io::run_on(loop, [&] { connection->close(); });
  Talk answer{.replies = {}, .is_ardb = talk->is_ardb, .warning = status.warning};
  for (Result<store::RespReply>& reply : talk->replies) {
    if (!reply) return fail(reply.error());
    answer.replies.push_back(std::move(*reply));
  }
  return answer;
}

}  // namespace tlog::ctl
