// Where each row of an append goes, whether that was judged before or is judged now.
#ifndef BARACUDA_SRC_HOST_PLACES_H_
#define BARACUDA_SRC_HOST_PLACES_H_

#include <cstdint>

#include "append/append.h"
#include "place/place.h"

namespace baracuda::host {

// Where a row goes; page -1 for one that is not written.
struct Place {
  int32_t page;
  int32_t slot;

  bool is_served() const noexcept { return page >= 0; }
};

inline constexpr Place kNoPlace = {-1, 0};

// The places of the rows first .. last - 1, each entry that says one read once, into `places`, or nowhere where that is
// nullptr. `request_of` says of a row of a RAGGED append which request it belongs to. `without_place` is asked of each
// row that has none, by what was seen of it; false ends it. Whether it came to the end.
//
// For the way of every decode step nothing is chosen row by row.
template <bool kNarrow, bool kByLastPage, typename RequestOf, typename WithoutPlace>
bool find_places(const Placement& given, int64_t first, int64_t last, Place* places, RequestOf request_of,
                 WithoutPlace without_place) noexcept {
  const Placement placement = given;  // which no place that is written can be a part of
  const Placing placing = kByLastPage ? Placing::kLastPage : placement.placing;
  for (int64_t row = first; row < last; ++row) {
    Seen seen = nothing_seen();
    const int64_t request = placing == Placing::kRagged ? request_of(row) : 0;
    const bool has_place = find_place_of<kNarrow>(placement, placing, request, row, &seen);
    // A copy goes there, so that what is seen of rows that are right never has to be in memory.
    if (!has_place && !without_place(row, Seen{seen})) return false;
    if (places != nullptr)
      places[row - first] =
          has_place ? Place{static_cast<int32_t>(seen.page), static_cast<int32_t>(seen.slot)} : kNoPlace;
  }
  return true;
}

// The most rows whose places are found before the first of them is written, where rows are judged while they are.
inline constexpr int64_t kPlacesAtOnce = 256;

class Places {
 public:
  // `append` is checked and outlives this. `judged`: where judge() found that each row goes; nullptr for an append that
  // is guarded, whose rows are judged where they are asked for.
  Places(const Append& append, const Place* judged) noexcept : append_(append), judged_(judged) {}

  // The places of the rows from `first` on, which is below `last`: of all up to last - 1, or of kPlacesAtOnce. Says
  // where the rows end of which these are. What is corrupt is recorded. `memory` has room for kPlacesAtOnce.
  const Place* find(int64_t first, int64_t last, Place* memory, int64_t* end) const noexcept;

 private:
  const Append& append_;
  const Place* judged_;
};

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_PLACES_H_
