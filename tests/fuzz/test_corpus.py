"""Every input of the corpus leads to a documented error or to none, within bounds on memory and time.

The inputs are examples of each format, inputs made to harm, and the smallest inputs that `nox -s fuzz` found.
"""

from __future__ import annotations

import signal
import tracemalloc
from pathlib import Path
from types import FrameType

import pytest

from fuzz.targets import CORPUS, TARGETS

MOST_BYTES = 64 * 1024 * 1024
CPU_SECONDS = 20
"""An input that takes longer counts as a hang."""

INPUTS = [(name, path) for name in TARGETS for path in sorted((CORPUS / name).iterdir())]


class HangsError(BaseException):
    """Not an Exception, so that no reader catches it."""


def stop(number: int, frame: FrameType | None) -> None:
    raise HangsError


def test_every_target_has_inputs() -> None:
    assert {path.name for path in CORPUS.iterdir()} == TARGETS.keys()
    assert all(path.stat().st_size <= 16_384 for _, path in INPUTS)


@pytest.mark.parametrize(("name", "path"), INPUTS, ids=[f"{name}-{path.name}" for name, path in INPUTS])
def test_an_input_of_the_corpus(name: str, path: Path) -> None:
    data = path.read_bytes()
    previous = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    tracemalloc.start()
    try:
        TARGETS[name].run(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)
    assert peak < MOST_BYTES


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_that_are_cut(name: str) -> None:
    """A download may end anywhere."""
    for path in sorted((CORPUS / name).iterdir()):
        data = path.read_bytes()
        for part in range(1, 8):
            TARGETS[name].run(data[: len(data) * part // 8])
