// The host backend's settings.
#include "baracuda_ffi.h"
#include "base/status.h"
#include "host/threads/work.h"

extern "C" int32_t baracuda_host_set_max_threads(int32_t max_threads) {
  if (max_threads < 0)
    return baracuda::fail(BARACUDA_INVALID_PROBLEM,
                          "max_threads is %d; it should be positive, or 0 for as many as the CPU affinity has",
                          max_threads);
  baracuda::host::set_thread_limit(max_threads);
  return BARACUDA_OK;
}

extern "C" int32_t baracuda_host_max_threads(void) { return baracuda::host::thread_limit(); }
