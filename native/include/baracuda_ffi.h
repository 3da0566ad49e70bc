/* SPDX-License-Identifier: MIT
 *
 * baracuda_ffi.h - write rows into a paged KV-cache, and move its pages.
 *
 * This header is the whole contract of libbaracuda_ffi: C99, no other header of ours, no CUDA header.
 *
 * THE OPERATION
 *
 * An engine makes new K and V rows at every step and every layer, and writes them into caches that are cut into pages.
 * An append takes n rows of key and of value to n places, each a page and a slot in it. Three questions are answered
 * each by itself, and nothing else varies: which place (addressing), which rows (parts), what is written (transform).
 *
 * With H = num_heads (KV heads), P = page_size (tokens a page), D = head_dim and B = batch_size (requests):
 *
 *   operand          shape                                   type      access
 *   key              [n, H, D]; n may be less than its rows  source    read
 *   value            [n, H, Dv]                              source    read
 *   k_data           HND: [num_total_pages, H, P, D]         element   written in place
 *                    NHD: [num_total_pages, P, H, D]
 *   v_data           the same with Dv = value_head_dim       element   written in place
 *   indices          [total_used_pages]                      index     read: page ids
 *   indptr           [B + 1]                                 index     read: request b owns
 *                                                                      indices[indptr[b] .. indptr[b+1]-1]
 *   last_page_len    [B]                                     index     read: tokens in each request's last page
 *   append_indptr    [B + 1]                                 index     read: request b's new rows are rows
 *                                                                      append_indptr[b] .. append_indptr[b+1]-1
 *   batch_indices    [n]                                     index     read: whose each row is
 *   positions        [n]                                     index     read: which token of its request each row is
 *   slot_mapping     [n]                                     index     read: slots of the whole cache
 *   block_table      [B or more, max_pages]                  index     read: request b's page ids, row by row
 *   seq_lens         [B]                                     index     read: tokens of each request
 *   k_scale          [1] or [H]                              f32       read: what key is quantised by
 *   v_scale          the same                                f32       read: what value is quantised by
 *   k_scales         [num_total_pages, P, H]                 f32       written in place: of each row, beside k_data
 *   v_scales         the same                                f32       written in place: of each row, beside v_data
 *
 * An index is int32 or int64, each operand by itself; one-dimensional operands are contiguous. The addressing says
 * which of these operands there are, and n: the others are not looked at. The scales are the transform's to want.
 *
 * Row i of key goes to its place in k_data, bit for bit or transformed, and row i of value to the same place in v_data.
 * Not one other byte of either changes. What says places is never written: advancing it is the caller's. An append of
 * no rows is legal, does nothing, and looks at no operand but error_record; nor does one of nothing but padding write
 * anything.
 *
 * WHICH PLACE
 *
 *   BARACUDA_ADDRESSING_LAST_PAGE   n = B: row b is request b's newest token (decode)
 *                                   operands: a table, lengths
 *   BARACUDA_ADDRESSING_RAGGED      n = append_indptr[B], of num_rows rows that key has: row append_indptr[b] + j is
 *                                   the j-th of request b's new tokens, its newest ones in order (prefill)
 *                                   operands: a table, lengths, append_indptr
 *   BARACUDA_ADDRESSING_POSITIONS   n = num_rows: row i is token positions[i] of request batch_indices[i]
 *                                   operands: indices and indptr, batch_indices, positions
 *   BARACUDA_ADDRESSING_SLOTS       n = num_rows: row i goes to page slot_mapping[i] / P, slot slot_mapping[i] % P
 *                                   operands: slot_mapping
 *
 *   a table   BARACUDA_TABLE_CSR              indices and indptr
 *             BARACUDA_TABLE_DENSE            block_table, whose rows lie block_table_stride entries apart; rows behind
 *                                             the B-th are not read. Lengths are seq_lens.
 *   lengths   BARACUDA_LENGTHS_LAST_PAGE_LEN  a request has (pages - 1) * P + last_page_len[b] tokens
 *             BARACUDA_LENGTHS_SEQ_LENS       it has seq_lens[b]
 *
 * Token t of a request goes to the page that its part of the table lists at t / P, slot t % P. A request of `total` new
 * and old tokens that gets m rows gets them as tokens total - m .. total - 1. Whether the lengths count the new tokens
 * is the length convention's to say. RAGGED by last_page_len is AFTER_APPEND only: the pages that its table lists have
 * to hold the new tokens. POSITIONS and SLOTS take no lengths, and no convention.
 *
 * By seq_lens nothing is taken from how many pages a request has: a page that is listed too early is not written, and
 * one that is missing is corrupt, where last_page_len would name a slot of the page before. It is the safe way.
 *
 * THE SLOT, AND THE TRAP IN IT
 *
 * Of LAST_PAGE by last_page_len, which names the slot:
 *
 *   length convention         last_page_len[b] counts      legal at the call   slot s
 *   BARACUDA_BEFORE_APPEND    the tokens already there     0 .. P-1            last_page_len[b]
 *   BARACUDA_AFTER_APPEND     the new token as well        1 .. P              last_page_len[b] - 1
 *
 * Mixing them up destroys the newest token without a word. Worked example, P = 4, a request that holds 6 tokens
 * in pages 7 and 2 (so two tokens in page 2, slots 0 and 1). The new token belongs in page 2, slot 2.
 *
 *   BEFORE_APPEND: pass last_page_len = 2, and set it to 3 after the call.
 *   AFTER_APPEND:  set last_page_len to 3, pass 3; the attention call that follows takes the same table.
 *
 * When the last page is full (two more tokens from here), append a page id to the request's part of `indices` and
 * move the later `indptr` up BEFORE the call; the length then passed is 0 (BEFORE_APPEND) or 1 (AFTER_APPEND).
 * Every mirrored symbol is BEFORE_APPEND. FlashInfer's own attention kernels take the AFTER_APPEND table.
 *
 * seq_lens count the tokens there before the append (BEFORE_APPEND), or the new ones too (AFTER_APPEND). Of the request
 * above that gets its seventh token they say 6, or 7; mixing them up writes its neighbour's slot, in the same pages.
 *
 * WHICH ROWS
 *
 * Only the elements of a row have to lie side by side. Without BARACUDA_FLAG_STRIDED key, value and the caches are
 * packed in the order of their dimensions; with it they lie by their strides, each of its own: slices of a fused QKV
 * projection, caches that interleave K and V, K and V side by side in one row, one layer of a pool of pages that span
 * all layers. Strides are 64-bit, count elements, and may be negative; a stride of 0 repeats a source, and is refused
 * for a cache of more than one place; strides of an extent of 0 or 1 mean nothing. Any D whose row is whole bytes is
 * taken; where addresses, strides and rows are multiples of 16 bytes, rows are copied 16 bytes at a time, else by the
 * widest vector that fits, down to one element: only speed suffers. With BARACUDA_PARTS_KEY there is no value and no
 * v_data. A cache without a head dimension (MLA) has num_heads 1, and its layout means nothing.
 *
 * K and V may lie in one allocation, and their scales with them. What is written has to be disjoint: k_data, v_data,
 * k_scales and v_scales are compared exactly, row against row, over the dimensions over which they have the same stride
 * in bytes, where each of these leads past all that the smaller ones reach; over any other dimension by the span from
 * its first row to its last. What cannot be shown disjoint so is refused.
 *
 * WHAT IS WRITTEN
 *
 *   transform        source          k_data, v_data                          scales
 *   COPY             the element     the same bits                           none
 *   FP8              f16, bf16, f32  fp8_e4m3 or fp8_e5m2, [.., D]           k_scale, v_scale: read
 *   PER_TOKEN_HEAD   f16, bf16, f32  fp8_e4m3 or int8, [.., D]               k_scales, v_scales: written
 *   FP8_DS_MLA       f16, bf16       uint8, rows of 656 bytes                written, in the row
 *   NVFP4            f16, bf16, f32  uint8, [.., D / 2]: two e2m1 a byte     k_scale, v_scale: read;
 *                                                                            k_scales, v_scales: written
 *
 * `element` is the caches', source_element that of key and value. k_scale and v_scale are f32 in the backend's memory,
 * so that a graph reads them anew: one for all heads (k_scale_stride 0), or one a head (1).
 *
 * FP8_DS_MLA: key is ckv, [n, 512], and value is kpe, [n, 64], both of H = 1. Both go to rows of k_data, aligned to 4
 * bytes; there is no v_data. With BARACUDA_PARTS_KEY there is no kpe, and its bytes are zeros.
 *
 * NVFP4: D is a multiple of 16. k_scales and v_scales are e4m3 (or their bytes as uint8), with the dimensions and the
 * layout of k_data and v_data but for the last, which is D / 16 and lies side by side.
 *
 * The rules, to the bit and on every backend alike. An element x is widened to f32, exactly; each operation is one of
 * f32, rounded to nearest even, subnormals kept, whatever the caller's rounding and denormal modes are.
 *
 *   to fp8           to the nearest value, of two as near the even one; what is beyond the largest (448, 57344), be it
 *                    infinite, to that; NaN to 0x7f
 *   FP8              x / scale, to fp8. Whatever the scale is, it is divided by: by 0 all but 0 and NaN saturate
 *   PER_TOKEN_HEAD   amax is the largest magnitude in the row of elements that are finite, 0 without one;
 *                    scale = max(amax / top, 1e-6), top 448 or 127; y = x * (1 / scale), to fp8; or to int8:
 *                    trunc(clamp(y, -127, 127) + copysign(0.5, y)), NaN to 0
 *   FP8_DS_MLA       of each 128 elements of ckv amax is the largest magnitude but NaN's; scale is the least power of
 *                    two that is no less than max(amax / 448, 1e-4), infinity for infinity; x / scale, to e4m3. A row
 *                    is 512 e4m3, 4 f32 scales, and 64 elements of kpe as they are
 *   NVFP4            of each 16 elements amax is the largest magnitude but NaN's; with g, the given scale, the block's
 *                    scale s is amax / (6 * g), to e4m3, and 0 where amax or g is not positive; x * (1 / (s * g)), but
 *                    x * 0 where s is 0 or NaN, goes to the nearest of 0, 0.5, 1, 1.5, 2, 3, 4 and 6, of two as near
 *                    to the even one, beyond 6 to 6: that is bits 0 .. 2, the sign bit 3, and NaN 0. Of a byte the low
 *                    half is element 2i, the high one 2i + 1
 *
 * A backend that does not write a transform refuses it with 3: FlashInfer all but COPY.
 *
 * BARACUDA-KERNELS' CHECKS
 *
 * The mirrored symbols, and any append with BARACUDA_FLAG_MIRRORED, are held to what baracuda-kernels' plan takes: a
 * batch of 1 or more; packed key, value and caches of exactly the stated shapes, 16-byte aligned; a head_dim of 64, 128
 * or 256 for both parts; int32 tables; LAST_PAGE, not guarded. On the host no request may be padding.
 *
 * THE GUARD
 *
 * With BARACUDA_FLAG_GUARDED no page table, however wrong, makes an append write outside the caches or into a page
 * that it does not name, or read outside the operands, whatever the integers are. Each row is judged where the append
 * runs, without synchronising, in the order of these lines. Padding (of batches for CUDA graphs) is skipped silently.
 *
 * LAST_PAGE by last_page_len:
 *
 *   indptr[b] == indptr[b+1]                              padding
 *   indptr negative, decreasing, beyond total_used_pages  corrupt: INDPTR
 *   the id of its last page is negative                   padding
 *   the id of its last page is num_total_pages or more    corrupt: PAGE
 *   last_page_len outside its convention's range          corrupt: LAST_PAGE_LEN
 *
 * LAST_PAGE by seq_lens:
 *
 *   indptr negative, decreasing, beyond total_used_pages  corrupt: INDPTR
 *   seq_lens[b] is 0, AFTER_APPEND                        padding
 *   seq_lens[b] negative, or the request has no page for  corrupt: LAST_PAGE_LEN, of the operand seq_lens
 *     its token (no pages at all included)
 *   then the id of that page                              as below
 *
 * RAGGED, of the request whose rows its row is among:
 *
 *   rows behind append_indptr[B]                          padding
 *   append_indptr[0] other than 0, a negative entry, a    corrupt: APPEND_INDPTR
 *     decrease, an end beyond num_rows
 *   indptr negative, decreasing, beyond total_used_pages  corrupt: INDPTR
 *   by last_page_len: no pages                            padding
 *   by last_page_len: it is not 1 .. P                    corrupt: LAST_PAGE_LEN
 *   by seq_lens: 0, AFTER_APPEND                          padding
 *   by seq_lens: negative, or no page for the row's token corrupt: LAST_PAGE_LEN, of the operand seq_lens
 *   more rows than tokens, AFTER_APPEND: those rows that  corrupt: APPEND_INDPTR
 *     come before the request's first token
 *   then the id of that page                              as below
 *
 * POSITIONS:
 *
 *   batch_indices[i] negative                             padding
 *   batch_indices[i] is B or more                         corrupt: BATCH_INDEX
 *   indptr negative, decreasing, beyond total_used_pages  corrupt: INDPTR
 *   positions[i] negative, or beyond the request's pages  corrupt: POSITION
 *   then the id of that page                              as below
 *
 * SLOTS:
 *
 *   slot_mapping[i] negative, or skip_slot where one is   padding
 *     set (BARACUDA_FLAG_SKIP_SLOT)
 *   slot_mapping[i] is num_total_pages * P or more        corrupt: SLOT
 *
 * The page's id, in indices or block_table, of all these but the first:
 *
 *   negative                                              padding
 *   num_total_pages or more                               corrupt: PAGE
 *
 * The id of the row's own page is the only one that is read. A request without rows is not judged. Where append_indptr
 * is out of order, each row is skipped or goes to a page that the table names, and backends need not agree on which. Of
 * rows from num_rows on, which key does not have, the record says row num_rows of the last request.
 *
 * Of a corrupt row nothing is written, every other row is served, and the first one met is described in the caller's
 * baracuda_error_record, if there is one. The call itself returns 0. num_total_pages has to be stated. The bespoke
 * backend is always guarded; the host backend, unguarded, skips padding and refuses an append in which anything is
 * corrupt whole, before it has written a byte.
 *
 * COPYING PAGES
 *
 * What a cache needs besides appends: pages copied to other pages (copy on write, compaction), to a buffer (offload to
 * pinned host memory, transfer to another device), and from there back. One call makes n = num_copies copies of a
 * whole page each, of both parts:
 *
 *   BARACUDA_MOVEMENT_COPY      page source[i] to page destination[i] of the same caches
 *   BARACUDA_MOVEMENT_GATHER    page source[i] to row i of buffer; the caches are only read
 *   BARACUDA_MOVEMENT_SCATTER   row i of buffer to page destination[i]
 *
 *   operand            shape                            type            access
 *   k_data, v_data     [num_total_pages, ...page]       any             read; COPY, SCATTER: written in place
 *   source             [n]                              int32 or int64  read: page ids; COPY, GATHER
 *   destination        [n]                              int32 or int64  read: page ids; COPY, SCATTER
 *   buffer             [n or more, row]                 bytes           GATHER: written; SCATTER: read
 *
 * The first dimension of a cache is the page; what a page has inside does not matter: up to BARACUDA_MAX_PAGE_RANK
 * dimensions of elements of 1, 2, 4, 8 or 16 bytes, by any strides, each part its own. So both layouts, caches without
 * heads, interleaved ones, one layer of a pool or all of them, quantised ones, and their scales (by a call of their
 * own) are all taken; with BARACUDA_PARTS_KEY k_data alone. A row of buffer is the bytes of one page: K's and then V's,
 * each packed in the order of its dimensions; rows lie end to end, at any address, those from n on are not touched.
 * What was gathered and is scattered to the same pages leaves them as they were. buffer may be in any memory that the
 * backend reaches: pinned host memory for CUDA.
 *
 * A copy with a negative id is padding and skipped silently, and so is one of a page to itself. An id of
 * num_total_pages or more is corrupt: SOURCE or DESTINATION; guarded, that copy is skipped and recorded (`row` is i),
 * the others are made; the host backend, unguarded, refuses the call whole. Lists are judged where the copy runs.
 *
 * The copies of one call are made in no order, and at once. So a page that is written should be in the lists once: no
 * second copy should write it, and none should read it. The host backend, unguarded, refuses what breaks that whole;
 * elsewhere such a page is left with bytes of any of the pages concerned, and no other page is. Where pages change
 * places, or move up a chain, gather and scatter them, or make several calls on one stream.
 *
 * Refusals, in this order; everything else that this header says of the append (memory, streams, graphs, threads,
 * statuses, flags, the record) holds for these functions as it does there:
 *
 *   status 2   op is NULL, its struct_size is impossible, or it is larger than this library's and not zero there
 *   status 3   a flag, backend, movement or parts that this library does not know; FlashInfer; the bespoke backend
 *              without the guard
 *   status 2   num_total_pages not positive; num_copies negative; an extent of a page that is negative,
 *              or not 0 behind one that is
 *   status 3   an element of another number of bytes
 *   status 2   where there is something to copy: a NULL pointer, or operands that do not fit in the address space; a
 *              host stream that is not NULL; an error_record without the guard
 *   status 1   an address that is no multiple of its element's size, nor error_record's of 8 (buffer: any)
 *   status 2   a cache that is written with a stride of 0 over more than one place; what is written sharing memory with
 *              another operand
 *   status 2   host backend, unguarded: a corrupt copy, or a page that is written and in the lists twice
 *   then as above
 *
 * SYMBOLS (T is f16, bf16, f32, fp8_e4m3 or fp8_e5m2)
 *
 *   baracuda_kernels_flashinfer_paged_kv_append_decode_T_run             mirrored: CUDA, HND, BEFORE_APPEND
 *   baracuda_kernels_flashinfer_paged_kv_append_decode_T_can_implement
 *   baracuda_kernels_flashinfer_paged_kv_append_decode_can_implement     0 if some T can
 *   baracuda_kernels_host_paged_kv_append_decode_...                     the same three, over host memory
 *   baracuda_paged_kv_append_run, _can_implement                         general: everything, one struct
 *   baracuda_paged_kv_append_bind                                        fill that struct from described tensors
 *   baracuda_paged_kv_append_preload                                     load the CUDA kernel before a graph capture
 *   baracuda_paged_kv_copy_run, _can_implement, _bind, _preload          the same of copies of pages
 *   baracuda_host_set_max_threads, baracuda_host_max_threads             how many threads the host backend may use
 *   baracuda_ffi_version, _abi_version, _build_info                      about the library
 *   baracuda_status_name, baracuda_last_error_message                    about a status
 *
 * The mirrored names and argument orders are those of the Rust crate baracuda-kernels-sys 0.0.1-alpha. The FlashInfer
 * backend launches FlashInfer's AppendPagedKVCacheDecode, and of POSITIONS its AppendPagedKVCache, unmodified, from the
 * release that baracuda_ffi_build_info names.
 *
 * RULES THAT HOLD FOR EVERY FUNCTION
 *
 * Status: functions that can fail return a baracuda_status: 0, or a refusal with a message for this thread in
 *   baracuda_last_error_message. A refusal comes before anything is launched or written: nothing is left behind.
 * Memory: the library keeps no pointer after a call returns and owns no operand. It allocates no device memory; the
 *   host backend may take memory of this process for the length of a call, and where there is none it refuses with 2.
 *   An asynchronous (CUDA) append reads and writes its operands until the stream has passed it: keep them alive.
 * Streams: a CUDA append is only enqueued on `stream`. Nothing is synchronised and nothing waits: operands made on
 *   another stream must be ordered before it by the caller, page tables included. A launch goes to the device of
 *   the stream, whatever device is current, and leaves the current context as it found it. The handles 0, 1 and 2
 *   (the default streams) name no device: there it is the device of k_data. Host functions take stream == NULL
 *   and are finished when they return. On a GPU of compute capability 9.0 or more a kernel of this library that is
 *   not captured may be begun while what is before it on the stream still finishes (programmatic dependent launch);
 *   it waits for all of that before it reads or writes an operand, and is itself not finished sooner.
 * Graphs: a CUDA append can be captured into a CUDA graph. CUDA loads kernels lazily and cannot always do so during
 *   a capture, so append once on that device before, or call baracuda_paged_kv_append_preload. A replay reads
 *   the page table anew.
 * Threads: every function may be called from any number of threads at once. Two appends may run at once unless
 *   they write the same slot; two rows of one append that name one slot leave that slot undefined. No function is a
 *   cancellation point. Host functions are safe in a child after fork(); CUDA itself is not.
 * Never: no function throws, prints, exits, leaves a CUDA error pending, or changes process-wide state, but for
 *   baracuda_host_set_max_threads, whose purpose that is.
 * What is not checked: the CUDA backends do not read on the host what says places. With the FlashInfer backend a page
 *   id outside the cache, a length outside its convention, a request with no pages, or a batch index or position that
 *   is negative or beyond its end writes or reads elsewhere: it knows no padding. The host backend checks all of it
 *   where it is used; a guarded append cannot do it.
 *
 * REFUSALS, IN THE ORDER OF THE CHECKS
 *
 * Of the problem:
 *
 *   status 2   op is NULL, its struct_size is impossible, or it is larger than this library's and not zero there
 *   status 3   a flag, backend, layout, convention, addressing, table, lengths, transform or parts that this library
 *              does not know or has not built; FlashInfer with the guard, or the bespoke backend without it
 *   status 3   choices that do not go together: POSITIONS or SLOTS with a dense table or seq_lens; a dense table with
 *              last_page_len; RAGGED by last_page_len, BEFORE_APPEND; SKIP_SLOT without SLOTS
 *   status 3   MIRRORED with another addressing, table, lengths or transform than 0, strides, the guard, one part,
 *              two widths, or int64 operands
 *   status 2   batch_size negative (MIRRORED: not positive), page_size or num_heads not positive; num_total_pages or
 *              total_used_pages negative; num_rows negative or 2^31 and more, but for LAST_PAGE; with a dense table
 *              max_pages the same, or block_table_stride negative; num_total_pages 0 where it has to be stated
 *   status 3   head_dim or value_head_dim not positive (MIRRORED: not 64, 128 or 256); an element that this library
 *              does not know (MIRRORED: that has no symbol), or that the transform does not write; COPY: a
 *              source_element other than the element
 *   status 2   a source_element that the transform does not read: of fp8, say, into FP8
 *   status 3   NVFP4: a head_dim or value_head_dim that is no multiple of 16; FP8_DS_MLA: others than 512 and 64, or
 *              several heads; FP8 and NVFP4: k_scale_stride or v_scale_stride neither 0 nor 1
 *   status 3   a transform that the backend does not write
 *   status 3   FlashInfer: another addressing, table or lengths than 0, but for POSITIONS; a head_dim that is not 64,
 *              128 or 256; one part, or two widths; int64 operands; num_heads * head_dim / vec > 1024 threads,
 *              vec = max(16 / sizeof(T), head_dim / 32)
 *   status 3   FlashInfer: what is beyond its 32-bit arithmetic: a page stride that is negative, or 2^32 elements or
 *              more; of LAST_PAGE a batch of that many, or a request that could reach 2^31 tokens; of POSITIONS a table
 *              of more than 2^31 slots, or more than 2^31 - 2^16 - 1 rows
 *   status 2   FlashInfer, LAST_PAGE: total_used_pages stated and below batch_size: some request has no page
 *
 * Of operands, where there are rows to append:
 *
 *   status 2   a NULL pointer, or operands that do not fit in the address space; a host stream that is not NULL; an
 *              error_record without the guard
 *   status 1   an address that is no multiple of its element's size, nor error_record's of 8 (MIRRORED: key, value,
 *              k_data or v_data not aligned to 16 bytes); FP8_DS_MLA: k_data, or a stride of it, no multiple of 4 bytes
 *   status 2   k_data, v_data, k_scales or v_scales with a stride of 0 over more than one place; these and error_record
 *              overlapping each other or an input (key and value may be the same memory)
 *   status 3   FlashInfer: key or value that is not packed, of POSITIONS whose strides are negative or no multiples of
 *              16 bytes; caches whose strides differ, or are negative, no multiples of 16 bytes, or 2^32 elements or
 *              more
 *   status 1   FlashInfer: key, value, k_data or v_data not aligned to 16 bytes
 *   status 2   host backend, unguarded: a corrupt row (MIRRORED: padding too), which the message names; or, where it is
 *              stated how many entries indices has, ids before or behind those that the requests own of which the
 *              first or the last is above 0: 0 and below pad. No row is served.
 *   status 3   a CUDA function of a library that was built without CUDA
 *   1000 + e   what the CUDA driver said (e is its CUresult, and the cudaError_t of the same number); 1035 where there
 *              is no driver, or one that is too old
 *
 * ABI POLICY
 *
 * Within one BARACUDA_FFI_ABI_VERSION nothing that is here changes meaning: functions, enumerators and members of
 * structs are only added, members only at the end. Larger structs keep working with older callers, because each
 * struct starts with the size that its caller knows; a caller newer than the library is refused only if it uses
 * what the library does not know (a non-zero byte beyond it, an unknown flag). A change of anything else raises
 * BARACUDA_FFI_ABI_VERSION. Pre-compiled callers compare it with baracuda_ffi_abi_version() once, after loading.
 */
