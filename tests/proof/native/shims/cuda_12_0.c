/* A libcuda.so.1 that has the functions of CUDA 12.0 and none that came later, with one GPU that runs nothing: it finds
 * code for the GPU in an image as a driver does, and tells what it was asked for, a line each, in the file SHIM_LOG.
 * SHIM_ARCH is the GPU's compute capability; SHIM_VERSION the CUDA whose code it loads, 12.0 unless given (13000:
 * 13.0); SHIM_FAILS names a function whose first call finds no memory. The declarations are the driver API's public
 * ones. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN __attribute__((visibility("default")))

enum {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  INVALID_CONTEXT = 201,
  INVALID_IMAGE = 200,
  NO_BINARY_FOR_GPU = 209,
  NOT_FOUND = 500
};
enum { INTERFACE = 12000, READS_ZSTD = 12040, MULTIPROCESSORS = 132, BLOCKS_EACH = 3 };
enum { POINTER_CONTEXT = 1, POINTER_MEMORY_TYPE = 2, POINTER_IS_MANAGED = 8, POINTER_DEVICE = 9, MEMORY_DEVICE = 2 };
enum { ATTRIBUTE_MULTIPROCESSORS = 16, ATTRIBUTE_MAJOR = 75, ATTRIBUTE_MINOR = 76, FUNCTION_BINARY_VERSION = 6 };
enum { FUNCTION_PTX_VERSION = 5, ATTRIBUTE_SERIALIZATION = 6 };

/* The images' format, as CUDA's fatbinary writes it. */
enum { MAGIC = 0xba55ed50u, KIND_PTX = 1, KIND_ELF = 2, ZSTD = 0x8000 };

/* SHIM_ALIVE has a letter for each device, y where its primary context is alive: one device, alive, unless given.
 * Device d's primary context is 0x100 + d. SHIM_CURRENT is the number of the context that is current at first, or 0 for
 * none; device 0's unless given. An address says whose it is: memory from (d + 1) << 40 on is device d's, of its
 * primary context, and from there plus 1 << 39 on of a pool, which belongs to no context; a stream from (d + 1) << 12
 * on is of device d. */
enum { PRIMARY = 0x100, MOST_PUSHED = 8 };
static uintptr_t stack[MOST_PUSHED];
static int pushed = -1;

static int failed;
static int loaded;

static void tell(const char* format, const char* name, unsigned a, unsigned b, unsigned c, unsigned d) {
  FILE* log = fopen(getenv("SHIM_LOG"), "a");
  if (log == NULL) abort();
  fprintf(log, format, name, a, b, c, d);
  fclose(log);
}

static int fails(const char* name) {
  const char* const chosen = getenv("SHIM_FAILS");
  return chosen != NULL && strcmp(chosen, name) == 0 && !failed++;
}

static int arch(void) { return atoi(getenv("SHIM_ARCH")); }

static int version(void) {
  const char* const chosen = getenv("SHIM_VERSION");
  return chosen != NULL ? atoi(chosen) : INTERFACE;
}

static int init(unsigned flags) {
  tell("cuInit %s%u\n", "", flags, 0, 0, 0);
  return fails("cuInit") ? OUT_OF_MEMORY : SUCCESS;
}

SHOWN int cuDriverGetVersion(int* its) {
  *its = version();
  return SUCCESS;
}

static int get_error_name(int result, const char** name) {
  *name = result == OUT_OF_MEMORY       ? "CUDA_ERROR_OUT_OF_MEMORY"
          : result == NO_BINARY_FOR_GPU ? "CUDA_ERROR_NO_BINARY_FOR_GPU"
          : result == INVALID_IMAGE     ? "CUDA_ERROR_INVALID_IMAGE"
                                        : NULL;
  return *name != NULL ? SUCCESS : INVALID_VALUE;
}

static int get_error_string(int result, const char** text) {
  *text = result == OUT_OF_MEMORY ? "out of memory" : "the shim says so";
  return SUCCESS;
}

static const char* alive(void) {
  const char* const chosen = getenv("SHIM_ALIVE");
  return chosen != NULL ? chosen : "y";
}

static uintptr_t* current(void) {
  if (pushed < 0) {
    const char* const chosen = getenv("SHIM_CURRENT");
    stack[++pushed] = chosen != NULL ? strtoull(chosen, NULL, 0) : PRIMARY;
  }
  return &stack[pushed];
}

static int device_get_count(int* count) {
  *count = (int)strlen(alive());
  return SUCCESS;
}

static int device_get_attribute(int* value, int attribute, int device) {
  if (device < 0) return INVALID_VALUE;
  *value = attribute == ATTRIBUTE_MAJOR             ? arch() / 10
           : attribute == ATTRIBUTE_MINOR           ? arch() % 10
           : attribute == ATTRIBUTE_MULTIPROCESSORS ? MULTIPROCESSORS
                                                    : -1;
  return *value >= 0 ? SUCCESS : INVALID_VALUE;
}

