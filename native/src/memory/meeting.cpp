#include "memory/meeting.h"

#include <algorithm>
#include <initializer_list>

#include "base/saturating.h"

namespace baracuda {
namespace {

// Distances beyond this are not worked with: their sums might not fit.
constexpr uint64_t kFar = uint64_t{1} << 61;

// In well-formed caches a stride leads past all that the smaller ones reach, which leaves few places to look at.
constexpr int64_t kMostCandidates = 4;

}  // namespace

Meeting::Meeting(const void* a, int64_t a_bytes, const void* b, int64_t b_bytes) noexcept
    : distance_(reinterpret_cast<uintptr_t>(b) - reinterpret_cast<uintptr_t>(a)),
      a_{0, static_cast<uint64_t>(a_bytes)},
      b_{0, static_cast<uint64_t>(b_bytes)} {}

void Meeting::step(int64_t a_stride, int64_t b_stride, int64_t extent) noexcept {
  if (a_stride != b_stride) {
    fill_a(a_stride, extent);
    fill_b(b_stride, extent);
    return;
  }
  if (a_stride == 0) return;
  const Steps added = {extent - 1, static_cast<int64_t>(magnitude(a_stride))};
  int at = count_++;
  for (; at > 0 && steps_[at - 1].bytes < added.bytes; --at) steps_[at] = steps_[at - 1];
  steps_[at] = added;
  stepped_ += static_cast<uint64_t>(extent - 1) * magnitude(a_stride);
}

bool Meeting::is_possible() const noexcept {
  const auto distance = static_cast<int64_t>(distance_);
  const uint64_t above_a = saturating_sum(a_.above, b_.below);
  const uint64_t below_a = saturating_sum(a_.below, b_.above);
  for (const uint64_t reached : {stepped_, above_a, below_a, magnitude(distance)})
    if (reached > kFar) return true;
  return can_meet(steps_, count_, distance, static_cast<int64_t>(below_a), static_cast<int64_t>(above_a));
}

// Whether `distance` and steps of the strides can sum up to a number above -low and below high.
bool Meeting::can_meet(const Steps* steps, int count, int64_t distance, int64_t low, int64_t high) noexcept {
  if (count == 0) return distance > -low && distance < high;
  int64_t inner = 0;
  for (int i = 1; i < count; ++i) inner += steps[i].most * steps[i].bytes;
  const int64_t bytes = steps[0].bytes;
  const auto floor_of = [bytes](int64_t n) { return n / bytes - (n % bytes < 0 ? 1 : 0); };
  const int64_t first = std::max(floor_of(-low - inner - distance) + 1, -steps[0].most);
  const int64_t last = std::min(floor_of(high + inner - distance - 1), steps[0].most);
  if (last - first >= kMostCandidates) return true;
  for (int64_t n = first; n <= last; ++n)
    if (can_meet(steps + 1, count - 1, distance + n * bytes, low, high)) return true;
  return false;
}

}  // namespace baracuda