#ifndef BARACUDA_FFI_H_
#define BARACUDA_FFI_H_

#include <stddef.h>
#include <stdint.h>

/* The only place where the version is written: the build, the library and all packages read it here. */
#define BARACUDA_FFI_VERSION_MAJOR 0
#define BARACUDA_FFI_VERSION_MINOR 1
#define BARACUDA_FFI_VERSION_PATCH 0
#define BARACUDA_FFI_VERSION "0.1.0"
#define BARACUDA_FFI_ABI_VERSION 1

#if defined(_WIN32)
#if defined(BARACUDA_FFI_BUILDING)
#define BARACUDA_API __declspec(dllexport)
#else
#define BARACUDA_API __declspec(dllimport)
#endif
#else
#define BARACUDA_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ==== Tables ====================================================================================================== */

/* The element types, one row each: X(enumerator, symbol name, value, DLPack type code, bits). Every list of types in
 * the library is stamped from the second table, every per-type symbol from the first. */
#define BARACUDA_FOR_EACH_MIRRORED_ELEMENT(X) \
  X(F16, f16, 1, 2, 16)                       \
  X(BF16, bf16, 2, 4, 16)                     \
  X(F32, f32, 3, 2, 32)                       \
  X(FP8_E4M3, fp8_e4m3, 4, 10, 8)             \
  X(FP8_E5M2, fp8_e5m2, 5, 12, 8)
