#include "host/pages/backend.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

#include "base/saturating.h"
#include "base/status.h"
#include "host/pages/lists.h"
#include "host/reachable.h"
#include "host/record.h"
#include "host/run_copy.h"
#include "host/threads/work.h"

namespace baracuda::host {
namespace {

// Pairs that are kept on the stack: what a fork copies.
constexpr int32_t kPairsOnStack = 256;

// The pages of a call, cut into slices of parts of pages, for threads to share.
class PagesCopy {
 public:
  // `copy` is checked and outlives this. `pairs`: as judged; nullptr for a copy that is guarded, whose lists are judged
  // here.
  PagesCopy(const PageCopy& copy, const PagePair* pairs) noexcept : copy_(copy), pairs_(pairs) {
    uint64_t page_bytes = 0;
    for (int i = 0; i < copy.num_parts; ++i)
      page_bytes = saturating_sum(page_bytes, static_cast<uint64_t>(bytes_of(copy.parts[i])));
    bytes_ = saturating_product(page_bytes, static_cast<uint64_t>(copy.num_copies));
    way_ = way_for(bytes_);
    for (int i = 0; i < copy.num_parts; ++i) slices_[i] = slices_of(copy.parts[i]);
    if (saturating_product(slices_of_page(), static_cast<uint64_t>(copy.num_copies)) > INT32_MAX)
      for (int64_t& slices : slices_) slices = 1;
  }

  uint64_t bytes() const noexcept { return bytes_; }
  Finish finish() const noexcept { return way_.finish; }
  int64_t items() const noexcept { return copy_.num_copies * static_cast<int64_t>(slices_of_page()); }

  // Slices first .. last - 1. Once the thread has finished they are visible to whoever synchronises with it. Threads
  // may copy at once what names no page in common.
  void copy(int64_t first, int64_t last) const noexcept {
    const auto of_page = static_cast<int64_t>(slices_of_page());
    for (int64_t item = first; item < last;) {
      const int64_t i = item / of_page;
      const int64_t begin = item - i * of_page;
      const int64_t end = std::min(of_page, begin + last - item);
      item += end - begin;
      Pair pair;
      if (!find_pair(i, &pair)) continue;
      for (int64_t slice = begin; slice < end; ++slice) copy_slice(pair, slice);
    }
  }

 private:
  uint64_t slices_of_page() const noexcept {
    return static_cast<uint64_t>(slices_[0]) + (copy_.num_parts > 1 ? static_cast<uint64_t>(slices_[1]) : 0);
  }

  // A large page is shared by threads: by its longest steps, or where it is one run by pieces of it.
  static int64_t slices_of(const PagePart& part) noexcept {
    const int64_t bytes = bytes_of(part);
    if (bytes <= static_cast<int64_t>(kBytesAtOnce)) return 1;
    if (part.num_dimensions > 0) return part.dimensions[0].extent;
    return (bytes - 1) / static_cast<int64_t>(kBytesAtOnce) + 1;
  }

  bool find_pair(int64_t i, Pair* pair) const noexcept {
    if (pairs_ != nullptr) {
      *pair = {pairs_[i].from, pairs_[i].to};
      return pair->from >= 0;
    }
    *pair = read_pair(copy_.pairs, i);
    if (is_served(copy_.pairs, *pair)) return true;
    const Corruption found = corruption_of(copy_.pairs, *pair);
    record_corruption(copy_.record, i, -1, page_of(found), found);
    return false;
  }

  void copy_slice(const Pair& pair, int64_t slice) const noexcept {
    const int index = slice < slices_[0] ? 0 : 1;
    const PagePart& part = copy_.parts[index];
    const int64_t its_slice = index == 0 ? slice : slice - slices_[0];
    const unsigned char* const from = part.from + pair.from * part.from_page_stride;
    unsigned char* const to = part.to + pair.to * part.to_page_stride;
    if (slices_[index] == 1) return copy_dimensions(part, 0, from, to);
    if (part.num_dimensions > 0)
      return copy_dimensions(part, 1, from + its_slice * part.dimensions[0].from_stride,
                             to + its_slice * part.dimensions[0].to_stride);
    const auto piece = static_cast<int64_t>(kBytesAtOnce);
    const int64_t at = its_slice * piece;
    copy_runs({1, 0, 0}, std::min(piece, part.run_bytes - at), from + at, to + at);
  }

