#include "problem.h"

#include <string.h>

#include "formats.h"
#include "require.h"

enum { MOST_DIMENSIONS = 4 };

uint64_t next_random(uint64_t* state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

int64_t random_below(uint64_t* state, int64_t limit) { return (int64_t)(next_random(state) % (uint64_t)limit); }

static bool once_in(uint64_t* state, int64_t times) { return random_below(state, times) == 0; }

/* A block of `size` random bytes, `lead` bytes past an aligned address. */
static uint8_t* new_block(Problem* problem, uint64_t size, uint64_t lead, uint64_t* state) {
  REQUIRE(problem->num_blocks < MOST_BLOCKS, "too many blocks");
  Block* block = &problem->blocks[problem->num_blocks++];
  block->size = size + lead;
  block->bytes = aligned_alloc(64, (block->size + 63) / 64 * 64);
  REQUIRE(block->bytes != NULL, "out of memory");
  for (uint64_t i = 0; i < block->size; i += 8) {
    const uint64_t word = next_random(state);
    memcpy(block->bytes + i, &word, block->size - i < 8 ? block->size - i : 8);
  }
#if defined(__SANITIZE_ADDRESS__)
  /* Of exactly its size. */
  uint8_t* exact = malloc(block->size > 0 ? block->size : 1);
  REQUIRE(exact != NULL, "out of memory");
  memcpy(exact, block->bytes, block->size);
  free(block->bytes);
  block->bytes = exact;
#endif
  return block->bytes + lead;
}

/* Pages in random order, each once. */
static int32_t* new_permutation(int32_t count, uint64_t* state) {
  int32_t* order = malloc((size_t)count * sizeof(int32_t));
  REQUIRE(order != NULL, "out of memory");
  for (int32_t i = 0; i < count; ++i) order[i] = i;
  for (int32_t i = count - 1; i > 0; --i) {
    const int32_t j = (int32_t)random_below(state, i + 1);
    const int32_t swapped = order[i];
    order[i] = order[j];
    order[j] = swapped;
  }
  return order;
}

/* The operand's memory, of as wide entries as `op` says. */
static void* new_table(Problem* problem, int operand, const int32_t* entries, int64_t count, uint64_t* state) {
  const uint64_t bytes = entry_bytes(&problem->op, operand);
  uint8_t* table = new_block(problem, (uint64_t)count * bytes, 0, state);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t wide = entries[i];
    if (bytes == 8)
      memcpy(table + 8 * i, &wide, 8);
    else
      memcpy(table + 4 * i, &entries[i], 4);
  }
  return table;
}

/* Every request owns one page, the first few also what is left over. */
static void fill_table(Problem* problem, uint64_t* state) {
  baracuda_paged_kv_append* op = &problem->op;
  const size_t batch = (size_t)op->batch_size;
  const bool may_pad = (op->flags & BARACUDA_FLAG_MIRRORED) == 0;
  int32_t* indptr = malloc((batch + 1) * sizeof(int32_t));
  int32_t* last_page_len = malloc((batch + 1) * sizeof(int32_t));
  int32_t* indices = new_permutation(op->num_total_pages, state);
  REQUIRE(indptr != NULL && last_page_len != NULL, "out of memory");
  indptr[0] = 0;
  for (int32_t b = 0; b < op->batch_size; ++b) {
    const int32_t left = op->num_total_pages - indptr[b] - (op->batch_size - b);
    indptr[b + 1] = indptr[b] + 1 + (int32_t)random_below(state, left + 1);
    last_page_len[b] = (int32_t)random_below(state, op->page_size) + op->length_convention;
    if (!may_pad || !once_in(state, 16)) continue;
    if (once_in(state, 2)) {
      indptr[b + 1] = indptr[b];
      last_page_len[b] = -5;
    } else {
      indices[indptr[b + 1] - 1] = -1 - (int32_t)random_below(state, 7);
    }
  }
  for (int32_t i = indptr[batch]; i < op->num_total_pages; ++i) indices[i] = -(int32_t)random_below(state, 2);
  op->total_used_pages = op->num_total_pages;
  op->indices = new_table(problem, BARACUDA_OPERAND_INDICES, indices, op->total_used_pages, state);
  op->indptr = new_table(problem, BARACUDA_OPERAND_INDPTR, indptr, op->batch_size + 1, state);
  op->last_page_len = new_table(problem, BARACUDA_OPERAND_LAST_PAGE_LEN, last_page_len, op->batch_size, state);
  free(indices);
  free(indptr);
  free(last_page_len);
}

