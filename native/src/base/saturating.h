// Arithmetic on stated extents and strides, which may be anything: a result that does not fit is the nearest number
// that does, and is refused by whatever it is held against.
#ifndef BARACUDA_SRC_BASE_SATURATING_H_
#define BARACUDA_SRC_BASE_SATURATING_H_

#include <cstdint>

namespace baracuda {

constexpr uint64_t magnitude(int64_t number) noexcept {
  return number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
}

constexpr uint64_t saturating_sum(uint64_t a, uint64_t b) noexcept {
#if defined(__GNUC__)
  uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
#else
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
#endif
}

constexpr uint64_t saturating_product(uint64_t a, uint64_t b) noexcept {
#if defined(__GNUC__)
  uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
#else
  return a != 0 && b > UINT64_MAX / a ? UINT64_MAX : a * b;
#endif
}

constexpr int64_t saturating_signed_product(int64_t a, int64_t b) noexcept {
#if defined(__GNUC__)
  int64_t product = 0;
  if (!__builtin_mul_overflow(a, b, &product)) return product;
  return (a < 0) != (b < 0) ? INT64_MIN : INT64_MAX;
#else
  const uint64_t product = saturating_product(magnitude(a), magnitude(b));
  if ((a < 0) != (b < 0)) return product > INT64_MAX ? INT64_MIN : -static_cast<int64_t>(product);
  return product > INT64_MAX ? INT64_MAX : static_cast<int64_t>(product);
#endif
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_BASE_SATURATING_H_
