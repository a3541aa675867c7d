#include "tests/support/client_rig.h"

#include <stdexcept>

#include "tests/support/process.h"
#include "tlog/base/random.h"

namespace tlog::testing {

bool eventually(const std::function<bool()>& holds) {
  return wait_until(holds, Milliseconds(60'000));
}

Result<std::optional<protocol::Batch>> CountingSource::take(Sequence first, Sequence last,
                                                            std::uint64_t bytes_wanted) {
  ++takes;
  if (broken) return fail(Code::kCorruption, "take: the journal's bytes are wrong");
  auto batch = log_.take(first, last, bytes_wanted);
  if (batch && *batch) {
    auto& taken = (*batch)->records;
    while (taken.size() > 1 && taken.back().sequence > limit_) taken.pop_back();
    records += taken.size();
  }
  return batch;
}

ClientRig::ClientRig() : journal(system_random().next_uuid()) {
  auto made = io::make_loop({}, null_logger());
  if (!made || !(*made)->start()) throw std::runtime_error("no event loop");
  loop = std::move(*made);
  workers.start(2, "test-work");
}

ClientRig::~ClientRig() {
  close(0);
  workers.stop();
  loop->stop();
}

std::string ClientRig::socket(const std::string& name) const {
  return "unix:" + directory.path() + "/" + name;
}

client::ClientOptions ClientRig::options(std::vector<std::string> servers, unsigned stored) const {
  client::ClientOptions options;
  options.servers = std::move(servers);
  options.concern.stored = stored;
  options.name = "test:1";
  options.format.name = "vm1";
  options.format.vdisk = *Uuid::parse("11111111-2222-3333-4444-555555555555");
  options.format.size = 16 * kMiB;
  options.journal = journal;
  options.may_create = true;
  options.batch_bytes = 4 * kKiB;
  options.unsent_bytes_max = 64 * kKiB;
  return options;
}

client::LogClient::Parts ClientRig::parts() {
  client::LogClient::Parts parts;
  parts.files = &io::system_files();
  parts.loop = loop.get();
  parts.workers = &workers;
  parts.clock = clock;
  parts.random = &system_random();
  parts.logger = &logger;
  parts.on_stored = [this](Sequence sequence) {
    told_stored = sequence;
    if (release) log.stored(sequence);
  };
  parts.on_received = [this](Sequence sequence) { told_received = sequence; };
  parts.on_failed = [this](const Error& error) {
    failure = error.code();
    ++failures;
  };
  return parts;
}

Status ClientRig::open(const client::ClientOptions& options, std::uint64_t timeout_ns) {
  TLOG_ASSIGN(client_, client::LogClient::open(options, parts(), timeout_ns));
  if (std::exchange(begin_behind_head, false)) {
    log.begin_behind(client_->head());
  }
  client_->start(source, told_stored);
  return {};
}

void ClientRig::close(std::uint64_t budget_ns) {
  if (!client_) return;
  client_->close(budget_ns);
  client_.reset();
}

std::string ClientRig::text_of(Sequence sequence) {
  return "record " + std::to_string(sequence) + std::string(sequence * 37 % 400, '.');
}

void ClientRig::append(std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    auto sequence = log.append(bytes_of(std::string_view(text_of(log.end() + 1))), 60'000'000'000);
    if (!sequence) throw std::runtime_error(sequence.error().message());
    if (client_) client_->more();
  }
}

bool ClientRig::wait_stored(Sequence sequence) {
  return eventually([&] { return client_->stored() >= sequence; });
}

}  // namespace tlog::testing
