"""What a word may have been meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def close_match(word: str, known: Iterable[str]) -> str | None:
    """A hint naming the one of ``known`` that ``word`` may have meant, or all of them where they are few."""
    options = sorted(known)
    if near := difflib.get_close_matches(word, options, n=1, cutoff=0.6):
        return f"did you mean `{near[0]}`?"
    return f"known here: {', '.join(options)}" if options else None
