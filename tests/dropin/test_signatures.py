"""The functions have their peers' parameters, by name, order, kind and default."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch")

ROWS = "append_key append_value batch_indices positions"
TABLE = "kv_indices kv_indptr kv_last_page_len"

#: Peer's module, and by function its parameters, as its release has them; `*` begins those that go by name.
PEERS = {
    "flashinfer": (
        "flashinfer",
        {
            "append_paged_kv_cache": f"{ROWS} paged_kv_cache {TABLE} kv_layout='NHD'",
            "append_paged_mla_kv_cache": (
                f"append_ckv append_kpe batch_indices positions ckv_cache kpe_cache {TABLE}"
            ),
            "get_batch_indices_positions": "append_indptr seq_lens nnz batch_indices=None positions=None",
            "get_seq_lens": "kv_indptr kv_last_page_len page_size",
            "nvfp4_quantize_append_paged_kv_cache": (
                f"{ROWS} paged_kv_cache kv_cache_sf {TABLE} k_scale v_scale kv_layout='NHD'"
            ),
            "nvfp4_quantize_append_paged_kv_cache_with_slot_mapping": (
                "append_key append_value slot_mapping paged_kv_cache kv_cache_sf k_scale v_scale "
                "kv_layout='NHD'"
            ),
        },
    ),
    "vllm": (
        "vllm._custom_ops",
        {
            "reshape_and_cache_flash": (
                "key value key_cache value_cache slot_mapping kv_cache_dtype k_scale v_scale"
            ),
            "concat_and_cache_mla": "kv_c k_pe kv_cache slot_mapping kv_cache_dtype scale skip_scale=False",
        },
    ),
    "sglang": (
        "sglang.kernels.ops.kvcache.kvcache",
        {
            "store_cache": (
                "k v k_cache v_cache indices * row_bytes=0 v_row_bytes=0 num_split=0 size_limit=0 "
                "reserved_skip_index=0"
            )
        },
    ),
}
FUNCTIONS = [(peer, name) for peer, (_, functions) in PEERS.items() for name in functions]


def described(function: Callable[..., Any]) -> str:
    words = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in words:
            words.append("*")
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        words.append(f"{parameter.name}{default}")
    return " ".join(words)


def ours(peer: str) -> Any:
    return importlib.import_module(f"baracuda_ffi.dropin.{peer}")


def test_each_module_has_these_functions() -> None:
    for peer, (_, functions) in PEERS.items():
        assert sorted(ours(peer).__all__) == sorted(functions)


@pytest.mark.parametrize(("peer", "name"), FUNCTIONS)
def test_parameters(peer: str, name: str) -> None:
    assert described(getattr(ours(peer), name)) == PEERS[peer][1][name]


@pytest.mark.gpu
@pytest.mark.parametrize(("peer", "name"), FUNCTIONS)
def test_the_peer_that_is_installed_has_them_too(peer: str, name: str) -> None:
    theirs = pytest.importorskip(PEERS[peer][0], exc_type=ImportError)
    if not hasattr(theirs, name):
        pytest.skip(f"{peer} is of another release, without {name}")
    assert described(inspect.unwrap(getattr(theirs, name))) == PEERS[peer][1][name]
