#include "server/net/tls_session.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gnutls/gnutls.h>

#include <algorithm>
#include <cerrno>

#include "server/net/alert_text.h"
#include "server/net/foreign_bytes.h"
#include "server/net/peer_certificate.h"

namespace tlog::net {
namespace {

constexpr std::size_t kFirstInputBytes = 8;
// A buffer that a burst has made larger is not kept.
constexpr std::size_t kSpareBytesMax = 512 * kKiB;

bool is_numeric(const std::string& host) {
  in6_addr address;
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

}  // namespace

Result<std::unique_ptr<TlsSession>> TlsSession::make(std::shared_ptr<const Credentials> credentials,
                                                     std::string peer, std::string expected_name) {
  std::unique_ptr<TlsSession> result(
      new TlsSession(std::move(credentials), std::move(peer), std::move(expected_name)));
  TLOG_TRY(result->open());
  return result;
}

TlsSession::~TlsSession() {
  if (session_ != nullptr) ::gnutls_deinit(session_);
}

Status TlsSession::open() {
  const bool is_server = credentials_->side() == TlsSide::kServer;
  // No tickets: sessions are few and long, and a ticket's key would be one more secret.
  const unsigned flags = GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS |
                         (is_server ? GNUTLS_SERVER : GNUTLS_CLIENT);
  const int made = ::gnutls_init(&session_, flags);
  if (made < 0) {
    session_ = nullptr;
    return fail(Code::kUnavailable, fmt::format("tls: {}: {}", peer_, ::gnutls_strerror(made)));
  }
  TLOG_TRY(credentials_->apply_to(session_));
  ::gnutls_session_set_ptr(session_, this);
  ::gnutls_transport_set_ptr(session_, this);
  ::gnutls_transport_set_push_function(session_, push);
  ::gnutls_transport_set_pull_function(session_, pull);
  // The deadline is the caller's.
  ::gnutls_handshake_set_timeout(session_, GNUTLS_INDEFINITE_TIMEOUT);
  if (credentials_->verifies_peer() && !credentials_->uses_psk()) {
    ::gnutls_session_set_verify_function(session_, verify);
  }
  if (!is_server && !expected_name_.empty() && !is_numeric(expected_name_)) {
    (void)::gnutls_server_name_set(session_, GNUTLS_NAME_DNS, expected_name_.data(),
                                   expected_name_.size());  // a hint
  }
  return {};
}

ssize_t TlsSession::push(void* self, const void* bytes, std::size_t size) {
  auto* session = static_cast<TlsSession*>(self);
  const auto* from = static_cast<const std::byte*>(bytes);
  session->output_.insert(session->output_.end(), from, from + size);
  session->produced_ += size;
  return static_cast<ssize_t>(size);
}

ssize_t TlsSession::pull(void* self, void* into, std::size_t size) {
  auto* session = static_cast<TlsSession*>(self);
  if (session->input_.empty()) {
    if (session->input_ended_) return 0;
    ::gnutls_transport_set_errno(session->session_, EAGAIN);
    return -1;
  }
  const std::size_t taken = std::min(size, session->input_.size());
  std::memcpy(into, session->input_.data(), taken);
  session->input_ = session->input_.subspan(taken);
  return static_cast<ssize_t>(taken);
}

// Fails the handshake, so that the peer is told before anything is sent to it.
int TlsSession::verify(gnutls_session_t session) {
  auto* self = static_cast<TlsSession*>(::gnutls_session_get_ptr(session));
  const bool peer_is_server = self->credentials_->side() == TlsSide::kClient;
  Status status = verify_peer_certificate(session, peer_is_server, self->expected_name_);
  if (status) return 0;
  self->refused_ = status.error();
  return GNUTLS_E_CERTIFICATE_ERROR;
}

void TlsSession::give(ConstByteSpan ciphertext) {
  input_ = ciphertext;
  const std::size_t wanted = kFirstInputBytes - std::min(kFirstInputBytes, first_input_.size());
  const ConstByteSpan first = ciphertext.first(std::min(wanted, ciphertext.size()));
  first_input_.insert(first_input_.end(), first.begin(), first.end());
}

Result<bool> TlsSession::handshake() {
  for (;;) {
    const int result = ::gnutls_handshake(session_);
    if (result == GNUTLS_E_SUCCESS) return true;
    if (result == GNUTLS_E_AGAIN) return false;
    if (result == GNUTLS_E_INTERRUPTED || result == GNUTLS_E_WARNING_ALERT_RECEIVED) continue;
    return fail(error("tls handshake", result));
  }
}

Result<std::optional<std::size_t>> TlsSession::receive(ByteSpan into) {
  for (;;) {
    const ssize_t result = ::gnutls_record_recv(session_, into.data(), into.size());
    if (result >= 0) return static_cast<std::size_t>(result);
    if (result == GNUTLS_E_AGAIN) return std::nullopt;
    if (result == GNUTLS_E_INTERRUPTED || result == GNUTLS_E_WARNING_ALERT_RECEIVED) continue;
    return fail(error("receive", static_cast<int>(result)));
  }
}

Status TlsSession::send(ConstByteSpan record) {
  while (!record.empty()) {
    const ssize_t result = ::gnutls_record_send(session_, record.data(), record.size());
    // Also for "again": push() takes all that it gets, so there is nothing to wait for.
    if (result < 0) return fail(error("send", static_cast<int>(result)));
    record = record.subspan(static_cast<std::size_t>(result));
  }
  return {};
}

void TlsSession::say_goodbye() {
  (void)::gnutls_bye(session_, GNUTLS_SHUT_WR);
}

std::vector<std::byte> TlsSession::take_output() {
  std::vector<std::byte> result = std::move(output_);
  output_ = std::move(spare_);
  output_.clear();
  spare_ = {};
  return result;
}

void TlsSession::give_back(std::vector<std::byte> output) {
  if (output.capacity() > kSpareBytesMax) return;
  std::vector<std::byte>& idle = output_.empty() && output_.capacity() == 0 ? output_ : spare_;
  idle = std::move(output);
  idle.clear();
}

std::string TlsSession::reason(int result) const {
  if (refused_ && result == GNUTLS_E_CERTIFICATE_ERROR) return refused_->message();
  if (result == GNUTLS_E_FATAL_ALERT_RECEIVED) {
    return alert_text(::gnutls_alert_get(session_), credentials_->uses_psk());
  }
  if (!first_input_.empty() && !looks_like_tls(first_input_)) {
    return "the peer speaks no TLS and this side does; give both sides TLS, or neither";
  }
  return failure_text(result, credentials_->uses_psk());
}

Error TlsSession::error(std::string_view operation, int result) {
  (void)::gnutls_alert_send_appropriate(session_, result);
  const bool is_tampered =
      result == GNUTLS_E_DECRYPTION_FAILED && operation != std::string_view("tls handshake");
  return Error(is_tampered ? Code::kCorruption : Code::kUnavailable,
               fmt::format("{}: {}: {}", operation, peer_, reason(result)));
}

}  // namespace tlog::net
