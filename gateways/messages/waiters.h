// Waiters: who waits until a message is stored by so many nodes. Each is woken when that has come
// true, and not for others.
//
// Threading: its owner's mutex, which they wait on.
#pragma once

#include <functional>
#include <map>

#include "tlog/base/mutex.h"
#include "tlog/base/types.h"

namespace tlog::messages {

class Waiters {
 public:
  struct Waiter {
    CondVar woken;
    bool done = false;
  };
  using Place = std::multimap<Sequence, Waiter*>::iterator;

  Place add(Sequence id, unsigned nodes, Waiter& waiter);
  void remove(unsigned nodes, Place place);  // who gives up; never who is done
  // `stored_by(n)`: what so many nodes have stored.
  void wake(const std::function<Sequence(unsigned)>& stored_by);
  void wake_all();  // without being done: they look why
  std::size_t count() const { return count_; }

 private:
  std::map<unsigned, std::multimap<Sequence, Waiter*>> by_nodes_;
  std::size_t count_ = 0;
};

}  // namespace tlog::messages
