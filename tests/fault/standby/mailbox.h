// Mailbox: memory that a test and the process of its engine share: how far its writer is, and one
// question at a time with its answer. It is a file, and survives the engine's process.
// Threading: one asks, one answers. Errors: std::runtime_error.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <string>

#include "tests/support/stamped_writer.h"

namespace tlog::standby {

struct Mail {
  tlog::testing::StampedWriter::Progress written;
  std::atomic<std::uint32_t> asked{0};     // the newest question's number
  std::atomic<std::uint32_t> answered{0};  // likewise; the engine serves when it is not 0
  std::array<char, 64> question{};
  std::array<char, 4096> answer{};  // "+..." or "-the error"
};

class Mailbox {
 public:
  // Makes the file anew, or takes the one that is there.
  Mailbox(const std::string& path, bool create) {
    const int descriptor = open(path.c_str(), O_RDWR | (create ? O_CREAT | O_TRUNC : 0), 0600);
    if (descriptor < 0) throw std::runtime_error("mailbox: " + path + ": cannot be opened");
    const bool is_sized = !create || ftruncate(descriptor, sizeof(Mail)) == 0;
    void* memory =
        is_sized ? mmap(nullptr, sizeof(Mail), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
                 : MAP_FAILED;
    close(descriptor);
    if (memory == MAP_FAILED) throw std::runtime_error("mailbox: " + path + ": cannot be mapped");
    mail_ = create ? new (memory) Mail : static_cast<Mail*>(memory);
  }
  ~Mailbox() { munmap(mail_, sizeof(Mail)); }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  Mail& operator*() const { return *mail_; }
  Mail* operator->() const { return mail_; }

  template <std::size_t kSize>
  static void put(std::array<char, kSize>& to, const std::string& text) {
    const std::size_t length = std::min(text.size(), kSize - 1);
    std::memcpy(to.data(), text.data(), length);
    to[length] = '\0';
  }

 private:
  Mail* mail_ = nullptr;
};

}  // namespace tlog::standby
