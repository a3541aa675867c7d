// Doorman: the thread that accepts connections for a server that is handed them one by one. No more
// than so many are open at once; what comes beyond is closed.
//
// It knows a connection by its descriptor and its socket's number, so it notices by itself, when
// there are many, which of them the server has closed.
//
// Threading: start(), stop() and the destructor from one thread.
// Errors: none; what cannot be accepted is tried again.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "tlog/io/bound_socket.h"

namespace tlog::cas {

class Doorman {
 public:
  struct Work {
    std::function<void(int descriptor)> take;  // a connection, which it owns from then on
    std::function<void()> every_second;
  };

  Doorman(io::BoundSocket socket, unsigned connections_max, Work work)
      : socket_(std::move(socket)), connections_max_(connections_max), work_(std::move(work)) {}
  ~Doorman() { stop(); }
  Doorman(const Doorman&) = delete;
  Doorman& operator=(const Doorman&) = delete;

  Status start();
  void stop();  // nobody can connect any more
  const std::string& address() const { return socket_.address(); }

 private:
  struct Guest {
    int descriptor;
    ino_t socket;
  };

  void run();
  void accept_all();
  bool has_room();

  io::BoundSocket socket_;
  const unsigned connections_max_;
  const Work work_;
  int told_ = -1;  // an eventfd: to end
  bool is_without_descriptors_ = false;
  std::vector<Guest> guests_;  // may have gone meanwhile
  std::thread thread_;
};

}  // namespace tlog::cas
