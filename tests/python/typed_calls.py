"""Calls as a type checker sees them: those that it should refuse say which error. Not run: see
test_typed_calls.py."""

import numpy as np

import baracuda_ffi as bf

a = np.zeros(1)
k, v, kc, vc, ids, ptr, last = a, a, a, a, a, a, a

# Every set, by place and by name, with two caches, with one operand for both, and key alone.
bf.append_paged_kv(k, v, kc, vc, ids, ptr, last, stream=None)
bf.append_paged_kv(k, v, kc, vc, indices=ids, indptr=ptr, last_page_len=last, stream=None)
bf.append_paged_kv(k, None, kc, None, ids, ptr, last, stream=None)
bf.append_paged_kv(k, v, kv_data=kc, indices=ids, indptr=ptr, last_page_len=last, stream=None)
bf.append_paged_kv(k, v, kc, vc, ids, ptr, seq_lens=a, stream=0)
bf.append_paged_kv(k, v, kv_data=kc, indices=ids, indptr=ptr, seq_lens=a, stream=None)
bf.append_paged_kv(k, v, kc, vc, block_table=a, seq_lens=a, stream=None)
bf.append_paged_kv(k, v, kv_data=kc, block_table=a, seq_lens=a, stream=None)
bf.append_paged_kv(k, v, kc, vc, ids, ptr, last, append_indptr=a, stream=None)
bf.append_paged_kv(
    k, v, kv_data=kc, indices=ids, indptr=ptr, last_page_len=last, append_indptr=a, stream=None
)
bf.append_paged_kv(
    k, v, kc, vc, ids, ptr, seq_lens=a, append_indptr=a, length_convention="AFTER_APPEND", stream=None
)
bf.append_paged_kv(k, v, kv_data=kc, indices=ids, indptr=ptr, seq_lens=a, append_indptr=a, stream=None)
bf.append_paged_kv(k, v, kc, vc, block_table=a, seq_lens=a, append_indptr=a, stream=None)
bf.append_paged_kv(k, v, kv_data=kc, block_table=a, seq_lens=a, append_indptr=a, stream=None)
bf.append_paged_kv(k, v, kc, vc, ids, ptr, batch_indices=a, positions=a, stream=None)
bf.append_paged_kv(k, v, kv_data=kc, indices=ids, indptr=ptr, batch_indices=a, positions=a, stream=None)
bf.append_paged_kv(k, v, kc, vc, slot_mapping=a, stream=None)
bf.append_paged_kv(k, None, kc, None, slot_mapping=a, skip_slot=0, stream=None)
bf.append_paged_kv(k, v, kv_data=kc, slot_mapping=a, skip_slot=None, stream=None)
bf.append_paged_kv(
    k,
    v,
    kc,
    vc,
    slot_mapping=a,
    stream=None,
    layout="NHD",
    length_convention=None,
    guarded=True,
    backend="HOST",
    error_record=bf.ErrorRecord.allocate(None),
    element="f16",
)

# Sets that say nothing, or too much.
bf.append_paged_kv(k, v, kc, vc, stream=None)  # E: call-overload
bf.append_paged_kv(k, v, kc, vc, ids, stream=None)  # E: call-overload
bf.append_paged_kv(k, v, kc, vc, ids, ptr, stream=None)  # E: call-overload
bf.append_paged_kv(k, v, kc, vc, seq_lens=a, stream=None)  # E: call-overload
bf.append_paged_kv(k, v, kc, vc, block_table=a, stream=None)  # E: call-overload
bf.append_paged_kv(k, v, kc, vc, append_indptr=a, stream=None)  # E: call-overload
bf.append_paged_kv(k, v, kc, vc, ids, ptr, append_indptr=a, stream=None)  # E: call-overload
bf.append_paged_kv(k, v, kc, vc, ids, ptr, positions=a, stream=None)  # E: call-overload
bf.append_paged_kv(k, v, kc, vc, ids, ptr, last, seq_lens=a, stream=None)  # E: call-overload
bf.append_paged_kv(k, v, kc, vc, ids, ptr, slot_mapping=a, stream=None)  # E: call-overload
bf.append_paged_kv(k, v, kc, vc, ids, ptr, block_table=a, seq_lens=a, stream=None)  # E: call-overload
bf.append_paged_kv(k, v, kc, vc, ids, ptr, last, skip_slot=0, stream=None)  # E: call-overload
bf.append_paged_kv(k, v, kc, vc, kv_data=kc, slot_mapping=a, stream=None)  # E: call-overload
bf.append_paged_kv(k, None, kv_data=kc, slot_mapping=a, stream=None)  # E: call-overload
# No stream, or none that is one; options that are none.
bf.append_paged_kv(k, v, kc, vc, slot_mapping=a)  # E: call-overload
bf.append_paged_kv(k, v, kc, vc, slot_mapping=a, stream="cuda")  # E: call-overload
bf.append_paged_kv(k, v, kc, vc, slot_mapping=a, stream=None, layout="HDN")  # E: call-overload
bf.append_paged_kv(k, v, kc, vc, slot_mapping=a, stream=None, speed=1)  # E: call-overload

