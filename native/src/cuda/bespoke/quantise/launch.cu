// The quantising append: which kernel it is launched with, and which ones a problem may need.
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <type_traits>

#include "append/append.h"
#include "append/transform.h"
#include "base/status.h"
#include "cuda/bespoke/cut.h"
#include "cuda/bespoke/placing.h"
#include "cuda/bespoke/quantise/access.h"
#include "cuda/bespoke/quantise/kernel.h"
#include "cuda/bespoke/quantise/rule.h"
#include "cuda/bespoke/quantise/source.h"
#include "cuda/bespoke/quantise/target.h"
#include "cuda/bespoke/transforms.h"
#include "cuda/bespoke/width.h"
#include "cuda/kernel.h"
#include "place/divisor.h"
#include "place/place.h"

extern "C" const unsigned char kernels_of_cuda_bespoke_quantise_launch[];

namespace baracuda::cuda::bespoke {
namespace {

Image image(kernels_of_cuda_bespoke_quantise_launch);

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
          append.element->value == BARACUDA_ELEMENT_FP8_E5M2 || append.element->value == BARACUDA_ELEMENT_I8,
          append.transform};
}

int32_t units_of(const Part& part) noexcept {
  return static_cast<int32_t>((part.row_bytes - 1) / int64_t{sizeof(uint4)} + 1);
}

// Of the wider part.
int32_t most_units_of(const Append& append) noexcept {
  int32_t units = 0;
  for (int i = 0; i < append.num_parts; ++i) units = std::max(units, units_of(append.parts[i]));
  return units;
}

// Whether every address of a part is a multiple of so many bytes.
bool keeps_to(const Part& part, int64_t row_bytes, int64_t cache_bytes) noexcept {
  uint64_t rows = reinterpret_cast<uintptr_t>(part.rows);
  uint64_t cache = reinterpret_cast<uintptr_t>(part.cache);
  for (const int64_t bytes : {part.row_bytes, part.token_stride, part.head_stride})
    rows |= static_cast<uint64_t>(bytes);
  for (const int64_t bytes : {part.page_stride, part.slot_stride, part.cache_head_stride})
    cache |= static_cast<uint64_t>(bytes);
  return rows % static_cast<uint64_t>(row_bytes) == 0 && cache % static_cast<uint64_t>(cache_bytes) == 0;
}

template <typename From, typename By, typename Rules, typename Access, bool kNarrow, int kPlacing>
struct Kernel {
  using Source = From;
  using Rule = By;
  using Size = typename Access::Size;
  using Packed = Pack<typename Rule::Target, kUnit<Source>>;
  static cuda::Kernel kernel() noexcept {
    return kernel_in<quantise_kernel<Source, Rules, Access, kNarrow, kPlacing>>(image);
  }

  // Bytes that are written at once.
  static int64_t pack_bytes(const Append& append, int part) noexcept {
    return static_cast<int64_t>(is_tail(append, part) ? sizeof(uint4) : sizeof(Packed));
  }

  static bool keeps_to_packs(const Append& append) noexcept {
    for (int i = 0; i < num_parts(append); ++i)
      if (!keeps_to(part_of(append, i), int64_t{sizeof(uint4)}, pack_bytes(append, i))) return false;
    return true;
  }

  static Steps steps_of(const Append& append, int part, const Part& its) noexcept {
    const int64_t cache =
        is_tail(append, part) ? Access::template kCacheStep<uint4> : Access::template kCacheStep<Packed>;
    return {Access::kRowStep, cache, units_of(its) * int64_t{sizeof(uint4)} / Access::kRowStep};
  }

  static bool is_small(const Append& append) noexcept {
    if (threads_of(append) >= kSmallEnd) return false;
    for (int i = 0; i < num_parts(append); ++i) {
      const Part its = part_of(append, i);
      if (!bespoke::is_small(append, its, steps_of(append, i, its))) return false;
    }
    return true;
  }

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

