/* Where each row goes. */

#include "model_op.h"

static ModelRow corrupt(ModelRow row, int32_t reason, int32_t operand, int64_t seen, int64_t limit) {
  row.verdict = CORRUPT;
  row.record.reason = reason;
  row.record.operand = operand;
  row.record.seen = seen;
  row.record.limit = limit;
  return row;
}

static ModelRow padding(ModelRow row) {
  row.verdict = PADDING;
  return row;
}

/* Reads the page's id, and judges the slot. */
static ModelRow at_entry(const baracuda_paged_kv_append* op, ModelRow row, int64_t entry,
                         bool (*can_read)(const void*, uint64_t), bool* unreadable) {
  const int table = table_of(op);
  const int64_t pages = op->num_total_pages > 0 ? op->num_total_pages : INT64_MAX;
  const uint64_t bytes = entry_bytes(op, table);
  row.entry = entry;
  if (!can_read((const uint8_t*)pointer_of(op, table) + (uint64_t)entry * bytes, bytes)) {
    *unreadable = true;
    return row;
  }
  row.record.page = table_entry(op, table, entry);
  if (row.record.page < 0) return padding(row);
  if (row.record.page >= pages) return corrupt(row, BARACUDA_CORRUPT_PAGE, table, row.record.page, pages);
  row.verdict = SERVED;
  return row;
}

/* A request's part of the table. */
typedef struct Listed {
  int64_t first; /* entry */
  int64_t pages;
} Listed;

/* False where indptr is corrupt, which *row then says. */
static bool find_part(const baracuda_paged_kv_append* op, int64_t request, Listed* listed, ModelRow* row) {
  row->record.request = request;
  if (is_dense(op)) {
    *listed = (Listed){request == 0 || op->max_pages == 0 ? 0 : request * op->block_table_stride, op->max_pages};
    return true;
  }
  const int64_t begin = table_entry(op, BARACUDA_OPERAND_INDPTR, request);
  const int64_t end = table_entry(op, BARACUDA_OPERAND_INDPTR, request + 1);
  if (begin < 0) {
    *row = corrupt(*row, BARACUDA_CORRUPT_INDPTR, BARACUDA_OPERAND_INDPTR, begin, 0);
  } else if (end < begin) {
    *row = corrupt(*row, BARACUDA_CORRUPT_INDPTR, BARACUDA_OPERAND_INDPTR, end, begin);
  } else if (end > most_entries(op)) {
    *row = corrupt(*row, BARACUDA_CORRUPT_INDPTR, BARACUDA_OPERAND_INDPTR, end, most_entries(op) + 1);
  } else {
    *listed = (Listed){begin, end - begin};
    return true;
  }
  return false;
}

static ModelRow judge_decode(const baracuda_paged_kv_append* op, ModelRow row, bool (*can_read)(const void*, uint64_t),
                             bool* unreadable) {
  const int64_t request = row.record.row;
  const int64_t length = table_entry(op, BARACUDA_OPERAND_LAST_PAGE_LEN, request);
  const int64_t least = op->length_convention == BARACUDA_AFTER_APPEND ? 1 : 0;
  Listed listed;
  row.record.request = request;
  if (table_entry(op, BARACUDA_OPERAND_INDPTR, request) == table_entry(op, BARACUDA_OPERAND_INDPTR, request + 1))
    return row;
  if (!find_part(op, request, &listed, &row)) return row;
  row = at_entry(op, row, listed.first + listed.pages - 1, can_read, unreadable);
  if (row.verdict != SERVED) return row;
  if (length < least)
    return corrupt(row, BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_LAST_PAGE_LEN, length, least);
  if (length >= op->page_size + least)
    return corrupt(row, BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_LAST_PAGE_LEN, length, op->page_size + least);
  row.slot = length - least;
  return row;
}

static ModelRow at_token(const baracuda_paged_kv_append* op, ModelRow row, Listed listed, Wide token,
                         bool (*can_read)(const void*, uint64_t), bool* unreadable) {
  row.slot = (int64_t)(token % op->page_size);
  return at_entry(op, row, listed.first + (int64_t)(token / op->page_size), can_read, unreadable);
}

