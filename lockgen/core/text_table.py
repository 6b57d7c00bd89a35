"""Text tables for people: text is left-aligned, numbers are right-aligned."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest

WIDTH = 80
"""The width of a terminal for which tables are made."""
_INDENT = "    "
_GAP = 2
_LEAST = 8
"""A column that is broken is never narrower."""

# A line may end after one of these.
_PIECE = re.compile(r"[^\s/:@_+-]*[/:@_+-]+|[^\s/:@_+-]+|\s+")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Lines with columns two spaces apart, without a trailing newline. Columns in ``left`` are left-aligned."""
    lines = [head, *rows]
    widths = [max(len(text) for text in column) for column in zip(*lines, strict=True)]
    return "\n".join(_line(line, widths, left) for line in lines)


def narrow_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: Collection[int] = (0,),
    broken: Collection[int] = (0,),
    width: int = WIDTH,
    below: Sequence[str] = (),
) -> str:
    """Like `table`, but if it is wider than ``width``, cells in the columns ``broken`` take several lines.

    ``below`` has a text for each row, which follows it on lines of its own.
    """
    widths = [max(len(text) for text in column) for column in zip(head, *rows, strict=True)]
    excess = sum(widths) + _GAP * (len(widths) - 1) - width
    while excess > 0:
        widest = max(broken, key=lambda column: widths[column])
        if widths[widest] <= _LEAST:
            break
        # One character at a time: the broken columns end up equally wide, unless one needs less.
        widths[widest] -= 1
        excess -= 1
    lines = [_line(head, widths, left)]
    for number, row in enumerate(rows):
        cells = [_broken(text, widths[column]) for column, text in enumerate(row)]
        lines += [_line(part, widths, left) for part in zip_longest(*cells, fillvalue="")]
        if below and below[number]:
            lines += [f"{_INDENT}{line}" for line in _broken(below[number], width - len(_INDENT))]
    return "\n".join(lines)


def _broken(text: str, width: int) -> list[str]:
    """``text`` in lines of at most ``width`` characters."""
    lines: list[str] = []
    line = ""
    for piece in _pieces(text, width):
        if len((line + piece).rstrip()) > width:
            lines.append(line.rstrip())
            line = piece.lstrip()
        else:
            line += piece
    lines.append(line.rstrip())
    return lines


def _pieces(text: str, width: int) -> Iterator[str]:
    for found in _PIECE.finditer(text):
        piece = found[0]
        for start in range(0, len(piece), width):
            yield piece[start : start + width]


def _line(row: Sequence[str], widths: Sequence[int], left: Collection[int]) -> str:
    cells = []
    for column, text in enumerate(row):
        width = widths[column]
        cells.append(text.ljust(width) if column in left else text.rjust(width))
    # The last column may be a left-aligned one: no spaces at the end of lines.
    return "  ".join(cells).rstrip()


def megabytes(size: int | None) -> str:
    """A number of bytes for people, in powers of ten."""
    if size is None:
        return "unknown"
    if size >= 1e9:
        return f"{size / 1e9:.2f} GB"
    if size >= 1e5:
        return f"{size / 1e6:.1f} MB"
    return f"{size / 1e3:.1f} kB"
