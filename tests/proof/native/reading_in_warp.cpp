// What the threads of a warp read together of a row on the way to its place, held against the way that the host has for
// a row by itself, over random tables, damaged ones among them, every array on the heap by itself:
//   reading_in_warp ROUNDS SEED
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <type_traits>
#include <vector>

#include "require.h"
#include "warp.h"

// Behind the functions of a warp, which it calls.
#include "cuda/bespoke/reading.h"
#include "place/place.h"

namespace {

using baracuda::Corruption;
using baracuda::Divisor;
using baracuda::Placement;
using baracuda::Placing;
using baracuda::Seen;
using baracuda::SeenOf;
using baracuda::cuda::Reading;

using Numbers = std::vector<int64_t>;

constexpr int64_t kPlacings = 5;
constexpr uint32_t kAllWide = (1u << baracuda::kNumPlaceOperands) - 1;
constexpr int64_t kTokenVectors[] = {1, 2, 4, 8, 16, 24, 32, 128};
constexpr int64_t kRequests[] = {0, 1, 2, 3, 5, 31, 32, 33, 64, 100, 1000, 1025, 3000};
constexpr int64_t kEvil[] = {-1,
                             -2,
                             0,
                             1,
                             5,
                             31,
                             32,
                             33,
                             1000,
                             INT32_MAX,
                             INT32_MIN,
                             UINT32_MAX,
                             INT64_MAX,
                             INT64_MIN,
                             int64_t{1} << 31,
                             int64_t{1} << 32,
                             int64_t{1} << 62};

std::mt19937_64 random_bits;

int64_t below(int64_t limit) {
  return limit <= 0 ? 0 : static_cast<int64_t>(random_bits() % static_cast<uint64_t>(limit));
}
template <size_t kCount>
int64_t one_of(const int64_t (&of)[kCount]) {
  return of[below(kCount)];
}

struct Counts {
  long rows = 0;
  long served = 0;
  long corrupt = 0;
  long out_of_order = 0;  // of append_indptr: backends need not agree on the request
};

// The operands that say places, and how many rows of them a request has.
struct Tables {
  Placement placement = {};
  Numbers indices, indptr, owners, lengths, targets;
};

// How many new rows a request has: one, few, one but for the last, or mostly none.
int64_t new_rows(int64_t style, bool is_last) {
  switch (style) {
    case 0:
      return 1;
    case 1:
      return below(3);
    case 2:
      return is_last ? below(200) : 1;
    default:
      return below(10) == 0 ? below(100) : below(2);
  }
}

Tables make_tables() {
  Tables made;
  Placement& placement = made.placement;
  const auto placing = static_cast<Placing>(below(kPlacings));
  const bool is_ragged = placing == Placing::kRagged;
  const bool is_by_request = is_ragged || placing == Placing::kLastPage || placing == Placing::kNewest;
  const bool is_paged = is_by_request ? placing != Placing::kLastPage : placing == Placing::kPositions;
  const bool is_dense = is_paged && below(2) != 0;
  const bool by_seq_lens = is_dense || placing == Placing::kNewest || (is_ragged && below(2) != 0);
  const int64_t page_size = 1 + below(20);
  const int64_t num_pages = 1 + below(500);
  int64_t requests = below(3) == 0 ? below(40) : one_of(kRequests);
  if (is_by_request && requests == 0) requests = 1;
  placement.placing = placing;
  placement.table = is_dense ? BARACUDA_TABLE_DENSE : BARACUDA_TABLE_CSR;
  placement.lengths = by_seq_lens ? BARACUDA_LENGTHS_SEQ_LENS : BARACUDA_LENGTHS_LAST_PAGE_LEN;
  placement.counts_new = is_ragged && !by_seq_lens ? 1 : static_cast<int32_t>(below(2));
  placement.num_requests = static_cast<int32_t>(requests);
  placement.num_pages = static_cast<int32_t>(num_pages);
  placement.per_page = Divisor<uint32_t>(static_cast<uint64_t>(page_size));

  const int64_t style = below(4);
  int64_t most_pages = 1;
  Numbers rows_before = {0};
  Numbers pages;
  made.indptr = {0};
  for (int64_t b = 0; b < requests; ++b) {
    const int64_t rows = rows_before.back() > 3000 ? 0 : new_rows(style, b == requests - 1);
    const int64_t total = rows + below(3 * page_size) + 1;
    pages.push_back((total + page_size - 1) / page_size + below(2));
    most_pages = std::max(most_pages, pages.back());
    rows_before.push_back(rows_before.back() + rows);
    made.indptr.push_back(made.indptr.back() + pages.back());
    if (by_seq_lens)
      made.lengths.push_back(placement.counts_new != 0 ? total : total - (is_ragged ? rows : 1));
    else
      made.lengths.push_back(1 + below(page_size));
  }
  int64_t entries = made.indptr.back();
  placement.used_pages = static_cast<int32_t>(is_dense ? most_pages : entries);
  if (is_dense) {
    placement.table_stride = most_pages + below(3);
    entries = (requests - 1) * placement.table_stride + most_pages;
    made.indptr.clear();
  }
  for (int64_t i = 0; i < entries; ++i) made.indices.push_back(below(num_pages));

  int64_t rows = is_by_request && !is_ragged ? requests : 1 + below(200);
  if (is_ragged) {
    made.owners = rows_before;
    rows = std::max<int64_t>(1, rows_before.back() + below(40));
  }
  placement.num_rows = static_cast<int32_t>(rows);
  placement.requests_a_row =
      requests < rows ? static_cast<uint32_t>((static_cast<uint64_t>(requests) << 32) / static_cast<uint64_t>(rows))
                      : UINT32_MAX;
  if (placing == Placing::kPositions) {
    for (int64_t i = 0; i < rows; ++i) made.owners.push_back(requests != 0 ? below(requests) : -1);
    if (below(2) != 0) std::sort(made.owners.begin(), made.owners.end());
    for (const int64_t owner : made.owners) made.targets.push_back(requests != 0 ? below(pages[owner] * page_size) : 0);
  }
  if (placing == Placing::kSlots) {
    placement.skip_slot = below(3) == 0 ? below(num_pages * page_size) : -1;
    for (int64_t i = 0; i < rows; ++i) made.targets.push_back(below(num_pages * page_size));
  }
  return made;
}

void damage(Tables* tables) {
  Numbers* const all[] = {&tables->indices, &tables->indptr, &tables->owners, &tables->lengths, &tables->targets};
  for (int64_t left = below(4); left > 0; --left) {
    Numbers& numbers = *all[below(5)];
    if (numbers.empty()) continue;
    int64_t& hit = numbers[below(static_cast<int64_t>(numbers.size()))];
    hit = below(2) != 0 ? one_of(kEvil) : baracuda::sum(hit, below(3) - 1);
  }
}

bool are_in_order(const Numbers& owners) {
  int64_t before = 0;
  for (const int64_t entry : owners) {
    if (entry < before || (&entry == owners.data() && entry != 0)) return false;
    before = entry;
  }
  return true;
}

// Numbers as an operand of either type; those that are too large are cut off in both.
struct Operand {
  Operand(Numbers* numbers, bool is_wide) {
    if (!is_wide)
      for (int64_t& number : *numbers) number = static_cast<int32_t>(number);
    wide.reset(new int64_t[is_wide ? numbers->size() : 0]);
    narrow.reset(new int32_t[is_wide ? 0 : numbers->size()]);
    for (size_t i = 0; i < numbers->size(); ++i) {
      if (is_wide)
        wide[i] = (*numbers)[i];
      else
        narrow[i] = static_cast<int32_t>((*numbers)[i]);
    }
    data = is_wide ? static_cast<const void*>(wide.get()) : narrow.get();
  }

