/* Preloaded: a machine whose dynamic linker finds no CUDA driver. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

__attribute__((visibility("default"))) void* dlopen(const char* file, int mode) {
  if (file != NULL && strstr(file, "libcuda.so") != NULL) return NULL;
  void* (*next)(const char*, int) = NULL;
  *(void**)&next = dlsym(RTLD_NEXT, "dlopen");
  return next(file, mode);
}
