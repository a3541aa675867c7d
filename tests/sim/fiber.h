// File: tests/sim/fiber.h
// Fiber: a function with a stack of its own on this thread, which gives way where it likes and goes
// on where it was. So code that waits can be simulated on one thread, in an order that the
// simulation chooses. Threading: the thread that made it.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <functional>

namespace tlog::sim {

class Fiber {
 public:
  explicit Fiber(std::function<void()> body);
  ~Fiber();  // ended, or never resumed
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  void resume();    // not from a fiber: runs it until it gives way or ends
  void give_way();  // from itself
  bool ended() const { return ended_; }

 private:
  static void entry();
  void switch_in();

  std::function<void()> body_;
  void* stack_ = nullptr;
  ucontext_t context_{};
  ucontext_t resumer_{};
  bool ended_ = false;
  // What the address sanitizer wants to know of stacks.
  void* fake_stack_ = nullptr;
  const void* resumer_stack_ = nullptr;
  std::size_t resumer_stack_bytes_ = 0;
};

}  // namespace tlog::sim
