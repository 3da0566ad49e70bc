// The kernel that takes every quantising append: which source, rule and way to a place, and how it gets at memory are
// chosen where it runs. Each part has threads of its own, and where there are many rows a thread has several units of
// one: what leads to their place is most of its work.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_ANY_KERNEL_H_
#define BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_ANY_KERNEL_H_

#include <cstdint>

#include "append/append.h"
#include "cuda/bespoke/quantise/rule.h"
#include "cuda/bespoke/quantise/source.h"
#include "cuda/bespoke/quantise/target.h"
#include "cuda/bespoke/quantise/turn.h"
#include "cuda/bespoke/reading.h"
#include "cuda/bespoke/record.h"
#include "cuda/bespoke/vector.h"
#include "cuda/bespoke/width.h"
#include "cuda/device_code.h"
#include "cuda/stream_order.h"
#include "place/place.h"

namespace baracuda::cuda::bespoke {

// The rules of rule.h in one.
template <typename Source>
class AnyRule {
 public:
  __device__ __forceinline__ AnyRule(float given, Types types) : types_(types), given_(given) {
    if (types.transform == BARACUDA_TRANSFORM_FP8) quotients_ = Quotients<kIsHalf<Source>>(given);
  }

  // What shares a scale has this largest magnitude.
  __device__ __forceinline__ void scale_by(uint32_t largest) {
    const float amax = Source::widen(largest, types_);
    if (types_.transform == BARACUDA_TRANSFORM_PER_TOKEN_HEAD)
      take(TokenHead(amax, given_, types_));
    else if (types_.transform == BARACUDA_TRANSFORM_FP8_DS_MLA)
      take(DsMla(amax, given_, types_));
    else
      take(Nvfp4(amax, given_, types_));
  }

  // What a unit becomes, in the first of the bytes.
  __device__ __forceinline__ uint4 encode(const uint4& unit) {
    float values[kUnit<Source>];
    widen<Source, 1>({unit}, types_, values);
    if (types_.transform == BARACUDA_TRANSFORM_FP8) {
      quotients_.divide(values);
      return types_.is_second ? packed<E5m2Target>(values) : packed<E4m3Target>(values);
    }
#pragma unroll
    for (float& value : values) value = multiply(value, multiplier_);
    if (types_.transform == BARACUDA_TRANSFORM_NVFP4) return packed<E2m1Target>(values);
    if (!types_.is_second) return packed<E4m3Target>(values);
#pragma unroll
    for (float& value : values) value = Int8Target::at_least_lowest(value);
    return packed<Int8Target>(values);
  }

  __device__ __forceinline__ void store_scale(unsigned char* scales, int32_t nth) const {
    if (types_.transform == BARACUDA_TRANSFORM_NVFP4)
      scales[nth] = static_cast<unsigned char>(scale_);
    else
      reinterpret_cast<uint32_t*>(scales)[nth] = scale_;
  }

 private:
  __device__ static __forceinline__ uint32_t bits(float scale) { return bits_of(scale); }
  __device__ static __forceinline__ uint32_t bits(uint8_t scale) { return scale; }

  template <typename Rule>
  __device__ __forceinline__ void take(const Rule& rule) {
    scale_ = bits(rule.scale);
    multiplier_ = rule.multiplier;
  }

  template <typename Target>
  static __device__ __forceinline__ uint4 packed(const float (&values)[kUnit<Source>]) {
    const auto made = pack<Target>(values);
    if constexpr (sizeof(made) == sizeof(uint2))
      return {made.x, made.y, 0, 0};
    else
      return {made, 0, 0, 0};
  }