#define BARACUDA_FOR_EACH_ELEMENT(X)    \
  BARACUDA_FOR_EACH_MIRRORED_ELEMENT(X) \
  X(I8, int8, 6, 0, 8)                  \
  X(U8, uint8, 7, 1, 8)

/* The operands, one row each: X(enumerator, name, value). The name is that of the struct's member, and of the messages;
 * the value is the operand's place in the arrays of _bind. */
#define BARACUDA_FOR_EACH_OPERAND(X) \
  X(KEY, key, 0)                     \
  X(VALUE, value, 1)                 \
  X(K_DATA, k_data, 2)               \
  X(V_DATA, v_data, 3)               \
  X(INDICES, indices, 4)             \
  X(INDPTR, indptr, 5)               \
  X(LAST_PAGE_LEN, last_page_len, 6) \
  X(APPEND_INDPTR, append_indptr, 7) \
  X(BATCH_INDICES, batch_indices, 8) \
  X(POSITIONS, positions, 9)         \
  X(SLOT_MAPPING, slot_mapping, 10)  \
  X(BLOCK_TABLE, block_table, 11)    \
  X(SEQ_LENS, seq_lens, 12)          \
  X(K_SCALE, k_scale, 13)            \
  X(V_SCALE, v_scale, 14)            \
  X(K_SCALES, k_scales, 15)          \
  X(V_SCALES, v_scales, 16)

