#include "host/run_copy.h"

#include <algorithm>
#include <cstring>

#include "base/hints.h"
#include "host/prefetch.h"

#if defined(__SSE2__) || defined(_M_X64)
#define BARACUDA_HOST_SSE2 1
#include <immintrin.h>
#endif

namespace baracuda::host {
namespace {

BARACUDA_ALWAYS_INLINE unsigned char* cache_of(const Runs& part, const Place& place) {
  return part.cache + (place.page * part.page_stride + place.slot * part.slot_stride);
}

}  // namespace

#if defined(BARACUDA_HOST_SSE2)

// The library is built for any x86-64, so what is newer is compiled apart and chosen when it runs. What is always
// inline is compiled for the same processors as what it becomes a part of.
#if defined(__GNUC__)
#define BARACUDA_HOST_AVX __attribute__((target("avx")))
#endif

namespace {

constexpr size_t kVectorBytes = sizeof(__m128i);

BARACUDA_ALWAYS_INLINE void copy_vector(unsigned char* to, const unsigned char* from) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

// As many bytes as a Word has, up to twice as many: the first and the last of them, which may overlap.
template <typename Word>
BARACUDA_ALWAYS_INLINE void copy_ends(unsigned char* to, const unsigned char* from, size_t bytes) {
  Word first;
  Word last;
  std::memcpy(&first, from, sizeof(Word));
  std::memcpy(&last, from + bytes - sizeof(Word), sizeof(Word));
  std::memcpy(to, &first, sizeof(Word));
  std::memcpy(to + bytes - sizeof(Word), &last, sizeof(Word));
}

// Less than a line. Runs are short: what memcpy does first to choose its way would take as long as the copy.
BARACUDA_ALWAYS_INLINE void copy_rest(unsigned char* to, const unsigned char* from, size_t bytes) {
  if (bytes == 0) return;
  if (bytes >= kVectorBytes) {
    copy_vector(to, from);
    if (bytes > 2 * kVectorBytes) {
      copy_vector(to + kVectorBytes, from + kVectorBytes);
      copy_vector(to + bytes - 2 * kVectorBytes, from + bytes - 2 * kVectorBytes);
    }
    copy_vector(to + bytes - kVectorBytes, from + bytes - kVectorBytes);
  } else if (bytes >= sizeof(uint64_t)) {
    copy_ends<uint64_t>(to, from, bytes);
  } else if (bytes >= sizeof(uint32_t)) {
    copy_ends<uint32_t>(to, from, bytes);
  } else if (bytes >= sizeof(uint16_t)) {
    copy_ends<uint16_t>(to, from, bytes);
  } else {
    *to = *from;
  }
}

// A streaming store must wait for the translation of its address too. In a run of this many bytes, fetching one line to
// have it made early costs less than that; it was slower for runs of half as many.
constexpr size_t kTranslateFromBytes = 1024;

// Only lines that a run fills are streamed. Its ends are written through the caches, so as to be merged with what
// memory has there; later stores wait for them.
BARACUDA_ALWAYS_INLINE void prepare_streamed(const unsigned char* to, size_t bytes) {
  const unsigned char* const end = to + bytes;
  if (bytes >= kTranslateFromBytes || reinterpret_cast<uintptr_t>(to) % kLineBytes != 0) prefetch(to);
  if (reinterpret_cast<uintptr_t>(end) % kLineBytes != 0) prefetch(end - 1);
}

BARACUDA_ALWAYS_INLINE size_t copy_up_to_line(unsigned char* to, const unsigned char* from, size_t bytes) {
  const size_t length = std::min<size_t>((0 - reinterpret_cast<uintptr_t>(to)) % kLineBytes, bytes);
  copy_rest(to, from, length);
  return length;
}

BARACUDA_ALWAYS_INLINE void copy_line_sse2(unsigned char* to, const unsigned char* from) {
  for (size_t i = 0; i < kLineBytes; i += kVectorBytes) copy_vector(to + i, from + i);
}

BARACUDA_ALWAYS_INLINE void stream_line_sse2(unsigned char* to, const unsigned char* from) {
  for (size_t i = 0; i < kLineBytes; i += kVectorBytes)
    _mm_stream_si128(reinterpret_cast<__m128i*>(to + i), _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i)));
}

