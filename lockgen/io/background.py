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