  static int32_t launch(const Driver& driver, const Append& append) {
    using Index = typename Size::Index;
    const int32_t head_threads = head_threads_of(append);
    const int64_t threads = threads_of(append);
    Quantise<Size> quantise = {
        static_cast<Index>(threads),
        Divisor<Index>(static_cast<uint64_t>(head_threads) * static_cast<uint64_t>(append.num_heads)),
        Divisor<Index>(static_cast<uint64_t>(head_threads)),
        head_threads,
        keeps_to_packs(append),
        types_of(append),
        {},
        append.placement,
        append.record};
    for (int i = 0; i < num_parts(append); ++i) quantise.parts[i] = made_of(append, i);
    const int64_t blocks = (threads - 1) / kQuantisingThreads + 1;
    const uint32_t parts_apart = num_parts(append) > Access::kParts ? 2 : 1;
    void* parameters[] = {&quantise};
    return cuda::launch(driver, kernel(), {blocks, parts_apart, kQuantisingThreads, 1}, append.stream, parameters);
  }
};

// What is read, and by which rule it is written: of rows that a warp has threads for, and of any.
template <typename From, typename By, typename ByAny = By>
struct Pair {
  using Source = From;
  using Rule = By;
  using AnyRule = ByAny;  // of any row
};

template <typename Source, typename Visitor>
int32_t with_rule(const Append& append, Visitor visit) {
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
  return no_kernel();
}

// Calls `visit` with the pair of an append.
template <typename Visitor>
int32_t with_pair(const Append& append, Visitor visit) {
  return append.source_element->value == BARACUDA_ELEMENT_F32 ? with_rule<Floats>(append, visit)
                                                              : with_rule<Halves>(append, visit);
}

// One takes all appends of a source.
template <typename Pair>
using Any =
    Kernel<typename Pair::Source, typename Pair::AnyRule, AnyRule<typename Pair::Source>, Anyhow, false, kAnyPlacing>;

// Those that are usual have kernels of their own: aligned, small, and no row longer than a warp.
template <typename Pair, bool kNarrow, int kPlacing>
using Usual =
    Kernel<typename Pair::Source, typename Pair::Rule, OneRule<typename Pair::Rule>, Aligned, kNarrow, kPlacing>;

// Which are usual: a kernel for each would be more of the library than all the rest of it. Narrow ones are where that gains.
template <typename Pair>
constexpr bool is_usual(Placing placing, bool narrow) noexcept {
  using Rule = typename Pair::Rule;
  if (!kIsHalf<typename Pair::Source>)
    return std::is_same_v<Rule, Given<Floats>> && (narrow ? placing == Placing::kLastPage : placing == Placing::kSlots);
  if constexpr (std::is_same_v<Rule, DsMla>) return placing == Placing::kSlots && !narrow;
  if constexpr (std::is_same_v<Rule, Nvfp4>) return false;
  if (placing == Placing::kLastPage) return narrow;
  return !narrow || placing == Placing::kRagged;
}

template <typename Pair, bool kNarrow, typename Visitor>
int32_t with_usual_of(const Append& append, Visitor visit) {
  return with_placing(append.placement.placing, [&](auto placing) {
    if constexpr (is_usual<Pair>(static_cast<Placing>(placing.value), kNarrow))
      return visit(Usual<Pair, kNarrow, placing.value>{});
    else
      return visit(Any<Pair>{});
  });
}

// Calls `visit` with an append's kernel, as far as addresses and strides do not matter.
template <typename Pair, typename Visitor>
int32_t with_usual(const Append& append, Visitor visit) {
  if (is_narrow(append.placement) && is_usual<Pair>(append.placement.placing, true))
    return with_usual_of<Pair, true>(append, visit);
  return with_usual_of<Pair, false>(append, visit);
}

}  // namespace

int32_t launch_quantise(const Driver& driver, const Append& append) {
  return with_pair(append, [&](auto pair) {
    using Pair = decltype(pair);
    return with_usual<Pair>(append, [&](auto usual) {
      using Kernel = decltype(usual);
      const bool is_long = Kernel::Rule::kSharing == kRow && most_units_of(append) > kWarp;
      const bool fits = !is_long && Kernel::keeps_to_packs(append) && Kernel::is_small(append);
      return fits ? Kernel::launch(driver, append) : Any<Pair>::launch(driver, append);
    });
  });
}

int32_t load_quantise(const Driver& driver, const Append& append, int32_t* arch) {
  const auto load = [&](auto kernel) { return cuda::load(driver, decltype(kernel)::kernel(), arch); };
  return with_pair(append, [&](auto pair) {
    using Pair = decltype(pair);
    BARACUDA_TRY(load(Any<Pair>{}));
    return with_usual<Pair>(append, load);
  });
}

}  // namespace baracuda::cuda::bespoke
