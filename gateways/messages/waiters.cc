#include "gateways/messages/waiters.h"

namespace tlog::messages {

Waiters::Place Waiters::add(Sequence id, unsigned nodes, Waiter& waiter) {
  ++count_;
  return by_nodes_[nodes].emplace(id, &waiter);
}

void Waiters::remove(unsigned nodes, Place place) {
  by_nodes_[nodes].erase(place);
  --count_;
}

void Waiters::wake(const std::function<Sequence(unsigned)>& stored_by) {
  for (auto& [nodes, waiting] : by_nodes_) {
    if (waiting.empty()) continue;
    const Sequence stored = stored_by(nodes);
    while (!waiting.empty() && waiting.begin()->first <= stored) {
      waiting.begin()->second->done = true;
      waiting.begin()->second->woken.notify_one();
      waiting.erase(waiting.begin());
      --count_;
    }
  }
}

void Waiters::wake_all() {
  for (auto& [nodes, waiting] : by_nodes_) {
    for (auto& [id, waiter] : waiting) waiter->woken.notify_one();
  }
}

}  // namespace tlog::messages
