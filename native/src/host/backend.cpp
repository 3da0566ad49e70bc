#include "host/backend.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

#include "append/operands.h"
#include "base/status.h"
#include "host/judge.h"
#include "host/reachable.h"
#include "host/record.h"
#include "host/row_conversion.h"
#include "host/rows.h"
#include "host/threads/work.h"

namespace baracuda::host {
namespace {

// Rows whose places are kept on the stack: a decode step's.
constexpr int64_t kPlacesOnStack = 256;

template <typename Rows>
void write_rows(const Append& append, const Place* places) noexcept {
  const Rows rows(append, places);
  Work work{};
  work.process = [](const void* context, int32_t first, int32_t last) noexcept {
    static_cast<const Rows*>(context)->write(first, last);
  };
  work.finish = rows.finish();
  work.context = &rows;
  work.items = append.placement.num_rows;
  work.items_at_once = static_cast<int32_t>(std::max<uint64_t>(kBytesAtOnce / rows.token_bytes(), 1));
  run_in_threads(work);
}

int32_t write_all(const Append& append, const Place* places) noexcept {
  if (append.transform == BARACUDA_TRANSFORM_COPY)
    write_rows<RowCopy>(append, places);
  else
    write_rows<RowConversion>(append, places);
  return BARACUDA_OK;
}

int32_t judge_and_write(const Append& append, Place* places) noexcept {
  BARACUDA_TRY(judge(append, places));
  return write_all(append, places);
}

void record_lost_rows(const Append& append) noexcept {
  const Placement& placement = append.placement;
  if (placement.placing != Placing::kRagged) return;
  const Corruption lost = is_narrow(placement) ? lost_rows_of<true>(placement) : lost_rows_of<false>(placement);
  record_corruption(append.record, placement.num_rows, placement.num_requests - 1, -1, lost);
}

}  // namespace

int32_t check_page_table(const Append& append) { return append.guarded ? BARACUDA_OK : judge(append, nullptr); }

int32_t launch(const Append& append) {
  if (append.guarded) {
    record_lost_rows(append);
    return write_all(append, nullptr);
  }
  const int64_t rows = rows_of(append);
  if (rows <= kPlacesOnStack) {
    Place places[kPlacesOnStack];
    return judge_and_write(append, places);
  }
  const std::unique_ptr<Place[]> places(new (std::nothrow) Place[static_cast<size_t>(rows)]);
  if (places == nullptr)
    return fail(
        BARACUDA_INVALID_PROBLEM,
        "there is no memory for the places of %lld rows; a guarded append needs none, and nor does one of fewer rows",
        static_cast<long long>(rows));
  return judge_and_write(append, places.get());
}

int32_t preload(const Append&, int32_t* arch) {
  *arch = 0;
  return BARACUDA_OK;
}

int32_t check_reachable(const Op&, Operands operands) {
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i)
    if (operands[i] != nullptr) BARACUDA_TRY(check_cpu_reaches(name_of(i), *operands[i]));
  return BARACUDA_OK;
}

}  // namespace baracuda::host
