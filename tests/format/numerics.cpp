// native/src/format/ as functions over arrays, for test_numerics.py.
#include <cstddef>
#include <cstdint>

#include "format/e2m1.h"
#include "format/fp8.h"
#include "format/int8.h"
#include "format/scales.h"
#include "format/widen.h"

namespace {

template <typename From, typename To, typename Function>
void each(const From* from, To* to, size_t count, Function function) {
  for (size_t i = 0; i < count; ++i) to[i] = function(from[i]);
}

}  // namespace

extern "C" {

void widen_f16(const uint16_t* from, float* to, size_t count) { each(from, to, count, baracuda::widen_f16); }
void widen_bf16(const uint16_t* from, float* to, size_t count) { each(from, to, count, baracuda::widen_bf16); }
void widen_e4m3(const uint8_t* from, float* to, size_t count) { each(from, to, count, baracuda::widen_e4m3); }
void to_e4m3(const float* from, uint8_t* to, size_t count) { each(from, to, count, baracuda::to_fp8<baracuda::E4m3>); }
void to_e5m2(const float* from, uint8_t* to, size_t count) { each(from, to, count, baracuda::to_fp8<baracuda::E5m2>); }
void to_int8(const float* from, int8_t* to, size_t count) { each(from, to, count, baracuda::to_int8); }
void to_e2m1(const float* from, uint8_t* to, size_t count) { each(from, to, count, baracuda::to_e2m1); }
void ds_mla_scale(const float* from, float* to, size_t count) { each(from, to, count, baracuda::ds_mla_scale); }

void finite_magnitude(const float* from, float* to, size_t count) {
  each(from, to, count, [](float value) { return baracuda::float_of(baracuda::finite_magnitude_bits(value)); });
}
void token_head_scale(const float* from, float* to, size_t count, float top) {
  each(from, to, count, [top](float amax) { return baracuda::token_head_scale(amax, top); });
}
void nvfp4_block_scale(const float* from, uint8_t* to, size_t count, float global) {
  each(from, to, count, [global](float amax) { return baracuda::nvfp4_block_scale(amax, global); });
}
void nvfp4_multiplier(const uint8_t* from, float* to, size_t count, float global) {
  each(from, to, count, [global](uint8_t scale) { return baracuda::nvfp4_multiplier(scale, global); });
}

}  // extern "C"
