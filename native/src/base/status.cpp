#include "base/status.h"

#include <cstdarg>
#include <cstdio>

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

const char* last_message() noexcept { return thread_message; }

}  // namespace baracuda