/* The operands of a copy of pages, likewise. */
#define BARACUDA_FOR_EACH_COPY_OPERAND(X) \
  X(K_DATA, k_data, 0)                    \
  X(V_DATA, v_data, 1)                    \
  X(SOURCE, source, 2)                    \
  X(DESTINATION, destination, 3)          \
  X(BUFFER, buffer, 4)

/* ==== Enumerations and flags ====================================================================================== */

/* What a function returned. Values from 1000 up are BARACUDA_CUDA_ERROR_BASE + CUresult. */
typedef enum baracuda_status {
  BARACUDA_OK = 0,
  BARACUDA_MISALIGNED_OPERAND = 1,
  BARACUDA_INVALID_PROBLEM = 2,
  BARACUDA_UNSUPPORTED = 3,
  BARACUDA_WORKSPACE_TOO_SMALL = 4, /* mirrored from baracuda-kernels; no append needs a workspace */
  BARACUDA_BUFFER_TOO_SMALL = 5,    /* mirrored from baracuda-kernels; no append has a buffer to outgrow */
  BARACUDA_CUDA_ERROR_BASE = 1000
} baracuda_status;

/* The type of the elements of key and value, or of k_data and v_data. */
typedef enum baracuda_element {
#define BARACUDA_ENUMERATOR(ENUM, name, value, dlpack_code, bits) BARACUDA_ELEMENT_##ENUM = value,
  BARACUDA_FOR_EACH_ELEMENT(BARACUDA_ENUMERATOR)
#undef BARACUDA_ENUMERATOR
      BARACUDA_ELEMENT_NONE = 0 /* not stated: for baracuda_paged_kv_append_bind with BARACUDA_FLAG_INFER */
} baracuda_element;

