/* `copies SECONDS [SEED]`: random copies of pages by the host backend, over caches of any strides, lists right and
 * damaged, guarded and not; the status and every byte of all memory are held against a model of plain loops. Each
 * operand has memory of its own, exactly as much as it should be reached at.
 * `copies SECONDS SEED large`: copies that several threads share. */
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "baracuda_ffi.h"
#include "require.h"

enum { kMaxDims = 1 + BARACUDA_MAX_PAGE_RANK, kMaxCopies = 24, kLeastCalls = 16 };

static uint64_t state;

static uint32_t next_random(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33);
}

static int32_t below(int32_t limit) { return (int32_t)(next_random() % (uint32_t)limit); }

/* Bytes that exist twice: as the library sees them, and as the model does. */
typedef struct Memory {
  unsigned char* real;
  unsigned char* model;
  size_t bytes;
} Memory;

static Memory new_memory(size_t bytes) {
  Memory memory = {malloc(bytes), malloc(bytes), bytes};
  REQUIRE(memory.real != NULL && memory.model != NULL, "no memory");
  size_t at = 0;
  for (; at + 4 <= bytes; at += 4) {
    const uint32_t word = next_random() << 1;
    memcpy(memory.real + at, &word, 4);
  }
  for (; at < bytes; ++at) memory.real[at] = (unsigned char)next_random();
  memcpy(memory.model, memory.real, bytes);
  return memory;
}

/* And gives it back. */
static void check_memory(Memory* memory, const char* name) {
  REQUIRE(memcmp(memory->real, memory->model, memory->bytes) == 0, "%s is not as the model says", name);
  free(memory->real);
  free(memory->model);
}

typedef struct Cache {
  Memory memory;
  size_t first; /* where its first element is */
  int rank;     /* of a page */
  int64_t extents[kMaxDims];
  int64_t strides[kMaxDims]; /* in elements */
  int32_t element_bytes;
} Cache;

/* Dimensions in any order in memory, gaps between them, some of them backwards. Large ones have some MB of few
 * elements. */
static Cache new_cache(int32_t pages, bool packed, bool large) {
  Cache cache;
  memset(&cache, 0, sizeof(cache));
  cache.rank = large ? 2 : below(kMaxDims);
  cache.element_bytes = large ? 16 : 1 << below(5);
  cache.extents[0] = pages;
  int order[kMaxDims];
  for (int i = 0; i <= cache.rank; ++i) {
    if (i > 0) cache.extents[i] = 1 + below(5);
    order[i] = i;
  }
  if (large) cache.extents[1] = 1 + below(4000), cache.extents[2] = 1 + below(20);
  if (!packed)
    for (int i = cache.rank; i > 0; --i) {
      const int other = below(i + 1);
      const int kept = order[i];
      order[i] = order[other];
      order[other] = kept;
    }
  int64_t step = 1;
  int64_t behind = 0;
  if (!packed && below(3) == 0) step += below(3);
  for (int i = cache.rank; i >= 0; --i) {
    const int dimension = order[i];
    const bool backwards = !packed && below(5) == 0;
    cache.strides[dimension] = backwards ? -step : step;
    if (backwards) behind += (cache.extents[dimension] - 1) * step;
    step = step * cache.extents[dimension] + (!packed && below(3) == 0 ? below(4) : 0);
  }
  int64_t last = 0;
  for (int i = 0; i <= cache.rank; ++i)
    last += (cache.extents[i] - 1) * (cache.strides[i] < 0 ? -cache.strides[i] : cache.strides[i]);
  cache.memory = new_memory((size_t)((last + 1) * cache.element_bytes));
  cache.first = (size_t)(behind * cache.element_bytes);
  return cache;
}

static int64_t page_elements(const Cache* cache) {
  int64_t elements = 1;
  for (int i = 1; i <= cache->rank; ++i) elements *= cache->extents[i];
  return elements;
}

/* Where element i of a page is, in the order of its dimensions, in the model. */
static unsigned char* element_of(const Cache* cache, int64_t page, int64_t i) {
  int64_t at = page * cache->strides[0];
  for (int d = cache->rank; d > 0; --d) {
    at += i % cache->extents[d] * cache->strides[d];
    i /= cache->extents[d];
  }
  return cache->memory.model + cache->first + at * cache->element_bytes;
}

typedef struct Lists {
  int64_t from[kMaxCopies];
  int64_t to[kMaxCopies];
  bool served[kMaxCopies];
  bool corrupt; /* whether a pair is */
  bool twice;   /* whether a page is written, and written or read by another pair */
} Lists;

static bool is_page(int64_t id, int32_t pages) { return id >= 0 && id < pages; }

static void model_page(const Cache* cache, int movement, int64_t from, int64_t to, unsigned char* row) {
  const size_t bytes = (size_t)cache->element_bytes;
  for (int64_t i = 0; i < page_elements(cache); ++i) {
    unsigned char* const in_row = row + (size_t)i * bytes;
    switch (movement) {
      case BARACUDA_MOVEMENT_COPY:
        memcpy(element_of(cache, to, i), element_of(cache, from, i), bytes);
        break;
      case BARACUDA_MOVEMENT_GATHER:
        memcpy(in_row, element_of(cache, from, i), bytes);
        break;
      default:
        memcpy(element_of(cache, to, i), in_row, bytes);
    }
  }
}

