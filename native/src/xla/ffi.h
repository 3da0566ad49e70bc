// The part of XLA's foreign function interface (its C API, versions 0.1 to 0.3, in which all of this is the same) that
// the handlers read and call. XLA gives all of it to a handler by address, so nothing of XLA is included or linked;
// tests/compilers/test_xla_declarations.py holds these declarations against the header that comes with jaxlib. Each
// struct begins with its size as its maker knows it, and grows at its end.
#ifndef BARACUDA_SRC_XLA_FFI_H_
#define BARACUDA_SRC_XLA_FFI_H_

#include <cstddef>
#include <cstdint>

namespace baracuda::xla {

inline constexpr int kMajorVersion = 0;
inline constexpr int kMinorVersion = 3;  // the newest

struct Extension {
  size_t struct_size;
  int32_t type;
  Extension* next;
};

inline constexpr int32_t kMetadataExtension = 1;

struct Version {
  size_t struct_size;
  Extension* extensions;
  int major_version;
  int minor_version;
};

// What XLA asks of a handler before it calls it.
struct Metadata {
  size_t struct_size;
  Version api_version;
  uint32_t traits;
};

// Every call launches the same work, which may be captured and replayed: XLA's command buffers are CUDA graphs.
inline constexpr uint32_t kCommandBufferCompatible = 1;

struct MetadataExtension {
  Extension base;
  Metadata* metadata;
};

struct Error;
struct Context;

enum ErrorCode : int32_t { kInvalidArgument = 3, kUnimplemented = 12, kInternal = 13 };

struct ErrorCreateArgs {
  size_t struct_size;
  Extension* extensions;
  const char* message;
  int32_t code;
};

struct StreamGetArgs {
  size_t struct_size;
  Extension* extensions;
  Context* context;
  void* stream;  // out: a CUstream
};

struct DeviceOrdinalGetArgs {
  size_t struct_size;
  Extension* extensions;
  Context* context;
  int32_t device_ordinal;  // out
};

struct Api {
  size_t struct_size;
  Extension* extensions;
  Version api_version;
  const void* internal;
  Error* (*error_create)(ErrorCreateArgs*);  // copies the message
  void* error_get_message;
  void* error_destroy;
  void* handler_register;
  Error* (*stream_get)(StreamGetArgs*);
  void* others[12];
  Error* (*device_ordinal_get)(DeviceOrdinalGetArgs*);
};

enum DataType : int32_t {
  kS8 = 2,
  kS32 = 4,
  kS64 = 5,
  kU8 = 6,
  kF16 = 10,
  kF32 = 11,
  kBF16 = 16,
  kF8E5M2 = 19,
  kF8E4M3FN = 20
};

struct Buffer {
  size_t struct_size;
  Extension* extensions;
  int32_t data_type;
  void* data;
  int64_t rank;
  int64_t* extents;
};

// A handler's arguments, or its results: buffers all, since that is the one type there is.
struct Buffers {
  size_t struct_size;
  Extension* extensions;
  int64_t count;
  const int32_t* types;
  Buffer** buffers;
};

struct Text {
  const char* begin;
  size_t size;
};

struct Array {
  int32_t data_type;
  size_t size;
  const void* data;
};

inline constexpr int32_t kArrayAttribute = 1;

struct Attributes {
  size_t struct_size;
  Extension* extensions;
  int64_t count;
  const int32_t* types;
  Text** names;
  void** values;
};

struct CallFrame {
  size_t struct_size;
  Extension* extensions;
  const Api* api;
  Context* context;
  int32_t stage;
  Buffers arguments;
  Buffers results;
  Attributes attributes;
};

}  // namespace baracuda::xla

#endif  // BARACUDA_SRC_XLA_FFI_H_
