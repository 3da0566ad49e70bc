#!/usr/bin/env python3
"""Another library's own tests of a function that `baracuda_ffi.dropin` has, with the import changed.

    python tests/dropin/run_peer_tests.py flashinfer tests/attention/test_page.py
    python tests/dropin/run_peer_tests.py vllm tests/kernels/attention/test_cache.py -k cache_flash
    python tests/dropin/run_peer_tests.py sglang test/registered/jit/test_store_cache.py -k test_store_cache

The file is the peer's, from its repository or its source distribution; none is kept here. The peer itself is
not needed: modules of its names stand in for it, with our functions, and with what else its tests use of it.
On a machine without a GPU the tensors are the CPU's, which the tests name in a few ways. What follows the
file goes to pytest.
"""

from __future__ import annotations

import random
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import baracuda_ffi.dropin.flashinfer as our_flashinfer
import baracuda_ffi.dropin.sglang as our_sglang
import baracuda_ffi.dropin.vllm as our_vllm

ON_CPU = {
    'f"cuda:{i}"': '"cpu"',
    '"cuda:0"': '"cpu"',
    '"cuda"': '"cpu"',
    ".to(0)": '.to("cpu")',
    "torch.cuda.is_available()": "True",
    "torch.cuda.get_device_capability()": "(9, 0)",
    "torch.accelerator.set_device_index(device)": "None",
}

FIXTURES: dict[str, Callable[..., Any]] = {}


def module(name: str, **members: Any) -> None:
    """A module of that name, and the packages that it is in."""
    parent, _, child = name.rpartition(".")
    if parent and parent not in sys.modules:
        module(parent)
    made = sys.modules[name] = types.ModuleType(name)
    made.__dict__.update(members, __path__=[])
    if parent:
        setattr(sys.modules[parent], child, made)


def flashinfer() -> None:
    def into(indptr: Any, seq_lens: Any, batch_indices: Any, positions: Any) -> None:
        our_flashinfer.get_batch_indices_positions(
            indptr, seq_lens, len(batch_indices), batch_indices, positions
        )

    ours = {name: getattr(our_flashinfer, name) for name in our_flashinfer.__all__}
    module("flashinfer", **ours)
    page = types.SimpleNamespace(get_batch_indices_positions=into)
    module("flashinfer.fp4_quantization", e2m1_and_ufp8sf_scale_to_float=dequantise_nvfp4)
    module("flashinfer.page", get_page_module=lambda: page, **ours)


def sglang() -> None:
    module("sglang.kernels.jit.utils", get_ci_test_range=lambda full, short: short)
    module("sglang.kernels.ops.kvcache.kvcache", store_cache=our_sglang.store_cache)


def vllm() -> None:
    platform = types.SimpleNamespace(
        fp8_dtype=lambda: torch.float8_e4m3fn,
        has_device_capability=lambda *_: False,
        is_device_capability_family=lambda *_: False,
        is_cpu=lambda: False,
        is_rocm=lambda: False,
    )
    module("vllm.platforms", current_platform=platform)
    module("vllm.utils.torch_utils", nvfp4_split_data_scale=None, set_random_seed=set_random_seed)
    module("vllm.model_executor.layers.quantization.utils.quant_utils", scaled_dequantize=scaled_dequantize)
    module(
        "vllm._custom_ops",
        reshape_and_cache_flash=our_vllm.reshape_and_cache_flash,
        concat_and_cache_mla=our_vllm.concat_and_cache_mla,
        convert_fp8=convert_fp8,
    )
    operators = torch.library.Library("_C_cache_ops", "FRAGMENT")
    KEPT.append(operators)
    for schema, function in (
        (
            "reshape_and_cache_flash(Tensor key, Tensor value, Tensor(a!) key_cache, Tensor(b!) value_cache, "
            "Tensor slot_mapping, str kv_cache_dtype, Tensor k_scale, Tensor v_scale) -> ()",
            our_vllm.reshape_and_cache_flash,
        ),
        (
            "concat_and_cache_mla(Tensor kv_c, Tensor k_pe, Tensor(a!) kv_cache, Tensor slot_mapping, "
            "str kv_cache_dtype, Tensor scale, bool skip_scale=False) -> ()",
            our_vllm.concat_and_cache_mla,
        ),
    ):
        name = schema.partition("(")[0]
        operators.define(schema)
        operators.impl(name, function, "CompositeExplicitAutograd")
        torch.library.register_fake(f"_C_cache_ops::{name}", lambda *_, **__: None, lib=operators)
    module("tests.kernels.utils", opcheck=opcheck, DEFAULT_OPCHECK_TEST_UTILS=OPCHECKS)
    FIXTURES["kv_cache_factory_flashinfer"] = lambda: caches


