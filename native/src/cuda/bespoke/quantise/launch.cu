// The quantising append: which kernel it is launched with, and which ones a problem may need.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <type_traits>

#include "append/append.h"
#include "append/transform.h"
#include "base/status.h"
#include "cuda/bespoke/cut.h"
#include "cuda/bespoke/placing.h"
#include "cuda/bespoke/quantise/any_kernel.h"
#include "cuda/bespoke/quantise/kernel.h"
#include "cuda/bespoke/quantise/rule.h"
#include "cuda/bespoke/quantise/source.h"
#include "cuda/bespoke/quantise/target.h"
#include "cuda/bespoke/quantise/turn.h"
#include "cuda/bespoke/search.h"
#include "cuda/bespoke/transforms.h"
#include "cuda/bespoke/width.h"
#include "cuda/kernel.h"
#include "place/divisor.h"
#include "place/placement.h"

extern "C" const unsigned char kernels_of_cuda_bespoke_quantise_launch[];  // NOLINT(readability-identifier-naming)

namespace baracuda::cuda::bespoke {
namespace {

Image image(kernels_of_cuda_bespoke_quantise_launch, Order::kOfKernel);

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
  return {append.source_element->value == BARACUDA_ELEMENT_F32, append.source_element->value == BARACUDA_ELEMENT_BF16,
          append.element->value == BARACUDA_ELEMENT_FP8_E5M2 || append.element->value == BARACUDA_ELEMENT_I8,
          append.transform};
}

int64_t element_bytes_of(const Append& append) noexcept { return append.source_element->bytes(); }

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

// What the offsets of scales count: so many bytes.
struct ScaleSteps {
  int64_t given;
  int64_t written;
};

ScaleSteps scale_steps_of(const Append& append) noexcept {
  return {int64_t{sizeof(float)}, scales_element_bytes(append.transform)};
}

// Whether 32 bits hold the offset of every scale in its page, and of every one that is given.
bool are_scales_small(const Append& append, const Part& part) noexcept {
  const ScaleSteps steps = scale_steps_of(append);
  const auto is_below_end = [](int64_t most, int64_t stride, int64_t step) {
    return product(most, std::abs(stride / step)) < kSmallEnd / 4;
  };
  if (part.scale != nullptr && !is_below_end(append.num_heads, part.scale_head_stride, steps.given)) return false;
  if (part.scales == nullptr) return true;
  return is_below_end(1, part.scales_page_stride, steps.written) &&
         is_below_end(append.placement.page_size(), part.scales_slot_stride, steps.written) &&
         is_below_end(append.num_heads, part.scales_head_stride, steps.written);
}

constexpr int64_t kManyThreads = int64_t{1} << 17;  // half of what the largest GPUs hold at once

// What is read, and by which rule it is written.
template <typename From, typename By>
struct Pair {
  using Source = From;
  using Rule = By;
  using Packed = Pack<typename Rule::Target, kUnit<Source>>;

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
    return {int64_t{sizeof(uint4)}, pack_bytes(append, part), units_of(its)};
  }

  // Of threads that have so many units each.
  static int32_t head_threads_of(const Append& append, int32_t units) noexcept {
    const int32_t most = most_units_of(append);
    if (Rule::kSharing > 0) return ((most - 1) / kGrain + 1) * (kGrain / units);
    const int32_t least = (most - 1) / units + 1;
    if (Rule::kSharing != kRow) return least;
    int32_t threads = 1;
    while (threads < kWarp && threads < least) threads *= 2;
    return threads;
  }

  // The least of them that is a number of scales, where these are no row's.
  static constexpr int32_t kGrain = Rule::kSharing > 0 ? Rule::kSharing / kUnit<Source> : 1;

  // Of a thread of a usual kernel: few, unless there are many threads even so. Where a scale is worked out there are
  // somewhat sooner: more of the units that share it are a thread's.
  static int32_t units_of_thread(const Append& append) noexcept {
    const int32_t most = Rule::kSharing > 0 ? std::min(kMostUnits, kGrain) : kMostUnits;
    const int64_t threads = threads_of_parts(append, head_threads_of(append, kFewUnits));
    const bool are_many = Rule::kSharing == kNone ? threads > kManyThreads : threads >= kManyThreads;
    return are_many ? most : kFewUnits;
  }

