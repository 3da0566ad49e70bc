// Where each row of an append goes, whether that was judged before or is judged now.
#ifndef BARACUDA_SRC_HOST_PLACES_H_
#define BARACUDA_SRC_HOST_PLACES_H_

#include <cstdint>

#include "append/append.h"
#include "host/judge.h"
#include "host/record.h"

namespace baracuda::host {

class Places {
 public:
  // `append` is checked and outlives this. `judged`: where judge() found that each row goes; nullptr for an append that
  // is guarded, whose rows are judged where they are asked for.
  Places(const Append& append, const Place* judged) noexcept
      : append_(append), judged_(judged), narrow_(is_narrow(append.placement)) {}

  // Whether the row is to be served, and where then. What is corrupt is recorded.
  bool find(int64_t row, Place* place) const noexcept {
    if (judged_ != nullptr) {
      *place = judged_[row];
      return place->page >= 0;
    }
    return narrow_ ? judge_now<true>(row, place) : judge_now<false>(row, place);
  }

 private:
  template <bool kNarrow>
  bool judge_now(int64_t row, Place* place) const noexcept {
    Seen seen = nothing_seen();
    const Placement& placement = append_.placement;
    const bool served = find_place<kNarrow>(placement, row, &seen);
    if (!served)
      record_corruption(append_.record, row, seen.request, seen.page,
                        corruption_of(placement, placement.placing, row, seen));
    *place = {static_cast<int32_t>(seen.page), static_cast<int32_t>(seen.slot)};
    return served;
  }

  const Append& append_;
  const Place* judged_;
  bool narrow_;
};

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_PLACES_H_