static int device_get_name(char* name, int size, int device) {
  snprintf(name, (size_t)size, "Shim %d", device);
  return SUCCESS;
}

static int primary_ctx_get_state(int device, unsigned* flags, int* active) {
  *flags = 0;
  *active = alive()[device] == 'y';
  return SUCCESS;
}

static int primary_ctx_retain(uintptr_t* its, int device) {
  tell("cuDevicePrimaryCtxRetain %s%u\n", "", (unsigned)device, 0, 0, 0);
  *its = PRIMARY + (uintptr_t)device;
  return SUCCESS;
}

static int primary_ctx_release(int device) {
  tell("cuDevicePrimaryCtxRelease %s%u\n", "", (unsigned)device, 0, 0, 0);
  return SUCCESS;
}

static int ctx_get_current(uintptr_t* found) {
  *found = *current();
  return SUCCESS;
}

static int ctx_push_current(uintptr_t context) {
  current();
  if (pushed + 1 == MOST_PUSHED) abort();
  stack[++pushed] = context;
  return SUCCESS;
}

static int ctx_pop_current(uintptr_t* popped) {
  *popped = *current();
  --pushed;
  return SUCCESS;
}

static int ctx_get_device(int* device) {
  if (*current() == 0) return INVALID_CONTEXT;
  *device = (int)(*current() - PRIMARY);
  return SUCCESS;
}

static int stream_get_ctx(uintptr_t stream, uintptr_t* its) {
  *its = PRIMARY + (stream >> 12) - 1;
  return SUCCESS;
}

static int pointer_get_attribute(void* value, int attribute, uint64_t address) {
  const int device = (int)(address >> 40) - 1;
  if (device < 0) return INVALID_VALUE;
  switch (attribute) {
    case POINTER_CONTEXT:
      *(uintptr_t*)value = (address >> 39 & 1) != 0 ? 0 : PRIMARY + (uintptr_t)device;
      return SUCCESS;
    case POINTER_MEMORY_TYPE:
      *(unsigned*)value = MEMORY_DEVICE;
      return SUCCESS;
    case POINTER_IS_MANAGED:
      *(int*)value = 0;
      return SUCCESS;
    case POINTER_DEVICE:
      *(int*)value = device;
      return SUCCESS;
    default:
      return INVALID_VALUE;
  }
}

/* The machine code that runs on the GPU, or PTX that can be compiled for it; 0 if there is neither. */
static int code_in(const unsigned char* image, int* is_zstd) {
  uint32_t magic;
  uint16_t header_bytes;
  uint64_t bytes;
  memcpy(&magic, image, 4);
  memcpy(&header_bytes, image + 6, 2);
  memcpy(&bytes, image + 8, 8);
  if (magic != MAGIC) return 0;
  int found = 0;
  for (uint64_t at = header_bytes; at < header_bytes + bytes;) {
    uint16_t kind;
    uint32_t entry_bytes, entry_arch;
    uint64_t payload, flags;
    memcpy(&kind, image + at, 2);
    memcpy(&entry_bytes, image + at + 4, 4);
    memcpy(&payload, image + at + 8, 8);
    memcpy(&entry_arch, image + at + 28, 4);
    memcpy(&flags, image + at + 40, 8);
    at += entry_bytes + payload;
    const int fits = (int)entry_arch <= arch() && (kind == KIND_PTX || (int)entry_arch / 10 == arch() / 10);
    if (!fits || (found > 0 && kind == KIND_PTX)) continue;
    found = (int)entry_arch;
    *is_zstd = (flags & ZSTD) != 0;
  }
  return found;
}

