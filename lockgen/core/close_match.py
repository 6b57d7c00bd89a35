"""What a word may have been meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_FEW = 12
"""Up to this many names are all listed; of more, only the closest."""


def close_match(word: str, known: Iterable[str]) -> str | None:
    """A hint naming the one of ``known`` that ``word`` may have meant; else all of them, or of many the nearest."""
    options = sorted(known)
    if near := difflib.get_close_matches(word, options, n=1, cutoff=0.6):
        return f"did you mean `{near[0]}`?"
    if len(options) <= _FEW:
        return f"known here: {', '.join(options)}" if options else None
    nearest = difflib.get_close_matches(word, options, n=3, cutoff=0.0)
    return f"{len(options)} names are known here, none of them near; the nearest: {', '.join(nearest)}"
