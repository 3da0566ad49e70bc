#include "append/status.h"

#include <cstdarg>
#include <cstdio>

#include "append/backend.h"

namespace baracuda {
namespace {

constexpr int kMessageBytes = 512;
thread_local char thread_message[kMessageBytes] = "";

}  // namespace

int32_t fail(int32_t status, const char* format, ...) noexcept {
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(thread_message, kMessageBytes, format, arguments);
  va_end(arguments);
  return status;
}

}  // namespace baracuda

extern "C" const char* baracuda_last_error_message(void) { return baracuda::thread_message; }

extern "C" const char* baracuda_status_name(int32_t status) {
  switch (status) {
    case BARACUDA_OK:
      return "BARACUDA_OK";
    case BARACUDA_MISALIGNED_OPERAND:
      return "BARACUDA_MISALIGNED_OPERAND";
    case BARACUDA_INVALID_PROBLEM:
      return "BARACUDA_INVALID_PROBLEM";
    case BARACUDA_UNSUPPORTED:
      return "BARACUDA_UNSUPPORTED";
    case BARACUDA_WORKSPACE_TOO_SMALL:
      return "BARACUDA_WORKSPACE_TOO_SMALL";
    case BARACUDA_BUFFER_TOO_SMALL:
      return "BARACUDA_BUFFER_TOO_SMALL";
    default:
      return status >= BARACUDA_CUDA_ERROR_BASE ? baracuda::cuda_error_name(status - BARACUDA_CUDA_ERROR_BASE)
                                                : "unknown";
  }
}