/* Who writes. */
typedef enum baracuda_backend {
  BARACUDA_BACKEND_FLASHINFER = 1, /* CUDA: FlashInfer's kernels, unmodified; the page table is not checked */
  BARACUDA_BACKEND_HOST = 2,       /* this process's CPUs, over host memory; the page table is checked */
  BARACUDA_BACKEND_BESPOKE = 3     /* CUDA: a kernel of this library, which needs BARACUDA_FLAG_GUARDED */
} baracuda_backend;

/* The order of the dimensions of k_data and v_data after the page. */
typedef enum baracuda_layout {
  BARACUDA_LAYOUT_HND = 0, /* [num_total_pages, num_heads, page_size, head_dim] */
  BARACUDA_LAYOUT_NHD = 1  /* [num_total_pages, page_size, num_heads, head_dim] */
} baracuda_layout;

/* What last_page_len and seq_lens count: see THE SLOT above. Means nothing to POSITIONS and SLOTS. */
typedef enum baracuda_length_convention {
  BARACUDA_BEFORE_APPEND = 0, /* last_page_len is 0 .. page_size - 1, and the slot */
  BARACUDA_AFTER_APPEND = 1   /* last_page_len is 1 .. page_size; the slot is last_page_len - 1 */
} baracuda_length_convention;

/* What says where rows go: see WHICH PLACE above. */
typedef enum baracuda_addressing {
  BARACUDA_ADDRESSING_LAST_PAGE = 0,
  BARACUDA_ADDRESSING_RAGGED = 1,
  BARACUDA_ADDRESSING_POSITIONS = 2,
  BARACUDA_ADDRESSING_SLOTS = 3
} baracuda_addressing;

/* How the requests' pages are listed. */
typedef enum baracuda_table {
  BARACUDA_TABLE_CSR = 0,  /* indices and indptr */
  BARACUDA_TABLE_DENSE = 1 /* block_table; with BARACUDA_LENGTHS_SEQ_LENS */
} baracuda_table;

/* What says how long the requests are. */
typedef enum baracuda_lengths {
  BARACUDA_LENGTHS_LAST_PAGE_LEN = 0, /* by their last pages */
  BARACUDA_LENGTHS_SEQ_LENS = 1       /* by all of their tokens */
} baracuda_lengths;

/* What is written: see WHAT IS WRITTEN above. */
typedef enum baracuda_transform {
  BARACUDA_TRANSFORM_COPY = 0,
  BARACUDA_TRANSFORM_FP8 = 1,            /* by scales that are given */
  BARACUDA_TRANSFORM_PER_TOKEN_HEAD = 2, /* by scales that are written, one a row and head */
  BARACUDA_TRANSFORM_FP8_DS_MLA = 3,     /* vLLM's row of DeepSeek's MLA */
  BARACUDA_TRANSFORM_NVFP4 = 4           /* FlashInfer's, of linear scales */
} baracuda_transform;

