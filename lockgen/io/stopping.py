"""End the work of other threads after Ctrl-C or a signal: Python interrupts only the main thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from lockgen.errors import ToolFailed

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_lock = threading.Lock()
_stops: dict[object, Callable[[], None]] = {}
_is_stopping = False


@contextlib.contextmanager
def stoppable(stop: Callable[[], None]) -> Iterator[None]:
    """Within the block, which waits for something, `stop_waiting` calls ``stop``.

    Raises:
        ToolFailed: lockgen is being stopped; ``stop`` has been called.
    """
    key = object()
    with _lock:
        if not _is_stopping:
            _stops[key] = stop
    if key not in _stops:
        stop()
        raise ToolFailed("lockgen was stopped")
    try:
        yield
    finally:
        with _lock:
            _stops.pop(key, None)


@contextlib.contextmanager
def stop_waiting() -> Iterator[None]:
    """End what all threads wait for, and let none of them begin to wait within the block."""
    global _is_stopping
    with _lock:
        _is_stopping = True
        stops = [*_stops.values()]
    try:
        for stop in stops:
            stop()
        yield
    finally:
        _is_stopping = False


def stop_for_good() -> None:
    """End what other threads wait for, at the end of lockgen: Python would wait for them."""
    global _is_stopping
    with stop_waiting():
        pass
    _is_stopping = True


@contextlib.contextmanager
def thread_pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """A pool whose threads have ended after the block. After an error, work that has not begun is dropped."""
    # Imported here, because it takes long, and every process needs this module.
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    except Exception:
        pool.shutdown(cancel_futures=True)
        raise
    except BaseException:
        # Ctrl-C or a signal: a resolver may run for minutes.
        with stop_waiting():
            pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown(cancel_futures=True)
