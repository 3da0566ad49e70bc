/* What baracuda_ffi.h says of an append, written once more and as plainly as it goes: the status, and the bytes. */
#ifndef BARACUDA_PROOF_MODEL_H_
#define BARACUDA_PROOF_MODEL_H_

#include <stdbool.h>
#include <stdint.h>

#include "baracuda_ffi.h"

/* Holds every product of three extents and a stride. */
__extension__ typedef __int128 Wide;

/* Key and its cache, or value and its. Strides in bytes; those of extents of 1 and less are 0. */
typedef struct ModelPart {
  const uint8_t* rows;
  uint8_t* cache;
  int64_t width;   /* elements of one head's row */
  int64_t row;     /* its bytes */
  int64_t written; /* bytes of what it becomes, in the cache */
  Wide token, head;
  Wide page, slot, cache_head;
  const uint8_t* scale; /* that is given; NULL for a transform that takes none */
  Wide scale_head;
  uint8_t* scales;        /* that are written beside; NULL for a transform that writes none there */
  int64_t scales_written; /* bytes, of one head's row */
  Wide scales_page, scales_slot, scales_head;
} ModelPart;

uint64_t element_bytes(int32_t element);             /* 0 for one that does not exist */
int64_t rows_of(const baracuda_paged_kv_append* op); /* RAGGED: at most */
bool is_wanted(const baracuda_paged_kv_append* op, int operand);
int32_t num_parts(const baracuda_paged_kv_append* op);
bool is_guarded(const baracuda_paged_kv_append* op);

/* Of a problem for which status_of_problem is 0, as everything below. */
ModelPart part_of(const baracuda_paged_kv_append* op, int part);

/* How far from its address an operand may be reached, in bytes; the largest uint64_t stands for all that are larger.
 * Both are 0 for one that has no elements, or that the append does not want. BARACUDA_NUM_OPERANDS stands for the
 * record. */
typedef struct Reach {
  uint64_t below, above;
} Reach;

Reach reach_of(const baracuda_paged_kv_append* op, int operand);
const void* pointer_of(const baracuda_paged_kv_append* op, int operand);

/* What its address has to be a multiple of. */
uint64_t alignment_of(const baracuda_paged_kv_append* op, int operand);

/* The header's list of refusals, in its order, as far as each judges: the problem, the pointers. *may_refuse is set
 * where caches are disjoint, but not of the kind of which the header says that this is found out: then 2 is right
 * too. */
int32_t status_of_problem(const baracuda_paged_kv_append* op);
int32_t status_of_operands(const baracuda_paged_kv_append* op, bool* may_refuse);

/* What becomes of one row. */
typedef enum Verdict { SERVED, PADDING, CORRUPT } Verdict;

typedef struct ModelRow {
  Verdict verdict;
  int64_t entry; /* of the table: the one that was read, or -1 */
  int64_t slot;
  baracuda_error_record record; /* what is said of a corrupt row; its page is that of every row */
} ModelRow;

/* indices or block_table; no operand for SLOTS. */
int table_of(const baracuda_paged_kv_append* op);

/* What append_indptr says as a whole; IN_ORDER for the other addressings. Where entries decrease, judge says nothing of
 * a row. LOST: rows that key does not have; *record is what is said of them then. */
typedef enum AppendIndptr { IN_ORDER, NOT_FROM_0, LOST, DECREASING } AppendIndptr;
AppendIndptr judge_append_indptr(const baracuda_paged_kv_append* op, baracuda_error_record* record);

/* `can_read` says whether an entry of the table is memory at all; if not, *unreadable is set and nothing is read. */
ModelRow judge(const baracuda_paged_kv_append* op, int32_t row, bool (*can_read)(const void*, uint64_t),
               bool* unreadable);

/* Whether an append that is not guarded is refused for such a row. */
bool is_refused(const baracuda_paged_kv_append* op, const ModelRow* row);

/* Whether indices has no id beside what the requests own: 0 and below is what buffers are padded with. */
bool owns_every_id(const baracuda_paged_kv_append* op);

/* Of a row that is served: where it is read and written, and where its scales are. */
const uint8_t* source_of(const ModelPart* part, int32_t row, int32_t head);
uint8_t* place_of(const ModelPart* part, const ModelRow* row, int32_t head);
uint8_t* scales_of(const ModelPart* part, const ModelRow* row, int32_t head);
const uint8_t* scale_of(const ModelPart* part, int32_t head);

/* What one head's row of a part becomes, of a row and a scale at these addresses: as many bytes as the part says. */
void make_row(const baracuda_paged_kv_append* op, int part, const uint8_t* from, const uint8_t* scale, uint8_t* to,
              uint8_t* scales);

/* The entry of an operand that says places. */
int64_t table_entry(const baracuda_paged_kv_append* op, int operand, int64_t entry);
uint64_t entry_bytes(const baracuda_paged_kv_append* op, int operand);

#endif
