// One call that copies pages, as everything behind the C struct sees it: which pages, and from where to where their
// bytes go. COPY, GATHER and SCATTER differ in what either end is, and in nothing else. Made once from the caller's
// struct, by make_copy.
#ifndef BARACUDA_SRC_PAGES_COPY_H_
#define BARACUDA_SRC_PAGES_COPY_H_

#include <cstdint>

#include "baracuda_ffi.h"
#include "pages/pairs.h"

namespace baracuda {

struct PageBackend;

// The caller's struct, in this library's size.
using CopyOp = baracuda_paged_kv_copy;

inline constexpr int kMaxPageRank = BARACUDA_MAX_PAGE_RANK;
inline constexpr int kMaxCopyParts = 2;

// Steps from one run of a page to the next, in bytes.
struct PageDimension {
  int64_t extent;
  int64_t from_stride;
  int64_t to_stride;
};

// A part of a page, at either end: runs of bytes at the places of a few dimensions, the longest steps where it is
// written first. What lies side by side at both ends is one run, whatever the caller calls its dimensions.
struct PagePart {
  const unsigned char* from;
  unsigned char* to;
  int64_t from_page_stride;  // in bytes; 0 where there is one page at most
  int64_t to_page_stride;
  int64_t run_bytes;
  int32_t num_dimensions;
  PageDimension dimensions[kMaxPageRank];
};

// The bytes of a page.
int64_t bytes_of(const PagePart& part) noexcept;

struct PageCopy {
  const PageBackend* backend;
  bool guarded;
  int32_t num_parts;
  PagePart parts[kMaxCopyParts];
  Pairs pairs;
  int32_t num_copies;
  baracuda_error_record* record;  // nullptr: record nothing
  void* stream;
  const void* k_data;  // whose device is the stream's, where that is a default stream
};

// Of a problem that check_copy_problem has accepted; pointers may still be anything.
void make_copy(const CopyOp& op, PageCopy* made) noexcept;

}  // namespace baracuda

#endif  // BARACUDA_SRC_PAGES_COPY_H_
