// Every way to write rows that this CPU has, held against the portable one, byte by byte:
//   row_writers            every 16-bit pattern, floats of all exponents about every tie, rows of every length at every
//                          address, and in every rounding and denormal mode of the caller
//   row_writers floats     the fp8 types over all 2^32 floats and every scale; minutes
#include "host/formats/row_writers.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "host/float_mode.h"
#include "require.h"

#if defined(__SSE2__)
#include <xmmintrin.h>
#elif !defined(__aarch64__)
#error "how threads of this processor set their float mode is not known here"
#endif

namespace {

using baracuda::host::DefaultFloatMode;
using baracuda::host::RowWriters;
using baracuda::host::WayToWrite;
using baracuda::host::WriteRow;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kScales[] = {1.0f,    2.0f,   0.25f, 0x1p-20f, 0.037f,  3.0f,  448.0f, 1e-40f,    0x1p-149f, 3e38f,
                             0x1p90f, 1e-30f, 0.0f,  -0.0f,    -0.037f, -1.0f, kNan,   kInfinity, -kInfinity};

struct Way {
  const char* name;
  const WayToWrite* way;
};

struct Type {
  const char* name;
  RowWriters WayToWrite::* writers;
  size_t bytes;
  uint32_t infinity;
};

constexpr Type kTypes[] = {{"f16", &WayToWrite::f16, 2, 0x7c00},
                           {"bf16", &WayToWrite::bf16, 2, 0x7f80},
                           {"f32", &WayToWrite::f32, 4, 0x7f800000}};

struct Format {
  const char* name;
  WriteRow RowWriters::* write;
  size_t multiple_of;  // elements of a row
  size_t elements_a_byte;
  size_t scale_bytes;
  size_t tile;  // elements that share a scale; 0: all of a row
  bool is_given_scale;
};

constexpr Format kFormats[] = {{"fp8_e4m3", &RowWriters::fp8_e4m3, 1, 1, 0, 0, true},
                               {"fp8_e5m2", &RowWriters::fp8_e5m2, 1, 1, 0, 0, true},
                               {"token_head_e4m3", &RowWriters::token_head_e4m3, 1, 1, 4, 0, false},
                               {"token_head_int8", &RowWriters::token_head_int8, 1, 1, 4, 0, false},
                               {"ds_mla", &RowWriters::ds_mla, 128, 1, 4, 128, false},
                               {"nvfp4", &RowWriters::nvfp4, 16, 2, 1, 16, true}};

uint64_t rows_compared = 0;

size_t scales_of(const Format& format, size_t elements) {
  return format.tile == 0 ? format.scale_bytes : elements / format.tile * format.scale_bytes;
}

constexpr size_t kMargin = 64;
constexpr unsigned char kUntouched = 0xa5;

// What was written, and the bytes around it.
struct Written {
  std::vector<unsigned char> row;
  std::vector<unsigned char> scales;
};

Written write(const WayToWrite& way, const Type& type, const Format& format, const unsigned char* from, size_t elements,
              float scale, size_t offset) {
  Written written = {std::vector<unsigned char>(elements + 2 * kMargin, kUntouched),
                     std::vector<unsigned char>(scales_of(format, elements) + 2 * kMargin, kUntouched)};
  (way.*type.writers.*format.write)(from, elements, scale, written.row.data() + offset, written.scales.data() + offset);
  return written;
}

void compare(const std::vector<Way>& ways, const Type& type, const Format& format, const unsigned char* from,
             size_t elements, float scale, size_t offset = kMargin) {
  const Written right = write(*ways[0].way, type, format, from, elements, scale, offset);
  for (size_t i = 0; i < right.row.size(); ++i)
    REQUIRE((i >= offset && i < offset + elements / format.elements_a_byte) || right.row[i] == kUntouched,
            "%s of %zu %s: byte %zu was written", format.name, elements, type.name, i);
  for (size_t i = 0; i < right.scales.size(); ++i)
    REQUIRE((i >= offset && i < offset + scales_of(format, elements)) || right.scales[i] == kUntouched,
            "%s of %zu %s: byte %zu of the scales was written", format.name, elements, type.name, i);
  for (const Way& other : ways) {
    const Written found = write(*other.way, type, format, from, elements, scale, offset);
    for (size_t i = 0; i < right.row.size(); ++i)
      REQUIRE(found.row[i] == right.row[i], "%s: %s of %zu %s by %g: byte %zu is %02x, not %02x", other.name,
              format.name, elements, type.name, static_cast<double>(scale), i - offset, found.row[i], right.row[i]);
    REQUIRE(found.scales == right.scales, "%s: the scales of %s of %zu %s by %g", other.name, format.name, elements,
            type.name, static_cast<double>(scale));
    ++rows_compared;
  }
}

void compare_patterns(const std::vector<Way>& ways) {
  std::vector<uint16_t> patterns(65536);
  for (size_t i = 0; i < patterns.size(); ++i) patterns[i] = static_cast<uint16_t>(i);
  const auto* const from = reinterpret_cast<const unsigned char*>(patterns.data());
  for (const Type& type : {kTypes[0], kTypes[1]})
    for (const Format& format : kFormats)
      for (const float scale : kScales) {
        compare(ways, type, format, from, patterns.size(), scale);
        // Rows of whole tiles and less, so that every pattern is in rows of other magnitudes too.
        if (!format.is_given_scale || format.tile != 0)
          for (size_t at = 0; at < patterns.size(); at += 128) compare(ways, type, format, from + at * 2, 128, scale);
        if (!format.is_given_scale) break;
      }
}

// Of every sign and exponent those with few bits, their neighbours, and some at random.
std::vector<uint32_t> floats_about_ties(std::mt19937_64& random) {
  std::vector<uint32_t> floats;
  for (uint32_t top = 0; top < 512; ++top) {
    for (uint32_t bits = 0; bits < 64; ++bits)
      for (const int32_t off : {-2, -1, 0, 1, 2})
        floats.push_back((top << 23 | bits << 17) + static_cast<uint32_t>(off));
    for (uint32_t bit = 0; bit < 23; ++bit) floats.push_back(top << 23 | 1u << bit);
    for (int i = 0; i < 1000; ++i) floats.push_back(top << 23 | (static_cast<uint32_t>(random()) & 0x7fffffu));
  }
  while (floats.size() % 128 != 0) floats.push_back(0);
  return floats;
}

void compare_floats(const std::vector<Way>& ways, std::mt19937_64& random) {
  const std::vector<uint32_t> floats = floats_about_ties(random);
  const auto* const from = reinterpret_cast<const unsigned char*>(floats.data());
  for (const Format& format : kFormats)
    for (const float scale : kScales) {
      compare(ways, kTypes[2], format, from, floats.size(), scale);
      if (format.tile == 0 && !format.is_given_scale)
        for (size_t at = 0; at < floats.size(); at += 128) compare(ways, kTypes[2], format, from + at * 4, 128, scale);
      if (!format.is_given_scale) break;
    }
  // Where a quotient falls next to a tie depends on the scale.
  std::vector<float> about(1024);
  for (int round = 0; round < 2000; ++round) {
    const auto scale = static_cast<float>(
        std::ldexp(1.0 + static_cast<double>(random() >> 12) * 0x1p-52, static_cast<int>(random() % 60) - 30));
    for (float& each : about) {
      const auto tie = static_cast<float>(
          std::ldexp(1.0 + static_cast<double>(random() % 32) / 32, static_cast<int>(random() % 36) - 18));
      each = tie * scale;
      for (uint64_t steps = random() % 4; steps > 0; --steps)
        each = std::nextafterf(each, random() % 2 != 0 ? kInfinity : 0);
    }
    for (const Format& format : {kFormats[0], kFormats[1], kFormats[5]})
      compare(ways, kTypes[2], format, reinterpret_cast<const unsigned char*>(about.data()), about.size(), scale);
  }
}

// The mantissa of what has no other bit of its exponent.
uint32_t mantissa_of(const Type& type) { return (type.infinity & (0 - type.infinity)) - 1; }

// A row of one exponent, or of many; of numbers that are not finite among others, or alone; or of bits at random.
void fill(std::mt19937_64& random, const Type& type, size_t elements, unsigned char* to) {
  const uint64_t kind = random() % 8;
  const uint32_t exponent = static_cast<uint32_t>(kind == 0 ? 0 : random()) & type.infinity;
  for (size_t i = 0; i < elements; ++i) {
    auto bits = static_cast<uint32_t>(random());
    const uint32_t not_finite = type.infinity | (bits & (random() % 2 != 0 ? mantissa_of(type) : 0));
    if (kind < 5) bits = (bits & ~type.infinity) | exponent;
    if (kind == 6 || (kind == 5 && random() % 4 == 0))
      bits = not_finite | (bits & (type.bytes == 4 ? 0x80000000u : 0x8000u));
    const auto half = static_cast<uint16_t>(bits);
    if (type.bytes == 4)
      std::memcpy(to + i * 4, &bits, 4);
    else
      std::memcpy(to + i * 2, &half, 2);
  }
}

void compare_rows(const std::vector<Way>& ways, std::mt19937_64& random) {
  std::vector<unsigned char> rows(1024 * 4 + 64);
  for (const Type& type : kTypes)
    for (const Format& format : kFormats) {
      for (size_t elements = 0; elements <= 200; ++elements) {
        if (format.multiple_of > 1 && elements % format.multiple_of != 0) continue;
        for (size_t offset = 0; offset < 33; ++offset) {
          fill(random, type, elements, rows.data() + offset);
          compare(ways, type, format, rows.data() + offset, elements, kScales[random() % std::size(kScales)],
                  offset + 7);
        }
      }
      for (int round = 0; round < 3000; ++round) {
        const size_t elements = (1 + random() % 8) * 128;
        fill(random, type, elements, rows.data());
        compare(ways, type, format, rows.data(), elements, kScales[random() % std::size(kScales)]);
      }
    }
}

#if defined(__SSE2__)

using FloatMode = unsigned;

constexpr FloatMode kDefaultMode = 0x1f80;
constexpr FloatMode kModes[] = {0x1f80,          0x1f80 | 0x2000, 0x1f80 | 0x4000, 0x1f80 | 0x6000, 0x1f80 | 0x8000,
                                0x1f80 | 0x8040, 0x1f80 | 0xe040, 0x0000,          0xe040,          0x1f80 | 0x003f};

FloatMode float_mode() { return _mm_getcsr(); }
void set_float_mode(FloatMode mode) { _mm_setcsr(mode); }

#else

// FPCR, and FPSR in the greater half.
using FloatMode = uint64_t;

constexpr FloatMode kDefaultMode = 0;
constexpr FloatMode kUpward = 1u << 22;
constexpr FloatMode kDownward = 2u << 22;
constexpr FloatMode kTowardsZero = 3u << 22;
constexpr FloatMode kFlushing = 1u << 24;
constexpr FloatMode kOneNan = 1u << 25;
constexpr FloatMode kF16WithoutInfinities = 1u << 26;
constexpr FloatMode kFlushingF16 = 1u << 19;
constexpr FloatMode kEveryFlag = FloatMode{0x9f} << 32;
constexpr FloatMode kModes[] = {kDefaultMode,
                                kUpward,
                                kDownward,
                                kTowardsZero,
                                kFlushing,
                                kUpward | kFlushing | kOneNan,
                                kF16WithoutInfinities,
                                kEveryFlag,
                                kFlushingF16,
                                kTowardsZero | kF16WithoutInfinities | kFlushing | kEveryFlag};

FloatMode float_mode() {
  uint64_t control;
  uint64_t flags;
  asm volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(control), "=r"(flags) : : "memory");
  return control | flags << 32;
}
void set_float_mode(FloatMode mode) {
  asm volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(mode & 0xffffffffu), "r"(mode >> 32) : "memory");
}

