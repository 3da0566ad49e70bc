#include "host/places.h"

#include <algorithm>

#include "host/record.h"

namespace baracuda::host {
namespace {

template <bool kNarrow, bool kByLastPage>
void judge_now(const Append& append, int64_t first, int64_t last, Place* places) noexcept {
  const Placement& placement = append.placement;
  find_places<kNarrow, kByLastPage>(
      placement, first, last, places,
      [&placement](int64_t row) noexcept { return find_request<kNarrow>(placement, row); },
      [&append, &placement](int64_t row, const Seen& seen) noexcept {
        record_corruption(append.record, row, seen.request, seen.page,
                          corruption_of(placement, placement.placing, row, seen));
        return true;
      });
}

}  // namespace

const Place* Places::find(int64_t first, int64_t last, Place* memory, int64_t* end) const noexcept {
  if (judged_ != nullptr) {
    *end = last;
    return judged_ + first;
  }
  *end = std::min(first + kPlacesAtOnce, last);
  if (!is_narrow(append_.placement))
    judge_now<false, false>(append_, first, *end, memory);
  else if (append_.placement.placing == Placing::kLastPage)
    judge_now<true, true>(append_, first, *end, memory);
  else
    judge_now<true, false>(append_, first, *end, memory);
  return memory;
}

}  // namespace baracuda::host
