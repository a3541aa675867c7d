// Makes an HttpRequest of what libmicrohttpd has read.
// Threading: pure functions but for the connection, which is the calling thread's.
// Errors: kInvalidArgument for what is no request that we answer; it is answered 400.
#pragma once

#include <string>
#include <string_view>

#include "gateways/http/exchange.h"

struct MHD_Connection;

namespace tlog::gateway {

// "%41" -> "A". Refused: '%' without two digits, control characters, and in paths "%2F", which
// would change what the path means.
enum class EncodedSlash { kTaken, kRefused };
Result<std::string> percent_decode(std::string_view text, EncodedSlash slash);

// `path` and the query as they came, not decoded.
Result<HttpRequest> read_request(MHD_Connection* connection, const char* path, const char* method);

}  // namespace tlog::gateway
