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

inline void copy_run_sse2(unsigned char* to, const unsigned char* from, size_t bytes) {
  for (; bytes >= kLineBytes; bytes -= kLineBytes, to += kLineBytes, from += kLineBytes)
    for (size_t i = 0; i < kLineBytes; i += kVectorBytes) copy_vector(to + i, from + i);
  copy_rest(to, from, bytes);
}

inline void stream_run_sse2(unsigned char* to, const unsigned char* from, size_t bytes) {
  const size_t head = copy_up_to_line(to, from, bytes);
  to += head;
  from += head;
  bytes -= head;
  for (; bytes >= kLineBytes; bytes -= kLineBytes, to += kLineBytes, from += kLineBytes)
    for (size_t i = 0; i < kLineBytes; i += kVectorBytes)
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + i), _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i)));
  copy_rest(to, from, bytes);
}

#if defined(BARACUDA_HOST_AVX)

BARACUDA_HOST_AVX inline void copy_run_avx(unsigned char* to, const unsigned char* from, size_t bytes) {
  for (; bytes >= kLineBytes; bytes -= kLineBytes, to += kLineBytes, from += kLineBytes) {
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from) + 1);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to) + 1, high);
  }
  copy_rest(to, from, bytes);
}

BARACUDA_HOST_AVX inline void stream_run_avx(unsigned char* to, const unsigned char* from, size_t bytes) {
  const size_t head = copy_up_to_line(to, from, bytes);
  to += head;
  from += head;
  bytes -= head;
  for (; bytes >= kLineBytes; bytes -= kLineBytes, to += kLineBytes, from += kLineBytes) {
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from) + 1);
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to), low);
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to) + 1, high);
  }
  copy_rest(to, from, bytes);
}

#endif

using CopyRun = void (*)(unsigned char* to, const unsigned char* from, size_t bytes);
using PrepareRun = void (*)(const unsigned char* to, size_t bytes);

// Each run is prepared while the one before it, or the other part, is copied.
template <CopyRun kCopy, PrepareRun kPrepare>
BARACUDA_ALWAYS_INLINE void copy_token(const Runs* runs, int num_parts, const Target& to, const Source& from,
                                       const Target& next) noexcept {
  if (next.is_served())
    for (int part = 0; part < num_parts; ++part) kPrepare(next.parts[part], runs[part].bytes);
  for (int part = 0; part < num_parts; ++part) {
    const Runs each = runs[part];
    unsigned char* cache = to.parts[part];
    const unsigned char* source = from.parts[part];
    const unsigned char* prepared = next.parts[part];
    for (int64_t left = each.count; left > 0; --left) {
      if (prepared != nullptr && left > 1) kPrepare(prepared += each.cache_stride, each.bytes);
      kCopy(cache, source, each.bytes);
      cache += each.cache_stride;
      source += each.source_stride;
    }
  }
}

void copy_sse2(const Runs* runs, int num_parts, const Target& to, const Source& from, const Target& next) noexcept {
  copy_token<copy_run_sse2, prefetch_run>(runs, num_parts, to, from, next);
}

void stream_sse2(const Runs* runs, int num_parts, const Target& to, const Source& from, const Target& next) noexcept {
  copy_token<stream_run_sse2, prepare_streamed>(runs, num_parts, to, from, next);
}

#if defined(BARACUDA_HOST_AVX)

BARACUDA_HOST_AVX void copy_avx(const Runs* runs, int num_parts, const Target& to, const Source& from,
                                const Target& next) noexcept {
  copy_token<copy_run_avx, prefetch_run>(runs, num_parts, to, from, next);
}

BARACUDA_HOST_AVX void stream_avx(const Runs* runs, int num_parts, const Target& to, const Source& from,
                                  const Target& next) noexcept {
  copy_token<stream_run_avx, prepare_streamed>(runs, num_parts, to, from, next);
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

void copy(const Runs* runs, int num_parts, const Target& to, const Source& from, const Target&) noexcept {
  for (int i = 0; i < num_parts; ++i)
    for (int64_t run = 0; run < runs[i].count; ++run)
      std::memcpy(to.parts[i] + run * runs[i].cache_stride, from.parts[i] + run * runs[i].source_stride, runs[i].bytes);
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
