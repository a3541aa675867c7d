#include "tests/sim/fiber.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define TLOG_ASAN_FIBERS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TLOG_ASAN_FIBERS 1
#endif
#endif
#ifdef TLOG_ASAN_FIBERS
#include <sanitizer/common_interface_defs.h>
#endif

namespace tlog::sim {
namespace {

// Touched as far as it is used; a sanitizer's frames are large.
constexpr std::size_t kStackBytes = 1024 * 1024;

thread_local Fiber* starting = nullptr;

// Stacks are used again: mapping one costs more than most fibers do.
struct Stacks {
  std::vector<void*> free;
  ~Stacks() {
    for (void* stack : free) ::munmap(stack, kStackBytes);
  }
};
thread_local Stacks stacks;

void* take_stack() {
  if (!stacks.free.empty()) {
    void* stack = stacks.free.back();
    stacks.free.pop_back();
    return stack;
  }
  void* stack = ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stack == MAP_FAILED) {
    std::perror("no memory for a fiber's stack");
    std::abort();
  }
  return stack;
}

}  // namespace

Fiber::Fiber(std::function<void()> body) : body_(std::move(body)), stack_(take_stack()) {
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = kStackBytes;
  context_.uc_link = nullptr;
  makecontext(&context_, &Fiber::entry, 0);
}

Fiber::~Fiber() {
  stacks.free.push_back(stack_);
}

void Fiber::entry() {
  Fiber* self = std::exchange(starting, nullptr);
  self->switch_in();
  try {
    self->body_();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "a fiber ended with an exception: %s\n", error.what());
    std::abort();
  }
  self->body_ = nullptr;
  self->ended_ = true;
#ifdef TLOG_ASAN_FIBERS
  __sanitizer_start_switch_fiber(nullptr, self->resumer_stack_, self->resumer_stack_bytes_);
#endif
  setcontext(&self->resumer_);
}

// The first thing on the fiber's stack after a switch to it.
void Fiber::switch_in() {
#ifdef TLOG_ASAN_FIBERS
  __sanitizer_finish_switch_fiber(fake_stack_, &resumer_stack_, &resumer_stack_bytes_);
#endif
}

void Fiber::resume() {
  starting = this;
#ifdef TLOG_ASAN_FIBERS
  void* own = nullptr;
  __sanitizer_start_switch_fiber(&own, stack_, kStackBytes);
#endif
  swapcontext(&resumer_, &context_);
#ifdef TLOG_ASAN_FIBERS
  __sanitizer_finish_switch_fiber(own, nullptr, nullptr);
#endif
}

void Fiber::give_way() {
#ifdef TLOG_ASAN_FIBERS
  __sanitizer_start_switch_fiber(&fake_stack_, resumer_stack_, resumer_stack_bytes_);
#endif
  swapcontext(&context_, &resumer_);
  switch_in();
}

}  // namespace tlog::sim