/* Which parts there are. */
typedef enum baracuda_parts {
  BARACUDA_PARTS_KEY_AND_VALUE = 0,
  BARACUDA_PARTS_KEY = 1 /* value and v_data are not looked at */
} baracuda_parts;

/* The operands' places in the arrays of baracuda_paged_kv_append_bind, and the bits of int64_operands. */
typedef enum baracuda_operand {
#define BARACUDA_ENUMERATOR(ENUM, name, value) BARACUDA_OPERAND_##ENUM = value,
  BARACUDA_FOR_EACH_OPERAND(BARACUDA_ENUMERATOR)
#undef BARACUDA_ENUMERATOR
      BARACUDA_NUM_OPERANDS = 17 /* as this header knows them; a later one may have more */
} baracuda_operand;

/* From where to where pages are copied: see COPYING PAGES above. */
typedef enum baracuda_movement {
  BARACUDA_MOVEMENT_COPY = 0,
  BARACUDA_MOVEMENT_GATHER = 1,
  BARACUDA_MOVEMENT_SCATTER = 2
} baracuda_movement;

/* The operands' places in the array of baracuda_paged_kv_copy_bind, and the bits of its int64_operands. */
typedef enum baracuda_copy_operand {
#define BARACUDA_ENUMERATOR(ENUM, name, value) BARACUDA_COPY_OPERAND_##ENUM = value,
  BARACUDA_FOR_EACH_COPY_OPERAND(BARACUDA_ENUMERATOR)
#undef BARACUDA_ENUMERATOR
      BARACUDA_NUM_COPY_OPERANDS = 5 /* as this header knows them; a later one may have more */
} baracuda_copy_operand;

/* The most dimensions that a page may have inside. */
#define BARACUDA_MAX_PAGE_RANK 5

/* Flags. Copies of pages take the first two. */
#define BARACUDA_FLAG_GUARDED 1u   /* see THE GUARD above; for the host and the bespoke backend */
#define BARACUDA_FLAG_STRIDED 2u   /* the strides are read; else key, value and the caches are packed */
#define BARACUDA_FLAG_SKIP_SLOT 4u /* skip_slot is read; with SLOTS */
#define BARACUDA_FLAG_INFER 8u     /* _bind takes what is 0 from the operands; without it 0 is 0 */
#define BARACUDA_FLAG_MIRRORED 16u /* see BARACUDA-KERNELS' CHECKS above */

/* Why a guarded append did not serve a row, or a guarded copy was not made. */
typedef enum baracuda_corruption {
  BARACUDA_CORRUPT_NONE = 0,
  BARACUDA_CORRUPT_INDPTR = 1,        /* negative, decreasing, or beyond total_used_pages */
  BARACUDA_CORRUPT_PAGE = 2,          /* a page id of num_total_pages or more */
  BARACUDA_CORRUPT_LAST_PAGE_LEN = 3, /* last_page_len outside its convention's range; seq_lens negative, or beyond the
                                         request's pages */
  BARACUDA_CORRUPT_BATCH_INDEX = 4,   /* batch_size or more */
  BARACUDA_CORRUPT_POSITION = 5,      /* negative, or beyond the request's pages */
  BARACUDA_CORRUPT_SLOT = 6,          /* num_total_pages * page_size or more */
  BARACUDA_CORRUPT_APPEND_INDPTR = 7, /* not from 0, decreasing, beyond num_rows, or more rows than tokens */
  BARACUDA_CORRUPT_SOURCE = 8,        /* of a copy of pages: num_total_pages or more */
  BARACUDA_CORRUPT_DESTINATION = 9    /* likewise */
} baracuda_corruption;

/* ==== Structs ===================================================================================================== */

/* Where a guarded append records the first corrupt row that it meets, of any number of appends: 64 bytes that the
 * backend can write (CUDA: device, managed or pinned memory), 8-byte aligned, zero when unclaimed. Claimed by one
 * atomic on `reason`, then kept until its owner zeroes it. Read it after the append has finished. */
typedef struct baracuda_error_record {
  int32_t reason;  /* baracuda_corruption; 0: unclaimed */
  int32_t operand; /* baracuda_operand: the one that is wrong; of SOURCE and DESTINATION, baracuda_copy_operand */
  int64_t row;     /* the row of key that was not written; num_rows for those that key does not have. Of pages: which
                          of the copies was not made */
  int64_t request; /* whose row it is; -1 for SLOTS, where batch_indices names none, and of pages */
  int64_t seen;    /* the value that is wrong */
  int64_t limit;   /* what it was held against: the least that is too large, or for what is too small the least that
                          is not */
  int64_t page;    /* the id of its page; -1 where none was read */
  int64_t reserved[2]; /* 0 */
} baracuda_error_record;

/* One append. Zero it, set struct_size to sizeof(baracuda_paged_kv_append), fill it in. It may be reused for any
 * number of calls, and may be read by several calls at once. Which operands there are is said by addressing, table,
 * lengths, transform and parts, never by a NULL; one without elements may be NULL. */
