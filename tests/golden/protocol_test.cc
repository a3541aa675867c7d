// Goal and method as in golden_test.cc: frames between client and tlogserver, as version 1 sends
// them. A build that cannot read them cannot talk to those before it. And the worked example in
// docs/protocol.md is the kept Hello.
#include <fmt/format.h>

#include "tests/golden/golden_file.h"
#include "tests/support/protocol_samples.h"

namespace tlog::protocol {
namespace {

using testing::golden;

std::span<const std::byte, kFrameHeadBytes> head_of(ConstByteSpan frame) {
  return frame.first<kFrameHeadBytes>();
}

// "protocol-1.wait-slave-sync"
std::string file_name(std::string_view message) {
  std::string name = "protocol-1.";
  for (std::size_t i = 0; i < message.size(); ++i) {
    const bool is_capital = message[i] >= 'A' && message[i] <= 'Z';
    if (is_capital && i > 0) name += '-';
    name += static_cast<char>(is_capital ? message[i] - 'A' + 'a' : message[i]);
  }
  return name;
}

void expect_equal(const Message& kept, const Message& known) {
  ASSERT_EQ(message_name(kept), message_name(known));
  std::visit(
      [&](const auto& value) {
        const auto& other = std::get<std::decay_t<decltype(value)>>(kept);
        if constexpr (!std::is_same_v<std::decay_t<decltype(value)>, Reply>) {
          EXPECT_EQ(other, value);
        } else {
          EXPECT_EQ(other.id, value.id);
          EXPECT_EQ(other.sequences, value.sequences);
          EXPECT_EQ(other.text, value.text);
          ASSERT_EQ(other.error.has_value(), value.error.has_value());
          if (!value.error) return;
          EXPECT_EQ(other.error->code(), value.error->code());
          EXPECT_EQ(other.error->message(), value.error->message());
        }
      },
      known);
}

TEST(GoldenProtocol, a_frame_of_each_message) {
  for (const Message& known : testing::sample_messages()) {
    std::string name = file_name(message_name(known));
    if (const auto* reply = std::get_if<Reply>(&known); reply != nullptr && reply->error)
      name += "-error";
    const std::string kept =
        golden(name, testing::frame_of(FrameType::kMessage, encode(known).span()));
    const ConstByteSpan frame = bytes_of(std::string_view(kept));
    ASSERT_GT(frame.size(), kFrameHeadBytes) << name;
    auto head = decode_head(head_of(frame));
    ASSERT_TRUE(head) << name << ": " << head.error().message();
    EXPECT_EQ(head->type, FrameType::kMessage);
    EXPECT_EQ(head->length, frame.size() - kFrameHeadBytes);
    auto decoded = decode(frame.subspan(kFrameHeadBytes));
    ASSERT_TRUE(decoded) << name << ": " << decoded.error().message();
    expect_equal(*decoded, known);
  }
}

TEST(GoldenProtocol, a_batch_of_records) {
  testing::SampleAggregation sample;
  sample.fill_mixed();
  fill_hashes(sample.value.records);
  auto batch = encode_batch(sample.value.header.vdisk, 3, 7, sample.value.records);
  ASSERT_TRUE(batch) << batch.error().message();
  const std::string kept =
      golden("protocol-1.batch",
             testing::frame_of(FrameType::kRecords, testing::bytes_of_pieces(batch->pieces)));
  const ConstByteSpan frame = bytes_of(std::string_view(kept));
  ASSERT_GT(frame.size(), kFrameHeadBytes);
  auto head = decode_head(head_of(frame));
  ASSERT_TRUE(head) << head.error().message();
  EXPECT_EQ(head->type, FrameType::kRecords);
  EXPECT_EQ(head->length, frame.size() - kFrameHeadBytes);
  auto decoded = decode_batch(Buffer::copy_of(frame.subspan(kFrameHeadBytes)));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(decoded->vdisk, sample.value.header.vdisk);
  EXPECT_EQ(decoded->epoch, 3u);
  EXPECT_EQ(decoded->number, 7u);
  ASSERT_EQ(decoded->batch.records.size(), sample.value.records.size());
  for (std::size_t i = 0; i < sample.value.records.size(); ++i) {
    const format::Record& record = decoded->batch.records[i];
    EXPECT_EQ(record.sequence, sample.value.records[i].sequence);
    EXPECT_EQ(record.offset, sample.value.records[i].offset);
    EXPECT_EQ(record.operation, sample.value.records[i].operation);
    EXPECT_EQ(to_hex(record.data), to_hex(sample.value.records[i].data));
  }
  EXPECT_TRUE(verify_hashes(decoded->batch.records));
}

std::string dump(ConstByteSpan bytes) {
  constexpr std::size_t kLine = 16;
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += kLine) {
    const auto line = bytes.subspan(at, std::min(kLine, bytes.size() - at));
    std::string hex;
    std::string shown;
    for (std::byte byte : line) {
      const char c = static_cast<char>(byte);
      hex += fmt::format("{:02x} ", static_cast<unsigned>(byte));
      shown += c > ' ' && c <= '~' && c != '`' ? c : '.';
    }
    text += fmt::format("{:04x}  {:<48} {}\n", at, hex, shown);
  }
  return text;
}

// With TLOG_GOLDEN_WRITE=1 the page gets it, as the files get theirs.
TEST(GoldenProtocol, the_page_shows_the_kept_hello) {
  const std::string_view begin = "<!-- made by golden_protocol_test -->\n```\n";
  const std::string_view end = "```\n";
  std::string page = testing::read_text(TLOG_PROTOCOL_PAGE);
  const std::size_t at = page.find(begin);
  ASSERT_NE(at, std::string::npos) << "docs/protocol.md has no place for the example";
  const std::size_t from = at + begin.size();
  const std::size_t to = page.find(end, from);
  ASSERT_NE(to, std::string::npos);
  const std::string kept = testing::read_text(testing::golden_path("protocol-1.hello"));
  const std::string example = dump(bytes_of(std::string_view(kept)));
  if (testing::golden_is_written())
    testing::write_text(TLOG_PROTOCOL_PAGE, page.substr(0, from) + example + page.substr(to));
  EXPECT_EQ(testing::read_text(TLOG_PROTOCOL_PAGE).substr(from, example.size() + end.size()),
            example + std::string(end));
}

}  // namespace
}  // namespace tlog::protocol
