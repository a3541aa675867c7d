// The logset protocol over HTTP: GET /:repo/offsets, POST /:repo/pull, POST /:repo/push
// (docs/faces.md). For HttpServer::start().
//
// Threading: the handler may be called by any number of connections at once. No lock is held while
// anything is read from or sent to one: a pull's answer stays open while its reader pushes.
#pragma once

#include "gateways/http/exchange.h"
#include "gateways/logset/lookout.h"
#include "tlog/base/log.h"

namespace tlog::logset {

// Of one message in a body without an end: a slice, as long as the disk takes it.
constexpr std::uint64_t kPushBytesMax = std::uint64_t{1} << 50;

// `logger` outlives the server.
gateway::HttpHandler make_handler(Repositories repositories, Logger& logger);

}  // namespace tlog::logset
