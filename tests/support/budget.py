"""How many examples property tests draw. CI sets a small budget; `nox -s explore` raises it."""

from __future__ import annotations

import os


def examples(number: int) -> int:
    """``number`` of examples, times $LOCKGEN_TEST_BUDGET (default 1); at least 2."""
    return max(2, round(number * float(os.environ.get("LOCKGEN_TEST_BUDGET", "1"))))
