#include "host/pages/lists.h"

#include <algorithm>

#include "base/status.h"
#include "pages/operands.h"

namespace baracuda::host {
namespace {

int32_t refuse_entry(int64_t i, const Corruption& found) noexcept {
  return fail(BARACUDA_INVALID_PROBLEM, "%s[%lld] is %lld; it should be below num_total_pages, which is %lld",
              copy_name_of(found.operand), static_cast<long long>(i), static_cast<long long>(found.seen),
              static_cast<long long>(found.limit));
}

// `page` is written by more than one copy.
int32_t refuse_twice_written(const PageCopy& copy, const PagePair* pairs, int32_t page) noexcept {
  int32_t of[2] = {-1, -1};
  for (int32_t i = 0, found = 0; i < copy.num_copies && found < 2; ++i)
    if (pairs[i].from >= 0 && pairs[i].to == page) of[found++] = i;
  return fail(BARACUDA_INVALID_PROBLEM,
              "destination[%d] and destination[%d] are both %d; the pages of one call are written in no order, so each "
              "should be written once",
              of[0], of[1], page);
}

// The source of copy i is written by another.
int32_t refuse_written_source(const PageCopy& copy, const PagePair* pairs, int32_t i) noexcept {
  int32_t by = 0;
  while (by < copy.num_copies && !(pairs[by].from >= 0 && pairs[by].to == pairs[i].from)) ++by;
  return fail(BARACUDA_INVALID_PROBLEM,
              "source[%d] and destination[%d] are both %d; the copies of one call are made in no order, so a page that "
              "is written should not be read (gather and scatter them, or make two calls)",
              i, by, pairs[i].from);
}

int32_t check_named_once(const PageCopy& copy, const PagePair* pairs, int32_t* written) noexcept {
  int32_t* end = written;
  for (int32_t i = 0; i < copy.num_copies; ++i)
    if (pairs[i].from >= 0) *end++ = pairs[i].to;
  std::sort(written, end);
  if (const int32_t* const twice = std::adjacent_find(written, end); twice != end)
    return refuse_twice_written(copy, pairs, *twice);
  if (!copy.pairs.in_place) return BARACUDA_OK;
  for (int32_t i = 0; i < copy.num_copies; ++i)
    if (std::binary_search(written, end, pairs[i].from)) return refuse_written_source(copy, pairs, i);
  return BARACUDA_OK;
}

}  // namespace

int32_t judge_lists(const PageCopy& copy, PagePair* pairs, int32_t* written) noexcept {
  for (int32_t i = 0; i < copy.num_copies; ++i) {
    const Pair pair = read_pair(copy.pairs, i);
    pairs[i] = {-1, -1};
    if (is_served(copy.pairs, pair)) {
      pairs[i] = {static_cast<int32_t>(pair.from), static_cast<int32_t>(pair.to)};
      continue;
    }
    const Corruption found = corruption_of(copy.pairs, pair);
    if (found.reason != BARACUDA_CORRUPT_NONE) return refuse_entry(i, found);
  }
  // The rows of a buffer are one each.
  return copy.pairs.destination.ids == nullptr ? BARACUDA_OK : check_named_once(copy, pairs, written);
}

}  // namespace baracuda::host