/* One request: the pages that are its, among the permutation's, and its tokens. */
typedef struct Request {
  int32_t first_page, pages;
  int64_t total; /* with the new ones */
  int32_t rows;
} Request;

enum { MOST_PAGES = 4 };

static void* take_memory(size_t bytes) {
  void* memory = calloc(bytes > 0 ? bytes : 1, 1);
  REQUIRE(memory != NULL, "out of memory");
  return memory;
}

/* No more pages than there are: every request has one, and the first few more. */
static Request* new_requests(const baracuda_paged_kv_append* op, uint64_t* state) {
  Request* requests = take_memory((size_t)op->batch_size * sizeof(Request));
  int32_t used = 0;
  for (int32_t b = 0; b < op->batch_size; ++b) {
    const int32_t left = op->num_total_pages - used - (op->batch_size - b - 1);
    Request* request = &requests[b];
    request->first_page = used;
    request->pages = 1 + (int32_t)random_below(state, left < MOST_PAGES ? left : MOST_PAGES);
    used += request->pages;
    const int64_t earlier = op->lengths == 0 ? (int64_t)(request->pages - 1) * op->page_size : 0;
    request->total = earlier + 1 + random_below(state, (int64_t)request->pages * op->page_size - earlier);
    request->rows = 1;
    if (op->addressing != BARACUDA_ADDRESSING_LAST_PAGE)
      request->rows = (int32_t)random_below(state, (request->total < 12 ? request->total : 12) + 1);
  }
  return requests;
}

static void give(Problem* problem, int operand, const int32_t* entries, int64_t count, uint64_t* state) {
  const void* made = new_table(problem, operand, entries, count, state);
  baracuda_paged_kv_append* op = &problem->op;
  switch (operand) {
#define CASE(ENUM, name, number)       \
  case number:                         \
    op->name = (void*)(uintptr_t)made; \
    break;
    BARACUDA_FOR_EACH_OPERAND(CASE)
#undef CASE
    default:
      break;
  }
}

/* What lists the requests' pages, some of which are none; what a row of a dense table does not need names no page. */
static void give_pages(Problem* problem, const Request* requests, int32_t* pages, uint64_t* state) {
  baracuda_paged_kv_append* op = &problem->op;
  const size_t batch = (size_t)op->batch_size;
  if (op->table == BARACUDA_TABLE_DENSE) {
    op->max_pages = MOST_PAGES + random_below(state, 2);
    op->block_table_stride = op->max_pages + random_below(state, 5);
    const int64_t count = op->block_table_stride * op->batch_size;
    int32_t* entries = take_memory((size_t)count * sizeof(int32_t));
    for (int64_t i = 0; i < count; ++i) entries[i] = INT32_MAX;
    for (size_t b = 0; b < batch; ++b)
      for (int32_t i = 0; i < requests[b].pages; ++i)
        entries[(int64_t)b * op->block_table_stride + i] = pages[requests[b].first_page + i];
    give(problem, BARACUDA_OPERAND_BLOCK_TABLE, entries, count, state);
    free(entries);
    return;
  }
  int32_t* indptr = take_memory((batch + 1) * sizeof(int32_t));
  for (size_t b = 0; b < batch; ++b) indptr[b + 1] = requests[b].first_page + requests[b].pages;
  for (int32_t i = indptr[batch]; i < op->num_total_pages; ++i) pages[i] = -(int32_t)random_below(state, 2);
  op->total_used_pages = op->num_total_pages;
  give(problem, BARACUDA_OPERAND_INDICES, pages, op->total_used_pages, state);
  give(problem, BARACUDA_OPERAND_INDPTR, indptr, op->batch_size + 1, state);
  free(indptr);
}

