// Whether what lies at the places of one operand and at those of another share a byte, where their spans do: K and V
// may lie between each other.
#ifndef BARACUDA_SRC_MEMORY_MEETING_H_
#define BARACUDA_SRC_MEMORY_MEETING_H_

#include <cstdint>

#include "memory/span.h"

namespace baracuda {

// Two sets of runs of bytes, each a first run and the steps that lead to the others, the spans of both being checked.
class Meeting {
 public:
  // Where the first run of each is, and its bytes.
  Meeting(const void* a, int64_t a_bytes, const void* b, int64_t b_bytes) noexcept;

  // A dimension of both, of `extent` places; at most kMaxSteps times. Where both take one step they are compared step
  // by step; where they differ, each is taken to fill all that lies between its first place and its last.
  void step(int64_t a_stride, int64_t b_stride, int64_t extent) noexcept;

  // Dimensions of their own: likewise taken to be filled.
  void fill_a(int64_t stride, int64_t extent) noexcept { a_ = over(a_, stride, extent); }
  void fill_b(int64_t stride, int64_t extent) noexcept { b_ = over(b_, stride, extent); }

  // True too where it is not found out in constant time that they do not: a stride has to lead past all that the
  // smaller ones reach.
  bool is_possible() const noexcept;

  static constexpr int kMaxSteps = 6;

 private:
  // A stride's steps in either direction: how many, and how long each is.
  struct Steps {
    int64_t most;
    int64_t bytes;
  };

  static bool can_meet(const Steps* steps, int count, int64_t distance, int64_t low, int64_t high) noexcept;

  uint64_t distance_;  // from a to b, wrapped
  Reach a_;
  Reach b_;
  uint64_t stepped_ = 0;
  int count_ = 0;
  Steps steps_[kMaxSteps] = {};  // the longest first
};

}  // namespace baracuda

#endif  // BARACUDA_SRC_MEMORY_MEETING_H_
