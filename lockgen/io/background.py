"""Work in the background while this process waits for another one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from lockgen.errors import LockgenError


def begin(work: Callable[[], object]) -> None:
    """Start ``work`` in a thread, and do not wait for it.

    It fills caches, or imports modules: whatever needs its result calls it again, and gets it at once, or its error.
    """

    def quietly() -> None:
        with suppress(LockgenError, OSError):
            work()

    # A daemon: the end of a command does not wait for what it no longer needs.
    threading.Thread(target=quietly, daemon=True).start()


_for_waiting: list[Callable[[], object]] = []


def begin_when_waiting(work: Callable[[], object]) -> None:
    """As `begin`, but only when a resolver runs, see `now_waiting`.

    Python runs one thread at a time. Begun earlier, ``work`` would delay the start of the resolver.
    """
    _for_waiting.append(work)


def now_waiting() -> None:
    """Begin what was left for this: a resolver was started, in another process, and this one waits for it."""
    while _for_waiting:
        begin(_for_waiting.pop(0))