typedef struct baracuda_paged_kv_append {
  uint32_t struct_size; /* bytes of this struct as its caller knows it */
  uint32_t flags;       /* BARACUDA_FLAG_...; an unknown flag is refused with 3 */
  int32_t backend;      /* baracuda_backend */
  int32_t element;      /* baracuda_element: the caches' */
  int32_t layout;       /* baracuda_layout: what packed caches lie by, and the order of a bound cache's dimensions */
  int32_t length_convention; /* baracuda_length_convention */
  int32_t batch_size;        /* requests; means nothing to SLOTS */
  int32_t page_size;         /* tokens a page, >= 1 */
  int32_t num_heads;         /* KV heads, >= 1 */
  int32_t head_dim;          /* elements of a row of key, >= 1 */
  int32_t num_total_pages;   /* pages in each of k_data and v_data, >= 1. MIRRORED, and FlashInfer with packed caches:
                                0 where it is not stated, and then not checked against */
  int32_t total_used_pages;  /* entries of indices. MIRRORED, and FlashInfer: 0 where it is not stated, and then not
                                checked against; else 0 means none. Not read where there are no indices */
  void* k_data;
  void* v_data;
  const void* indices;
  const void* indptr;
  const void* last_page_len;
  const void* key;
  const void* value;                   /* may be key */
  baracuda_error_record* error_record; /* guarded: or NULL to record nothing; else NULL */
  void* stream;                        /* CUDA: a cudaStream_t (CUstream); host: NULL */
  int32_t addressing;                  /* baracuda_addressing */
  int32_t table;                       /* baracuda_table */
  int32_t lengths;                     /* baracuda_lengths */
  int32_t transform;                   /* baracuda_transform */
  int32_t parts;                       /* baracuda_parts */
  int32_t source_element;              /* baracuda_element of key and value; 0: element */
  int32_t value_head_dim;              /* elements of a row of value; 0: head_dim */
  uint32_t int64_operands;             /* bit i: the index operand of ordinal i is int64; else int32 */
  int64_t num_rows;                    /* rows to append, below 2^31; RAGGED: rows of key, as many or more. Not read by
                                          LAST_PAGE, which has batch_size of them */
  int64_t max_pages;                   /* DENSE: entries of a row of block_table, below 2^31 */
  int64_t block_table_stride;          /* DENSE: from one row of block_table to the next, in entries; 0 repeats a row */
  int64_t skip_slot;                   /* with BARACUDA_FLAG_SKIP_SLOT: an entry of slot_mapping that is padding */
  int64_t key_strides[2];              /* token, head; in elements, as all strides; with BARACUDA_FLAG_STRIDED */
  int64_t value_strides[2];
  int64_t k_data_strides[3]; /* page, slot, head */
  int64_t v_data_strides[3];
  const void* append_indptr; /* RAGGED */
  const void* batch_indices; /* POSITIONS */
  const void* positions;     /* POSITIONS */
  const void* slot_mapping;  /* SLOTS */
  const void* block_table;   /* DENSE, for indices and indptr */
  const void* seq_lens;      /* SEQ_LENS, for last_page_len */
  const void* k_scale;       /* FP8, NVFP4 */
  const void* v_scale;
  int64_t k_scale_stride; /* 0: [1], 1: [num_heads] */
  int64_t v_scale_stride;
  void* k_scales; /* PER_TOKEN_HEAD, NVFP4 */
  void* v_scales;
  int64_t k_scales_strides[3]; /* page, slot, head; with BARACUDA_FLAG_STRIDED */
  int64_t v_scales_strides[3];
} baracuda_paged_kv_append;

/* One call that copies pages: see COPYING PAGES above. Zero it, set struct_size to sizeof(baracuda_paged_kv_copy), fill
 * it in. It may be reused, and be read by several calls at once. Which operands there are is said by movement and
 * parts, never by a NULL; one without elements may be NULL. */
typedef struct baracuda_paged_kv_copy {
  uint32_t struct_size;    /* bytes of this struct as its caller knows it */
  uint32_t flags;          /* BARACUDA_FLAG_GUARDED, BARACUDA_FLAG_STRIDED; another is refused with 3 */
  int32_t backend;         /* baracuda_backend: HOST or BESPOKE */
  int32_t movement;        /* baracuda_movement */
  int32_t parts;           /* baracuda_parts */
  uint32_t int64_operands; /* bit i: the list of ordinal i is int64; else int32 */
  int32_t num_total_pages; /* pages in each of k_data and v_data, >= 1 */
  int32_t k_element_bytes; /* 1, 2, 4, 8 or 16 */
  int32_t v_element_bytes; /* likewise; not read with BARACUDA_PARTS_KEY, as all of v */
  int32_t num_copies;      /* entries of source and destination, >= 0 */
  int64_t k_page[5];       /* the extents of a page, outermost first; behind the last one 0 */
  int64_t v_page[5];
  int64_t k_data_strides[6]; /* page, then as k_page; in elements; with BARACUDA_FLAG_STRIDED, else packed */
  int64_t v_data_strides[6];
  void* k_data;
  void* v_data;
  const void* source;
  const void* destination;
  void* buffer;
  baracuda_error_record* error_record; /* guarded: or NULL to record nothing; else NULL */
  void* stream;                        /* CUDA: a cudaStream_t (CUstream); host: NULL */
} baracuda_paged_kv_copy;

/* ==== The general append ========================================================================================== */

/* Append. CUDA: enqueued on op->stream, and not finished when this returns. Host: finished.
 * On a refusal nothing was launched or written. */
BARACUDA_API int32_t baracuda_paged_kv_append_run(const baracuda_paged_kv_append* op);

/* Whether _run would refuse `op`, and why: the same checks, the host backend's of the page table included, and
 * nothing launched or written. With all operand pointers NULL only the problem itself is judged. What only a
 * launch can find out (no driver, no such device) is not asked. */
BARACUDA_API int32_t baracuda_paged_kv_append_can_implement(const baracuda_paged_kv_append* op);

/* Load what _run would launch for `op` into the context that it would launch in, so that a graph capture need not.
 * Only the problem, key/value/table pointers excluded, and `stream` matter; k_data is asked for its device where
 * the stream is 0, 1 or 2, and if it is NULL there, the current context counts, or nothing is loaded if there is
 * none. May allocate device memory for code and may synchronise: CUDA's loading does. `arch`, unless NULL, gets the
 * architecture of the machine code that will run (90 for sm_90), or of the device if nothing was loaded; 0 for the
 * host backend, where there is nothing to load. Status as _run; 3 without CUDA. */
BARACUDA_API int32_t baracuda_paged_kv_append_preload(const baracuda_paged_kv_append* op, int32_t* arch);

/* A tensor somebody else owns. The layout is that of DLPack 1.x's DLTensor: a DLTensor* may be passed as it is. */
typedef struct baracuda_tensor {
  void* data;
  int32_t device_type; /* DLPack's: 1 host, 2 CUDA device, 3 CUDA pinned host, 13 CUDA managed */
  int32_t device_id;   /* CUDA ordinal; -1: ask the driver */
  int32_t ndim;
  uint8_t type_code; /* DLPack's: 0 int, 1 uint, 2 float, 4 bfloat, 10 float8_e4m3fn, 12 float8_e5m2 */
  uint8_t type_bits;
  uint16_t type_lanes;
  const int64_t* shape;   /* ndim extents */
  const int64_t* strides; /* ndim strides in elements; NULL: C-contiguous */
  uint64_t byte_offset;   /* added to data */
} baracuda_tensor;

