"""Equal cells of the matrix as ranges: "Python 3.10 and 3.12, torch 2.1.0 to 2.4.1"."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

from packaging.version import Version

from lockgen.compat.model import Axis
from lockgen.core.parsing import parse_version
from lockgen.core.words import enumerated

Coordinates = tuple[str, ...]
"""One value of each axis."""
ANY = "any"
_TO = " to "
# A word that is a version or pins one: "2.2.0+cu121;", "torchaudio==2.2.0".
_VERSION = re.compile(r"^(?P<before>(?:[\w.-]+==)?)(?P<version>\d+(?:\.\d+)+(?:\+\w+)?)(?P<after>[;,:]?)$")
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Block:
    """Cells with one result: all combinations of ``values``, which has the values of each axis in the axis's order."""

    values: tuple[tuple[str, ...], ...]

    def cells(self) -> Iterable[Coordinates]:
        return product(*self.values)

    def others(self, axis: int) -> tuple[tuple[str, ...], ...]:
        """The values of all axes but one."""
        return self.values[:axis] + self.values[axis + 1 :]

    def joined(self, axis: int, after: Block) -> Block:
        values = self.values[axis] + after.values[axis]
        return Block((*self.values[:axis], values, *self.values[axis + 1 :]))


def blocks(keys: Mapping[Coordinates, _Key], axes: Sequence[Axis], gaps: frozenset[str] = frozenset()) -> list[Block]:
    """The cells of ``keys`` in as few blocks of one key as a greedy walk finds, in the order of their first cells.

    The values of a block are consecutive on each axis, except on the axes named in ``gaps``.
    """
    found = {Block(tuple((value,) for value in cell)): key for cell, key in keys.items()}
    # The last axis first: its values are next to each other in the table.
    for number in reversed(range(len(axes))):
        found = _joined(found, number, axes[number], gap=axes[number].name in gaps)
    return list(found)


def _joined(found: Mapping[Block, _Key], number: int, axis: Axis, *, gap: bool) -> dict[Block, _Key]:
    position = {value: index for index, value in enumerate(axis.values)}

    def start(block: Block) -> int:
        first, *_ = block.values[number]
        return position[first]

    runs: dict[tuple[object, _Key], list[Block]] = {}
    for block in sorted(found, key=start):
        others = block.others(number)
        run = runs.setdefault((others, found[block]), [])
        if run and (gap or _consecutive(run[-1], block, number, position)):
            run[-1] = run[-1].joined(number, block)
        else:
            run.append(block)
    joined = {block: key for (_, key), run in runs.items() for block in run}
    return _in_order(joined, found)


def _in_order(joined: Mapping[Block, _Key], before: Iterable[Block]) -> dict[Block, _Key]:
    """``joined`` in the order in which their first cells are in ``before``."""
    order: dict[Coordinates, int] = {}
    for block in before:
        for cell in block.cells():
            order[cell] = len(order)

    def first(block: Block) -> int:
        return min(order[cell] for cell in block.cells())

    return {block: joined[block] for block in sorted(joined, key=first)}


def _consecutive(before: Block, after: Block, number: int, position: Mapping[str, int]) -> bool:
    return position[before.values[number][-1]] + 1 == position[after.values[number][0]]


def label(values: Sequence[str], axis: Axis) -> str:
    """Values of one axis for people: "2.1.0", "2.1.0 to 2.4.1", "3.10 and 3.12"; "any" for all of several."""
    if len(values) > 1 and tuple(values) == axis.values:
        return ANY
    first, last = values[0], values[-1]
    start = axis.values.index(first)
    consecutive = axis.values[start : start + len(values)] == tuple(values)
    if len(values) > 2 and consecutive:
        return f"{first}{_TO}{last}"
    return enumerated(values)


def row_label(block: Block, axes: Sequence[Axis]) -> str:
    """The values of a row of the table. Ranges use "to" even for two values, so that `row_cells` can read it."""
    parts = []
    for values, axis in zip(block.values, axes, strict=True):
        if len(values) > 1 and values == axis.values:
            parts.append(ANY)
        else:
            parts.append(values[0] if len(values) == 1 else f"{values[0]}{_TO}{values[-1]}")
    return ", ".join(parts)


def row_cells(label: str, axes: Sequence[Axis]) -> Iterable[Coordinates]:
    """The inverse of `row_label`. A label that does not fit the axes has no cells."""
    parts = label.split(", ")
    if len(parts) != len(axes):
        return ()
    return product(*(_expanded(part, axis.values) for part, axis in zip(parts, axes, strict=True)))


def _expanded(part: str, values: tuple[str, ...]) -> tuple[str, ...]:
    if part == ANY:
        return values
    first, _, last = part.partition(_TO)
    last = last or first
    if first not in values or last not in values:
        return ()
    return values[values.index(first) : values.index(last) + 1]


def pattern(reason: str) -> str:
    """``reason`` without its versions, but with its bounds: reasons of one pattern can be merged."""
    return " ".join(_VERSION.sub(r"\g<before>\0\g<after>", word) for word in reason.split(" "))


def merged(reasons: Sequence[str]) -> str:
    """Reasons of one pattern in one sentence: "torchaudio is 2.2.0+cu121 to 2.4.1+cu121"."""
    columns = zip(*(reason.split(" ") for reason in reasons), strict=True)
    return " ".join(_merged_words(words) for words in columns)


def _merged_words(words: Sequence[str]) -> str:
    """Words of one pattern as one: the lowest and the highest version."""
    distinct = dict.fromkeys(words)
    if len(distinct) == 1:
        return words[0]
    found = [match for word in distinct if (match := _VERSION.match(word))]
    versions = sorted((match["version"] for match in found), key=_order)
    first = found[0]
    return f"{first['before']}{versions[0]}{_TO}{versions[-1]}{first['after']}"


def _order(text: str) -> tuple[Version, str]:
    return parse_version(text), text
