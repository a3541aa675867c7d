#include "tests/unit/server_net/net_fixture.h"

#include <poll.h>
#include <sys/socket.h>

namespace tlog::net {

std::string pattern(std::size_t size, unsigned seed) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i)
    text[i] = static_cast<char>('a' + (i * seed + i / 977 + seed) % 26);
  return text;
}

std::string text_of(ConstByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string frame_text(FrameType type, const std::string& body) {
  const auto head = protocol::encode_head({type, static_cast<std::uint32_t>(body.size())});
  return text_of(head) + body;
}

void send_all(int descriptor, const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t sent = ::send(descriptor, text.data() + at, text.size() - at, MSG_NOSIGNAL);
    if (sent <= 0) return;  // the other end has had enough
    at += static_cast<std::size_t>(sent);
  }
}

std::string receive_text(int descriptor, std::size_t size) {
  std::string text;
  while (text.size() < size) {
    pollfd polled{descriptor, POLLIN, 0};
    char bytes[4096];
    if (::poll(&polled, 1, 20'000) <= 0) break;
    const ssize_t got = ::recv(descriptor, bytes, sizeof bytes, 0);
    if (got <= 0) break;
    text.append(bytes, static_cast<std::size_t>(got));
  }
  return text;
}

End::End(io::Loop& loop, std::unique_ptr<Channel> channel, const FrameLimits& limits)
    : loop_(loop), channel_(std::move(channel)) {
  channel_->set_limits(limits);
}

End::~End() {
  if (loop_.in_loop_thread()) {
    channel_.reset();
  } else {
    io::run_on(loop_, [this] { channel_.reset(); });
  }
}

void End::start() {
  channel_->start({[this](FrameType type, Buffer body) {
                     if (on_frame) on_frame(*channel_);
                     std::lock_guard lock(mutex_);
                     frames_.emplace_back(type, text_of(body.span()));
                   },
                   [this](const Error& error) {
                     std::lock_guard lock(mutex_);
                     EXPECT_EQ(++closings_, 1);
                     closed_ = error;
                   }});
}

std::vector<std::pair<FrameType, std::string>> End::frames() {
  std::lock_guard lock(mutex_);
  return frames_;
}

std::size_t End::count() {
  std::lock_guard lock(mutex_);
  return frames_.size();
}

std::optional<Error> End::closed() {
  std::lock_guard lock(mutex_);
  return closed_;
}

bool End::await_frames(std::size_t count) {
  return wait_until([&] { return this->count() >= count; }, kPatience);
}

bool End::await_closed() {
  return wait_until([&] { return closed().has_value(); }, kPatience);
}

Status End::send(FrameType type, const std::string& body) {
  auto sent = std::make_shared<std::promise<Status>>();
  auto answer = sent->get_future();
  io::run_on(loop_, [&] {
    channel_->send(type, {bytes_of(std::string_view(body))},
                   [sent](Status status) { sent->set_value(std::move(status)); });
  });
  if (answer.wait_for(kPatience) != std::future_status::ready) {
    io::run_on(loop_, [this] { channel_->close(); });  // the body must outlive it
    return fail(Code::kTimeout, "send: not done in time");
  }
  return answer.get();
}

void End::set_reading(bool on) {
  io::run_on(loop_, [&] { channel_->set_reading(on); });
}

void End::close() {
  io::run_on(loop_, [this] { channel_->close(); });
}

void NetTest::TearDown() {
  if (loop_) {
    io::run_on(*loop_, [this] { acceptor_.reset(); });
    accepted_.clear();
  }
  LoopTest::TearDown();
}

void NetTest::listen(AcceptorOptions options, std::function<void(End&)> before) {
  io::run_on(*loop_, [this] { acceptor_.reset(); });
  auto acceptor =
      net::listen(*loop_, options, log_, [this, before](std::unique_ptr<Channel> channel) {
        EXPECT_TRUE(loop_->in_loop_thread());
        auto end = std::make_unique<End>(*loop_, std::move(channel), limits_);
        if (before) before(*end);
        end->start();
        std::lock_guard lock(mutex_);
        accepted_.push_back(std::move(end));
      });
  ASSERT_TRUE(acceptor) << acceptor.error().message();
  acceptor_ = std::move(*acceptor);
}

Result<std::unique_ptr<End>> NetTest::connect_to_address(const std::string& address,
                                                         std::shared_ptr<const Tls> tls,
                                                         std::uint64_t timeout_ns) {
  using Answer = std::shared_ptr<Result<std::unique_ptr<End>>>;
  Answer answer = await<Answer>([&](auto done) {
    connect_channel(*loop_, address, std::move(tls), timeout_ns,
                    [this, done](Result<std::unique_ptr<Channel>> channel) {
                      EXPECT_TRUE(loop_->in_loop_thread());
                      using Ended = Result<std::unique_ptr<End>>;
                      if (!channel) return done(std::make_shared<Ended>(fail(channel.error())));
                      auto end = std::make_unique<End>(*loop_, std::move(*channel), limits_);
                      end->start();
                      done(std::make_shared<Ended>(std::move(end)));
                    });
  });
  return std::move(*answer);
}

bool NetTest::await_accepted(std::size_t count) {
  return wait_until(
      [&] {
        std::lock_guard lock(mutex_);
        return accepted_.size() >= count;
      },
      kPatience);
}

End& NetTest::accepted(std::size_t index) {
  std::lock_guard lock(mutex_);
  return *accepted_.at(index);
}

void NetTest::await_standstill() {
  for (int turn = 0; turn < 2000; ++turn) io::run_on(*loop_, [] {});
}

void NetTest::end_a_channel_in_its_failed_send(std::shared_ptr<const Tls> tls) {
  const std::string body = pattern(16'000'000);
  std::unique_ptr<Channel> client;
  std::promise<void> failed;
  std::atomic<int> closings = 0;
  io::run_on(*loop_, [&] {
    connect_channel(
        *loop_, address(), std::move(tls), 20 * kSecond,
        [&](Result<std::unique_ptr<Channel>> channel) {
          ASSERT_TRUE(channel) << channel.error().message();
          client = std::move(*channel);
          client->start({[](FrameType, const Buffer&) {}, [&](const Error&) { ++closings; }});
          client->send(FrameType::kRecords, {bytes_of(std::string_view(body))},
                       [&](const Status& status) {
                         EXPECT_FALSE(status);
                         client.reset();
                         failed.set_value();
                       });
        });
  });
  ASSERT_TRUE(await_accepted(1));
  await_standstill();
  accepted(0).close();
  ASSERT_EQ(failed.get_future().wait_for(kPatience), std::future_status::ready);
  await_standstill();
  EXPECT_EQ(closings, 0);
}

}  // namespace tlog::net