/* The `nth` of the `count` newest tokens of a request, of which the rows end at `end`. */
static ModelRow judge_newest(const baracuda_paged_kv_append* op, ModelRow row, int64_t request, int64_t nth,
                             int64_t count, int64_t end, bool (*can_read)(const void*, uint64_t), bool* unreadable) {
  const bool after = op->length_convention == BARACUDA_AFTER_APPEND;
  Listed listed;
  if (!find_part(op, request, &listed, &row)) return row;
  const Wide room = (Wide)listed.pages * op->page_size;
  Wide total; /* with the new ones */
  if (is_by_seq_lens(op)) {
    const int64_t length = table_entry(op, BARACUDA_OPERAND_SEQ_LENS, request);
    if (after && length == 0) return padding(row);
    if (length < 0) return corrupt(row, BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_SEQ_LENS, length, 0);
    total = (Wide)length + (after ? 0 : count);
    if (total - count + nth >= room)
      return corrupt(row, BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_SEQ_LENS, length,
                     (int64_t)(room - nth + (after ? count : 0)));
  } else {
    const int64_t length = table_entry(op, BARACUDA_OPERAND_LAST_PAGE_LEN, request);
    if (listed.pages == 0) return padding(row);
    if (length < 1 || length > op->page_size)
      return corrupt(row, BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_LAST_PAGE_LEN, length,
                     length < 1 ? 1 : (int64_t)op->page_size + 1);
    total = room - op->page_size + length;
  }
  if (total - count + nth < 0)
    return corrupt(row, BARACUDA_CORRUPT_APPEND_INDPTR, BARACUDA_OPERAND_APPEND_INDPTR, end,
                   (int64_t)(end - count + total + 1));
  return at_token(op, row, listed, total - count + nth, can_read, unreadable);
}

AppendIndptr judge_append_indptr(const baracuda_paged_kv_append* op, baracuda_error_record* record) {
  if (op->addressing != BARACUDA_ADDRESSING_RAGGED) return IN_ORDER;
  const int64_t batch = op->batch_size;
  for (int64_t b = 0; b < batch; ++b)
    if (table_entry(op, BARACUDA_OPERAND_APPEND_INDPTR, b + 1) < table_entry(op, BARACUDA_OPERAND_APPEND_INDPTR, b))
      return DECREASING;
  const int64_t end = table_entry(op, BARACUDA_OPERAND_APPEND_INDPTR, batch);
  if (end > op->num_rows) {
    *record = (baracuda_error_record){.reason = BARACUDA_CORRUPT_APPEND_INDPTR,
                                      .operand = BARACUDA_OPERAND_APPEND_INDPTR,
                                      .row = op->num_rows,
                                      .request = batch - 1,
                                      .seen = end,
                                      .limit = op->num_rows + 1,
                                      .page = -1};
    return LOST;
  }
  return table_entry(op, BARACUDA_OPERAND_APPEND_INDPTR, 0) == 0 ? IN_ORDER : NOT_FROM_0;
}

/* Of entries that do not decrease. */
static ModelRow judge_ragged(const baracuda_paged_kv_append* op, ModelRow row, bool (*can_read)(const void*, uint64_t),
                             bool* unreadable) {
  const int operand = BARACUDA_OPERAND_APPEND_INDPTR;
  int64_t request = 0;
  while (request < op->batch_size && table_entry(op, operand, request + 1) <= row.record.row) ++request;
  if (request == op->batch_size) {
    row.record.request = request - 1;
    return row;
  }
  const int64_t first = table_entry(op, operand, request);
  const int64_t end = table_entry(op, operand, request + 1);
  row.record.request = request;
  if (first < 0) return corrupt(row, BARACUDA_CORRUPT_APPEND_INDPTR, operand, first, 0);
  if (request == 0 && first > 0) return corrupt(row, BARACUDA_CORRUPT_APPEND_INDPTR, operand, first, 1);
  if (end > op->num_rows) return corrupt(row, BARACUDA_CORRUPT_APPEND_INDPTR, operand, end, op->num_rows + 1);
  return judge_newest(op, row, request, row.record.row - first, end - first, end, can_read, unreadable);
}