/* Check the shape, strides, element type and device of each operand against `op` and store its pointer there, and with
 * BARACUDA_FLAG_STRIDED its strides; then judge the whole of `op` as _can_implement does, the page table's values
 * excepted. operands[i] is that of baracuda_operand i, and num_operands how many of them the caller knows; those beyond
 * this library's are NULL, and those that the addressing, table, lengths, transform and parts do not want have to be.
 * One that is wanted and NULL keeps the pointer, strides and extents that `op` has, which must not be NULL either.
 *
 * With BARACUDA_FLAG_INFER what is 0 in `op` is taken from the operands: element, page_size, num_heads, head_dim,
 * value_head_dim, num_total_pages; batch_size from last_page_len or seq_lens, for POSITIONS from indptr; num_rows from
 * key for RAGGED, from batch_indices for POSITIONS, from slot_mapping for SLOTS. total_used_pages, max_pages,
 * block_table_stride and the bits of int64_operands are always set from the operands. op->backend, layout, conventions
 * and stream are the caller's. A count is 0 because an operand says so, or because it was when k_data was bound before:
 * where the operand is NULL and so is op->k_data it is refused with 2. Without BARACUDA_FLAG_MIRRORED key and value may
 * have more rows than the append, and rank 2 where the caches have rank 3: no head dimension; and elements of fp8 may
 * be described as uint8.
 *
 * Refusals beyond those of _run: 2 for operands that are missing or not wanted, a shape that does not fit, memory that
 * the backend cannot reach or that is on another device than the stream's (for CUDA backends error_record's too), or an
 * `op` that is too small for what it would have to keep; 3 for strides that the flags do not allow, or a type that does
 * not fit. On a refusal `op` is as it was. */
BARACUDA_API int32_t baracuda_paged_kv_append_bind(baracuda_paged_kv_append* op, const baracuda_tensor* const* operands,
                                                   int32_t num_operands);

/* ==== Copies of pages ============================================================================================= */

/* As baracuda_paged_kv_append_run: CUDA enqueues one launch, however many pages there are. */
BARACUDA_API int32_t baracuda_paged_kv_copy_run(const baracuda_paged_kv_copy* op);

/* As baracuda_paged_kv_append_can_implement. */
BARACUDA_API int32_t baracuda_paged_kv_copy_can_implement(const baracuda_paged_kv_copy* op);

/* As baracuda_paged_kv_append_preload. */
BARACUDA_API int32_t baracuda_paged_kv_copy_preload(const baracuda_paged_kv_copy* op, int32_t* arch);

/* Take everything but backend, movement, parts, flags, error_record and stream from the operands, which are those of
 * baracuda_copy_operand, and judge the whole of `op`, the lists' values excepted; the strides are taken with
 * BARACUDA_FLAG_STRIDED, and have to be packed without. What movement and parts want has to be there, and nothing else
 * be given. k_data and v_data have the same number of pages, source and destination of entries; buffer is contiguous,
 * of any type, and has as many bytes in each of its rows as a page of all parts. For the rest as
 * baracuda_paged_kv_append_bind. */
BARACUDA_API int32_t baracuda_paged_kv_copy_bind(baracuda_paged_kv_copy* op, const baracuda_tensor* const* operands,
                                                 int32_t num_operands);

/* ==== The mirrored functions ====================================================================================== */

/* Shapes, types and refusals as above, with BARACUDA_FLAG_MIRRORED; HND, BEFORE_APPEND; `stream` is a cudaStream_t for
 * flashinfer and NULL for host. num_total_pages is not stated, so a page id is checked only for its sign, and the
 * caches' overlap only over one page. */
#define BARACUDA_DECLARE_ELEMENT(ENUM, name, value, dlpack_code, bits)     \
  BARACUDA_DECLARE_RUN(flashinfer, name)                                   \
  BARACUDA_DECLARE_CAN_IMPLEMENT(flashinfer_paged_kv_append_decode_##name) \
  BARACUDA_DECLARE_RUN(host, name)                                         \
  BARACUDA_DECLARE_CAN_IMPLEMENT(host_paged_kv_append_decode_##name)
#define BARACUDA_DECLARE_RUN(backend, name)                                                                   \
  BARACUDA_API int32_t baracuda_kernels_##backend##_paged_kv_append_decode_##name##_run(                      \
      int32_t batch_size, int32_t page_size, int32_t num_heads, int32_t head_dim, void* k_data, void* v_data, \
      void* indices, void* indptr, void* last_page_len, const void* key, const void* value, void* stream);
#define BARACUDA_DECLARE_CAN_IMPLEMENT(family)                                                          \
  BARACUDA_API int32_t baracuda_kernels_##family##_can_implement(int32_t batch_size, int32_t page_size, \
                                                                 int32_t num_heads, int32_t head_dim);
BARACUDA_FOR_EACH_MIRRORED_ELEMENT(BARACUDA_DECLARE_ELEMENT)
BARACUDA_DECLARE_CAN_IMPLEMENT(flashinfer_paged_kv_append_decode)
BARACUDA_DECLARE_CAN_IMPLEMENT(host_paged_kv_append_decode)
#undef BARACUDA_DECLARE_CAN_IMPLEMENT
#undef BARACUDA_DECLARE_RUN
#undef BARACUDA_DECLARE_ELEMENT

/* ==== The host backend's settings ================================================================================= */

/* The most threads one host append may use, the calling one included: at least 1; 0 (the default) means as many as
 * the calling thread's CPU affinity has. Appends too small to gain use the calling thread alone. The library's own
 * threads, 63 at most, are at nothing of an append once it has returned: they rest, for another of a thread with the
 * same affinity and priority, and end after a second without one, or before such a thread forks. Once there is one, the
 * library stays loaded. Refuses a negative number with 2. For the whole process. */
BARACUDA_API int32_t baracuda_host_set_max_threads(int32_t max_threads);
BARACUDA_API int32_t baracuda_host_max_threads(void);

/* ==== About the library =========================================================================================== */

/* "MAJOR.MINOR.PATCH" of the library that is loaded. Static storage. */
BARACUDA_API const char* baracuda_ffi_version(void);

/* BARACUDA_FFI_ABI_VERSION of the library that is loaded. */
BARACUDA_API int32_t baracuda_ffi_abi_version(void);

/* What was built in: "key=value" pairs separated by ';', lists by ','. Keys: flashinfer (release, or none), cuda
 * (compiler version, or none), archs (machine code for these, e.g. 80,90), ptx (for what comes after), drivers (the
 * oldest CUDA whose driver loads each, e.g. sm_80:12.0,sm_90:12.0,compute_80:12.0), backends. Static storage. */
BARACUDA_API const char* baracuda_ffi_build_info(void);

/* The name of a status: "BARACUDA_INVALID_PROBLEM"; from 1000 up the driver's own ("CUDA_ERROR_INVALID_VALUE"), and for
 * 1035, which no driver has a name for, "cudaErrorInsufficientDriver"; "unknown" for any other number, and for the
 * driver's where there is no driver. Static storage. */
BARACUDA_API const char* baracuda_status_name(int32_t status);

/* Why the last refused call of this thread was refused: which operand, what it is, what it should be. "" before the
 * first. Valid until this thread's next refused call; a successful call leaves it. Never NULL. */
BARACUDA_API const char* baracuda_last_error_message(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* BARACUDA_FFI_H_ */
