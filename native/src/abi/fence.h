// The fence that every exported function that works stands behind: nothing is thrown through it, and no thread is
// cancelled inside it.
#ifndef BARACUDA_SRC_ABI_FENCE_H_
#define BARACUDA_SRC_ABI_FENCE_H_

#include <cstdint>
#include <exception>

#if !defined(_WIN32)
#include <pthread.h>
#endif

#include "append/status.h"

namespace baracuda {

// While it lives, a pthread_cancel of this thread stays pending: unwinding from inside would end the process, and leave
// rows half written.
class CancellationHeld {
 public:
#if defined(_WIN32) || defined(__ANDROID__)
  CancellationHeld() noexcept = default;
#else
  CancellationHeld() noexcept { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~CancellationHeld() { pthread_setcancelstate(before_, nullptr); }
#endif
  CancellationHeld(const CancellationHeld&) = delete;
  CancellationHeld& operator=(const CancellationHeld&) = delete;

#if !defined(_WIN32) && !defined(__ANDROID__)
 private:
  int before_ = PTHREAD_CANCEL_ENABLE;
#endif
};

// Runs the body of an exported function. What it throws (FlashInfer's headers do) ends here as a status.
template <typename Body>
int32_t at_the_abi(const char* function, Body&& body) noexcept {
  const CancellationHeld held;
  try {
    return body();
  } catch (const std::exception& error) {
    return fail(BARACUDA_UNSUPPORTED, "%s: %s", function, error.what());
  } catch (...) {
    return fail(BARACUDA_UNSUPPORTED, "%s: an exception of an unknown type", function);
  }
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_ABI_FENCE_H_