  // All of a part from its first-th dimension on.
  void copy_dimensions(const PagePart& part, int first, const unsigned char* from, unsigned char* to) const noexcept {
    copy_steps(part.dimensions + first, part.dimensions + part.num_dimensions, part.run_bytes, from, to);
  }

  void copy_steps(const PageDimension* steps, const PageDimension* end, int64_t run_bytes, const unsigned char* from,
                  unsigned char* to) const noexcept {
    if (steps == end) return copy_runs({1, 0, 0}, run_bytes, from, to);
    if (steps + 1 == end) return copy_runs(*steps, run_bytes, from, to);
    for (int64_t i = 0; i < steps->extent; ++i)
      copy_steps(steps + 1, end, run_bytes, from + i * steps->from_stride, to + i * steps->to_stride);
  }

  void copy_runs(const PageDimension& steps, int64_t run_bytes, const unsigned char* from,
                 unsigned char* to) const noexcept {
    Runs runs{};
    runs.count = steps.extent;
    runs.bytes = static_cast<size_t>(run_bytes);
    runs.source_stride = steps.from_stride;
    runs.cache_stride = steps.to_stride;
    runs.source = from;
    runs.cache = to;
    const Place here = {0, 0};
    way_.copy(&runs, 1, 0, &here, 1);
  }

  const PageCopy& copy_;
  const PagePair* pairs_;
  uint64_t bytes_;
  WayToCopy way_;
  int64_t slices_[kMaxCopyParts] = {1, 1};  // of a page, by its parts
};

int32_t copy_all(const PageCopy& copy, const PagePair* pairs) noexcept {
  const PagesCopy pages(copy, pairs);
  Work work{};
  work.process = [](const void* context, int32_t first, int32_t last) noexcept {
    static_cast<const PagesCopy*>(context)->copy(first, last);
  };
  work.finish = pages.finish();
  work.context = &pages;
  work.items = static_cast<int32_t>(pages.items());
  const uint64_t item_bytes = std::max<uint64_t>(pages.bytes() / static_cast<uint64_t>(pages.items()), 1);
  work.items_at_once = static_cast<int32_t>(std::max<uint64_t>(kBytesAtOnce / item_bytes, 1));
  run_in_threads(work);
  return BARACUDA_OK;
}

// Judges the lists, in memory of its own, and then hands the pairs to `use`.
template <typename Use>
int32_t with_judged_pairs(const PageCopy& copy, Use use) noexcept {
  if (copy.num_copies <= kPairsOnStack) {
    PagePair pairs[kPairsOnStack];
    int32_t written[kPairsOnStack];
    BARACUDA_TRY(judge_lists(copy, pairs, written));
    return use(pairs);
  }
  const auto count = static_cast<size_t>(copy.num_copies);
  const std::unique_ptr<PagePair[]> pairs(new (std::nothrow) PagePair[count]);
  const std::unique_ptr<int32_t[]> written(new (std::nothrow) int32_t[count]);
  if (pairs == nullptr || written == nullptr)
    return fail(BARACUDA_INVALID_PROBLEM,
                "there is no memory for the lists of %d copies; a guarded copy needs none, and nor does one of fewer",
                copy.num_copies);
  BARACUDA_TRY(judge_lists(copy, pairs.get(), written.get()));
  return use(pairs.get());
}

}  // namespace

int32_t check_page_lists(const PageCopy& copy) {
  if (copy.guarded) return BARACUDA_OK;
  return with_judged_pairs(copy, [](const PagePair*) { return BARACUDA_OK; });
}

int32_t launch_pages(const PageCopy& copy) {
  if (copy.guarded) return copy_all(copy, nullptr);
  return with_judged_pairs(copy, [&copy](const PagePair* pairs) { return copy_all(copy, pairs); });
}

int32_t preload_pages(const PageCopy&, int32_t* arch) {
  *arch = 0;
  return BARACUDA_OK;
}

int32_t check_pages_reachable(const CopyOp&, CopyOperands operands) {
  for (int i = 0; i < BARACUDA_NUM_COPY_OPERANDS; ++i)
    if (operands[i] != nullptr) BARACUDA_TRY(check_cpu_reaches(copy_name_of(i), *operands[i]));
  return BARACUDA_OK;
}

}  // namespace baracuda::host
