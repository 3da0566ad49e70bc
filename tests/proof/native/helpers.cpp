// Many callers at once whose work is shared by helpers that rest, come late, and end just while they are taken:
// every item is processed once, by nobody once the call is over, and what was written is seen. For ThreadSanitizer and
// AddressSanitizer.
#include "host/threads/helpers.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "host/threads/cpus.h"
#include "host/threads/work.h"
#include "require.h"

namespace {

using baracuda::host::Helpers;
using baracuda::host::Work;

constexpr int kCallers = 6;
constexpr std::chrono::microseconds kRest = BARACUDA_LONGEST_REST;

// One call's work, in its caller's frame.
struct Items {
  std::vector<int> processed;  // no atomics: each item is one thread's
  std::chrono::microseconds each;
  std::atomic<bool> over{false};
};

void process(const void* context, int32_t first, int32_t last) noexcept {
  auto& items = *static_cast<Items*>(const_cast<void*>(context));
  REQUIRE(!items.over.load(), "a helper is at a call that is over");
  const auto until = std::chrono::steady_clock::now() + items.each * (last - first);
  for (int32_t i = first; i < last; ++i) ++items.processed[static_cast<size_t>(i)];
  while (std::chrono::steady_clock::now() < until) {
  }
}

// As an append does: by the clock, as many as it is worth.
void run(std::mt19937& random) {
  Items items;
  items.processed.resize(1 + random() % 64);
  items.each = std::chrono::microseconds(random() % 40);
  Work work{};
  work.process = process;
  work.context = &items;
  work.items = static_cast<int32_t>(items.processed.size());
  work.items_at_once = 1 + static_cast<int32_t>(random() % 4);
  baracuda::host::run_in_threads(work);
  items.over.store(true);
  for (const int times : items.processed) REQUIRE(times == 1, "an item was processed %d times", times);
}

// What a caller and its helpers count together.
struct Count {
  std::atomic<int> begun{0};
  std::atomic<bool> over{false};
};

// Whether it is worth it or not: some that rest, and some more, of a set of CPUs that only these have.
void help(std::mt19937& random) {
  Count count;
  Helpers helpers(
      [](void* context) noexcept {
        auto& here = *static_cast<Count*>(context);
        REQUIRE(!here.over.load(), "a helper is at a call that is over");
        here.begun.fetch_add(1);
      },
      &count);
  const uint64_t cpus = random() % 2;
  const int most = static_cast<int>(random() % 4);
  const int woken = helpers.wake(most, cpus);
  REQUIRE(woken <= most, "%d were woken where %d were asked for", woken, most);
  const int started = static_cast<int>(random() % 2);
  helpers.start(started, cpus);
  if (random() % 2 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 100));
  helpers.dismiss();
  count.over.store(true);
  REQUIRE(count.begun.load() <= woken + started, "%d began", count.begun.load());
}

int woken_of(uint64_t cpus) {
  Helpers helpers([](void*) noexcept {}, nullptr);
  const int woken = helpers.wake(baracuda::host::kMostHelpers, cpus);
  helpers.dismiss();
  return woken;
}

void only_of_the_same_cpus() {
  int woken = 0;
  for (int time = 0; time < 100; ++time) {
    Helpers helpers([](void*) noexcept {}, nullptr);
    helpers.start(1, 7);
    helpers.dismiss();
    REQUIRE(woken_of(8) == 0, "a helper of other CPUs was woken");
    woken += woken_of(7);
  }
  REQUIRE(woken > 0, "none was woken");
}

void* fork_when_cancelled(void*) {
  pthread_cancel(pthread_self());  // pending: fork() is no cancellation point
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);  // and this is one
  return nullptr;
}

// Those that rest are waited for before a fork, which must not be where a thread ends that was cancelled.
void a_thread_that_was_cancelled_forks() {
  for (int time = 0; time < 20; ++time) {
    Helpers helpers([](void*) noexcept {}, nullptr);
    helpers.start(1, baracuda::host::usable_cpus().digest);
    helpers.dismiss();
    pthread_t thread;
    void* result = nullptr;
    REQUIRE(pthread_create(&thread, nullptr, fork_when_cancelled, nullptr) == 0, "no thread");
    pthread_join(thread, &result);
    REQUIRE(result == PTHREAD_CANCELED, "not cancelled");
  }
}

// A thread that is served late has no helper of one that is not.
void a_digest_is_of_priority_too() {
  if (getpriority(PRIO_PROCESS, 0) >= 19) return;  // there is none that is served later
  const uint64_t mine = baracuda::host::usable_cpus().digest;
  std::thread([&] {
    REQUIRE(baracuda::host::usable_cpus().digest == mine, "another digest of the same");
    REQUIRE(setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + 1) == 0, "setpriority");
    REQUIRE(baracuda::host::usable_cpus().digest != mine, "the digest of another priority");
  }).join();
}

}  // namespace

int main(int argc, char** argv) {
  only_of_the_same_cpus();
  a_thread_that_was_cancelled_forks();
  a_digest_is_of_priority_too();
  const auto seconds = std::chrono::duration<double>(argc > 1 ? std::atof(argv[1]) : 1);
  const auto until = std::chrono::steady_clock::now() + seconds;
  std::atomic<int64_t> calls{0};
  std::vector<std::thread> callers;
  for (unsigned number = 0; number < kCallers; ++number)
    callers.emplace_back([&, number] {
      std::mt19937 random(number);
      while (std::chrono::steady_clock::now() < until) {
        if (random() % 2 == 0)
          run(random);
        else
          help(random);
        calls.fetch_add(1);
        // About as long as a helper rests.
        if (random() % 8 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % (2 * kRest.count())));
      }
    });
  for (std::thread& caller : callers) caller.join();
  std::printf("helpers: %lld calls\n", static_cast<long long>(calls.load()));
}