  // So few that all rows together do not have many threads, as far as each has a few units then.
  static int32_t few_head_threads_of(const Append& append) noexcept {
    const int32_t most = head_threads_of(append, 1);
    int32_t threads = most;
    while (threads > kGrain && threads * kMostUnits > most && threads_of_parts(append, threads) > kManyThreads)
      threads = kGrain * ((threads / kGrain + 1) / 2);
    return threads;
  }

  static int64_t threads_of_parts(const Append& append, int32_t head_threads) noexcept {
    return product(threads_of(append, head_threads), num_parts(append));
  }

  static int64_t threads_of(const Append& append, int32_t head_threads) noexcept {
    return product(product(head_threads, append.num_heads), rows_of(append));
  }

  // Whether one of the kernels for usual appends takes it, as far as addresses, strides and widths go.
  static bool is_usual(const Append& append) noexcept {
    if (Rule::kSharing == kRow && most_units_of(append) > kWarp * kFewUnits) return false;
    if (threads_of(append, head_threads_of(append, 1)) >= kSmallEnd) return false;
    for (int i = 0; i < num_parts(append); ++i) {
      const Part its = part_of(append, i);
      if (!is_small(append, its, steps_of(append, i, its)) || !are_scales_small(append, its)) return false;
    }
    return keeps_to_packs(append);
  }
};

template <typename Pair, typename Size>
Quantise<Size> quantise_of(const Append& append, int32_t units, int32_t head_threads) noexcept {
  using Index = typename Size::Index;
  Quantise<Size> quantise{};
  static_cast<QuantisingThreads<Size>&>(quantise) = {
      static_cast<Index>(Pair::threads_of(append, head_threads)),
      Divisor<Index>(static_cast<uint64_t>(head_threads) * static_cast<uint64_t>(append.num_heads)),
      Divisor<Index>(static_cast<uint64_t>(head_threads)),
      Pair::Rule::kSharing == kRow ? head_threads : Pair::kGrain / units,
      units,
      Pair::keeps_to_packs(append),
      types_of(append)};
  quantise.placement = append.placement;
  quantise.record = append.record;
  return quantise;
}

template <typename Size>
void add_part(const Append& append, int part, const Steps& steps, const ScaleSteps& scale_steps,
              Quantise<Size>* quantise) noexcept {
  using Offset = typename Size::Offset;
  const Part its = part_of(append, part);
  const auto in_scales = [&](int64_t stride) {
    return static_cast<Offset>(its.scales != nullptr ? stride / scale_steps.written : 0);
  };
  quantise->set(
      part,
      {its.rows, its.cache, static_cast<Offset>(its.token_stride / steps.row),
       static_cast<Offset>(its.head_stride / steps.row), static_cast<Offset>(its.page_stride / steps.cache),
       static_cast<Offset>(its.slot_stride / steps.cache), static_cast<Offset>(its.cache_head_stride / steps.cache),
       units_of(its), static_cast<int32_t>(its.row_bytes / element_bytes_of(append)), its.scale,
       static_cast<Offset>(its.scale != nullptr ? its.scale_head_stride / scale_steps.given : 0), its.scales,
       in_scales(its.scales_page_stride), in_scales(its.scales_slot_stride), in_scales(its.scales_head_stride)});
}

template <typename Size>
int32_t enqueue(const Driver& driver, const Kernel& kernel, const Append& append, Quantise<Size>* quantise) noexcept {
  const uint64_t blocks = (uint64_t{quantise->threads} - 1) / kQuantisingThreads + 1;
  void* parameters[] = {quantise};
  return cuda::launch(driver, kernel,
                      {static_cast<int64_t>(blocks), static_cast<uint32_t>(num_parts(append)), kQuantisingThreads, 1},
                      append.stream, parameters);
}

// The kernels for usual appends.
template <typename Pair, bool kNarrow, int kPlacing>
struct Usual {
  static Kernel kernel() noexcept {
    return kernel_in<quantise_kernel<typename Pair::Source, typename Pair::Rule, kNarrow, kPlacing>>(image);
  }

  static bool takes(const Append& append) noexcept {
    return (kNarrow || suffices_int32(append.placement)) && Pair::is_usual(append);
  }

