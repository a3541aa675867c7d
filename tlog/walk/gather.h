// File: tlog/walk/gather.h
// Gather: waits for the answers of several stores that were asked at once. The answers arrive on
// the loop's thread; one other thread waits for them, never longer than a deadline. An answer that
// comes later finds memory that still lives. Threading: slot() callbacks from any thread; wait()
// and the rest from one thread that is not the loop's.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "tlog/base/clock.h"
#include "tlog/base/mutex.h"
#include "tlog/base/result.h"

namespace tlog::walk {

// How long a store may take to answer before it counts as unreachable.
constexpr std::chrono::nanoseconds kAnswerTimeout = std::chrono::seconds(10);
// How long to go on waiting for the slow ones once the answers suffice.
constexpr std::chrono::nanoseconds kAnswerGrace = std::chrono::milliseconds(300);

template <class T>
class Gather {
 public:
  using Answers = std::vector<std::optional<Result<T>>>;
  using Enough = std::function<bool(const Answers&)>;

  explicit Gather(std::size_t count) : state_(std::make_shared<State>()) {
    MutexLock lock(state_->mutex);
    state_->answers.resize(count);
  }

  // The callback that takes answer `index`.
  std::function<void(Result<T>)> slot(std::size_t index) {
    return [state = state_, index](Result<T> answer) {
      MutexLock lock(state->mutex);
      state->answers[index].emplace(std::move(answer));
      ++state->answered;
      state->changed.notify_one();
    };
  }

  // All answers, or what there is when the timeout has passed, or `grace` after they were `enough`.
  Answers wait(const Enough& enough = {}, std::chrono::nanoseconds grace = kAnswerGrace,
               std::chrono::nanoseconds timeout = kAnswerTimeout) {
    auto start = steady_now();
    auto deadline = start + timeout;
    bool shortened = false;
    MutexLock lock(state_->mutex);
    while (state_->answered < state_->answers.size()) {
      if (enough && !shortened && enough(state_->answers)) {
        shortened = true;
        deadline = std::min(deadline, steady_now() + grace);
      }
      if (!state_->changed.wait_until(state_->mutex, deadline) &&
          steady_now() >= deadline) {
        break;
      }
    }
    Answers answers = std::move(state_->answers);
    state_->answers = Answers(answers.size());  // for those who come too late
    return answers;
  }

 private:
  struct State {
    Mutex mutex;
    CondVar changed;
    Answers answers GUARDED_BY(mutex);
    std::size_t answered GUARDED_BY(mutex) = 0;
  };
  std::shared_ptr<State> state_;
};

}  // namespace tlog::walk
