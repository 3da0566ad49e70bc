#include "host/run_copy.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__) || defined(_M_X64)
#define BARACUDA_HOST_SSE2 1
#include <immintrin.h>
#if defined(__GNUC__)
// The library is built for any x86-64, so what is newer is compiled apart and chosen when it runs.
#define BARACUDA_HOST_AVX __attribute__((target("avx")))
#endif
#endif

namespace baracuda::host {

namespace {

void copy_bytes(unsigned char* to, const unsigned char* from, size_t bytes) noexcept { std::memcpy(to, from, bytes); }

}  // namespace

#if defined(BARACUDA_HOST_SSE2)

namespace {

constexpr size_t kLineBytes = 64;
constexpr size_t kVectorBytes = kRunVectorBytes;
static_assert(kVectorBytes == sizeof(__m128i));

inline void copy_vector(unsigned char* to, const unsigned char* from) {
  _mm_store_si128(reinterpret_cast<__m128i*>(to), _mm_load_si128(reinterpret_cast<const __m128i*>(from)));
}

inline void prefetch(const unsigned char* line) { _mm_prefetch(reinterpret_cast<const char*>(line), _MM_HINT_T0); }

// Runs are short: what memcpy does first to choose its way would take as long as the copy.
void copy_sse2(unsigned char* to, const unsigned char* from, size_t bytes) noexcept {
  size_t at = 0;
  for (; at + kLineBytes <= bytes; at += kLineBytes)
    for (size_t i = at; i < at + kLineBytes; i += kVectorBytes) copy_vector(to + i, from + i);
  for (; at < bytes; at += kVectorBytes) copy_vector(to + at, from + at);
}

#if defined(BARACUDA_HOST_AVX)
BARACUDA_HOST_AVX void copy_avx(unsigned char* to, const unsigned char* from, size_t bytes) noexcept {
  size_t at = 0;
  for (; at + kLineBytes <= bytes; at += kLineBytes) {
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + at));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + at) + 1);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + at), low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + at) + 1, high);
  }
  for (; at < bytes; at += kVectorBytes) copy_vector(to + at, from + at);
}
#endif

// A run this long, a page of memory, keeps the CPU's own prefetching busy: asking for its lines besides made it slower.
constexpr size_t kPrefetchBelowBytes = 4096;

void prepare_cached(const unsigned char* to, size_t bytes) noexcept {
  if (bytes >= kPrefetchBelowBytes) return;
  for (size_t at = 0; at < bytes; at += kLineBytes) prefetch(to + at);
  prefetch(to + bytes - 1);
}

void finish_cached() noexcept {}

// Only lines that a run fills are streamed. Its ends are written through the caches, so as to be merged with what
// memory has there; later stores wait for them, hence prepare_streamed.
size_t copy_up_to_line(unsigned char* to, const unsigned char* from, size_t bytes) {
  const size_t length = std::min<size_t>((0 - reinterpret_cast<uintptr_t>(to)) % kLineBytes, bytes);
  for (size_t at = 0; at < length; at += kVectorBytes) copy_vector(to + at, from + at);
  return length;
}

void stream_sse2(unsigned char* to, const unsigned char* from, size_t bytes) noexcept {
  size_t at = copy_up_to_line(to, from, bytes);
  for (; at + kLineBytes <= bytes; at += kLineBytes)
    for (size_t i = at; i < at + kLineBytes; i += kVectorBytes)
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + i), _mm_load_si128(reinterpret_cast<const __m128i*>(from + i)));
  copy_sse2(to + at, from + at, bytes - at);
}

#if defined(BARACUDA_HOST_AVX)
BARACUDA_HOST_AVX void stream_avx(unsigned char* to, const unsigned char* from, size_t bytes) noexcept {
  size_t at = copy_up_to_line(to, from, bytes);
  for (; at + kLineBytes <= bytes; at += kLineBytes) {
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + at));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + at) + 1);
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to + at), low);
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to + at) + 1, high);
  }
  for (; at < bytes; at += kVectorBytes) copy_vector(to + at, from + at);
}
#endif

// A streaming store must wait for the translation of its address too. In a run of this many bytes, fetching one line to
// have it made early costs less than that; it was slower for runs of half as many.
constexpr size_t kTranslateFromBytes = 1024;

void prepare_streamed(const unsigned char* to, size_t bytes) noexcept {
  const unsigned char* end = to + bytes;
  if (bytes >= kTranslateFromBytes || reinterpret_cast<uintptr_t>(to) % kLineBytes != 0) prefetch(to);
  if (reinterpret_cast<uintptr_t>(end) % kLineBytes != 0) prefetch(end - kVectorBytes);
}

void finish_streamed() noexcept { _mm_sfence(); }

}  // namespace

WayToCopy cached_copy() noexcept {
#if defined(BARACUDA_HOST_AVX)
  if (__builtin_cpu_supports("avx")) return {copy_avx, prepare_cached, finish_cached};
#endif
  return {copy_sse2, prepare_cached, finish_cached};
}

WayToCopy streaming_copy() noexcept {
#if defined(BARACUDA_HOST_AVX)
  if (__builtin_cpu_supports("avx")) return {stream_avx, prepare_streamed, finish_streamed};
#endif
  return {stream_sse2, prepare_streamed, finish_streamed};
}

WayToCopy any_copy() noexcept { return {copy_bytes, prepare_cached, finish_cached}; }

#else

namespace {

void prepare(const unsigned char*, size_t) noexcept {}
void finish() noexcept {}

}  // namespace

WayToCopy any_copy() noexcept { return {copy_bytes, prepare, finish}; }

WayToCopy cached_copy() noexcept { return any_copy(); }

WayToCopy streaming_copy() noexcept { return any_copy(); }

#endif

}  // namespace baracuda::host
