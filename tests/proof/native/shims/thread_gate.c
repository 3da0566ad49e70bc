/* Preloaded: counts the threads that a process makes, and if told to refuses them, holds back whoever makes one, or has
 * them begin late. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { PASS = 0, REFUSE = 1, HOLD = 2, LATE = 3 };

/* Read and written from outside, by their names. */
__attribute__((visibility("default"))) atomic_int gate_mode = PASS;
__attribute__((visibility("default"))) atomic_int gate_is_open = 0;
__attribute__((visibility("default"))) atomic_int gate_asked = 0;
__attribute__((visibility("default"))) atomic_int gate_made = 0;
__attribute__((visibility("default"))) atomic_int gate_timed_out = 0;

enum { MOST_SECONDS = 20 };

static void hold(void) {
  const time_t end = time(NULL) + MOST_SECONDS;
  const struct timespec pause = {0, 1000000};
  while (!atomic_load(&gate_is_open)) {
    if (time(NULL) > end) {
      atomic_fetch_add(&gate_timed_out, 1);
      return;
    }
    nanosleep(&pause, NULL);
  }
}

typedef struct Begin {
  void* (*routine)(void*);
  void* argument;
} Begin;

static void* begin_late(void* memory) {
  const Begin begin = *(const Begin*)memory;
  free(memory);
  hold();
  return begin.routine(begin.argument);
}

__attribute__((visibility("default"))) int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                                                          void* (*routine)(void*), void* argument) {
  int (*next)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*) = NULL;
  *(void**)&next = dlsym(RTLD_NEXT, "pthread_create");
  atomic_fetch_add(&gate_asked, 1);
  const int mode = atomic_load(&gate_mode);
  if (mode == REFUSE) return EAGAIN;
  if (mode == HOLD) hold();
  Begin* begin = mode == LATE ? malloc(sizeof(Begin)) : NULL;
  if (begin != NULL) {
    *begin = (Begin){routine, argument};
    routine = begin_late;
    argument = begin;
  }
  const int status = next(thread, attributes, routine, argument);
  if (status == 0) atomic_fetch_add(&gate_made, 1);
  return status;
}