/* Whether a pair is copied. `*corrupt` is left if it is not wrong. */
static bool is_served(const Lists* lists, int i, int movement, int32_t pages, bool* corrupt) {
  const bool reads = movement != BARACUDA_MOVEMENT_SCATTER;
  const bool writes = movement != BARACUDA_MOVEMENT_GATHER;
  if ((reads && lists->from[i] < 0) || (writes && lists->to[i] < 0)) return false;
  if ((reads && !is_page(lists->from[i], pages)) || (writes && !is_page(lists->to[i], pages))) {
    *corrupt = true;
    return false;
  }
  return !(reads && writes && lists->from[i] == lists->to[i]);
}

/* Of the first `count` pairs. */
static bool is_named_twice(const Lists* lists, int count, int movement) {
  if (movement == BARACUDA_MOVEMENT_GATHER) return false;
  for (int i = 0; i < count; ++i)
    for (int j = 0; lists->served[i] && j < count; ++j) {
      if (j == i || !lists->served[j]) continue;
      if (lists->to[i] == lists->to[j]) return true;
      if (movement == BARACUDA_MOVEMENT_COPY && lists->to[i] == lists->from[j]) return true;
    }
  return false;
}

static int64_t random_id(int32_t pages, bool wide) {
  switch (below(12)) {
    case 0:
      return -1 - below(3);
    case 1:
      return wide && below(2) == 0 ? ((int64_t)1 << 32) + below(pages) : pages + below(3);
    default:
      return below(pages);
  }
}

static Lists new_lists(const baracuda_paged_kv_copy* op, bool wide_from, bool wide_to) {
  Lists lists;
  memset(&lists, 0, sizeof(lists));
  for (int i = 0; i < op->num_copies; ++i) {
    lists.from[i] = random_id(op->num_total_pages, wide_from);
    lists.to[i] = random_id(op->num_total_pages, wide_to);
  }
  for (int i = 0; i < op->num_copies; ++i) {
    lists.served[i] = is_served(&lists, i, op->movement, op->num_total_pages, &lists.corrupt);
    /* Guarded, a page that is named twice is left with anything: there is none. */
    if ((op->flags & BARACUDA_FLAG_GUARDED) != 0 && lists.served[i] && is_named_twice(&lists, i + 1, op->movement)) {
      lists.to[i] = -1;
      lists.served[i] = false;
    }
  }
  lists.twice = is_named_twice(&lists, op->num_copies, op->movement);
  return lists;
}

static void set_cache(const Cache* cache, void** data, int64_t* page, int64_t* strides, int32_t* bytes) {
  *data = cache->memory.real + cache->first;
  *bytes = cache->element_bytes;
  for (int i = 0; i <= cache->rank; ++i) {
    if (i > 0) page[i - 1] = cache->extents[i];
    strides[i] = cache->strides[i];
  }
}

static const void* list_operand(Memory* memory, const int64_t* ids, int count, bool wide) {
  *memory = new_memory((size_t)count * (wide ? 8 : 4) + (count == 0));
  for (int i = 0; i < count; ++i) {
    const int32_t narrow = (int32_t)ids[i];
    if (wide)
      memcpy(memory->real + 8 * i, &ids[i], 8);
    else
      memcpy(memory->real + 4 * i, &narrow, 4);
  }
  memcpy(memory->model, memory->real, memory->bytes);
  return memory->real;
}

typedef struct Tally {
  unsigned long made, refused, corrupt, strided, judged;
} Tally;

/* Numbers at which arithmetic goes wrong. */
static int64_t hostile(void) {
  static const int64_t kHostile[] = {0,         -1,        1,          2,         3,
                                     INT64_MIN, INT64_MAX, INT32_MIN,  INT32_MAX, (int64_t)1 << 32,
                                     1 << 30,   1 << 20,   -(1 << 20), 16,        (int64_t)1 << 61};
  return kHostile[below((int32_t)(sizeof(kHostile) / sizeof(kHostile[0])))];
}

/* The checks of a struct that may say anything, whose memory is not looked at: it is guarded. */
static void judge_anything(const baracuda_paged_kv_copy* right, Tally* tally) {
  baracuda_paged_kv_copy op = *right;
  int64_t* const wide[] = {op.k_page, op.v_page, op.k_data_strides, op.v_data_strides};
  static const int32_t kCounts[] = {5, 5, 6, 6};
  int32_t* const narrow[] = {&op.num_total_pages, &op.num_copies, &op.k_element_bytes, &op.v_element_bytes,
                             &op.movement,        &op.parts,      &op.backend};
  const void** const pointers[] = {&op.source, &op.destination};
  op.flags |= BARACUDA_FLAG_GUARDED;
  for (int changes = 1 + below(4); changes > 0; --changes) {
    const int32_t which = below(4);
    if (below(2) == 0)
      wide[which][below(kCounts[which])] = hostile();
    else if (below(4) != 0)
      *narrow[below(below(3) == 0 ? 7 : 2)] = (int32_t)hostile();
    else
      *pointers[below(2)] = (const void*)(uintptr_t)hostile();
  }
  baracuda_paged_kv_copy_can_implement(&op);
  ++tally->judged;
}

