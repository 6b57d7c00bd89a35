"""Text tables for people: text is left-aligned, numbers are right-aligned."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Lines with columns two spaces apart, without a trailing newline. Columns in ``left`` are left-aligned."""
    lines = [head, *rows]
    widths = [max(len(text) for text in column) for column in zip(*lines, strict=True)]
    return "\n".join(_line(line, widths, left) for line in lines)


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