#endif

// The caller's mode changes nothing, and is its own again afterwards, flags and all.
void compare_modes(const std::vector<Way>& ways, std::mt19937_64& random) {
  std::vector<unsigned char> rows(1024 * 4);
  for (const Type& type : kTypes)
    for (const Format& format : kFormats)
      for (int round = 0; round < 50; ++round) {
        fill(random, type, 1024, rows.data());
        const float scale = kScales[random() % std::size(kScales)];
        const Written right = write(*ways[0].way, type, format, rows.data(), 1024, scale, kMargin);
        for (const Way& other : ways)
          for (const FloatMode mode : kModes) {
            Written found;
            set_float_mode(mode);
            const FloatMode before = float_mode();  // a processor may lack some of what the mode asks for
            {
              const DefaultFloatMode standard;
              found = write(*other.way, type, format, rows.data(), 1024, scale, kMargin);
            }
            const FloatMode after = float_mode();
            set_float_mode(kDefaultMode);
            REQUIRE(after == before, "the mode is %llx, and was %llx", static_cast<unsigned long long>(after),
                    static_cast<unsigned long long>(before));
            REQUIRE(found.row == right.row && found.scales == right.scales, "%s: %s of %s in mode %llx", other.name,
                    format.name, type.name, static_cast<unsigned long long>(mode));
          }
      }
}

