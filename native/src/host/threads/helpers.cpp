#include "host/threads/helpers.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "base/cancellation.h"
#include "base/stay_loaded.h"
#include "host/threads/cpus.h"

#if !defined(_WIN32)
#include <pthread.h>
#include <signal.h>
#endif

namespace baracuda::host {

// One thread. It is in the hands of the caller whose call it has, or it rests, where any caller may take it.
class Helper {
 public:
  // Begins with that call. Throws where no thread can be had.
  Helper(Helpers& call, uint64_t cpus);

  uint64_t cpus() const noexcept { return cpus_; }

  // By the caller that has it:
  void give(Helpers& call) noexcept { call_.store(&call, std::memory_order_release); }
  void wake() noexcept { tell(Word::kLook); }
  // Takes the call back. False where it has begun.
  bool take_back() noexcept { return call_.exchange(nullptr, std::memory_order_relaxed) != nullptr; }

  // By whoever took it from where it rested: ends it, in two steps.
  void ask_to_end() noexcept { tell(Word::kEnd); }
  void join() noexcept { thread_.join(); }

 private:
  enum class Word : uint8_t { kNone, kLook, kEnd };

  void live() noexcept;
  void help() noexcept;
  Word rest() noexcept;
  void tell(Word word) noexcept;

  std::atomic<Helpers*> call_;  // it begins, or does not, by who takes this
  const uint64_t cpus_;
  std::mutex mutex_;
  std::condition_variable told_;
  Word word_ = Word::kNone;
  std::thread thread_;
};

namespace {

#if !defined(BARACUDA_LONGEST_REST)
#define BARACUDA_LONGEST_REST std::chrono::seconds(1)
#endif

// An engine's next step comes sooner. A test has them end just while they are taken.
constexpr std::chrono::microseconds kLongestRest = BARACUDA_LONGEST_REST;

// For so long a caller asks again and again whether its helpers have returned, and sleeps in between from then on: a
// piece of work takes less.
constexpr std::chrono::microseconds kAskBusily{50};

// Whoever takes a helper out of here has it. No lock, since a fork would copy it locked.
std::atomic<Helper*> resting[kMostHelpers];
std::atomic<int32_t> alive{0};

Helper* take(std::atomic<Helper*>& place) noexcept {
  if (place.load(std::memory_order_relaxed) == nullptr) return nullptr;
  return place.exchange(nullptr, std::memory_order_acquire);
}

// There are as many places as helpers.
void lay_down(Helper* helper) noexcept {
  for (;;)
    for (std::atomic<Helper*>& place : resting) {
      Helper* nobody = nullptr;
      if (place.compare_exchange_strong(nobody, helper, std::memory_order_release, std::memory_order_relaxed)) return;
    }
}

// False where a caller has it.
bool get_up(Helper* helper) noexcept {
  for (std::atomic<Helper*>& place : resting) {
    Helper* found = helper;
    if (place.compare_exchange_strong(found, nullptr, std::memory_order_acquire, std::memory_order_relaxed))
      return true;
  }
  return false;
}

// Takes at most `most` of those that are of these CPUs. Says how many.
int32_t take_of(uint64_t cpus, int32_t most, Helper** taken) noexcept {
  int32_t count = 0;
  for (std::atomic<Helper*>& place : resting) {
    if (count >= most) break;
    Helper* const helper = take(place);
    if (helper == nullptr) continue;
    if (helper->cpus() == cpus)
      taken[count++] = helper;
    else
      lay_down(helper);
  }
  return count;
}

// While it lives, threads start with the signals blocked that the process, not an instruction, may get: an
// application's handlers run on its own threads.
class SignalsBlocked {
 public:
#if defined(_WIN32)
  SignalsBlocked() noexcept {}
#else
  SignalsBlocked() noexcept {
    sigset_t blocked;
    sigfillset(&blocked);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) sigdelset(&blocked, fault);
    pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
#endif
};

#if !defined(_WIN32)

// A process that forks has none resting: they would be threads that the child lacks, and that it is warned of. But
// those that are scheduled otherwise: on busy CPUs they may be long in ending.
void before_fork() noexcept {
  const CancellationHeld held;
  Helper* helpers[kMostHelpers];
  const int32_t count = take_of(usable_cpus().digest, kMostHelpers, helpers);
  for (int32_t i = 0; i < count; ++i) helpers[i]->ask_to_end();
  for (int32_t i = 0; i < count; ++i) {
    helpers[i]->join();
    delete helpers[i];
    alive.fetch_sub(1, std::memory_order_relaxed);
  }
}

// Helpers that are at a call, or were left resting, are not here.
void in_child() noexcept {
  for (std::atomic<Helper*>& place : resting) place.store(nullptr, std::memory_order_relaxed);
  alive.store(0, std::memory_order_relaxed);
}

#endif

// What is done twice, by two threads at once, is as good.
void before_the_first() noexcept {
  static std::atomic<bool> done{false};
  if (done.load(std::memory_order_acquire)) return;
  stay_loaded();
#if !defined(_WIN32)
  pthread_atfork(before_fork, nullptr, in_child);
#endif
  done.store(true, std::memory_order_release);
}

}  // namespace

Helper::Helper(Helpers& call, uint64_t cpus) : call_(&call), cpus_(cpus) {
  const std::scoped_lock lock(mutex_);
  thread_ = std::thread([this] { live(); });
}

void Helper::live() noexcept {
  {
    const std::scoped_lock thread_is_there(mutex_);
  }
  for (;;) {
    help();
    const Word word = rest();
    if (word == Word::kEnd) return;
    if (word == Word::kNone && get_up(this)) break;
  }
  thread_.detach();
  delete this;
  alive.fetch_sub(1, std::memory_order_relaxed);
}

void Helper::help() noexcept {
  Helpers* const call = call_.exchange(nullptr, std::memory_order_acquire);
  if (call == nullptr) return;
  call->wake_those_taken();
  call->help_(call->context_);
  call->returned_.fetch_add(1, std::memory_order_release);
}

// kNone after the longest rest.
Helper::Word Helper::rest() noexcept {
  std::unique_lock<std::mutex> lock(mutex_);
  // By the clock that every C library can wait for. Whoever sets it makes a rest shorter or longer.
  const auto until = std::chrono::system_clock::now() + kLongestRest;
  told_.wait_until(lock, until, [this] { return word_ != Word::kNone; });
  return std::exchange(word_, Word::kNone);
}

void Helper::tell(Word word) noexcept {
  {
    const std::scoped_lock lock(mutex_);
    word_ = word;
  }
  told_.notify_one();
}

int32_t Helpers::wake(int32_t most, uint64_t cpus) noexcept {
  count_ = taken_ = take_of(cpus, most, helpers_);
  for (int32_t i = 0; i < taken_; ++i) helpers_[i]->give(*this);
  next_to_wake_.store(0, std::memory_order_release);
  wake_those_taken();
  return taken_;
}

// Whoever is awake wakes the next.
void Helpers::wake_those_taken() noexcept {
  int32_t next;
  while ((next = next_to_wake_.fetch_add(1, std::memory_order_acquire)) < taken_) helpers_[next]->wake();
}

void Helpers::start(int32_t count, uint64_t cpus) noexcept {
  if (count <= 0) return;
  before_the_first();
  const SignalsBlocked blocked;
  for (; count > 0; --count) {
    if (alive.fetch_add(1, std::memory_order_relaxed) < kMostHelpers) {
      try {
        helpers_[count_] = new Helper(*this, cpus);
        ++count_;
        continue;
      } catch (...) {  // NOLINT(bugprone-empty-catch)
        // No more threads, or no memory for one: those there are share the work.
      }
    }
    alive.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
}

void Helpers::dismiss() noexcept {
  next_to_wake_.store(kMostHelpers, std::memory_order_relaxed);
  int32_t begun = 0;
  for (int32_t i = 0; i < count_; ++i)
    if (!helpers_[i]->take_back()) ++begun;
  const auto asked = std::chrono::steady_clock::now();
  while (returned_.load(std::memory_order_acquire) < begun)
    if (std::chrono::steady_clock::now() - asked > kAskBusily) std::this_thread::sleep_for(kAskBusily);
  for (int32_t i = 0; i < count_; ++i) lay_down(helpers_[i]);
}

}  // namespace baracuda::host