#if defined(BARACUDA_HOST_AVX)

BARACUDA_HOST_AVX inline void copy_line_avx(unsigned char* to, const unsigned char* from) {
  const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from) + 1);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), low);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to) + 1, high);
}

BARACUDA_HOST_AVX inline void stream_line_avx(unsigned char* to, const unsigned char* from) {
  const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from) + 1);
  _mm256_stream_si256(reinterpret_cast<__m256i*>(to), low);
  _mm256_stream_si256(reinterpret_cast<__m256i*>(to) + 1, high);
}

#endif

// 64 bytes.
using CopyLine = void (*)(unsigned char* to, const unsigned char* from);

// One run, and where the next one goes, if there is one.
using CopyRun = void (*)(unsigned char* to, const unsigned char* from, size_t bytes, bool has_next,
                         const unsigned char* next);

// So many bytes, most of a page of a cache say, are worth that memcpy chooses its way, by what the CPU is best at.
constexpr size_t kLeftToMemcpyFrom = size_t{8} << 10;

// Through the caches. While a line is copied, the same one of the next run is asked for.
template <CopyLine kCopyLine>
BARACUDA_ALWAYS_INLINE void copy_run(unsigned char* to, const unsigned char* from, size_t bytes, bool has_next,
                                     const unsigned char* next) {
  if (bytes >= kLeftToMemcpyFrom) {
    std::memcpy(to, from, bytes);
    return;
  }
  const unsigned char* const end = from + bytes / kLineBytes * kLineBytes;
  if (has_next && bytes < kPrefetchBelowBytes) {
    prefetch(next + bytes - 1);
    for (; from != end; to += kLineBytes, from += kLineBytes, next += kLineBytes) {
      prefetch(next);
      kCopyLine(to, from);
    }
  } else {
    for (; from != end; to += kLineBytes, from += kLineBytes) kCopyLine(to, from);
  }
  copy_rest(to, from, bytes % kLineBytes);
}

// Past them.
template <CopyLine kStreamLine>
BARACUDA_ALWAYS_INLINE void stream_run(unsigned char* to, const unsigned char* from, size_t bytes, bool has_next,
                                       const unsigned char* next) {
  if (has_next) prepare_streamed(next, bytes);
  const size_t head = copy_up_to_line(to, from, bytes);
  to += head;
  from += head;
  bytes -= head;
  for (; bytes >= kLineBytes; bytes -= kLineBytes, to += kLineBytes, from += kLineBytes) kStreamLine(to, from);
  copy_rest(to, from, bytes);
}

// Of a token's runs each is copied by itself, and the next token's asked for before. Neither is inlined: heads' rows
// often lie 4 KiB apart, on the same few sets of the first-level cache, and stores of many rows at once take the lines
// from each other there that were asked for.
BARACUDA_NOINLINE void ask_for_run(const unsigned char* run, size_t bytes) { prefetch_run(run, bytes); }

BARACUDA_NOINLINE void copy_one_run_sse2(unsigned char* to, const unsigned char* from, size_t bytes, bool has_next,
                                         const unsigned char* next) {
  if (has_next) ask_for_run(next, bytes);
  copy_run<copy_line_sse2>(to, from, bytes, false, next);
}

#if defined(BARACUDA_HOST_AVX)

BARACUDA_HOST_AVX BARACUDA_NOINLINE void copy_one_run_avx(unsigned char* to, const unsigned char* from, size_t bytes,
                                                          bool has_next, const unsigned char* next) {
  if (has_next) ask_for_run(next, bytes);
  copy_run<copy_line_avx>(to, from, bytes, false, next);
}

#endif