static void give_lengths(Problem* problem, const Request* requests, uint64_t* state) {
  const baracuda_paged_kv_append* op = &problem->op;
  const bool after = op->length_convention == BARACUDA_AFTER_APPEND;
  const size_t batch = (size_t)op->batch_size;
  int32_t* lengths = take_memory(batch * sizeof(int32_t));
  int32_t* bounds = take_memory((batch + 1) * sizeof(int32_t));
  for (size_t b = 0; b < batch; ++b) {
    const Request* request = &requests[b];
    bounds[b + 1] = bounds[b] + request->rows;
    if (op->lengths == 0)
      lengths[b] = (int32_t)(request->total - (int64_t)(request->pages - 1) * op->page_size);
    else
      lengths[b] = (int32_t)request->total - (after ? 0 : request->rows);
    if (op->lengths != 0 && after && once_in(state, 12)) lengths[b] = 0;
  }
  give(problem, op->lengths != 0 ? BARACUDA_OPERAND_SEQ_LENS : BARACUDA_OPERAND_LAST_PAGE_LEN, lengths, op->batch_size,
       state);
  if (op->addressing == BARACUDA_ADDRESSING_RAGGED) {
    give(problem, BARACUDA_OPERAND_APPEND_INDPTR, bounds, op->batch_size + 1, state);
    problem->op.num_rows = bounds[batch] + random_below(state, 4);
  }
  free(lengths);
  free(bounds);
}

/* Each row's token by itself, in random order: its request and position, or its slot. */
static void give_tokens(Problem* problem, const Request* requests, const int32_t* pages, uint64_t* state) {
  baracuda_paged_kv_append* op = &problem->op;
  int32_t count = 0;
  for (int32_t b = 0; b < op->batch_size; ++b) count += requests[b].rows;
  int32_t* order = new_permutation(count, state);
  int32_t* owners = take_memory((size_t)count * sizeof(int32_t));
  int32_t* targets = take_memory((size_t)count * sizeof(int32_t));
  const bool slots = op->addressing == BARACUDA_ADDRESSING_SLOTS;
  int32_t next = 0;
  op->num_rows = count;
  for (int32_t b = 0; b < op->batch_size; ++b)
    for (int32_t j = 0; j < requests[b].rows; ++j) {
      const int32_t row = order[next++];
      const int32_t position = (int32_t)requests[b].total - requests[b].rows + j;
      const int32_t page = pages[requests[b].first_page + position / op->page_size];
      owners[row] = once_in(state, 12) ? -1 - b : b;
      targets[row] = slots ? page * op->page_size + position % op->page_size : position;
      if (slots && page < 0) targets[row] = page;
      if (slots && once_in(state, 12)) targets[row] = -1 - j;
    }
  if (slots) {
    if ((op->flags & BARACUDA_FLAG_SKIP_SLOT) != 0 && count > 0) op->skip_slot = targets[0];
    give(problem, BARACUDA_OPERAND_SLOT_MAPPING, targets, count, state);
  } else {
    give(problem, BARACUDA_OPERAND_BATCH_INDICES, owners, count, state);
    give(problem, BARACUDA_OPERAND_POSITIONS, targets, count, state);
  }
  free(order);
  free(owners);
  free(targets);
}

/* Any way but a decode's by last_page_len. */
static void fill_places(Problem* problem, uint64_t* state) {
  baracuda_paged_kv_append* op = &problem->op;
  Request* requests = new_requests(op, state);
  int32_t* pages = new_permutation(op->num_total_pages, state);
  for (int32_t i = 0; i < op->num_total_pages; ++i)
    if (once_in(state, 20)) pages[i] = -1 - (int32_t)random_below(state, 7);
  if (op->addressing != BARACUDA_ADDRESSING_SLOTS) give_pages(problem, requests, pages, state);
  if (op->addressing <= BARACUDA_ADDRESSING_RAGGED)
    give_lengths(problem, requests, state);
  else
    give_tokens(problem, requests, pages, state);
  free(requests);
  free(pages);
}

/* Strides that nest in random order, some negative, with gaps; in elements. */
typedef struct Layout {
  int64_t strides[MOST_DIMENSIONS]; /* of a dimension of extent 1 anything */
  int64_t first;                    /* element 0 of the first row, from the lowest element */
  int64_t elements;
} Layout;

