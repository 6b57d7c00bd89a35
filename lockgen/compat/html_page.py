"""The matrix as one HTML page: no network, no other file, and readable without a script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from lockgen.core.templating import render, source

STATUSES = {
    "yes": ("yes", "resolves as it is pinned"),
    "changes": ("changes", "resolves once the named free pins move"),
    "no": ("no", "has no resolution"),
    "unknown": ("unknown", "nobody could say"),
}
"""Status to its word and what it means. A cell of several results is the worst of them: see WORST."""

WORST = ("no", "unknown", "changes", "yes")


@dataclass(frozen=True, slots=True)
class Panel:
    """What a cell opens to. ``where`` are the values of its axes, ``result`` is format 1's."""

    id: str
    where: tuple[tuple[str, str], ...]
    command: str
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PageCell:
    """One place in a table. Without a ``panel`` it opens to nothing: it is excluded, or was not resolved."""

    status: str
    word: str
    where: str
    note: str = ""
    panel: Panel | None = None


@dataclass(frozen=True, slots=True)
class PageRow:
    """``heads`` are the headers of the row from the outside in: text and row span (0: covered by the row above)."""

    heads: tuple[tuple[str, int], ...]
    cells: tuple[PageCell, ...]


@dataclass(frozen=True, slots=True)
class PageTable:
    """A group's table. ``bodies`` are its rows by the outermost header."""

    name: str
    variant: str
    images: tuple[str, ...]
    row_axes: tuple[str, ...]
    column_axis: str
    columns: tuple[str, ...]
    bodies: tuple[tuple[PageRow, ...], ...]

    @property
    def cells(self) -> Iterator[PageCell]:
        for body in self.bodies:
            for row in body:
                yield from row.cells

    @property
    def tally(self) -> str:
        return tally([cell.status for cell in self.cells if cell.panel is not None])


def page(matrix: Mapping[str, Any]) -> str:
    """One self-contained HTML file. ``matrix`` is the matrix in JSON's terms, format 1."""
    tables = list(_tables(matrix))
    style, script = source("compat/templates/compat.css"), source("compat/templates/compat.js")
    return render(
        "compat/templates/compat.html.j2",
        family=matrix["family"],
        summary=summary(matrix),
        sections=_sections(tables),
        statuses=STATUSES,
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def summary(matrix: Mapping[str, Any]) -> str:
    """How many cells there are and how they came out: "36 cells: 12 yes, 4 changes, 20 no"."""
    asked = [cell for cell in matrix["cells"] if not cell["excluded"]]
    statuses = [worst([result["status"] for result in cell["results"]]) for cell in asked]
    text = f"{len(asked)} {'cell' if len(asked) == 1 else 'cells'}: {tally(statuses)}"
    excluded = len(matrix["cells"]) - len(asked)
    return text + (f"; {excluded} excluded" if excluded else "")


def worst(statuses: Sequence[str]) -> str:
    """The status of a whole from those of its parts; of nothing it is unknown."""
    return min(statuses, key=WORST.index, default="unknown")


def tally(statuses: Sequence[str]) -> str:
    """How often each status is there, in the order of STATUSES: "12 yes, 4 changes"."""
    counts = {status: statuses.count(status) for status in STATUSES}
    return ", ".join(f"{count} {STATUSES[status][0]}" for status, count in counts.items() if count) or "none"


def _hash(text: str) -> str:
    """A source of a Content-Security-Policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _sections(tables: Sequence[PageTable]) -> list[tuple[str, list[PageTable]]]:
    """The tables by variant, in their order."""
    found: dict[str, list[PageTable]] = {}
    for table in tables:
        found.setdefault(table.variant, []).append(table)
    return list(found.items())


def _tables(matrix: Mapping[str, Any]) -> Iterator[PageTable]:
    axes = {axis["name"]: tuple(axis["values"]) for axis in matrix["axes"]}
    column_axis, row_axes = _layout([name for name in axes if name != "variant"])
    for number, group in enumerate(matrix["groups"], 1):
        grid = _Grid(matrix, group, f"t{number}", (*row_axes, *([column_axis] if column_axis else [])))
        columns = axes.get(column_axis, ("",))
        rows = [
            (values, tuple(grid.cell((*values, *([column] if column_axis else []))) for column in columns))
            for values in product(*(axes[name] for name in row_axes))
        ]
        yield PageTable(
            group["name"],
            group["variant"],
            tuple(group["images"]),
            row_axes,
            column_axis,
            columns,
            tuple(_bodies([row for row in rows if any(cell.status != "missing" for cell in row[1])])),
        )


def _layout(axes: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Which axis makes the columns, and which make the rows from the outside in: Python across, torch down."""
    across = "python" if "python" in axes else (axes[-1] if len(axes) > 1 else "")
    down = [name for name in axes if name != across]
    return across, tuple(sorted(down, key=lambda name: name != "torch"))


class _Grid:
    """The cells of one group by the values of ``axes``."""

    def __init__(self, matrix: Mapping[str, Any], group: Mapping[str, Any], prefix: str, axes: Sequence[str]) -> None:
        self._axes = axes
        self._prefix = prefix
        self._group = group["name"]
        self._by_values = {
            tuple(cell["at"][name] for name in axes): cell
            for cell in matrix["cells"]
            if cell["at"].get("variant", group["variant"]) == group["variant"]
        }
        self._number = 0

    def cell(self, values: tuple[str, ...]) -> PageCell:
        where = tuple(zip(self._axes, values, strict=True))
        text = ", ".join(f"{name} {value}" for name, value in where)
        cell = self._by_values.get(values)
        if cell is None:
            return PageCell("missing", "not asked", text)
        if cell["excluded"]:
            return PageCell("excluded", "excluded", text)
        result = next((result for result in cell["results"] if result["group"] == self._group), None)
        if result is None:
            return PageCell("missing", "not asked", text)
        self._number += 1
        command = f'lockgen compat "{cell["name"]}"'
        panel = Panel(f"{self._prefix}-{self._number}", where, command, result)
        return PageCell(result["status"], STATUSES[result["status"]][0], text, _note(result), panel)


def _note(result: Mapping[str, Any]) -> str:
    """A few words below the status: what one wants to know without opening it."""
    if result["status"] == "changes":
        count = len(result["changes"])
        return f"{count} {'pin moves' if count == 1 else 'pins move'}"
    installed = result.get("installed")
    if installed is None:
        return ""
    if installed["status"] != "yes":
        return {"no": "does not install", "unknown": "not installed"}[installed["status"]]
    return "lacks libraries" if installed["native"] else "installed"


def _bodies(rows: Sequence[tuple[tuple[str, ...], tuple[PageCell, ...]]]) -> Iterator[tuple[PageRow, ...]]:
    """The rows with their headers, each header once for all rows that it stands for."""
    keys = [values for values, _ in rows]
    body: list[PageRow] = []
    for number, (values, cells) in enumerate(rows):
        heads = []
        for level in range(1, len(values) + 1):
            prefix = values[:level]
            new = number == 0 or keys[number - 1][:level] != prefix
            heads.append((values[level - 1], sum(key[:level] == prefix for key in keys) if new else 0))
        if body and heads and heads[0][1]:
            yield tuple(body)
            body = []
        body.append(PageRow(tuple(heads), cells))
    if body:
        yield tuple(body)