KEPT: list[Any] = []
OPCHECKS = ("test_schema", "test_faketensor")


def opcheck(op: Any, args: Any, kwargs: Any = None, *, test_utils: Any = OPCHECKS, cond: bool = True) -> None:
    if cond:
        torch.library.opcheck(op.default, args, kwargs or {}, test_utils=test_utils)


def set_random_seed(seed: int) -> None:
    random.seed(seed)
    torch.manual_seed(seed)


def scaled_dequantize(quantised: Any, scale: Any, group_shape: Any = None, out_dtype: Any = None) -> Any:
    return (quantised.float() * scale).to(out_dtype)


def dequantise_nvfp4(
    packed: Any, scales: Any, global_scale: Any, sf_vec_size: int = 16, is_sf_swizzled_layout: bool = False
) -> Any:
    codes = torch.stack([packed & 15, packed >> 4], -1).flatten(-2)
    magnitudes = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6], device=packed.device)[(codes & 7).long()]
    values = torch.where(codes > 7, -magnitudes, magnitudes)
    block_scales = scales.view(torch.float8_e4m3fn).float().repeat_interleave(sf_vec_size, -1)
    return values * block_scales * global_scale


def convert_fp8(output: Any, source: Any, scale: float = 1.0, kv_dtype: str = "fp8") -> None:
    if output.dtype == torch.uint8:
        limit = torch.finfo(torch.float8_e4m3fn).max
        rounded = (source.float() / scale).clamp(-limit, limit).to(torch.float8_e4m3fn)
        output.copy_(rounded.view(torch.uint8))
    else:
        output.copy_((source.view(torch.float8_e4m3fn).float() * scale).to(output.dtype))


def caches(
    num_blocks: int,
    block_size: int,
    num_layers: int,
    num_heads: int,
    head_size: int,
    cache_dtype: str,
    model_dtype: Any,
    device: str = "cuda",
    cache_layout: str = "NHD",
) -> tuple[list[Any], list[Any]]:
    """K's and V's of each layer, [blocks, slots, heads, width] by strides, interleaved in one allocation."""
    quantised = cache_dtype != "auto"
    in_page = (block_size, num_heads) if cache_layout == "NHD" else (num_heads, block_size)
    keys, values = [], []
    for _ in range(num_layers):
        pair = torch.randn(num_blocks, 2, *in_page, head_size, dtype=model_dtype, device=device)
        if quantised:
            pair = pair.to(torch.float8_e4m3fn).view(torch.uint8)
        if cache_layout == "HND":
            pair = pair.transpose(2, 3)
        keys.append(pair[:, 0])
        values.append(pair[:, 1])
    return keys, values


class Fixtures:
    """The fixtures that the peer's tests have from its conftest.py."""

    @pytest.fixture
    def kv_cache_factory_flashinfer(self) -> Any:
        return FIXTURES["kv_cache_factory_flashinfer"]()


def main() -> int:
    peer, file, *arguments = sys.argv[1:]
    {"flashinfer": flashinfer, "sglang": sglang, "vllm": vllm}[peer]()
    text = Path(file).read_text()
    if not torch.cuda.is_available():
        for theirs, ours in ON_CPU.items():
            text = text.replace(theirs, ours)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / Path(file).name
        copy.write_text(text)
        options = ["-q", "-p", "no:cacheprovider", "-W", "ignore", "--rootdir", folder, "-c", "/dev/null"]
        return int(pytest.main([*options, *arguments, str(copy)], plugins=[Fixtures()]))


if __name__ == "__main__":
    raise SystemExit(main())
