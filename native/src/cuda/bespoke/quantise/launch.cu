// The quantising append: which kernel it is launched with, and which ones a problem may need.
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <type_traits>

#include "append/append.h"
#include "append/transform.h"
#include "cuda/bespoke/cut.h"
#include "cuda/bespoke/placing.h"
#include "cuda/bespoke/quantise/access.h"
#include "cuda/bespoke/quantise/kernel.h"
#include "cuda/bespoke/quantise/rule.h"
#include "cuda/bespoke/quantise/source.h"
#include "cuda/bespoke/quantise/target.h"
#include "cuda/bespoke/transforms.h"
#include "cuda/bespoke/width.h"
#include "place/divisor.h"
#include "place/place.h"

namespace baracuda::cuda::bespoke {
namespace {

bool is_tail(const Append& append, int part) noexcept {
  return append.transform == BARACUDA_TRANSFORM_FP8_DS_MLA && part > 0;
}

// Both parts of FP8_DS_MLA, also where one has no rows: the zeros in its place are written as rows would be.
Part part_of(const Append& append, int part) noexcept {
  if (part < append.num_parts || !is_tail(append, part)) return append.parts[part];
  Part tail = append.parts[0];
  tail.rows = nullptr;
  tail.cache += kDsMlaRopeAt;
  tail.row_bytes = kDsMlaRopeBytes;
  tail.cache_row_bytes = kDsMlaRopeBytes;
  tail.token_stride = 0;
  tail.head_stride = 0;
  return tail;
}

int num_parts(const Append& append) noexcept {
  return append.transform == BARACUDA_TRANSFORM_FP8_DS_MLA ? kMaxParts : append.num_parts;
}

Types types_of(const Append& append) noexcept {
  return {append.source_element->value == BARACUDA_ELEMENT_BF16,
          append.element->value == BARACUDA_ELEMENT_FP8_E5M2 || append.element->value == BARACUDA_ELEMENT_I8};
}

template <typename Source, typename Rule, typename Access, bool kNarrow, int kPlacing>
struct Quantising {
  using Size = typename Access::Size;
  using Packed = Pack<typename Rule::Target, kUnit<Source>>;
  static constexpr auto kFunction = quantise_kernel<Source, Rule, Access, kNarrow, kPlacing>;

  static int32_t units_of(const Part& its) noexcept {
    return static_cast<int32_t>((its.row_bytes - 1) / int64_t{sizeof(uint4)} + 1);
  }

  static Steps steps_of(const Append& append, int part, const Part& its) noexcept {
    const int64_t row = Access::template kRowStep<Source>;
    const int64_t cache =
        is_tail(append, part) ? Access::template kCacheStep<uint4> : Access::template kCacheStep<Packed>;
    return {row, cache, units_of(its) * int64_t{sizeof(uint4)} / row};
  }

  static bool takes(const Append& append, const Part& its, const Steps& steps) noexcept {
    uint64_t rows = reinterpret_cast<uintptr_t>(its.rows);
    uint64_t cache = reinterpret_cast<uintptr_t>(its.cache);
    for (const int64_t bytes : {its.row_bytes, its.token_stride, its.head_stride}) rows |= static_cast<uint64_t>(bytes);
    for (const int64_t bytes : {its.page_stride, its.slot_stride, its.cache_head_stride})
      cache |= static_cast<uint64_t>(bytes);
    return rows % static_cast<uint64_t>(steps.row) == 0 && cache % static_cast<uint64_t>(steps.cache) == 0 &&
           is_small(append, its, steps);
  }

  // Whether every address keeps to the steps of the access, and the offsets to its size.
  static bool takes(const Append& append) noexcept {
    if (threads_of(append) >= kSmallEnd) return false;
    for (int i = 0; i < num_parts(append); ++i) {
      const Part its = part_of(append, i);
      if (!takes(append, its, steps_of(append, i, its))) return false;
    }
    return true;
  }

  // Of the wider part.
  static int32_t most_units_of(const Append& append) noexcept {
    int32_t units = 0;
    for (int i = 0; i < append.num_parts; ++i) units = std::max(units, units_of(append.parts[i]));
    return units;
  }

  // Whether rows have more units than a warp has threads.
  static bool is_long(const Append& append) noexcept { return most_units_of(append) > kWarp; }

  static int32_t head_threads_of(const Append& append) noexcept {
    const int32_t units = most_units_of(append);
    if (Rule::kSharing >= 0) return units;
    int32_t threads = 1;
    while (threads < kWarp && threads < units) threads *= 2;
    return threads;
  }

  static int64_t threads_of(const Append& append) noexcept {
    return product(product(head_threads_of(append), append.num_heads), rows_of(append));
  }

  static QuantisedPart<Size> made_of(const Append& append, int part) noexcept {
    using Offset = typename Size::Offset;
    const Part its = part_of(append, part);
    const Steps steps = steps_of(append, part, its);
    return {its.rows,
            its.cache,
            static_cast<Offset>(its.token_stride / steps.row),
            static_cast<Offset>(its.head_stride / steps.row),
            static_cast<Offset>(its.page_stride / steps.cache),
            static_cast<Offset>(its.slot_stride / steps.cache),
            static_cast<Offset>(its.cache_head_stride / steps.cache),
            units_of(its),
            static_cast<int32_t>(its.row_bytes / int64_t{sizeof(typename Source::Element)}),
            its.scale,
            its.scale_head_stride,
            its.scales,
            its.scales_page_stride,
            its.scales_slot_stride,
            its.scales_head_stride};
  }