static void one_call(bool large, Tally* tally) {
  baracuda_paged_kv_copy op;
  memset(&op, 0, sizeof(op));
  op.struct_size = sizeof(op);
  op.backend = BARACUDA_BACKEND_HOST;
  op.movement = below(3);
  op.parts = below(3) == 0 ? BARACUDA_PARTS_KEY : BARACUDA_PARTS_KEY_AND_VALUE;
  const bool guarded = below(2) == 0;
  const bool packed = below(3) == 0;
  op.flags = (guarded ? BARACUDA_FLAG_GUARDED : 0u) | (packed ? 0u : BARACUDA_FLAG_STRIDED);
  const int32_t pages = 1 + below(9);
  op.num_total_pages = pages;
  op.num_copies = below(kMaxCopies);
  const int count = op.num_copies;
  const bool wide_from = below(2) == 0;
  const bool wide_to = below(2) == 0;
  const Lists lists = new_lists(&op, wide_from, wide_to);
  const bool refused = count > 0 && !guarded && (lists.corrupt || lists.twice);

  Cache caches[2];
  const int parts = op.parts == BARACUDA_PARTS_KEY ? 1 : 2;
  size_t row_bytes = 0;
  for (int part = 0; part < parts; ++part) {
    caches[part] = new_cache(pages, packed, large);
    row_bytes += (size_t)(page_elements(&caches[part]) * caches[part].element_bytes);
  }
  set_cache(&caches[0], &op.k_data, op.k_page, op.k_data_strides, &op.k_element_bytes);
  if (parts == 2) set_cache(&caches[1], &op.v_data, op.v_page, op.v_data_strides, &op.v_element_bytes);
  const size_t odd = (size_t)below(3);
  Memory buffer = new_memory(odd + row_bytes * (size_t)count + 1);
  Memory from;
  Memory to;
  op.source = list_operand(&from, lists.from, count, wide_from);
  op.destination = list_operand(&to, lists.to, count, wide_to);
  op.buffer = buffer.real + odd;
  op.int64_operands =
      (wide_from ? 1u << BARACUDA_COPY_OPERAND_SOURCE : 0u) | (wide_to ? 1u << BARACUDA_COPY_OPERAND_DESTINATION : 0u);
  baracuda_error_record record;
  memset(&record, 0, sizeof(record));
  if (guarded && below(2) == 0) op.error_record = &record;

  if (!refused)
    for (int i = 0; i < count; ++i) {
      unsigned char* row = buffer.model + odd + row_bytes * (size_t)i;
      for (int part = 0; part < parts && lists.served[i]; ++part) {
        model_page(&caches[part], op.movement, lists.from[i], lists.to[i], row);
        row += page_elements(&caches[part]) * caches[part].element_bytes;
      }
    }
#if defined(PLANTED_ERROR)
  /* A page more than there is memory for, and one page for two threads. */
  if (!large) op.num_total_pages += 1;
  if (!large && count > 0 && wide_to) ((int64_t*)to.real)[0] = ((int64_t*)from.real)[0] = pages;
  if (large && guarded && wide_to)
    for (int i = 0; i < count; ++i) ((int64_t*)to.real)[i] = 0;
#endif
  if (!large) judge_anything(&op, tally);
  const int32_t status = baracuda_paged_kv_copy_run(&op);
#if defined(PLANTED_ERROR)
  return;
#endif
  REQUIRE(status == (refused ? BARACUDA_INVALID_PROBLEM : BARACUDA_OK), "status %d: %s", status,
          baracuda_last_error_message());
  REQUIRE((record.reason != 0) == (op.error_record != NULL && lists.corrupt), "the record has reason %d",
          record.reason);
  for (int part = 0; part < parts; ++part) check_memory(&caches[part].memory, part == 0 ? "k_data" : "v_data");
  check_memory(&buffer, "buffer");
  check_memory(&from, "source");
  check_memory(&to, "destination");
  tally->made += !refused;
  tally->refused += refused;
  tally->corrupt += !refused && lists.corrupt;
  tally->strided += !refused && !packed;
}

int main(int count, char** arguments) {
  const time_t end = time(NULL) + (time_t)(count > 1 ? atoi(arguments[1]) : 5);
  const unsigned long long seed = count > 2 ? strtoull(arguments[2], NULL, 10) : 1;
  const bool large = count > 3;
  Tally tally = {0, 0, 0, 0, 0};
  state = seed * 2 + 1;
  /* So many at least, however busy the machine. */
  int calls = 0;
  do one_call(large, &tally);
  while (++calls < kLeastCalls || time(NULL) < end);
  printf(
      "copies: %lu made, %lu refused, as the model says; of those made %lu had corrupt pairs, %lu strides; %lu of "
      "anything "
      "judged; seed %llu\n",
      tally.made, tally.refused, tally.corrupt, tally.strided, tally.judged, seed);
  return 0;
}
