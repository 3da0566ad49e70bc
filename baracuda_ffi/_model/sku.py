"""What a plan says of itself. Frozen and hashable."""

from __future__ import annotations

from enum import IntEnum

from .enums import BackendKind, ElementKind, KvLayout, Transform
from .frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .descriptors import PagedKvAppendDescriptor


class OpCategory(IntEnum):
    """The family of a kernel, for telemetry. Of those of baracuda-kernels, the one that the append uses."""

    ATTENTION = 0


class AttentionKind(IntEnum):
    """The operation inside ``OpCategory.ATTENTION``. Of those of baracuda-kernels, the one that the append
    uses."""

    PAGED_ATTENTION = 0


class MathPrecision(IntEnum):
    """The precision of arithmetic, where there is any. Of those of baracuda-kernels, the one that the append
    uses."""

    F32 = 0


class ArchSku(IntEnum):
    """The machine code that runs: ``HOST``, or ``SM<n>`` for CUDA compute capability n / 10.

    ``ArchSku(n)`` makes a member ``SM<n>`` for capabilities that are not listed, so that it never hides what
    runs.
    """

    HOST = 0
    SM80 = 80
    SM86 = 86
    SM89 = 89
    SM90 = 90
    SM100 = 100
    SM103 = 103
    SM120 = 120

    @classmethod
    def _missing_(cls, value: object) -> ArchSku | None:
        if type(value) is not int or value <= 0:
            return None
        member = int.__new__(cls, value)
        member._name_ = f"SM{value}"
        member._value_ = value
        # The first maker wins, so that ArchSku(n) is ArchSku(n) on every thread.
        known = cls._value2member_map_.setdefault(value, member)
        assert isinstance(known, ArchSku)
        return known

    def __reduce_ex__(self, protocol: object) -> tuple[type[ArchSku], tuple[int]]:
        # By its number: until 3.11.4 Python goes by the name, and the class has none for those made later.
        return type(self), (self.value,)


class PrecisionGuarantee(Frozen):
    """The numerical promises of a plan. Mirrors baracuda-kernels' ``PrecisionGuarantee``.

    A copy computes nothing. What every other transform writes is what float32 gives, one operation at a
    time, each rounded to nearest even, and the CPU writes the same bytes as the GPU. Two rows of one append
    that name one slot leave that slot undefined, whatever the transform.

    Parameters
    ----------
    math_precision : MathPrecision
        What is computed in; for a copy baracuda-kernels' value.
    accumulator : ElementKind
        The type of what is between the operations: F32. For a copy baracuda-kernels' value, the caches'
        element.
    bit_stable_on_same_hardware : bool
        Whether two runs on one device give the same bits.
    deterministic : bool
        Whether the result depends on the operands alone.
    """

    _fields = ("math_precision", "accumulator", "bit_stable_on_same_hardware", "deterministic")
    __slots__ = _fields

    math_precision: MathPrecision
    accumulator: ElementKind
    bit_stable_on_same_hardware: bool
    deterministic: bool

    def __init__(
        self,
        *,
        math_precision: MathPrecision,
        accumulator: ElementKind,
        bit_stable_on_same_hardware: bool,
        deterministic: bool,
    ) -> None:
        self._set(math_precision, accumulator, bit_stable_on_same_hardware, deterministic)


class KernelSku(Frozen):
    """The identity of the kernel that a plan runs: a key for telemetry and autotuning. Mirrors
    baracuda-kernels' ``KernelSku``.

    Parameters
    ----------
    category : OpCategory
        The family of the kernel.
    op : AttentionKind
        The operation in that family.
    element : ElementKind
        The caches' element.
    aux_element : ElementKind or None
        The element of key and value; None for a copy, whose is the caches'.
    layout : KvLayout or None
        The cache's; baracuda-kernels, which knows only HND, leaves it empty.
    epilogue : str or None
        The transform, by its name; None for a copy.
    arch : ArchSku
        The architecture of the machine code that runs, as the driver chose it.
    backend : BackendKind
        Who does the append.
    precision_guarantee : PrecisionGuarantee
        What is promised of the numbers.
    """

    _fields = (
        "category",
        "op",
        "element",
        "aux_element",
        "layout",
        "epilogue",
        "arch",
        "backend",
        "precision_guarantee",
    )
    __slots__ = _fields

    category: OpCategory
    op: AttentionKind
    element: ElementKind
    aux_element: ElementKind | None
    layout: KvLayout | None
    epilogue: str | None
    arch: ArchSku
    backend: BackendKind
    precision_guarantee: PrecisionGuarantee

    def __init__(
        self,
        *,
        category: OpCategory,
        op: AttentionKind,
        element: ElementKind,
        aux_element: ElementKind | None,
        layout: KvLayout | None,
        epilogue: str | None,
        arch: ArchSku,
        backend: BackendKind,
        precision_guarantee: PrecisionGuarantee,
    ) -> None:
        self._set(category, op, element, aux_element, layout, epilogue, arch, backend, precision_guarantee)


def sku_of(desc: PagedKvAppendDescriptor, backend: BackendKind, arch: int) -> KernelSku:
    """What runs where that backend does what the descriptor says, by code of that architecture."""
    cache = desc.paged_kv
    copies = desc.transform is Transform.COPY
    return KernelSku(
        category=OpCategory.ATTENTION,
        op=AttentionKind.PAGED_ATTENTION,
        element=cache.element,
        aux_element=None if copies else desc.source_element,
        layout=cache.layout,
        epilogue=None if copies else desc.transform.name,
        arch=ArchSku(arch),
        backend=backend,
        precision_guarantee=PrecisionGuarantee(
            math_precision=MathPrecision.F32,
            accumulator=cache.element if copies else ElementKind.F32,
            bit_stable_on_same_hardware=True,
            deterministic=True,
        ),
    )
