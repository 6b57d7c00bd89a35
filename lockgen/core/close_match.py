"""Hints for a misspelled name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# The default of difflib. With less, hints propose unrelated names.
_SIMILAR = 0.6
_FEW = 12
"""Up to this many names are all listed; of more, only the closest."""


def close_match(word: str, known: Iterable[str]) -> str | None:
    """A hint that names the most similar of ``known``; without a similar one, all of them or the closest three.

    None if ``known`` is empty.
    """
    options = sorted(known)
    if not options:
        return None
    similar = difflib.get_close_matches(word, options, n=1, cutoff=_SIMILAR)
    if similar:
        return f"did you mean `{similar[0]}`?"
    if len(options) <= _FEW:
        return f"known names: {', '.join(options)}"
    # A cut-off of zero: even a bad match shows what kind of name belongs here.
    closest = difflib.get_close_matches(word, options, n=3, cutoff=0.0)
    return f"none of the {len(options)} known names is similar; the closest are {', '.join(closest)}"
