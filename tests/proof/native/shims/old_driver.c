/* A libcuda.so.1 of a driver that supports CUDA 11.8 and no newer: what the CUDA runtime asks before it does anything.
 * The declarations are the driver API's public ones. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { SUCCESS = 0, NOT_FOUND = 500, OLD_VERSION = 11080 };

__attribute__((visibility("default"))) int cuInit(unsigned int flags) {
  (void)flags;
  return SUCCESS;
}

__attribute__((visibility("default"))) int cuDriverGetVersion(int* version) {
  *version = OLD_VERSION;
  return SUCCESS;
}

__attribute__((visibility("default"))) int cuDeviceGetCount(int* count) {
  *count = 1;
  return SUCCESS;
}

__attribute__((visibility("default"))) int cuGetProcAddress(const char* symbol, void** function, int version,
                                                            uint64_t flags) {
  (void)version;
  (void)flags;
  *function = NULL;
  if (strcmp(symbol, "cuInit") == 0) *(int (**)(unsigned int))function = cuInit;
  if (strcmp(symbol, "cuDriverGetVersion") == 0) *(int (**)(int*))function = cuDriverGetVersion;
  if (strcmp(symbol, "cuDeviceGetCount") == 0) *(int (**)(int*))function = cuDeviceGetCount;
  if (strcmp(symbol, "cuGetProcAddress") == 0)
    *(int (**)(const char*, void**, int, uint64_t))function = cuGetProcAddress;
  return *function != NULL ? SUCCESS : NOT_FOUND;
}