  static cudaError_t launch(const Append& append) {
    using Index = typename Size::Index;
    const int32_t head_threads = head_threads_of(append);
    const int64_t threads = threads_of(append);
    Quantise<Size> quantise = {
        static_cast<Index>(threads),
        Divisor<Index>(static_cast<uint64_t>(head_threads) * static_cast<uint64_t>(append.num_heads)),
        Divisor<Index>(static_cast<uint64_t>(head_threads)),
        head_threads,
        types_of(append),
        {},
        append.placement,
        append.record};
    for (int i = 0; i < num_parts(append); ++i) quantise.parts[i] = made_of(append, i);
    const int64_t blocks = (threads - 1) / kQuantisingThreads + 1;
    if (blocks > INT32_MAX) return cudaErrorInvalidConfiguration;
    void* arguments[] = {&quantise};
    return cudaLaunchKernel(reinterpret_cast<const void*>(kFunction), dim3(static_cast<unsigned int>(blocks)),
                            dim3(kQuantisingThreads), arguments, 0, static_cast<cudaStream_t>(append.stream));
  }
};

// What is read and by which rule it is written; and by which one rows are that outgrow a warp, or keep to no 16 bytes.
template <typename From, typename By, typename ByLong = By>
struct Pair {
  using Source = From;
  using Rule = By;
  using LongRule = ByLong;
};

template <typename Source, typename Visitor>
cudaError_t with_rule(const Append& append, Visitor visit) {
  switch (append.transform) {
    case BARACUDA_TRANSFORM_FP8:
      return visit(Pair<Source, Given<Source>>{});
    case BARACUDA_TRANSFORM_PER_TOKEN_HEAD:
      return visit(Pair<Source, TokenHead<kRow>, TokenHead<kLongRow>>{});
    case BARACUDA_TRANSFORM_FP8_DS_MLA:
      if constexpr (kIsHalf<Source>) return visit(Pair<Source, DsMla>{});
      break;
    case BARACUDA_TRANSFORM_NVFP4:
      return visit(Pair<Source, Nvfp4>{});
    default:
      break;
  }
  return cudaErrorInvalidValue;
}

// Calls `visit` with the pair of an append.
template <typename Visitor>
cudaError_t with_pair(const Append& append, Visitor visit) {
  return append.source_element->value == BARACUDA_ELEMENT_F32 ? with_rule<Floats>(append, visit)
                                                              : with_rule<Halves>(append, visit);
}

template <typename Pair>
using Unusual = Quantising<typename Pair::Source, typename Pair::LongRule, Elementwise, false, kAnyPlacing>;

// The kernels for most appends: units of 16 bytes, and small. Some have one for int32 page tables, which is faster.
template <typename Pair, bool kNarrow, int kPlacing>
using Usual = Quantising<typename Pair::Source, typename Pair::Rule, Wide, kNarrow, kPlacing>;

template <int kPlacing>
constexpr bool kGainsByNarrow =
    kPlacing == static_cast<int>(Placing::kLastPage) || kPlacing == static_cast<int>(Placing::kRagged);

template <typename Pair, typename Visitor>
cudaError_t with_usual(const Append& append, Visitor visit) {
  return with_placing(append.placement.placing, [&](auto placing) {
    if constexpr (kGainsByNarrow<placing.value>)
      if (is_narrow(append.placement)) return visit(Usual<Pair, true, placing.value>{});
    return visit(Usual<Pair, false, placing.value>{});
  });
}

// And for rows that outgrow a warp.
template <typename Pair>
using Long = Quantising<typename Pair::Source, typename Pair::LongRule, Wide, false, kAnyPlacing>;

template <typename Pair>
constexpr bool kHasLong = !std::is_same_v<typename Pair::Rule, typename Pair::LongRule>;

template <typename Kernel>
cudaError_t load(cudaFuncAttributes* attributes) {
  return cudaFuncGetAttributes(attributes, Kernel::kFunction);
}

}  // namespace

cudaError_t launch_quantise(const Append& append) {
  return with_pair(append, [&append](auto pair) {
    using Pair = decltype(pair);
    return with_usual<Pair>(append, [&append](auto usual) {
      using Kernel = decltype(usual);
      if (!Kernel::takes(append)) return Unusual<Pair>::launch(append);
      if constexpr (kHasLong<Pair>)
        if (Kernel::is_long(append)) return Long<Pair>::launch(append);
      return Kernel::launch(append);
    });
  });
}

cudaError_t load_quantise(const Append& append, cudaFuncAttributes* attributes) {
  return with_pair(append, [&append, attributes](auto pair) {
    using Pair = decltype(pair);
    cudaError_t error = load<Unusual<Pair>>(attributes);
    if constexpr (kHasLong<Pair>)
      if (error == cudaSuccess) error = load<Long<Pair>>(attributes);
    if (error != cudaSuccess) return error;
    return with_usual<Pair>(append, [attributes](auto usual) { return load<decltype(usual)>(attributes); });
  });
}

}  // namespace baracuda::cuda::bespoke
