// What compilers are told of code, where they listen.
#ifndef BARACUDA_SRC_BASE_HINTS_H_
#define BARACUDA_SRC_BASE_HINTS_H_

#if defined(__GNUC__)
#define BARACUDA_LIKELY(condition) __builtin_expect(condition, 1)
#define BARACUDA_ALWAYS_INLINE __attribute__((always_inline)) inline
#define BARACUDA_COLD __attribute__((cold, noinline))
#define BARACUDA_NOINLINE __attribute__((noinline))
#else
#define BARACUDA_LIKELY(condition) (condition)
#define BARACUDA_ALWAYS_INLINE inline
#define BARACUDA_COLD
#define BARACUDA_NOINLINE
#endif

#endif  // BARACUDA_SRC_BASE_HINTS_H_
