// Four floats at a time: the operations of Arm's Advanced SIMD (NEON) that vector_rows.h is written in.
#ifndef BARACUDA_SRC_HOST_FORMATS_NEON_H_
#define BARACUDA_SRC_HOST_FORMATS_NEON_H_

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#define BARACUDA_VECTOR_SET neon
#define BARACUDA_VECTOR_TARGET
#define BARACUDA_VECTOR __attribute__((always_inline)) inline

namespace baracuda::host::neon {

using Floats = float32x4_t;
using Ints = uint32x4_t;

constexpr size_t kLanes = 4;

BARACUDA_VECTOR Floats all(float x) { return vdupq_n_f32(x); }
BARACUDA_VECTOR Ints all(uint32_t x) { return vdupq_n_u32(x); }
BARACUDA_VECTOR Ints bits_of(Floats x) { return vreinterpretq_u32_f32(x); }
BARACUDA_VECTOR Floats floats_of(Ints x) { return vreinterpretq_f32_u32(x); }

BARACUDA_VECTOR Floats add(Floats a, Floats b) { return vaddq_f32(a, b); }
BARACUDA_VECTOR Floats multiply(Floats a, Floats b) { return vmulq_f32(a, b); }
BARACUDA_VECTOR Floats divide(Floats a, Floats b) { return vdivq_f32(a, b); }
BARACUDA_VECTOR Ints truncate(Floats x) { return vreinterpretq_u32_s32(vcvtq_s32_f32(x)); }

BARACUDA_VECTOR Ints add(Ints a, Ints b) { return vaddq_u32(a, b); }
BARACUDA_VECTOR Ints greater(Ints a, Ints b) { return vmaxq_u32(a, b); }
BARACUDA_VECTOR Ints both(Ints a, Ints b) { return vandq_u32(a, b); }
BARACUDA_VECTOR Ints either(Ints a, Ints b) { return vorrq_u32(a, b); }
template <int kBits>
BARACUDA_VECTOR Ints shift_right(Ints x) {
  return vshrq_n_u32(x, kBits);
}
// Of each bit of the mask that is set a's, of the others b's.
BARACUDA_VECTOR Ints choose(Ints mask, Ints a, Ints b) { return vbslq_u32(mask, a, b); }
BARACUDA_VECTOR Ints replace_nan(Floats values, Ints x, Ints other) {
  return choose(vceqq_f32(values, values), x, other);
}
// Magnitudes up to `most`; of what is not a number some magnitude.
BARACUDA_VECTOR Ints magnitudes_up_to(Floats most, Floats values) {
  return vminq_u32(bits_of(most), both(bits_of(values), all(0x7fffffffu)));
}

BARACUDA_VECTOR Floats load_f32(const unsigned char* from) { return vreinterpretq_f32_u8(vld1q_u8(from)); }
BARACUDA_VECTOR Floats load_f16(const unsigned char* from) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(from))); }
BARACUDA_VECTOR Floats load_bf16(const unsigned char* from) {
  return floats_of(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(from)), 16));
}

// The least 8 bits of each.
BARACUDA_VECTOR void store_bytes(unsigned char* to, Ints x) {
  const uint16x4_t halves = vmovn_u32(x);
  const uint8x8_t bytes = vmovn_u16(vcombine_u16(halves, halves));
  const uint32_t four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
  std::memcpy(to, &four, sizeof(four));
}
BARACUDA_VECTOR void store_bytes(unsigned char* to, Ints a, Ints b, Ints c, Ints d) {
  const uint16x8_t ab = vuzp1q_u16(vreinterpretq_u16_u32(a), vreinterpretq_u16_u32(b));
  const uint16x8_t cd = vuzp1q_u16(vreinterpretq_u16_u32(c), vreinterpretq_u16_u32(d));
  vst1q_u8(to, vuzp1q_u8(vreinterpretq_u8_u16(ab), vreinterpretq_u8_u16(cd)));
}
// The least 4 bits of each, two a byte, the first of two in the lesser bits.
BARACUDA_VECTOR void store_nibbles(unsigned char* to, Ints x) {
  const uint64x2_t nibbles = vreinterpretq_u64_u32(both(x, all(0xfu)));
  const uint64x2_t pairs = vsraq_n_u64(nibbles, nibbles, 28);
  to[0] = vgetq_lane_u8(vreinterpretq_u8_u64(pairs), 0);
  to[1] = vgetq_lane_u8(vreinterpretq_u8_u64(pairs), 8);
}

// The magnitudes of 16 bytes of elements.
using Raw = uint8x16_t;

constexpr size_t kRawBytes = sizeof(Raw);

BARACUDA_VECTOR Raw load_raw(const unsigned char* from) { return vld1q_u8(from); }

struct Halves {
  using Bits = uint16_t;

  static BARACUDA_VECTOR Raw magnitudes_below(Raw elements, uint32_t limit) {
    const uint16x8_t magnitudes = vandq_u16(vreinterpretq_u16_u8(elements), vdupq_n_u16(0x7fff));
    const uint16x8_t limits = vdupq_n_u16(static_cast<uint16_t>(limit));
    return vreinterpretq_u8_u16(vandq_u16(magnitudes, vcltq_u16(magnitudes, limits)));
  }
  static BARACUDA_VECTOR Raw greater(Raw a, Raw b) {
    return vreinterpretq_u8_u16(vmaxq_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
  }
  static BARACUDA_VECTOR uint32_t greatest(Raw x) { return vmaxvq_u16(vreinterpretq_u16_u8(x)); }
};

struct Words {
  using Bits = uint32_t;

  static BARACUDA_VECTOR Raw magnitudes_below(Raw elements, uint32_t limit) {
    const uint32x4_t magnitudes = vandq_u32(vreinterpretq_u32_u8(elements), vdupq_n_u32(0x7fffffffu));
    return vreinterpretq_u8_u32(vandq_u32(magnitudes, vcltq_u32(magnitudes, vdupq_n_u32(limit))));
  }
  static BARACUDA_VECTOR Raw greater(Raw a, Raw b) {
    return vreinterpretq_u8_u32(vmaxq_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
  }
  static BARACUDA_VECTOR uint32_t greatest(Raw x) { return vmaxvq_u32(vreinterpretq_u32_u8(x)); }
};

}  // namespace baracuda::host::neon

#endif  // BARACUDA_SRC_HOST_FORMATS_NEON_H_