static ModelRow judge_position(const baracuda_paged_kv_append* op, ModelRow row,
                               bool (*can_read)(const void*, uint64_t), bool* unreadable) {
  const int64_t request = table_entry(op, BARACUDA_OPERAND_BATCH_INDICES, row.record.row);
  const int64_t position = table_entry(op, BARACUDA_OPERAND_POSITIONS, row.record.row);
  Listed listed;
  row.record.request = -1;
  if (request < 0) return row;
  if (request >= op->batch_size)
    return corrupt(row, BARACUDA_CORRUPT_BATCH_INDEX, BARACUDA_OPERAND_BATCH_INDICES, request, op->batch_size);
  if (!find_part(op, request, &listed, &row)) return row;
  const int64_t room = listed.pages * op->page_size;
  if (position < 0) return corrupt(row, BARACUDA_CORRUPT_POSITION, BARACUDA_OPERAND_POSITIONS, position, 0);
  if (position >= room) return corrupt(row, BARACUDA_CORRUPT_POSITION, BARACUDA_OPERAND_POSITIONS, position, room);
  return at_token(op, row, listed, position, can_read, unreadable);
}

static ModelRow judge_slot(const baracuda_paged_kv_append* op, ModelRow row) {
  const int64_t slot = table_entry(op, BARACUDA_OPERAND_SLOT_MAPPING, row.record.row);
  const int64_t slots = (int64_t)op->num_total_pages * op->page_size;
  row.record.request = -1;
  if (slot < 0 || (has(op, BARACUDA_FLAG_SKIP_SLOT) && slot == op->skip_slot)) return row;
  if (slot >= slots) return corrupt(row, BARACUDA_CORRUPT_SLOT, BARACUDA_OPERAND_SLOT_MAPPING, slot, slots);
  row.verdict = SERVED;
  row.record.page = slot / op->page_size;
  row.slot = slot % op->page_size;
  return row;
}

ModelRow judge(const baracuda_paged_kv_append* op, int32_t nth, bool (*can_read)(const void*, uint64_t),
               bool* unreadable) {
  const ModelRow row = {PADDING, -1, -1, {.row = nth, .page = -1}};
  switch (op->addressing) {
    case BARACUDA_ADDRESSING_RAGGED:
      return judge_ragged(op, row, can_read, unreadable);
    case BARACUDA_ADDRESSING_POSITIONS:
      return judge_position(op, row, can_read, unreadable);
    case BARACUDA_ADDRESSING_SLOTS:
      return judge_slot(op, row);
    default:
      if (is_decode(op)) return judge_decode(op, row, can_read, unreadable);
      return judge_newest(op, row, nth, 0, 1, 0, can_read, unreadable);
  }
}

bool is_refused(const baracuda_paged_kv_append* op, const ModelRow* row) {
  return row->verdict == CORRUPT || (row->verdict == PADDING && is_mirrored(op));
}

/* Whether the first or the last of the entries begin .. end - 1 of indices names a page. */
static bool names_pages(const baracuda_paged_kv_append* op, int64_t begin, int64_t end) {
  if (begin == end) return false;
  return table_entry(op, BARACUDA_OPERAND_INDICES, begin) > 0 || table_entry(op, BARACUDA_OPERAND_INDICES, end - 1) > 0;
}

bool owns_every_id(const baracuda_paged_kv_append* op) {
  const bool states_table = op->total_used_pages > 0 && op->total_used_pages < INT32_MAX;
  if (is_dense(op) || op->addressing == BARACUDA_ADDRESSING_SLOTS || rows_of(op) == 0 || !states_table) return true;
  const int64_t first = table_entry(op, BARACUDA_OPERAND_INDPTR, 0);
  const int64_t last = table_entry(op, BARACUDA_OPERAND_INDPTR, op->batch_size);
  if (first < 0 || first >= last || last > op->total_used_pages) return true;
  return !names_pages(op, 0, first) && !names_pages(op, last, op->total_used_pages);
}