cache = bf.PagedKvCacheDescriptor(page_size=1, num_total_pages=1, num_kv_heads=1, head_dim=1, element="f16")
bf.PagedKvAppendDescriptor(paged_kv=cache)
bf.PagedKvAppendDescriptor(batch_size=None, paged_kv=cache, addressing=bf.Addressing.SLOTS, skip_slot=0)
bf.PagedKvAppendDescriptor(
    paged_kv=cache, table=bf.TableKind.DENSE, lengths=bf.LengthsKind.SEQ_LENS, num_rows=4
)
bf.PagedKvAppendDescriptor(paged_kv=cache, addressing="SLOTS", table="CSR", lengths="LAST_PAGE_LEN")
bf.PagedKvAppendDescriptor(paged_kv=cache, addressing="SLOT")  # E: arg-type
bf.PagedKvAppendDescriptor(batch_size="3", paged_kv=cache)  # E: arg-type

plan = bf.PagedKvAppendPlan.select(None, bf.PagedKvAppendDescriptor(paged_kv=cache))
args = bf.PagedKvAppendArgs(key=k, value=v, k_data=kc, v_data=vc, slot_mapping=a)
other: bf.BoundLaunch = plan.bind(None, args).on(None)
other.rebind(slot_mapping=a, key=k, value=v)
other.rebind(slots=a)  # E: call-arg
other.on("cuda")  # E: arg-type
other.rebind(k_scale=a, v_scales=a)
other.rebind(k_scale=0.5)  # E: arg-type
bf.PagedKvAppendDescriptor(paged_kv=cache, transform="FP8", source_element="f16")
bf.PagedKvAppendDescriptor(paged_kv=cache, transform="FP")  # E: arg-type

# What is written: scales go with every set, and a number is none.
bf.append_paged_kv(k, v, kc, vc, ids, ptr, last, k_scale=a, v_scale=a, stream=None)
bf.append_paged_kv(k, v, kc, vc, ids, ptr, seq_lens=a, k_scale=a, v_scale=a, element="fp8_e4m3", stream=0)
bf.append_paged_kv(k, v, kc, vc, slot_mapping=a, k_scales=a, v_scales=a, stream=None)
bf.append_paged_kv(
    k, v, kv_data=kc, slot_mapping=a, transform="PER_TOKEN_HEAD", k_scales=a, v_scales=a, stream=None
)
bf.append_paged_kv(k, v, kc, None, slot_mapping=a, transform="FP8_DS_MLA", stream=None)
bf.append_paged_kv(
    k, v, kc, None, ids, ptr, batch_indices=a, positions=a, transform=bf.Transform.FP8_DS_MLA, stream=0
)
bf.append_paged_kv(k, None, kc, None, slot_mapping=a, transform="NVFP4", k_scale=a, k_scales=a, stream=None)
bf.append_paged_kv(k, v, kc, vc, slot_mapping=a, k_scale=0.5, v_scale=a, stream=None)  # E: call-overload
bf.append_paged_kv(k, v, kc, vc, slot_mapping=a, transform="FP4", stream=None)  # E: call-overload
bf.PagedKvAppendArgs(key=k, value=v, k_data=kc, v_data=vc, slot_mapping=a, k_scale=a, v_scale=a)
bf.PagedKvAppendArgs(key=k, k_data=kc, slot_mapping=a, k_scale=1.0)  # E: arg-type