  static int32_t launch(const Driver& driver, const Append& append) {
    const int32_t units = Pair::units_of_thread(append);
    Quantise<Small> quantise = quantise_of<Pair, Small>(append, units, Pair::head_threads_of(append, units));
    for (int i = 0; i < num_parts(append); ++i)
      add_part(append, i, Pair::steps_of(append, i, part_of(append, i)), scale_steps_of(append), &quantise);
    return enqueue(driver, kernel(), append, &quantise);
  }
};

// One takes all appends.
template <typename Pair>
struct Any {
  static Kernel kernel() noexcept { return kernel_in<quantise_any_kernel<Large>>(image); }

  static bool takes(const Append&) noexcept { return true; }

  static int32_t launch(const Driver& driver, const Append& append) {
    Quantise<Large> quantise = quantise_of<Pair, Large>(append, 1, Pair::few_head_threads_of(append));
    for (int i = 0; i < num_parts(append); ++i) add_part(append, i, {1, 1, 0}, {1, 1}, &quantise);
    return enqueue(driver, kernel(), append, &quantise);
  }
};

template <typename Source, typename Visitor>
int32_t with_rule(const Append& append, Visitor visit) {
  switch (append.transform) {
    case BARACUDA_TRANSFORM_FP8:
      return visit(Pair<Source, Given<Source>>{});
    case BARACUDA_TRANSFORM_PER_TOKEN_HEAD:
      return visit(Pair<Source, TokenHead>{});
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

// Which have a kernel of their own: one for each would be more of the library than all the rest of it. `narrow`: for
// int32 operands alone. The others take either type, int64 as torch.cumsum makes it, and hardly longer where there is
// no narrow one. The kernels for slots are narrow, and take either.
template <typename Pair>
constexpr bool has_usual(Placing placing, bool narrow) noexcept {
  using Rule = typename Pair::Rule;
  constexpr bool kIsHalf = bespoke::kIsHalf<typename Pair::Source>;
  constexpr bool kIsGiven = std::is_same_v<Rule, Given<typename Pair::Source>>;
  constexpr bool kIsTokenHead = std::is_same_v<Rule, TokenHead>;
  if (placing == Placing::kSlots) return narrow && (kIsHalf || kIsGiven || kIsTokenHead);
  if (!kIsGiven && !kIsTokenHead) return false;
  const bool is_last_page = placing == Placing::kLastPage;
  if (!kIsHalf) return narrow && is_last_page;
  if (!narrow) return kIsGiven || placing != Placing::kRagged;
  return reads_in_warp(placing) || is_last_page;
}

// Whether int32 suffices: of int64 slots too, where a cache has no more of them.
bool are_numbers_narrow(const Placement& placement) noexcept {
  if (placement.placing == Placing::kSlots && int64_t{placement.num_pages} * placement.page_size() <= INT32_MAX)
    return true;
  return is_narrow(placement);
}

template <typename Pair, bool kNarrow, typename Visitor>
int32_t with_usual_of(const Append& append, Visitor visit) {
  return with_placing(append.placement.placing, [&](auto placing) {
    if constexpr (has_usual<Pair>(static_cast<Placing>(placing.value), kNarrow))
      return visit(Usual<Pair, kNarrow, placing.value>{});
    else
      return visit(Any<Pair>{});
  });
}

// Calls `visit` with an append's kernel, as far as addresses, strides and widths do not matter.
template <typename Pair, typename Visitor>
int32_t with_usual(const Append& append, Visitor visit) {
  if (are_numbers_narrow(append.placement) && has_usual<Pair>(append.placement.placing, true))
    return with_usual_of<Pair, true>(append, visit);
  return with_usual_of<Pair, false>(append, visit);
}

}  // namespace

int32_t launch_quantise(const Driver& driver, const Append& append) {
  return with_pair(append, [&](auto pair) {
    using Pair = decltype(pair);
    return with_usual<Pair>(append, [&](auto usual) {
      using Its = decltype(usual);
      return Its::takes(append) ? Its::launch(driver, append) : Any<Pair>::launch(driver, append);
    });
  });
}

int32_t load_quantise(const Driver& driver, const Append& append, int32_t* arch) {
  const auto load = [&](auto its) { return cuda::load(driver, decltype(its)::kernel(), arch); };
  return with_pair(append, [&](auto pair) {
    using Pair = decltype(pair);
    BARACUDA_TRY(load(Any<Pair>{}));
    return with_usual<Pair>(append, load);
  });
}

}  // namespace baracuda::cuda::bespoke
