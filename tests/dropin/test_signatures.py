"""The functions have their peers' parameters, by name, order, kind and default."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
from collections.abc import Callable
from pathlib import Path
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
#: Where a peer's module takes them from.
SOURCES = {"flashinfer": "flashinfer.page"}
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


def source_of(module: str) -> Path | None:
    """Of a module of a peer that is installed, which is not imported: it may want a GPU, or compile."""
    package, *inside = module.split(".")
    spec = importlib.util.find_spec(package)
    for folder in () if spec is None else spec.submodule_search_locations or ():
        for file in (Path(folder, *inside).with_suffix(".py"), Path(folder, *inside, "__init__.py")):
            if file.is_file():
                return file
    return None


def declared(file: Path, name: str) -> str | None:
    """The parameters of a function of the file, as `described` tells them; None where it has no such one."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            at = node.args
            defaults = [None] * (len(at.args) - len(at.defaults)) + [*at.defaults]
            words = [(arg.arg, default) for arg, default in zip(at.args, defaults, strict=True)]
            words += [("*", None)] if at.kwonlyargs else []
            words += [(arg.arg, default) for arg, default in zip(at.kwonlyargs, at.kw_defaults, strict=True)]
            return " ".join(
                name if given is None else f"{name}={ast.unparse(given)}" for name, given in words
            )
    return None


@pytest.mark.parametrize(("peer", "name"), FUNCTIONS)
def test_the_peer_that_is_installed_has_them_too(peer: str, name: str) -> None:
    """Those of its release: a later one may have more, which have defaults then."""
    file = source_of(SOURCES.get(PEERS[peer][0], PEERS[peer][0]))
    theirs = None if file is None else declared(file, name)
    if theirs is None:
        pytest.skip(f"there is no {peer}, or it is of a release without {name}")
    ours_has = PEERS[peer][1][name].split()
    assert ours_has[: len(theirs.split())] == theirs.split()
    assert all("=" in more for more in ours_has[len(theirs.split()) :])


def test_a_declaration_is_read(tmp_path: Path) -> None:
    file = tmp_path / "peer.py"
    file.write_text("@api\ndef append(a, b=None, *, c, d: int = 0) -> None: ...\n")
    assert declared(file, "append") == "a b=None * c d=0"
    assert declared(file, "other") is None
