// HttpExchange: what a gateway makes of one HTTP request: it is given the body piece by piece, as
// it arrives, and answers once.
//
//   handler(request) -> exchange      the headers are there, the body is not
//     exchange.body(piece) ...        any number of times, also none
//     exchange.answer()               once, when the body has arrived whole
//   ~exchange                         without answer(): the body did not arrive whole
//
// Threading: all calls for one connection come from that connection's own thread, which may be
// blocked in any of them without hindering others; but for cancel(), which comes from the thread
// that stops the server. Handlers are called by many connections at once.
// Errors: an error of body() says that no more of it is wanted: the rest is read and dropped, and
// then answer() is asked, so that a client that sends first and reads later learns the reason. A
// std::exception out of any of them is answered 500.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tlog/base/types.h"

namespace tlog::gateway {

struct HttpRequest {
  std::string method;  // as sent: "GET", "POST", ...
  std::string path;    // begins with '/', percent-decoded; never with control characters in it
  std::vector<std::pair<std::string, std::string>> query;    // decoded, in order, also repeated
  std::vector<std::pair<std::string, std::string>> headers;  // in order, also repeated
  std::optional<std::uint64_t> content_length;               // nothing: chunked, or no body
  std::string peer;                                          // "address:port"
  // Has the client closed its side? For those that wait long before they answer; it may have sent
  // all it has to say and still want the answer, but nearly always it has gone. Valid until
  // answer() has returned.
  std::function<bool()> peer_closed = [] { return false; };

  // The first one; null: none. Names of headers are compared without case.
  const std::string* header(std::string_view name) const;
  const std::string* query_value(std::string_view name) const;
  // GET or HEAD. HEAD is answered like GET; the server leaves the body out.
  bool reads() const { return method == "GET" || method == "HEAD"; }
};

// A body that is made while it is sent. It may outlive its exchange.
// Threading: as an exchange's.
class HttpSource {
 public:
  virtual ~HttpSource() = default;
  // How many bytes were put at the front of `into` (never empty); 0: the end. It waits until it has
  // some. An error ends the connection in the middle: the client sees that something is missing.
  virtual Result<std::size_t> fill(ByteSpan into) = 0;
  // The server stops: what waits ends soon. Must not wait itself.
  virtual void cancel() {}
};

struct HttpAnswer {
  unsigned status = 200;
  std::string type = "text/plain; charset=utf-8";  // "": no Content-Type
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  std::unique_ptr<HttpSource> source = nullptr;  // instead of the body
  // Of the source, when it is known: it is told as Content-Length and has to be kept. Without it
  // the answer is chunked.
  std::optional<std::uint64_t> source_bytes = std::nullopt;
};

class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  // Asked once, before anything of the body is read: false refuses it, answer() comes next.
  virtual bool wants_body() { return true; }
  virtual Status body(ConstByteSpan piece) = 0;
  virtual HttpAnswer answer() = 0;
  // The server stops: what waits in body() or answer() ends soon. Must not wait itself.
  virtual void cancel() {}
};

using HttpHandler = std::function<std::unique_ptr<HttpExchange>(const HttpRequest&)>;

// An exchange that takes no body and answers this.
std::unique_ptr<HttpExchange> answered(HttpAnswer answer);

// Texts end with a line's end; `reason` does not.
HttpAnswer text_answer(unsigned status, std::string_view reason);
HttpAnswer method_not_allowed(std::string_view allowed);  // "GET, HEAD"

// How a server tells what it refuses by itself, before an exchange is asked: text_answer(), or what
// its clients expect instead.
using HttpRefusal = std::function<HttpAnswer(unsigned status, std::string_view reason)>;

// The status that an error has for a client: 400, 403, 404, 409, 503, 504, 507, or 500.
unsigned status_of(Code code);

}  // namespace tlog::gateway
