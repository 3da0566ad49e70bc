// What keeps a thread from being cancelled where it waits, or where somebody else's code may.
#ifndef BARACUDA_SRC_BASE_CANCELLATION_H_
#define BARACUDA_SRC_BASE_CANCELLATION_H_

#if !defined(_WIN32) && !defined(__ANDROID__)
#include <pthread.h>
#define BARACUDA_HAS_CANCELLATION 1
#endif

namespace baracuda {

// While it lives, a pthread_cancel of this thread stays pending: unwinding from inside would end the process, and leave
// rows half written. What waits for nothing and calls nobody, as an append by the calling thread alone, does without.
class CancellationHeld {
 public:
#if defined(BARACUDA_HAS_CANCELLATION)
  CancellationHeld() noexcept { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~CancellationHeld() { pthread_setcancelstate(before_, nullptr); }
#else
  CancellationHeld() noexcept {}
  ~CancellationHeld() {}
#endif
  CancellationHeld(const CancellationHeld&) = delete;
  CancellationHeld& operator=(const CancellationHeld&) = delete;

#if defined(BARACUDA_HAS_CANCELLATION)
 private:
  int before_ = PTHREAD_CANCEL_ENABLE;
#endif
};

}  // namespace baracuda

#endif  // BARACUDA_SRC_BASE_CANCELLATION_H_
