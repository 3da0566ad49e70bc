// How a thread gets at its unit of a row and puts down what it makes of it: at once, where all addresses keep to that, or an
// element at a time.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_ACCESS_H_
#define BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_ACCESS_H_

#include <cstdint>

#include "append/append.h"
#include "cuda/bespoke/quantise/source.h"
#include "cuda/bespoke/vector.h"
#include "cuda/bespoke/width.h"

namespace baracuda::cuda::bespoke {

// At once, of rows that are whole units. Offsets count units of a source, and packs of a cache.
struct Aligned {
  using Size = Small;
  static constexpr int kParts = kMaxParts;  // that a thread has

  static constexpr int64_t kRowStep = sizeof(uint4);
  template <typename Packed>
  static constexpr int64_t kCacheStep = sizeof(Packed);

  template <typename Source>
  static __device__ __forceinline__ void load(bool condition, bool, const unsigned char* from, int, uint4* unit) {
    load_if(condition, reinterpret_cast<const uint4*>(from), unit);
  }
  template <typename Packed>
  static __device__ __forceinline__ void store(bool condition, bool, unsigned char* to, const Packed& packed, int) {
    store_if(condition, reinterpret_cast<Packed*>(to), packed);
  }
};

// As `at_once` says, where the kernel runs. Offsets count bytes.
struct Anyhow {
  using Size = Large;
  static constexpr int kParts = 1;  // each part has threads of its own, which takes half of the instructions

  static constexpr int64_t kRowStep = 1;
  template <typename Packed>
  static constexpr int64_t kCacheStep = 1;

  // `elements` are there; the others are zeros.
  template <typename Source>
  static __device__ __forceinline__ void load(bool condition, bool at_once, const unsigned char* from, int elements,
                                              uint4* unit) {
    if (at_once) {
      load_if(condition, reinterpret_cast<const uint4*>(from), unit);
      return;
    }
    using Element = typename Source::Element;
    constexpr int kPerWord = sizeof(uint32_t) / sizeof(Element);
    uint32_t words[4] = {};
#pragma unroll
    for (int i = 0; i < kUnit<Source>; ++i)
      if (condition && i < elements)
        words[i / kPerWord] |= uint32_t{reinterpret_cast<const Element*>(from)[i]} << i % kPerWord * 16;
    *unit = {words[0], words[1], words[2], words[3]};
  }

  template <typename Packed>
  static __device__ __forceinline__ void store(bool condition, bool at_once, unsigned char* to, const Packed& packed,
                                               int bytes) {
    if (at_once) {
      store_if(condition, reinterpret_cast<Packed*>(to), packed);
      return;
    }
    uint32_t words[sizeof(Packed) / sizeof(uint32_t) + 1] = {};
    memcpy(words, &packed, sizeof(packed));
#pragma unroll
    for (int i = 0; i < static_cast<int>(sizeof(Packed)); ++i)
      if (condition && i < bytes) to[i] = static_cast<unsigned char>(words[i / 4] >> i % 4 * 8);
  }
};

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_ACCESS_H_
