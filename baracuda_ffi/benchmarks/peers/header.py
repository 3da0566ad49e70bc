"""FlashInfer's header, called directly."""

from __future__ import annotations

from ..running.compiled import header_append
from ..running.paths import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..operands.torch_operands import Operands

NAME = "FlashInfer's header, called directly"


def append(operands: Operands, stream: int) -> Call:
    problem, torch = operands.problem, operands.torch
    major, minor = torch.cuda.get_device_capability(operands.device)
    function = header_append(10 * major + minor)

    def launch(*arguments: int) -> None:
        status = function(*arguments)
        if status:
            raise RuntimeError(f"the header's function returned CUDA's error {status}")

    arguments = (
        problem.kind.itemsize,
        problem.batch,
        problem.page_size,
        problem.heads,
        problem.head_dim,
        int(problem.layout == "NHD"),
        operands.k_data.data_ptr(),
        operands.v_data.data_ptr(),
        operands.indices.data_ptr(),
        operands.indptr.data_ptr(),
        operands.last_page_len_after.data_ptr(),
        operands.key.data_ptr(),
        operands.value.data_ptr(),
        stream,
    )
    # `operands` rides along to keep the tensors alive.
    return Call("launch(*arguments)", {"launch": launch, "arguments": arguments, "operands": operands})
