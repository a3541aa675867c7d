// File: server/net/frame_channel.h
// A Channel over a connected socket, plain or TLS.
// Threading: loop thread only.
#pragma once

#include <memory>
#include <string>

#include "server/net/channel.h"

namespace tlog::net {

// A peer from which nothing comes for so long, though it is asked, has vanished.
constexpr std::uint64_t kPeerVanishesNs = 30'000'000'000;

struct ChannelPeer {
  std::string address;
  bool is_private = false;
  bool is_known = false;
};

std::unique_ptr<Channel> make_frame_channel(io::Loop& loop, std::unique_ptr<io::Socket> socket,
                                            ChannelPeer peer);

}  // namespace tlog::net
