#include "host/judge.h"

#include <algorithm>
#include <cstdint>

#include "append/operands.h"
#include "base/status.h"

namespace baracuda::host {
namespace {

// How many pages of this size lie between the caches' first bytes and the end of the address space: what bounds a
// page id when num_total_pages is not stated. Its caches are packed then.
int32_t addressable_pages(const Append& append) noexcept {
  const uint64_t start =
      std::max(reinterpret_cast<uintptr_t>(append.parts[0].cache), reinterpret_cast<uintptr_t>(append.parts[1].cache));
  const uint64_t bytes = std::min<uint64_t>(UINTPTR_MAX - start, PTRDIFF_MAX);
  return static_cast<int32_t>(
      std::min<uint64_t>(bytes / static_cast<uint64_t>(append.parts[0].page_stride), INT32_MAX));
}

// Whether indices could be indptr and indptr the page ids: as many entries each, and indices rise from 0 to their
// number.
bool look_swapped(const Placement& placement) noexcept {
  if (placement.used_pages != placement.num_requests + 1) return false;
  int64_t before = 0;
  for (int64_t i = 0; i <= placement.num_requests; ++i) {
    const int64_t entry = read_index<false>(placement, kPages, i);
    if (entry < before || (i == 0 && entry != 0)) return false;
    before = entry;
  }
  return before == placement.used_pages;
}

const char* swap_hint(const Placement& placement) noexcept {
  return look_swapped(placement) ? "; indices and indptr look swapped" : "";
}

// Whether somebody is meant by some of the entries begin .. end - 1 of indices, of which no request owns any. The ids
// of a table are unlike each other: of two or more at most one is 0, and so the outermost ones say it. 0 and below is
// what buffers are padded with.
template <bool kNarrow>
bool name_pages(const Placement& placement, int64_t begin, int64_t end) noexcept {
  if (begin >= end) return false;
  return read_index<kNarrow>(placement, kPages, begin) > 0 || read_index<kNarrow>(placement, kPages, end - 1) > 0;
}

// The table as a whole. Ids beside what the requests own, which nobody owns, are a table that is not this append's, or
// indices and indptr swapped. A batch of nothing but padding owns nothing.
template <bool kNarrow>
int32_t judge_indptr(const Placement& placement) noexcept {
  if (placement.table != BARACUDA_TABLE_CSR || placement.placing == Placing::kSlots || placement.num_rows == 0)
    return BARACUDA_OK;
  if (placement.used_pages == INT32_MAX) return BARACUDA_OK;  // not stated
  const int64_t first = read_index<kNarrow>(placement, kIndptr, int64_t{0});
  const int64_t last = read_index<kNarrow>(placement, kIndptr, int64_t{placement.num_requests});
  const int64_t total = placement.used_pages;
  if (first < 0 || first >= last || last > total) return BARACUDA_OK;
  if (name_pages<kNarrow>(placement, 0, first))
    return fail(BARACUDA_INVALID_PROBLEM,
                "indptr[0] is %lld, and nobody owns what is before indices[%lld]; indptr[0] should be 0%s (a guarded "
                "append takes it as it is)",
                static_cast<long long>(first), static_cast<long long>(first), swap_hint(placement));
  if (name_pages<kNarrow>(placement, last, total))
    return fail(
        BARACUDA_INVALID_PROBLEM,
        "indptr[%d], its last, is %lld and indices has %lld entries; they should be equal, or indices padded by "
        "-1 or 0 from there on%s (a guarded append takes it as it is)",
        placement.num_requests, static_cast<long long>(last), static_cast<long long>(total), swap_hint(placement));
  return BARACUDA_OK;
}

int32_t refuse_part(const Append& append, const Seen& seen) noexcept {
  const auto request = static_cast<long long>(seen.request);
  const auto begin = static_cast<long long>(seen.begin);
  const auto end = static_cast<long long>(seen.end);
  if (begin < 0)
    return fail(BARACUDA_INVALID_PROBLEM, "request %lld: indptr[%lld] is %lld; it should be at least 0%s", request,
                request, begin, swap_hint(append.placement));
  if (end < begin)
    return fail(BARACUDA_INVALID_PROBLEM,
                "request %lld: indptr[%lld] is %lld, below indptr[%lld], which is %lld; indptr should increase%s",
                request, request + 1, end, request, begin, swap_hint(append.placement));
  if (end == begin)
    return fail(
        BARACUDA_INVALID_PROBLEM,
        "request %lld has no pages: indptr[%lld] and indptr[%lld] are both %lld; every request should own at least "
        "one (a guarded append skips it)",
        request, request, request + 1, begin);
  return fail(BARACUDA_INVALID_PROBLEM,
              "request %lld: indptr[%lld] is %lld; it should be at most total_used_pages, which is %d, the entries of "
              "indices%s",
              request, request + 1, end, append.placement.used_pages, swap_hint(append.placement));
}

int32_t refuse_page(const Append& append, const Seen& seen) noexcept {
  const auto request = static_cast<long long>(seen.request);
  const auto entry = static_cast<long long>(seen.end - 1);
  const auto page = static_cast<long long>(seen.page);
  if (page < 0)
    return fail(
        BARACUDA_INVALID_PROBLEM,
        "request %lld: its last page, indices[%lld], is %lld; it should be at least 0 (a guarded append skips it)",
        request, entry, page);
  if (append.states_pages)
    return fail(BARACUDA_INVALID_PROBLEM,
                "request %lld: its last page, indices[%lld], is %lld; it should be below num_total_pages, which is %d",
                request, entry, page, append.placement.num_pages);
  return fail(BARACUDA_INVALID_PROBLEM,
              "request %lld: its last page, indices[%lld], is %lld; pages of this size fill the address space at %d",
              request, entry, page, append.placement.num_pages);
}

int32_t refuse_length(const Append& append, const Seen& seen) noexcept {
  const int32_t least = append.placement.counts_new;
  const int32_t most = append.placement.page_size() - 1 + least;
  const bool before = least == 0;
  return fail(BARACUDA_INVALID_PROBLEM,
              "request %lld: last_page_len[%lld] is %lld; %s with page_size %d it should be %d to %d, %s%s",
              static_cast<long long>(seen.request), static_cast<long long>(seen.request),
              static_cast<long long>(seen.length), before ? "BEFORE_APPEND" : "AFTER_APPEND",
              append.placement.page_size(), least, most,
              before ? "the tokens already in the last page" : "the new token counted",
              before && seen.length == append.placement.page_size()
                  ? " (a full page: list a new page id, and length 0; or AFTER_APPEND, if it counts the new token)"
                  : "");
}

// A decode's refusals by its page table name the entries; the others what every corruption has.
int32_t refuse_decode(const Append& append, const Seen& seen, int32_t operand) noexcept {
  switch (operand) {
    case BARACUDA_OPERAND_INDPTR:
      return refuse_part(append, seen);
    case BARACUDA_OPERAND_INDICES:
      return refuse_page(append, seen);
    default:
      return refuse_length(append, seen);
  }
}

// What the limit is, or what keeps it.
const char* hint_of(const Placement& placement, const Corruption& corruption) noexcept {
  const bool is_beyond = corruption.seen >= corruption.limit;
  switch (corruption.operand) {
    case BARACUDA_OPERAND_INDPTR:
      return look_swapped(placement) ? swap_hint(placement)
                                     : " (indptr rises from at least 0 to at most the entries of indices)";
    case BARACUDA_OPERAND_INDICES:
    case BARACUDA_OPERAND_BLOCK_TABLE:
      return is_beyond ? " (num_total_pages)" : "";
    case BARACUDA_OPERAND_LAST_PAGE_LEN:
      return " (1 to page_size, the new tokens counted)";
    case BARACUDA_OPERAND_SEQ_LENS:
      if (!is_beyond) return "";
      return placement.counts_new != 0
                 ? " (its pages have no room for the token: list another page)"
                 : " (its pages have no room for the token: list another page, or AFTER_APPEND, if it counts the new "
                   "tokens)";
    case BARACUDA_OPERAND_APPEND_INDPTR:
      return " (it should rise from 0, by no more rows than the request has tokens)";
    case BARACUDA_OPERAND_BATCH_INDICES:
      return is_beyond ? " (the number of requests, by indptr)" : "";
    case BARACUDA_OPERAND_POSITIONS:
      return is_beyond ? " (its request's pages have no room for the token: list another page)" : "";
    case BARACUDA_OPERAND_SLOT_MAPPING:
      return is_beyond ? " (num_total_pages * page_size)" : "";
    default:
      return "";
  }
}

int32_t refuse_row(const Placement& placement, int64_t row, int64_t request, Corruption corruption) noexcept {
  const char* const should_be = corruption.seen < corruption.limit ? "at least" : "below";
  if (corruption.operand == BARACUDA_OPERAND_SEQ_LENS && corruption.seen >= corruption.limit && corruption.limit <= 0)
    return fail(BARACUDA_INVALID_PROBLEM,
                "row %lld, of request %lld: its seq_lens is %lld; whatever it is, the request's pages have no room for "
                "the token: list another page",
                static_cast<long long>(row), static_cast<long long>(request), static_cast<long long>(corruption.seen));
  if (request < 0)
    return fail(BARACUDA_INVALID_PROBLEM, "row %lld: its %s is %lld; it should be %s %lld%s",
                static_cast<long long>(row), name_of(corruption.operand), static_cast<long long>(corruption.seen),
                should_be, static_cast<long long>(corruption.limit), hint_of(placement, corruption));
  return fail(BARACUDA_INVALID_PROBLEM, "row %lld, of request %lld: its %s is %lld; it should be %s %lld%s",
              static_cast<long long>(row), static_cast<long long>(request), name_of(corruption.operand),
              static_cast<long long>(corruption.seen), should_be, static_cast<long long>(corruption.limit),
              hint_of(placement, corruption));
}

// append_indptr as a whole. Where it is out of order a row finds some request, and may be right there.
template <bool kNarrow>
int32_t judge_append_indptr(const Placement& placement) noexcept {
  int64_t begin = 0;
  for (int64_t b = 0; b <= placement.num_requests; ++b) {
    const int64_t end = read_index<kNarrow>(placement, kOwners, b);
    if (b == 0 && end != 0)
      return fail(BARACUDA_INVALID_PROBLEM, "append_indptr[0] is %lld; it should be 0", static_cast<long long>(end));
    if (end < begin)
      return fail(
          BARACUDA_INVALID_PROBLEM,
          "append_indptr[%lld] is %lld, below append_indptr[%lld], which is %lld; append_indptr should increase",
          static_cast<long long>(b), static_cast<long long>(end), static_cast<long long>(b - 1),
          static_cast<long long>(begin));
    if (end > placement.num_rows)
      return fail(BARACUDA_INVALID_PROBLEM, "append_indptr[%lld] is %lld; it should be at most %d, the rows of key",
                  static_cast<long long>(b), static_cast<long long>(end), placement.num_rows);
    begin = end;
  }
  return BARACUDA_OK;
}

// The request of a row of a RAGGED append, from that of the row before on: append_indptr was judged.
template <bool kNarrow>
int64_t next_request(const Placement& placement, int64_t row, int64_t request) noexcept {
  const int64_t last = int64_t{placement.num_requests} - 1;
  while (request < last && read_index<kNarrow>(placement, kOwners, request + 1) <= row) ++request;
  return request;
}

template <bool kNarrow, bool kByLastPage>
int32_t judge_rows(const Append& append, Place* places) noexcept {
  const Placement& placement = append.placement;
  if (placement.placing == Placing::kRagged) BARACUDA_TRY(judge_append_indptr<kNarrow>(placement));
  int64_t request = 0;
  int32_t refused = BARACUDA_OK;
  const bool all_judged = find_places<kNarrow, kByLastPage>(
      placement, 0, placement.num_rows, places,
      [&placement, &request](int64_t row) noexcept { return request = next_request<kNarrow>(placement, row, request); },
      [&append, &placement, &refused](int64_t row, const Seen& seen) noexcept {
        const Corruption corruption = corruption_of(placement, placement.placing, row, seen);
        if (corruption.reason == BARACUDA_CORRUPT_NONE && !append.mirrored) return true;
        refused = placement.placing == Placing::kLastPage ? refuse_decode(append, seen, corruption.operand)
                                                          : refuse_row(placement, row, seen.request, corruption);
        return false;
      });
  return all_judged ? judge_indptr<kNarrow>(placement) : refused;
}

// Where the number of pages is known.
int32_t judge_stated(const Append& append, Place* places) noexcept {
  if (!is_narrow(append.placement)) return judge_rows<false, false>(append, places);
  return append.placement.placing == Placing::kLastPage ? judge_rows<true, true>(append, places)
                                                        : judge_rows<true, false>(append, places);
}

}  // namespace

int32_t judge(const Append& append, Place* places) noexcept {
  if (append.states_pages) return judge_stated(append, places);
  Append bounded = append;
  bounded.placement.num_pages = addressable_pages(append);
  return judge_stated(bounded, places);
}

}  // namespace baracuda::host