static int library_load_data(void** library, const void* code, void* a, void* b, unsigned c, void* d, void* e,
                             unsigned f) {
  (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
  tell("cuLibraryLoadData%s\n", "", 0, 0, 0, 0);
  if (fails("cuLibraryLoadData")) return OUT_OF_MEMORY;
  int is_zstd = 0;
  const int found = code_in(code, &is_zstd);
  if (found == 0) return NO_BINARY_FOR_GPU;
  if (is_zstd && version() < READS_ZSTD) return INVALID_IMAGE;
  loaded = found;
  *(const void**)library = code;
  return SUCCESS;
}

/* A kernel, and a function of it, is its name. */
static int library_get_kernel(const void** kernel, void* library, const char* name) {
  (void)library;
  tell("cuLibraryGetKernel %s\n", name, 0, 0, 0, 0);
  *kernel = name;
  return SUCCESS;
}

static int kernel_get_function(void** function, void* kernel) {
  *function = kernel;
  return SUCCESS;
}

static int func_get_attribute(int* value, int attribute, void* function) {
  (void)function;
  *value = arch();
  return attribute == FUNCTION_BINARY_VERSION ? SUCCESS : INVALID_VALUE;
}

static int occupancy(int* blocks, void* function, int threads, size_t shared) {
  (void)function, (void)threads, (void)shared;
  *blocks = BLOCKS_EACH;
  return SUCCESS;
}

/* Of the version of PTX that the machine code last loaded is of: all images have the same. */
static int kernel_get_attribute(int* value, int attribute, void* kernel, int device) {
  tell("cuKernelGetAttribute %s %u\n", kernel, (unsigned)device, 0, 0, 0);
  if (fails("cuKernelGetAttribute")) return OUT_OF_MEMORY;
  *value = loaded;
  return attribute == FUNCTION_PTX_VERSION ? SUCCESS : INVALID_VALUE;
}

/* SHIM_CAPTURES: what its number says, of any stream; 0, none, unless given. */
static int stream_is_capturing(void* stream, int* status) {
  const char* const chosen = getenv("SHIM_CAPTURES");
  (void)stream;
  *status = chosen != NULL ? atoi(chosen) : 0;
  return fails("cuStreamIsCapturing") ? OUT_OF_MEMORY : SUCCESS;
}

struct launch_attribute {
  int id, padding;
  union {
    char bytes[64];
    int allowed;
  } value;
};

struct launch_config {
  unsigned grid[3], block[3], shared;
  void* stream;
  const struct launch_attribute* attributes;
  unsigned count;
};

/* Tells after the geometry whether it may begin early, which is the only attribute that there should be. */
static int launch_kernel(const struct launch_config* config, void* function, void** parameters, void** extra) {
  (void)parameters, (void)extra;
  const struct launch_attribute* const attribute = config->attributes;
  if (config->count > 1 || (config->count == 1 && attribute->id != ATTRIBUTE_SERIALIZATION)) return INVALID_VALUE;
  tell("cuLaunchKernelEx %s %u %u %u %u\n", function, config->grid[0], config->grid[1], config->block[0],
       config->block[1]);
  tell("early %s %u\n", function, config->count == 1 && attribute->value.allowed != 0, 0, 0, 0);
  tell("launched in %s%u\n", "", (unsigned)*current(), 0, 0, 0);
  return fails("cuLaunchKernelEx") ? OUT_OF_MEMORY : SUCCESS;
}

#define FUNCTION(symbol, its) {symbol, (void (*)(void))(its)}

static const struct {
  const char* symbol;
  void (*function)(void);
} kFunctions[] = {
    FUNCTION("cuInit", init),
    FUNCTION("cuDriverGetVersion", cuDriverGetVersion),
    FUNCTION("cuGetErrorName", get_error_name),
    FUNCTION("cuGetErrorString", get_error_string),
    FUNCTION("cuDeviceGetCount", device_get_count),
    FUNCTION("cuDeviceGetAttribute", device_get_attribute),
    FUNCTION("cuDeviceGetName", device_get_name),
    FUNCTION("cuDevicePrimaryCtxGetState", primary_ctx_get_state),
    FUNCTION("cuDevicePrimaryCtxRetain", primary_ctx_retain),
    FUNCTION("cuDevicePrimaryCtxRelease", primary_ctx_release),
    FUNCTION("cuCtxGetCurrent", ctx_get_current),
    FUNCTION("cuCtxPushCurrent", ctx_push_current),
    FUNCTION("cuCtxPopCurrent", ctx_pop_current),
    FUNCTION("cuCtxGetDevice", ctx_get_device),
    FUNCTION("cuStreamGetCtx", stream_get_ctx),
    FUNCTION("cuPointerGetAttribute", pointer_get_attribute),
    FUNCTION("cuLibraryLoadData", library_load_data),
    FUNCTION("cuLibraryGetKernel", library_get_kernel),
    FUNCTION("cuKernelGetFunction", kernel_get_function),
    FUNCTION("cuFuncGetAttribute", func_get_attribute),
    FUNCTION("cuOccupancyMaxActiveBlocksPerMultiprocessor", occupancy),
    FUNCTION("cuKernelGetAttribute", kernel_get_attribute),
    FUNCTION("cuStreamIsCapturing", stream_is_capturing),
    FUNCTION("cuLaunchKernelEx", launch_kernel),
};

/* What is asked for by a newer interface, this driver does not have. */
SHOWN int cuGetProcAddress_v2(const char* symbol, void (**function)(void), int interface, uint64_t flags, int* status) {
  tell("cuGetProcAddress %s %u %u\n", symbol, (unsigned)interface, (unsigned)flags, 0, 0);
  *function = NULL;
  for (size_t i = 0; i < sizeof(kFunctions) / sizeof(kFunctions[0]); ++i)
    if (strcmp(kFunctions[i].symbol, symbol) == 0) *function = kFunctions[i].function;
  enum { FOUND = 0, ABSENT = 1, VERSION_NOT_SUFFICIENT = 2 };
  *status = *function == NULL ? ABSENT : interface > INTERFACE ? VERSION_NOT_SUFFICIENT : FOUND;
  if (*status != FOUND) *function = NULL;
  return SUCCESS;
}