// Key of all tokens, and then value: what is known of a part stays in registers, and its rows follow each other.
template <CopyRun kCopyRun, CopyRun kCopyOneRun>
BARACUDA_ALWAYS_INLINE void copy_part(const Runs& runs, int64_t first, const Place* places, int64_t count) noexcept {
  const Runs part = runs;  // which no byte that is written can be one of
  const unsigned char* source = part.source + first * part.token_stride;
  for (int64_t token = 0; token < count; ++token, source += part.token_stride) {
    if (!places[token].is_served()) continue;
    const bool has_next = token + 1 < count && places[token + 1].is_served();
    unsigned char* to = cache_of(part, places[token]);
    const unsigned char* next = cache_of(part, places[has_next ? token + 1 : token]);
    if (part.count == 1) {
      kCopyRun(to, source, part.bytes, has_next, next);
      continue;
    }
    const unsigned char* from = source;
    for (int64_t left = part.count; left > 0; --left) {
      kCopyOneRun(to, from, part.bytes, has_next, next);
      to += part.cache_stride;
      from += part.source_stride;
      next += part.cache_stride;
    }
  }
}

template <CopyRun kCopyRun, CopyRun kCopyOneRun>
BARACUDA_ALWAYS_INLINE void copy_parts(const Runs* parts, int num_parts, int64_t first, const Place* places,
                                       int64_t count) noexcept {
  for (int i = 0; i < num_parts; ++i) copy_part<kCopyRun, kCopyOneRun>(parts[i], first, places, count);
}

void copy_sse2(const Runs* parts, int num_parts, int64_t first, const Place* places, int64_t count) noexcept {
  copy_parts<copy_run<copy_line_sse2>, copy_one_run_sse2>(parts, num_parts, first, places, count);
}

void stream_sse2(const Runs* parts, int num_parts, int64_t first, const Place* places, int64_t count) noexcept {
  copy_parts<stream_run<stream_line_sse2>, stream_run<stream_line_sse2>>(parts, num_parts, first, places, count);
}

#if defined(BARACUDA_HOST_AVX)

BARACUDA_HOST_AVX void copy_avx(const Runs* parts, int num_parts, int64_t first, const Place* places,
                                int64_t count) noexcept {
  copy_parts<copy_run<copy_line_avx>, copy_one_run_avx>(parts, num_parts, first, places, count);
}

BARACUDA_HOST_AVX void stream_avx(const Runs* parts, int num_parts, int64_t first, const Place* places,
                                  int64_t count) noexcept {
  copy_parts<stream_run<stream_line_avx>, stream_run<stream_line_avx>>(parts, num_parts, first, places, count);
}

#endif

void finish_cached() noexcept {}

void finish_streamed() noexcept { _mm_sfence(); }

WayToCopy cached_copy() noexcept {
#if defined(BARACUDA_HOST_AVX)
  if (__builtin_cpu_supports("avx")) return {copy_avx, finish_cached};
#endif
  return {copy_sse2, finish_cached};
}

WayToCopy streaming_copy() noexcept {
#if defined(BARACUDA_HOST_AVX)
  if (__builtin_cpu_supports("avx")) return {stream_avx, finish_streamed};
#endif
  return {stream_sse2, finish_streamed};
}

}  // namespace

#else

namespace {

void copy(const Runs* parts, int num_parts, int64_t first, const Place* places, int64_t count) noexcept {
  for (int64_t token = 0; token < count; ++token) {
    if (!places[token].is_served()) continue;
    for (int i = 0; i < num_parts; ++i) {
      const Runs& part = parts[i];
      const unsigned char* const source = part.source + (first + token) * part.token_stride;
      unsigned char* const cache = cache_of(part, places[token]);
      for (int64_t run = 0; run < part.count; ++run)
        std::memcpy(cache + run * part.cache_stride, source + run * part.source_stride, part.bytes);
    }
  }
}

void finish() noexcept {}

WayToCopy cached_copy() noexcept { return {copy, finish}; }

// We know of no way.
WayToCopy streaming_copy() noexcept { return cached_copy(); }

}  // namespace

#endif

WayToCopy way_for(uint64_t bytes) noexcept {
  // New rows are best left in the caches for the attention that reads them next. Beyond this, what is read and written
  // outgrows the caches that a core has to itself, and fetching the lines that are overwritten costs as much again as
  // the copy.
  constexpr uint64_t kCachedUpToBytes = uint64_t{1} << 20;
  return bytes <= kCachedUpToBytes ? cached_copy() : streaming_copy();
}

}  // namespace baracuda::host
