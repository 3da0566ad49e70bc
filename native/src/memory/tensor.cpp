#include "memory/tensor.h"

#include <cstddef>
#include <cstdio>

#include "base/status.h"

namespace baracuda {
namespace {

constexpr size_t kTextBytes = 96;
using Text = char[kTextBytes];

void write_numbers(Text& text, int count, const int64_t* numbers, bool or_more = false) noexcept {
  size_t used = 0;
  text[0] = '\0';
  for (int i = 0; i < count && used < kTextBytes; ++i) {
    const int written = std::snprintf(text + used, kTextBytes - used, "%s%lld%s", i == 0 ? "" : ", ",
                                      static_cast<long long>(numbers[i]), i == 0 && or_more ? " or more" : "");
    used += written > 0 ? static_cast<size_t>(written) : 0;
  }
}

void write_type(Text& text, const Tensor& tensor) noexcept {
  if (const Element* const element = element_of(tensor)) {
    std::snprintf(text, kTextBytes, "%s", element->name);
    return;
  }
  // DLPack's names, by type code.
  static constexpr const char* kKinds[] = {"int",
                                           "uint",
                                           "float",
                                           "opaque",
                                           "bfloat",
                                           "complex",
                                           "bool",
                                           "float8_e3m4",
                                           "float8_e4m3",
                                           "float8_e4m3b11fnuz",
                                           "float8_e4m3fn",
                                           "float8_e4m3fnuz",
                                           "float8_e5m2",
                                           "float8_e5m2fnuz",
                                           "float8_e8m0fnu",
                                           "float6_e2m3fn",
                                           "float6_e3m2fn",
                                           "float4_e2m1fn"};
  constexpr unsigned kFirstNamedWhole = 6;  // from here on the name says the bits
  const unsigned code = tensor.type_code;
  if (code >= sizeof(kKinds) / sizeof(kKinds[0])) {
    std::snprintf(text, kTextBytes, "DLPack type (%u, %u, %u)", code, tensor.type_bits, tensor.type_lanes);
    return;
  }
  char bits[8] = "";
  char lanes[8] = "";
  if (code < kFirstNamedWhole) std::snprintf(bits, sizeof bits, "%u", tensor.type_bits);
  if (tensor.type_lanes != 1) std::snprintf(lanes, sizeof lanes, "_x%u", tensor.type_lanes);
  std::snprintf(text, kTextBytes, "%s%s%s", kKinds[code], bits, lanes);
}

}  // namespace

int32_t check_described(const char* name, const Tensor& tensor) noexcept {
  if (tensor.ndim >= 0 && (tensor.ndim == 0 || tensor.shape != nullptr)) return BARACUDA_OK;
  return fail(BARACUDA_INVALID_PROBLEM, "%s has ndim %d and no shape", name, tensor.ndim);
}

int32_t refuse_rank(const char* name, const Tensor& tensor, int rank, const char* dimensions) noexcept {
  BARACUDA_TRY(check_described(name, tensor));
  Text is;
  write_numbers(is, tensor.ndim, tensor.shape);
  return fail(BARACUDA_INVALID_PROBLEM, "%s has shape [%s], %d dimensions; it should have %d%s%s", name, is,
              tensor.ndim, rank, *dimensions == '\0' ? "" : ": ", dimensions);
}

int32_t refuse_shape(const char* name, const Tensor& tensor, const Extents& expected, const char* hint) noexcept {
  BARACUDA_TRY(check_described(name, tensor));
  Text is;
  Text should_be;
  write_numbers(is, tensor.ndim, tensor.shape);
  write_numbers(should_be, expected.rank, expected.extents, expected.or_more);
  return fail(BARACUDA_INVALID_PROBLEM, "%s has shape [%s]; it should be [%s]%s", name, is, should_be, hint);
}

int32_t refuse_shape_beside(const char* name, const Tensor& tensor, const Extents& expected, const char* other,
                            const Tensor& other_tensor) noexcept {
  Text its_shape;
  write_numbers(its_shape, other_tensor.ndim, other_tensor.shape);
  char hint[kTextBytes + 64];
  std::snprintf(hint, sizeof hint, ", as %s has shape [%s]", other, its_shape);
  return refuse_shape(name, tensor, expected, hint);
}

int32_t refuse_strides(const char* name, const Tensor& tensor, const char* wanted) noexcept {
  Text shape;
  Text strides;
  write_numbers(shape, tensor.ndim, tensor.shape);
  write_numbers(strides, tensor.ndim, tensor.strides);
  return fail(BARACUDA_UNSUPPORTED, "%s of shape [%s] has strides [%s] (in elements); %s", name, shape, strides,
              wanted);
}

int32_t refuse_type(const char* name, const Tensor& tensor, const char* wanted) noexcept {
  Text is;
  write_type(is, tensor);
  return fail(BARACUDA_UNSUPPORTED, "%s is of type %s; it should be %s", name, is, wanted);
}

}  // namespace baracuda
