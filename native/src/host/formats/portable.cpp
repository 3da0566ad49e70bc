// Rows in plain C++: each element by the rule of native/src/format.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "format/arithmetic.h"
#include "format/e2m1.h"
#include "format/fp8.h"
#include "format/int8.h"
#include "format/scales.h"
#include "format/widen.h"
#include "host/formats/row_writers.h"

namespace baracuda::host {
namespace {

template <typename Bits>
Bits load(const unsigned char* from) noexcept {
  Bits bits;
  std::memcpy(&bits, from, sizeof(bits));
  return bits;
}

struct F16 {
  static constexpr size_t kBytes = 2;
  static float widen(const unsigned char* from) noexcept { return widen_f16(load<uint16_t>(from)); }
};

struct Bf16 {
  static constexpr size_t kBytes = 2;
  static float widen(const unsigned char* from) noexcept { return widen_bf16(load<uint16_t>(from)); }
};

struct F32 {
  static constexpr size_t kBytes = 4;
  static float widen(const unsigned char* from) noexcept { return load<float>(from); }
};

struct Int8 {
  static constexpr float kTop = kInt8Top;
};

template <typename Element>
unsigned char convert(float value) noexcept {
  return to_fp8<Element>(value);
}

template <>
unsigned char convert<Int8>(float value) noexcept {
  return static_cast<unsigned char>(to_int8(value));
}

// The largest magnitude among elements for which `magnitude_of` has one.
template <typename Source>
float largest(const unsigned char* from, size_t elements, uint32_t (*magnitude_of)(float)) noexcept {
  uint32_t most = 0;
  for (size_t i = 0; i < elements; ++i) most = std::max(most, magnitude_of(Source::widen(from + i * Source::kBytes)));
  return float_of(most);
}

template <typename Source, typename Element>
void divided(const unsigned char* from, size_t elements, float scale, unsigned char* to) noexcept {
  for (size_t i = 0; i < elements; ++i)
    to[i] = convert<Element>(divide(Source::widen(from + i * Source::kBytes), scale));
}

template <typename Source, typename Element>
void fp8(const unsigned char* from, size_t elements, float scale, unsigned char* to, unsigned char*) noexcept {
  divided<Source, Element>(from, elements, scale, to);
}

template <typename Source, typename Element>
void token_head(const unsigned char* from, size_t elements, float, unsigned char* to, unsigned char* scales) noexcept {
  const float scale = token_head_scale(largest<Source>(from, elements, finite_magnitude_bits), Element::kTop);
  const float multiplier = reciprocal(scale);
  std::memcpy(scales, &scale, sizeof(scale));
  for (size_t i = 0; i < elements; ++i)
    to[i] = convert<Element>(multiply(Source::widen(from + i * Source::kBytes), multiplier));
}

template <typename Source>
void ds_mla(const unsigned char* from, size_t elements, float, unsigned char* to, unsigned char* scales) noexcept {
  for (size_t at = 0; at < elements; at += kDsMlaTile, scales += sizeof(float)) {
    const unsigned char* const tile = from + at * Source::kBytes;
    const float scale = ds_mla_scale(largest<Source>(tile, kDsMlaTile, number_magnitude_bits));
    std::memcpy(scales, &scale, sizeof(scale));
    divided<Source, E4m3>(tile, kDsMlaTile, scale, to + at);
  }
}

template <typename Source>
void nvfp4(const unsigned char* from, size_t elements, float scale, unsigned char* to, unsigned char* scales) noexcept {
  for (size_t at = 0; at < elements; at += kNvfp4Block) {
    const unsigned char* const block = from + at * Source::kBytes;
    const uint8_t block_scale = nvfp4_block_scale(largest<Source>(block, kNvfp4Block, number_magnitude_bits), scale);
    const float multiplier = nvfp4_multiplier(block_scale, scale);
    *scales++ = block_scale;
    for (size_t i = 0; i < kNvfp4Block; i += 2) {
      const uint8_t even = to_e2m1(multiply(Source::widen(block + i * Source::kBytes), multiplier));
      const uint8_t odd = to_e2m1(multiply(Source::widen(block + (i + 1) * Source::kBytes), multiplier));
      *to++ = static_cast<unsigned char>(even | odd << 4);
    }
  }
}

template <typename Source>
constexpr RowWriters kWriters = {fp8<Source, E4m3>,        fp8<Source, E5m2>, token_head<Source, E4m3>,
                                 token_head<Source, Int8>, ds_mla<Source>,    nvfp4<Source>};

constexpr WayToWrite kPortable = {kWriters<F16>, kWriters<Bf16>, kWriters<F32>};

}  // namespace

const WayToWrite* portable_way() noexcept { return &kPortable; }

}  // namespace baracuda::host
