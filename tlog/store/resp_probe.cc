#include "tlog/store/resp_probe.h"

#include <latch>
#include <memory>
#include <utility>

#include "tlog/store/resp_connection.h"
#include "tlog/store/resp_identity.h"

namespace tlog::store {
namespace {

Result<std::string> field_in(RespConnection& connection, const Result<RespReply>& reply) {
  if (!reply) return fail(reply.error());
  if (reply->type == RespReply::Type::kNil) return std::string();
  if (reply->type != RespReply::Type::kString) return fail(connection.unexpected(*reply));
  return std::string(reply->value_text());
}

}  // namespace

void probe_server(const RespStoreOptions& options, ProbeQuestion question, io::Loop& loop,
                  ProbeDone done) {
  RespStoreOptions alone = options;
  alone.vdisk.clear();  // nobody's mark is wanted or made
  // Tells nobody: who asked reports what was found.
  auto connection = std::make_shared<RespConnection>(alone, name_of(alone), loop, null_logger(),
                                                     std::make_shared<RespHealth>());
  loop.post([connection, question = std::move(question), done = std::move(done)] {
    auto request = std::make_unique<RespRequest>();
    request->head = encode_command({"HGET", question.key, question.field});
    request->done = [connection, done](const Result<RespReply>& reply) {
      Result<std::string> field = field_in(*connection, reply);
      connection->close();
      done(std::move(field));
    };
    connection->open();
    connection->submit(std::move(request));
  });
}

std::vector<Result<std::string>> probe_servers(const std::vector<Probe>& probes, io::Loop& loop) {
  std::vector<Result<std::string>> answers(probes.size());
  std::latch left(static_cast<std::ptrdiff_t>(probes.size()));
  for (std::size_t i = 0; i < probes.size(); ++i) {
    probe_server(probes[i].server, probes[i].question, loop,
                 [&answers, &left, i](Result<std::string> answer) {
                   answers[i] = std::move(answer);
                   left.count_down();
                 });
  }
  left.wait();
  return answers;
}

ProbeQuestion who_it_is() {
  return {std::string(kServerKey), std::string(kServerField)};
}

}  // namespace tlog::store