static Layout make_layout(int count, const int64_t* extents, int64_t width, uint64_t* state) {
  int32_t* order = new_permutation(count, state);
  const bool has_gaps = once_in(state, 2);
  Layout layout = {.elements = width};
  for (int i = 0; i < count; ++i) {
    const int dimension = order[i];
    const int64_t extent = extents[dimension];
    int64_t step = layout.elements;
    if (has_gaps && once_in(state, 2)) step += random_below(state, 24);
    layout.elements += step * (extent - 1);
    layout.strides[dimension] = step;
    if (once_in(state, 6)) {
      layout.strides[dimension] = -step;
      layout.first += step * (extent - 1);
    }
    if (extent == 1) layout.strides[dimension] = (int64_t)next_random(state);
  }
  free(order);
  return layout;
}

/* An operand's elements. */
typedef struct Elements {
  int64_t width; /* of a row */
  int64_t bytes; /* each */
} Elements;

/* Bytes that a block begins earlier, for addresses that are aligned to no more than the element. */
static uint64_t take_lead(const Problem* problem, int64_t element_bytes, uint64_t* state) {
  const bool mirrored = (problem->op.flags & BARACUDA_FLAG_MIRRORED) != 0;
  return mirrored || once_in(state, 2) ? 0 : (uint64_t)(element_bytes * random_below(state, 17));
}

/* Two operands that differ in nothing but one dimension of extent 2, wherever it nests; or one. */
static void place_together(Problem* problem, int count, const int64_t* extents, Elements elements, int64_t* strides[2],
                           uint8_t* places[2], uint64_t* state) {
  const int num_places = places[1] != NULL ? 2 : 1;
  int64_t all[MOST_DIMENSIONS] = {0};
  memcpy(all, extents, (size_t)count * sizeof(int64_t));
  all[count] = num_places;
  const Layout layout = make_layout(count + 1, all, elements.width, state);
  uint8_t* block = new_block(problem, (uint64_t)(layout.elements * elements.bytes),
                             take_lead(problem, elements.bytes, state), state);
  for (int i = 0; i < num_places; ++i) {
    places[i] = block + (layout.first + (i == 1 ? layout.strides[count] : 0)) * elements.bytes;
    memcpy(strides[i], layout.strides, (size_t)count * sizeof(int64_t));
  }
}

static void place_alone(Problem* problem, int count, const int64_t* extents, Elements elements, int64_t* strides,
                        uint8_t** place, uint64_t* state) {
  uint8_t* places[2] = {NULL, NULL};
  int64_t* both[2] = {strides, NULL};
  place_together(problem, count, extents, elements, both, places, state);
  *place = places[0];
}

/* As many operands as there are elements for, together or each alone. */
static void place_operands(Problem* problem, int count, const int64_t* extents, int operands, const Elements* elements,
                           int64_t* strides[2], uint8_t* places[2], uint64_t* state) {
  uint8_t any;
  if (operands == 2 && once_in(state, 2)) {
    places[1] = &any;
    place_together(problem, count, extents, elements[elements[1].width > elements[0].width], strides, places, state);
    return;
  }
  for (int i = 0; i < operands; ++i) place_alone(problem, count, extents, elements[i], strides[i], &places[i], state);
}

/* Rows that are read may repeat. */
static void maybe_broadcast(int64_t* strides, uint64_t* state) {
  if (once_in(state, 8)) strides[random_below(state, 2)] = 0;
}

/* Of FP8_DS_MLA there is one cache, and its rows hold f32. */
static int num_caches(const baracuda_paged_kv_append* op) {
  return op->transform == BARACUDA_TRANSFORM_FP8_DS_MLA ? 1 : num_parts(op);
}

