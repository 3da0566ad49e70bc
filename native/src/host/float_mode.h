// How a thread's floating-point operations round, and what they do with subnormals.
#ifndef BARACUDA_SRC_HOST_FLOAT_MODE_H_
#define BARACUDA_SRC_HOST_FLOAT_MODE_H_

#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#define BARACUDA_HOST_MXCSR 1
#elif defined(__aarch64__) && defined(__GNUC__)
#include <cstdint>
#define BARACUDA_HOST_FPCR 1
#else
#include <cfenv>
#endif

namespace baracuda::host {

// While it lives, this thread rounds to nearest even, keeps subnormals and traps nothing, whatever its caller does.
// What it raises meanwhile is forgotten: the caller's flags come back with its mode.
class DefaultFloatMode {
 public:
#if defined(BARACUDA_HOST_MXCSR)
  DefaultFloatMode() noexcept : before_(_mm_getcsr()) { _mm_setcsr(0x1f80); }  // as a process starts
  ~DefaultFloatMode() { _mm_setcsr(before_); }
#elif defined(BARACUDA_HOST_FPCR)
  // As a process starts. fesetenv would leave some bits as they are, among them the one by which f16 has no infinities.
  DefaultFloatMode() noexcept {
    asm volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(control_before_), "=r"(flags_before_) : : "memory");
    set(0, flags_before_);
  }
  ~DefaultFloatMode() { set(control_before_, flags_before_); }
#else
  DefaultFloatMode() noexcept {
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFloatMode() { std::fesetenv(&before_); }
#endif
  DefaultFloatMode(const DefaultFloatMode&) = delete;
  DefaultFloatMode& operator=(const DefaultFloatMode&) = delete;

 private:
#if defined(BARACUDA_HOST_MXCSR)
  unsigned before_;
#elif defined(BARACUDA_HOST_FPCR)
  static void set(uint64_t control, uint64_t flags) noexcept {
    asm volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(control), "r"(flags) : "memory");
  }
  uint64_t control_before_;
  uint64_t flags_before_;
#else
  std::fenv_t before_;
#endif
};

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_FLOAT_MODE_H_