  std::unique_ptr<int64_t[]> wide;
  std::unique_ptr<int32_t[]> narrow;
  const void* data;
};

bool is_same(const Corruption& a, const Corruption& b) {
  return a.reason == b.reason &&
         (a.reason == BARACUDA_CORRUPT_NONE || (a.operand == b.operand && a.seen == b.seen && a.limit == b.limit));
}

// `Int`, `kNarrow`, `kAtOnce` and `kRows`: of a Reading. `wide`: of the placement.
template <typename Int, bool kNarrow, bool kAtOnce, int kRows = 2>
void check_tables(uint32_t wide, Counts* counts) {
  constexpr bool kReadsEither = !kNarrow && sizeof(Int) == sizeof(int32_t);
  Tables tables = make_tables();
  damage(&tables);
  Placement& placement = tables.placement;
  const Placing placing = placement.placing;
  placement.wide = static_cast<uint16_t>(wide);
  const bool has_targets = placing == Placing::kPositions || placing == Placing::kSlots;
  Numbers* const numbers[] = {&tables.indptr, has_targets ? &tables.targets : &tables.lengths, &tables.owners,
                              &tables.indices};
  std::vector<Operand> operands;
  for (uint32_t i = 0; i < baracuda::kNumPlaceOperands; ++i) {
    operands.emplace_back(numbers[i], (wide >> i & 1u) != 0);
    placement.operands[i] = operands[i].data;
  }
  if (kNarrow && !baracuda::is_narrow(placement)) return;
  if (kReadsEither && !baracuda::suffices_int32(placement)) return;
  const bool must_agree = placing != Placing::kRagged || are_in_order(tables.owners);

  const int64_t token_vectors = one_of(kTokenVectors);
  const int64_t vectors = placement.num_rows * token_vectors;
  const auto row_of = [&](int64_t vector) { return static_cast<Int>(std::min(vector, vectors - 1) / token_vectors); };
  for (int warps = 0; warps < 3; ++warps) {
    const int64_t first = below((vectors + warp::kThreads - 1) / warp::kThreads) * warp::kThreads;
    const bool are_few = below(2) != 0;
    warp::run([&](int lane) {
      const Int row = row_of(first + lane);
      Reading<kNarrow, Int, kAtOnce, kRows> reading = {};
      SeenOf<Int> seen = {};
      reading.start(placement, placing, {row_of(first), row_of(first + warp::kThreads - 1)}, row, are_few);
      bool found;
      if constexpr (kReadsEither) {
        reading.finish(placement, placing, row, &seen);
        found = baracuda::find_entry(placement, placing, row, &seen);
        reading.read_page(placement, placing, found, entry_bytes(placement, baracuda::kPages), seen);
        reading.take_page(placement, &seen);
      } else {
        int calls = 0;
        found = reading.find_page(placement, placing, row, &seen, [&](bool has_page) { calls += has_page ? 1 : 0; });
        REQUIRE(calls == (found ? 1 : 0), "row %lld: %d", static_cast<long long>(row), calls);
      }
      if (first + lane >= vectors) return;
      const bool served = found && baracuda::is_place(placement, seen);
      ++counts->rows;
      counts->served += served ? 1 : 0;
      REQUIRE(!served || (seen.page >= 0 && seen.page < placement.num_pages && seen.slot >= 0 &&
                          seen.slot < placement.page_size()),
              "row %lld goes out of the cache", static_cast<long long>(row));
      Seen wanted = {};
      if (!must_agree) {
        ++counts->out_of_order;
        const bool is_its = served && baracuda::find_place_of<false>(placement, placing, seen.request, row, &wanted);
        REQUIRE(!served || (is_its && seen.page == wanted.page && seen.slot == wanted.slot),
                "row %lld is served as of request %lld", static_cast<long long>(row),
                static_cast<long long>(seen.request));
        return;
      }
      const int64_t request = placing == Placing::kRagged ? baracuda::find_request<false>(placement, row) : 0;
      const bool is_wanted = baracuda::find_place_of<false>(placement, placing, request, row, &wanted);
      const Seen all = served ? widened(seen) : reading.all_of(placement, placing, row, found, seen);
      REQUIRE(served == is_wanted && all.request == wanted.request && all.page == wanted.page &&
                  (!served || seen.slot == wanted.slot),
              "placing %d, %d requests, row %lld: page %lld and %lld", static_cast<int>(placing),
              placement.num_requests, static_cast<long long>(row), static_cast<long long>(all.page),
              static_cast<long long>(wanted.page));
      if (served) return;
      const Corruption why = kReadsEither ? baracuda::corruption_of(placement, placing, row, all)
                                          : reading.corruption(placement, placing, row, seen);
      counts->corrupt += why.reason != BARACUDA_CORRUPT_NONE ? 1 : 0;
      REQUIRE(is_same(why, baracuda::corruption_of(placement, placing, row, wanted)), "placing %d, row %lld",
              static_cast<int>(placing), static_cast<long long>(row));
    });
  }
}

}  // namespace

int main(int argc, char** argv) {
  REQUIRE(argc == 3, "reading_in_warp ROUNDS SEED");
  random_bits.seed(std::strtoull(argv[2], nullptr, 10));
  Counts counts;
  for (int64_t left = std::strtoll(argv[1], nullptr, 10); left > 0; --left) {
    const uint32_t each = static_cast<uint32_t>(below(kAllWide + 1));
    for (const uint32_t wide : {0u, kAllWide, each}) {
      check_tables<int64_t, false, false>(wide, &counts);
      check_tables<int32_t, false, false>(wide, &counts);
    }
    check_tables<int32_t, true, true>(0, &counts);
    check_tables<int32_t, true, true, 4>(0, &counts);
    check_tables<int32_t, true, false>(0, &counts);
  }
  std::printf("reading_in_warp: %ld rows, %ld served, %ld corrupt, %ld where append_indptr is out of order\n",
              counts.rows, counts.served, counts.corrupt, counts.out_of_order);
  return 0;
}