  Types types_;
  float given_;
  Quotients<kIsHalf<Source>> quotients_;
  float multiplier_ = 0;
  uint32_t scale_ = 0;
};

// At once, or an element at a time: of which `elements` are there, the others being zeros.
template <typename Source>
__device__ __forceinline__ void load_unit(bool condition, bool at_once, const unsigned char* from, int elements,
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

// At once, or a byte at a time: of which `bytes` are there.
__device__ __forceinline__ void store_pack(bool at_once, unsigned char* to, uint4 made, int32_t pack_bytes,
                                           int32_t bytes) {
  if (at_once) {
    store_bytes_if(true, to, static_cast<uint32_t>(pack_bytes), made);
    return;
  }
#pragma unroll 1
  for (int32_t i = 0; i < bytes; ++i) {
    to[i] = static_cast<unsigned char>(made.x);
    made.x = __funnelshift_r(made.x, made.y, 8);
    made.y = __funnelshift_r(made.y, made.z, 8);
    made.z = __funnelshift_r(made.z, made.w, 8);
    made.w >>= 8;
  }
}

// What a thread does about a part whose rows are of one source. Offsets count bytes.
template <typename Source>
struct AnyShare {
  const Quantise<Large>& quantise;
  const QuantisedPart<Large>& part;
  bool is_tail;
  Turn<Large> turn;

  __device__ __forceinline__ int32_t elements(int32_t unit) const { return part.elements - unit * kUnit<Source>; }

  __device__ __forceinline__ void load(int32_t unit, uint4* loaded) const {
    const unsigned char* const from =
        part.rows + (static_cast<int64_t>(turn.row) * part.token + static_cast<int64_t>(turn.head) * part.head +
                     unit * int64_t{sizeof(uint4)});
    load_unit<Source>(unit < part.units, quantise.at_once, from, elements(unit), loaded);
  }

  __device__ __forceinline__ void store(const Seen& seen, int32_t unit, const uint4& made) const {
    const int32_t of_rule = quantise.types.transform == BARACUDA_TRANSFORM_NVFP4 ? kUnit<Source> / 2 : kUnit<Source>;
    const int32_t pack_bytes = is_tail ? int32_t{sizeof(uint4)} : of_rule;
    unsigned char* const to =
        part.cache + (seen.page * part.page + seen.slot * part.slot +
                      static_cast<int64_t>(turn.head) * part.cache_head + int64_t{unit} * pack_bytes);
    store_pack(quantise.at_once, to, made, pack_bytes, min(elements(unit), kUnit<Source>) * pack_bytes / kUnit<Source>);
  }

  // By the first of the threads that share it.
  __device__ __forceinline__ void store_scale(const Seen& seen, int32_t unit, const AnyRule<Source>& rule) const {
    const int32_t nth = is_of_row() ? 0 : unit / quantise.sharing;
    if (unit != nth * quantise.sharing) return;
    rule.store_scale(part.scales + (seen.page * part.scales_page + seen.slot * part.scales_slot +
                                    static_cast<int64_t>(turn.head) * part.scales_head),
                     nth);
  }

  __device__ __forceinline__ bool is_of_row() const {
    return quantise.types.transform == BARACUDA_TRANSFORM_PER_TOKEN_HEAD;
  }

  // The units of a row that shares one scale are gone over twice. Every thread of the warp calls it. `first`: the
  // thread's first unit.
  __device__ __forceinline__ void write(bool is_served, const Seen& seen, const uint4& first, float given) const {
    const bool shares = quantise.types.transform != BARACUDA_TRANSFORM_FP8 && !is_tail;
    const uint32_t end = Source::infinity(quantise.types) + (is_of_row() ? 0 : 1);  // of the magnitudes that count
    const auto step = static_cast<int32_t>(quantise.head_threads.divisor);
    const int32_t count = (part.units + step - 1) / step;
    const int32_t turns = shares && is_of_row() ? 2 * count : count;
    AnyRule<Source> rule(given, quantise.types);
    uint32_t largest = 0;
    uint4 ahead = first;
    int32_t next = turn.first;
#pragma unroll 1
    for (int32_t i = 0; i < turns; ++i) {
      const uint4 unit = ahead;
      const int32_t at = next;
      next = i + 1 == count ? turn.first : next + step;
      if (i + 1 < turns) load(next, &ahead);
      if (shares && i < count) {
        if (at < part.units) largest = max(largest, largest_below<Source>(unit, end));
        if (!is_of_row() || i + 1 == count) {
          rule.scale_by(among_threads<1>(largest, quantise.sharing));
          largest = 0;
        }
      }
      if (!is_served || at >= part.units || i + count < turns) continue;
      store(seen, at, is_tail ? unit : rule.encode(unit));
      if (shares) store_scale(seen, at, rule);
    }
  }
};

constexpr uint32_t kAnyBlocks = 8;  // at once on a multiprocessor, of 64 registers a thread

// A template so that a header may define it.
template <typename Size>
__global__ void __launch_bounds__(kQuantisingThreads, kAnyBlocks)
    // NOLINTNEXTLINE(readability-avoid-const-params-in-decls)
    quantise_any_kernel(const __grid_constant__ Quantise<Size> quantise);

#if defined(__CUDACC__)

template <typename Size>
__global__ void __launch_bounds__(kQuantisingThreads, kAnyBlocks)
    quantise_any_kernel(const __grid_constant__ Quantise<Size> quantise) {
  const Types types = quantise.types;
  const QuantisedPart<Size>& part = quantise.parts[blockIdx.y];
  const bool is_tail = types.transform == BARACUDA_TRANSFORM_FP8_DS_MLA && blockIdx.y > 0;
  const uint64_t thread = uint64_t{blockIdx.x} * kQuantisingThreads + threadIdx.x;
  // The threads of a warp work together: those that are too many look on.
  const bool looks_on = thread >= quantise.threads;
  const Turn<Size> turn = turn_of(quantise, looks_on ? quantise.threads - 1 : thread);
  // Calls it with a thread's share, by the source.
  const auto with_share = [&](auto function) {
    if (types.is_f32)
      function(AnyShare<Floats>{quantise, part, is_tail, turn});
    else
      function(AnyShare<Halves>{quantise, part, is_tail, turn});
  };

  wait_for_stream();
  const Placing placing = quantise.placement.placing;
  Way<false, int64_t, Size> way(quantise, placing, turn.row);
  way.start(quantise, static_cast<typename Size::Index>(thread));
  uint4 first = {};  // the zeros in a tail's place
  if (part.rows != nullptr) with_share([&](const auto& share) { share.load(turn.first, &first); });
  float given = 0;
  if (part.scale != nullptr)
    load_shared_if(true, reinterpret_cast<const float*>(part.scale + static_cast<int64_t>(turn.head) * part.scale_head),
                   &given);
  Seen seen;
  const bool found = way.find_page(&seen);
  const bool is_served = found && !looks_on && is_place(quantise.placement, seen);
  with_share([&](const auto& share) { share.write(is_served, seen, first, given); });
  if (looks_on) return;
  if (placing == Placing::kRagged && thread == 0 && quantise.record != nullptr)
    record_corruption(quantise.record, quantise.placement.num_rows, quantise.placement.num_requests - 1, -1,
                      lost_rows_of<false>(quantise.placement));
  if (!is_served && turn.within == 0 && quantise.record != nullptr)
    record_corruption(quantise.record, static_cast<int64_t>(turn.row), seen.request, seen.page,
                      corruption_of(quantise.placement, placing, static_cast<int64_t>(turn.row), seen));
}

#endif  // defined(__CUDACC__)

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_ANY_KERNEL_H_
