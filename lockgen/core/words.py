"""Numbers and lists in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """ "1 package", "3 packages". ``plural`` is needed if it is not the singular with an "s"."""
    if count == 1:
        return f"1 {singular}"
    return f"{count} {plural or singular + 's'}"


def enumerated(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    if len(names) <= 1:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