static void place_strided(Problem* problem, uint64_t* state) {
  baracuda_paged_kv_append* op = &problem->op;
  const int64_t cache[] = {op->num_total_pages, op->page_size, op->num_heads};
  const int64_t tokens = rows_of(op) + random_below(state, 3);
  const int64_t rows[] = {tokens > 0 ? tokens : 1, op->num_heads};
  const bool is_ds_mla = op->transform == BARACUDA_TRANSFORM_FP8_DS_MLA;
  const int64_t aligned = is_ds_mla ? 4 : 1; /* elements */
  int64_t* cache_strides[] = {op->k_data_strides, op->v_data_strides};
  int64_t* row_strides[] = {op->key_strides, op->value_strides};
  int64_t* scales_strides[] = {op->k_scales_strides, op->v_scales_strides};
  uint8_t* caches[2] = {NULL, NULL};
  uint8_t* sources[2] = {NULL, NULL};
  uint8_t* scales[2] = {NULL, NULL};
  Elements of_rows[2] = {{0}};
  Elements of_caches[2] = {{0}};
  Elements of_scales[2] = {{0}};
  const int parts = num_parts(op);
  for (int i = 0; i < parts; ++i) {
    const ModelPart part = part_of(op, i);
    const int64_t bytes = (int64_t)element_bytes(op->element);
    const int64_t scale_bytes = op->transform == BARACUDA_TRANSFORM_NVFP4 ? 1 : 4;
    of_rows[i] = (Elements){part.width, part.row / part.width};
    of_caches[i] = (Elements){cache_width(op, part.width) / aligned, bytes * aligned};
    of_scales[i] = (Elements){part.scales_written / scale_bytes, scale_bytes};
  }
  place_operands(problem, 3, cache, num_caches(op), of_caches, cache_strides, caches, state);
  place_operands(problem, 2, rows, parts, of_rows, row_strides, sources, state);
  if (of_scales[0].width > 0) place_operands(problem, 3, cache, parts, of_scales, scales_strides, scales, state);
  for (int i = 0; i < 3; ++i) op->k_data_strides[i] = (int64_t)((uint64_t)op->k_data_strides[i] * (uint64_t)aligned);
  for (int i = 0; i < parts; ++i) maybe_broadcast(row_strides[i], state);
  op->k_data = caches[0];
  op->v_data = caches[1];
  op->key = sources[0];
  op->value = sources[1];
  op->k_scales = scales[0];
  op->v_scales = scales[1];
}

static void place_packed(Problem* problem, uint64_t* state) {
  baracuda_paged_kv_append* op = &problem->op;
  void** caches[] = {&op->k_data, &op->v_data};
  const void** sources[] = {&op->key, &op->value};
  void** scales[] = {&op->k_scales, &op->v_scales};
  for (int i = 0; i < num_parts(op); ++i) {
    const ModelPart part = part_of(op, i);
    const int64_t element = (int64_t)element_bytes(op->element);
    const int64_t bytes = op->transform == BARACUDA_TRANSFORM_FP8_DS_MLA ? 4 : element;
    const uint64_t rows = (uint64_t)op->page_size * (uint64_t)op->num_total_pages * (uint64_t)op->num_heads;
    if (i < num_caches(op))
      *caches[i] = new_block(problem, rows * (uint64_t)(cache_width(op, part.width) * element),
                             take_lead(problem, bytes, state), state);
    *sources[i] = new_block(problem, (uint64_t)part.row * (uint64_t)op->num_heads * (uint64_t)rows_of(op),
                            take_lead(problem, part.row / part.width, state), state);
    if (part.scales_written > 0) *scales[i] = new_block(problem, rows * (uint64_t)part.scales_written, 0, state);
  }
}

/* Rows of numbers that a model has, now and then of one that is none: random bits are too large to be told apart. */
static void tame(uint8_t* bytes, uint64_t count, int32_t element, uint64_t* state) {
  const uint64_t step = element_bytes(element);
  for (uint64_t at = 0; at + step <= count; at += step) {
    uint32_t bits = 0;
    if (once_in(state, 64)) continue;
    memcpy(&bits, bytes + at, step);
    if (element == BARACUDA_ELEMENT_F16) bits = (bits & 0x8fffu) | 0x3000u;
    if (element == BARACUDA_ELEMENT_BF16) bits = (bits & 0x81ffu) | 0x3e00u;
    if (element == BARACUDA_ELEMENT_F32) bits = (bits & 0x81ffffffu) | 0x3e000000u;
    memcpy(bytes + at, &bits, step);
  }
}

