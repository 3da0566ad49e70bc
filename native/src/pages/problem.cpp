#include "pages/problem.h"

#include "base/status.h"
#include "pages/backend.h"
#include "pages/operands.h"

namespace baracuda {
namespace {

constexpr uint32_t kKnownFlags = BARACUDA_FLAG_GUARDED | BARACUDA_FLAG_STRIDED;
constexpr int32_t kMostElementBytes = 16;

int32_t check_page(const CacheMembers& cache) noexcept {
  const char* const name = copy_name_of(cache.operand);
  const int rank = rank_of_page(cache.page);
  for (int i = 0; i < kMaxPageRank; ++i)
    if (i < rank ? cache.page[i] < 0 : cache.page[i] != 0)
      return fail(BARACUDA_INVALID_PROBLEM,
                  "%s has pages of extent %lld in dimension %d of %d; it should be at least 1, and 0 behind the last",
                  name, static_cast<long long>(cache.page[i]), i, rank);
  return BARACUDA_OK;
}

int32_t check_element_bytes(const CacheMembers& cache) noexcept {
  const int32_t bytes = cache.element_bytes;
  if (bytes >= 1 && bytes <= kMostElementBytes && (bytes & (bytes - 1)) == 0) return BARACUDA_OK;
  return fail(BARACUDA_UNSUPPORTED, "%s has elements of %d bytes; they should have 1, 2, 4, 8 or 16",
              copy_name_of(cache.operand), bytes);
}

}  // namespace

int32_t check_copy_choices(const CopyOp& op) noexcept {
  if ((op.flags & ~kKnownFlags) != 0)
    return fail(BARACUDA_UNSUPPORTED, "flags is 0x%x; a copy of pages knows 0x%x", op.flags, kKnownFlags);
  const PageBackend* const backend = find_page_backend(op.backend);
  if (backend == nullptr)
    return fail(BARACUDA_UNSUPPORTED, "backend is %d; to copy pages it should be HOST (2) or BESPOKE (3)", op.backend);
  if (backend->is_always_guarded && (op.flags & BARACUDA_FLAG_GUARDED) == 0)
    return fail(BARACUDA_UNSUPPORTED, "flags is 0x%x, the copy not guarded; the %s backend makes only guarded ones",
                op.flags, backend->name);
  if (op.movement < BARACUDA_MOVEMENT_COPY || op.movement > BARACUDA_MOVEMENT_SCATTER)
    return fail(BARACUDA_UNSUPPORTED, "movement is %d; this release has COPY (0), GATHER (1) and SCATTER (2)",
                op.movement);
  if (op.parts != BARACUDA_PARTS_KEY_AND_VALUE && op.parts != BARACUDA_PARTS_KEY)
    return fail(BARACUDA_UNSUPPORTED, "parts is %d; this release has KEY_AND_VALUE (0) and KEY (1)", op.parts);
  return BARACUDA_OK;
}

int32_t check_copy_extents(const CopyOp& op) noexcept {
  if (op.num_total_pages < 1)
    return fail(BARACUDA_INVALID_PROBLEM, "num_total_pages is %d; it should be at least 1", op.num_total_pages);
  if (op.num_copies < 0)
    return fail(BARACUDA_INVALID_PROBLEM, "num_copies is %d; it should not be negative", op.num_copies);
  for (int part = 0; part < num_parts(op); ++part) BARACUDA_TRY(check_page(cache_in(op, part)));
  for (int part = 0; part < num_parts(op); ++part) BARACUDA_TRY(check_element_bytes(cache_in(op, part)));
  return BARACUDA_OK;
}

int32_t check_copy_problem(const CopyOp& op) noexcept {
  BARACUDA_TRY(check_copy_choices(op));
  return check_copy_extents(op);
}

}  // namespace baracuda
