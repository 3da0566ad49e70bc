"""BlockManager against a plain model, whatever is asked of it in whatever order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from page_table.plain_blocks import PlainBlocks

STEPS = 100_000
MOST_SEQUENCES = 10
CALL_BYTES = 4

# How often each is called, of 32 times.
CALLS = (
    [
        *["add"] * 3,
        *["resume"] * 2,
        *["grow"] * 12,
        *["shrink"] * 2,
        *["fork"] * 3,
        *["free"] * 2,
        *["preempt"] * 2,
    ]
    + ["take_copies", "commit"]
    + ["step"] * 4
)

# What it is about: each has to happen, and often. Copies are the rarest: some rounds make too few.
ABOUT = ("refused", "evicted", "copied", "found", "fork", "shrink", "preempt", "resume")


def call(blocks: PlainBlocks, code: bytes) -> str:
    """Make the call that four bytes say: which, of which sequence, and with which tokens."""
    name = CALLS[code[0] % len(CALLS)]
    bits = int.from_bytes(code[2:], "little")
    tokens = [bits >> i & 1 for i in range(bits >> 12)]
    known = blocks.sequences
    if name in ("add", "fork") and len(known) >= MOST_SEQUENCES:
        name = "free"
    if name == "add":
        blocks.add(tokens)
    elif name in ("take_copies", "commit", "step"):
        if name != "commit":
            blocks.take_copies()
        if name != "take_copies":
            blocks.commit()
    else:
        # Any may be freed; of the others those that are preempted are resumed, and only those.
        some = [s for s in known if name == "free" or known[s].preempted is (name == "resume")]
        if not some:
            return "nothing"
        sequence = some[code[1] % len(some)]
        if name == "grow":
            blocks.grow(sequence, tokens[:5], told=code[1] < 240)
        elif name == "shrink":
            blocks.shrink(sequence, len(tokens))
        elif name == "resume":
            blocks.resume(sequence, tokens)
        else:
            if name == "fork" and bits & 3:  # else it is mostly refused
                blocks.take_copies()
                blocks.commit()
            one: Callable[[int], None] = getattr(blocks, name)
            one(sequence)
    return name


def test_over_a_hundred_thousand_steps() -> None:
    taken: Counter[str] = Counter()

    class Machine(RuleBasedStateMachine):
        @initialize(seed=st.integers(0, 2**32))
        def begin(self, seed: int) -> None:
            chance = Random(seed)  # sizes drawn one by one are mostly the least
            self.blocks = PlainBlocks(chance.randint(1, 40), chance.randint(1, 5))

        @rule(code=st.binary(min_size=CALL_BYTES, max_size=CALL_BYTES))
        def one(self, code: bytes) -> None:
            taken[call(self.blocks, code)] += 1

        @rule(seed=st.integers(0, 2**32), count=st.integers(1, 500))
        def many(self, seed: int, count: int) -> None:
            chance = Random(seed)
            for _ in range(count):
                taken[call(self.blocks, chance.randbytes(CALL_BYTES))] += 1

        def teardown(self) -> None:
            if hasattr(self, "blocks"):
                taken["steps"] += self.blocks.steps
                taken["refused"] += self.blocks.refused
                taken["evicted"] += self.blocks.evicted
                taken["copied"] += self.blocks.copied
                taken["found"] += self.blocks.found_pages

    how = settings(
        max_examples=30,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    rounds = 0
    while taken["steps"] < STEPS or min(taken[what] for what in ABOUT) <= 200:
        run_state_machine_as_test(Machine, settings=how)
        rounds += 1
        assert rounds < 20, taken
    print(dict(taken))