/* What is read by its value: key and value, and the scales that are given. */
static void give_numbers(Problem* problem, uint64_t* state) {
  baracuda_paged_kv_append* op = &problem->op;
  const void** scales[] = {&op->k_scale, &op->v_scale};
  if (op->transform == BARACUDA_TRANSFORM_COPY) return;
  for (int i = 0; i < num_parts(op); ++i) {
    const ModelPart part = part_of(op, i);
    const bool is_ds_mla = op->transform == BARACUDA_TRANSFORM_FP8_DS_MLA;
    for (int32_t row = 0; row < rows_of(op) && !(is_ds_mla && i == 1); ++row)
      for (int32_t head = 0; head < op->num_heads; ++head)
        tame((uint8_t*)(uintptr_t)source_of(&part, row, head), (uint64_t)part.row, source_element(op), state);
    if (!is_wanted(op, BARACUDA_OPERAND_K_SCALE + i)) continue;
    const int64_t stride = i == 0 ? op->k_scale_stride : op->v_scale_stride;
    const int64_t count = stride == 0 ? 1 : op->num_heads;
    uint8_t* block = new_block(problem, (uint64_t)count * 4, 0, state);
    for (int64_t head = 0; head < count; ++head) {
      static const float kScales[] = {1.0f, 0.037f, 0.25f, 1.0f / 3, 1e-3f, -0.5f};
      memcpy(block + 4 * head, &kScales[random_below(state, 6)], 4);
    }
    *scales[i] = block;
  }
}

static bool can_read_anything(const void* address, uint64_t bytes) { return address != NULL && bytes > 0; }

static uint8_t* expected_at(Problem* problem, const uint8_t* place) {
  for (int i = 0; i < problem->num_blocks; ++i) {
    const Block* block = &problem->blocks[i];
    if (place >= block->bytes && place < block->bytes + block->size) return block->expected + (place - block->bytes);
  }
  REQUIRE(false, "a place outside of every block");
}

static void expect(Problem* problem) {
  const baracuda_paged_kv_append* op = &problem->op;
  bool unreadable = false;
  for (int i = 0; i < problem->num_blocks; ++i) {
    Block* block = &problem->blocks[i];
    block->expected = malloc(block->size > 0 ? block->size : 1);
    REQUIRE(block->expected != NULL, "out of memory");
    memcpy(block->expected, block->bytes, block->size);
  }
  for (int32_t row = 0; row < rows_of(op); ++row) {
    const ModelRow judged = judge(op, row, can_read_anything, &unreadable);
    REQUIRE(judged.verdict != CORRUPT, "row %d of a right table", row);
    for (int i = 0; i < num_parts(op) && judged.verdict == SERVED; ++i) {
      const ModelPart part = part_of(op, i);
      for (int32_t head = 0; head < op->num_heads; ++head)
        make_row(op, i, source_of(&part, row, head), scale_of(&part, head),
                 expected_at(problem, place_of(&part, &judged, head)),
                 part.scales == NULL ? NULL : expected_at(problem, scales_of(&part, &judged, head)));
    }
  }
}

Problem* new_problem(const baracuda_paged_kv_append* op, uint64_t* state) {
  Problem* problem = calloc(1, sizeof(Problem));
  REQUIRE(problem != NULL, "out of memory");
  problem->op = *op;
  if ((op->addressing | op->table | op->lengths) == 0)
    fill_table(problem, state);
  else
    fill_places(problem, state);
  if ((op->flags & BARACUDA_FLAG_STRIDED) != 0)
    place_strided(problem, state);
  else
    place_packed(problem, state);
  give_numbers(problem, state);
  if (num_parts(op) == 1) { /* not looked at */
    problem->op.value = (void*)(uintptr_t)next_random(state);
    problem->op.v_data = (void*)(uintptr_t)next_random(state);
  }
  expect(problem);
  return problem;
}

void free_problem(Problem* problem) {
  for (int i = 0; i < problem->num_blocks; ++i) {
    free(problem->blocks[i].bytes);
    free(problem->blocks[i].expected);
  }
  free(problem);
}

void check_problem_done(const Problem* problem) {
  for (int i = 0; i < problem->num_blocks; ++i) {
    const Block* block = &problem->blocks[i];
    for (uint64_t at = 0; memcmp(block->bytes, block->expected, block->size) != 0; ++at)
      REQUIRE(block->bytes[at] == block->expected[at], "block %d differs from the model's at byte %llu of %llu", i,
              (unsigned long long)at, (unsigned long long)block->size);
  }
}
