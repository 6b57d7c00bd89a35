"""Work on several threads: each resolver call is a separate process, so threads are enough to use all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from lockgen.io.stopping import thread_pool

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """How many cores this process may use."""
    # A container may allow fewer than the machine has; macOS has no such call.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Threads:
    """See ports.Parallel."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or cores()

    def each(self, work: Callable[[Item], Result], items: Sequence[Item], *, long: bool = False) -> list[Result]:
        """The results in the order of ``items``.

        The first error ends the work. After it, and after Ctrl-C, items that have not begun are dropped.
        """
        if self.workers == 1 or len(items) < 2:
            return [work(item) for item in items]
        threads = min(self.workers + long, len(items))
        with thread_pool(threads) as pool:
            futures = [pool.submit(work, item) for item in items]
            return [future.result() for future in futures]
