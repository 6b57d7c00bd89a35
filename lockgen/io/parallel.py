"""Work on several threads: resolvers are processes of their own, and a machine has more than one core."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Threads:
    """See ports.Parallel."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or cores()

    def each(self, work: Callable[[Item], Result], items: Sequence[Item], *, long: bool = False) -> list[Result]:
        """The results in the order of ``items``.

        The first error ends it; Ctrl-C does not wait for what has not begun.
        """
        if self.workers == 1 or len(items) < 2:
            return [work(item) for item in items]
        pool = ThreadPoolExecutor(min(self.workers + long, len(items)))
        try:
            return [future.result() for future in [pool.submit(work, item) for item in items]]
        finally:
            pool.shutdown(cancel_futures=True)
