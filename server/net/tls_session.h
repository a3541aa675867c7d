// File: server/net/tls_session.h
// One TLS session without its socket: ciphertext that has come goes in, ciphertext that is to be
// sent comes out. It never blocks.
// Threading: one thread at a time.
// Errors: say what is wrong with the peer, its certificate or its key, and what to do; the alert
// for the peer is then in the output.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/net/credentials.h"

namespace tlog::net {

constexpr std::size_t kTlsRecordMax = 16 * kKiB;  // of plaintext

class TlsSession {
 public:
  // `expected_name`: a client's, what the server's certificate must be for.
  static Result<std::unique_ptr<TlsSession>> make(std::shared_ptr<const Credentials> credentials,
                                                  std::string peer, std::string expected_name);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // The bytes must stay until they are taken or other ones are given.
  void give(ConstByteSpan ciphertext);
  ConstByteSpan rest() const { return input_; }  // not taken yet
  void end_input() { input_ended_ = true; }

  Result<bool> handshake();  // false: it needs more input
  // Nothing: it needs more input. 0: the peer's orderly end.
  Result<std::optional<std::size_t>> receive(ByteSpan into);
  Status send(ConstByteSpan record);  // at most kTlsRecordMax
  void say_goodbye();                 // close_notify

  std::uint64_t produced() const { return produced_; }  // output, ever
  bool has_output() const { return !output_.empty(); }
  std::vector<std::byte> take_output();
  void give_back(std::vector<std::byte> output);  // its memory is used again

  const Credentials& credentials() const { return *credentials_; }

 private:
  TlsSession(std::shared_ptr<const Credentials> credentials, std::string peer,
             std::string expected_name)
      : credentials_(std::move(credentials)),
        peer_(std::move(peer)),
        expected_name_(std::move(expected_name)) {}
  Status open();
  static ssize_t push(void* self, const void* bytes, std::size_t size);
  static ssize_t pull(void* self, void* into, std::size_t size);
  static int verify(gnutls_session_int* session);
  // What `result` means; tells the peer.
  Error error(std::string_view operation, int result);
  std::string reason(int result) const;

  const std::shared_ptr<const Credentials> credentials_;
  const std::string peer_;
  const std::string expected_name_;
  gnutls_session_int* session_ = nullptr;
  ConstByteSpan input_;
  std::vector<std::byte> first_input_;  // what the peer began with
  bool input_ended_ = false;
  std::vector<std::byte> output_;
  std::vector<std::byte> spare_;
  std::uint64_t produced_ = 0;
  std::optional<Error> refused_;  // why the peer's certificate is not taken
};

}  // namespace tlog::net