void compare_every_float(const std::vector<Way>& ways) {
  constexpr uint64_t kAtOnce = uint64_t{1} << 20;
  std::vector<uint32_t> floats(kAtOnce);
  std::vector<unsigned char> right(kAtOnce);
  std::vector<unsigned char> found(kAtOnce);
  for (uint64_t first = 0; first < uint64_t{1} << 32; first += kAtOnce) {
    for (uint64_t i = 0; i < kAtOnce; ++i) floats[i] = static_cast<uint32_t>(first + i);
    const auto* const from = reinterpret_cast<const unsigned char*>(floats.data());
    for (const Format& format : {kFormats[0], kFormats[1]})
      for (const float scale : kScales) {
        (ways[0].way->f32.*format.write)(from, kAtOnce, scale, right.data(), nullptr);
        for (size_t way = 1; way < ways.size(); ++way) {
          (ways[way].way->f32.*format.write)(from, kAtOnce, scale, found.data(), nullptr);
          REQUIRE(found == right, "%s: %s by %g, of the floats from %08llx on", ways[way].name, format.name,
                  static_cast<double>(scale), static_cast<unsigned long long>(first));
          ++rows_compared;
        }
      }
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::vector<Way> ways = {{"portable", baracuda::host::portable_way()}};
  if (const WayToWrite* const way = baracuda::host::avx2_way()) ways.push_back({"avx2", way});
  if (const WayToWrite* const way = baracuda::host::avx512_way()) ways.push_back({"avx512", way});
  if (const WayToWrite* const way = baracuda::host::neon_way()) ways.push_back({"neon", way});
  std::mt19937_64 random(20);
  if (count > 1 && std::strcmp(arguments[1], "floats") == 0) {
    compare_every_float(ways);
  } else {
    compare_patterns(ways);
    compare_floats(ways, random);
    compare_rows(ways, random);
    compare_modes(ways, random);
  }
  std::printf("row_writers: %llu rows as the portable way writes them, by",
              static_cast<unsigned long long>(rows_compared));
  for (const Way& way : ways) std::printf(" %s", way.name);
  std::printf("\n");
  return 0;
}
