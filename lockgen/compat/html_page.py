"""The matrix as one HTML page: no network, no other file, and readable without a script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from lockgen.core.printable import printable
from lockgen.core.templating import render, source
from lockgen.core.words import counted

STATUSES = {
    "runs": ("runs", "resolves as pinned, installs and imports"),
    "resolves": ("resolves", "resolves as pinned, but was not run"),
    "changes": ("changes", "resolves if the listed free pins change"),
    "does-not-run": ("does not run", "resolves, but does not install or import"),
    "no": ("no", "has no resolution"),
    "unknown": ("unknown", "could not be determined"),
}
"""Status to its label and its meaning."""

WORST = ("no", "does-not-run", "unknown", "changes", "resolves", "runs")
"""The statuses, the worst first: a cell with several results has the worst of them."""


@dataclass(frozen=True, slots=True)
class Panel:
    """The dialog of a cell. ``where`` are the values of its axes, ``result`` is as in format 1."""

    id: str
    where: tuple[tuple[str, str], ...]
    command: str
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PageCell:
    """One field of a table. A cell that is excluded or was not run has no ``panel``."""

    status: str
    word: str
    where: str
    note: str = ""
    panel: Panel | None = None


@dataclass(frozen=True, slots=True)
class PageRow:
    """One row. ``heads`` are its headers, the outermost first: text and row span (0: covered by a row above)."""

    heads: tuple[tuple[str, int], ...]
    cells: tuple[PageCell, ...]


@dataclass(frozen=True, slots=True)
class PageTable:
    """The table of a group. ``bodies`` are its rows, grouped by the outermost header."""

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
    """One self-contained HTML file. ``matrix`` is the parsed JSON of format 1."""
    tables = list(_tables(matrix))
    style, script = source("compat/templates/compat.css"), source("compat/templates/compat.js")
    document = render(
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
    # Bidirectional controls would change the order of letters, and browsers do not show other controls.
    return printable(document)


def summary(matrix: Mapping[str, Any]) -> str:
    """The number of cells, and of each status: "36 cells: 12 resolves, 4 changes, 20 no"."""
    statuses: list[str] = []
    excluded = 0
    for cell in matrix["cells"]:
        if cell["excluded"]:
            excluded += 1
        else:
            statuses.append(worst([status_of(result) for result in cell["results"]]))
    text = f"{counted(len(statuses), 'cell')}: {tally(statuses)}"
    if excluded:
        text += f"; {excluded} excluded"
    return text


def status_of(result: Mapping[str, Any]) -> str:
    """The status of a result on the page. A result of an older lockgen has no verdict, but the same data."""
    found: str = result["status"]
    if found not in {"yes", "changes"}:
        return found
    installed = result.get("installed")
    was_run = installed["status"] if installed is not None else "unknown"
    if was_run == "no":
        return "does-not-run"
    if found == "changes":
        return "changes"
    return "runs" if was_run == "yes" else "resolves"


def worst(statuses: Sequence[str]) -> str:
    """The worst of ``statuses``; "unknown" if there is none."""
    return min(statuses, key=WORST.index, default="unknown")


def tally(statuses: Sequence[str]) -> str:
    """How often each status occurs: "12 resolves, 4 changes"."""
    parts = []
    for status, (label, _) in STATUSES.items():
        count = statuses.count(status)
        if count:
            parts.append(f"{count} {label}")
    return ", ".join(parts) or "none"


def _hash(text: str) -> str:
    """A hash source for a Content-Security-Policy."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _sections(tables: Sequence[PageTable]) -> list[tuple[str, list[PageTable]]]:
    """The tables by variant, in the order of their first table."""
    found: dict[str, list[PageTable]] = {}
    for table in tables:
        found.setdefault(table.variant, []).append(table)
    return list(found.items())


def _tables(matrix: Mapping[str, Any]) -> Iterator[PageTable]:
    axes: dict[str, tuple[str, ...]] = {axis["name"]: tuple(axis["values"]) for axis in matrix["axes"]}
    layout = _layout([name for name in axes if name != "variant"])
    for number, group in enumerate(matrix["groups"], 1):
        grid = _Grid(matrix, group, layout, prefix=f"t{number}")
        columns = axes.get(layout.column_axis, ("",))
        row_values = [axes[name] for name in layout.row_axes]
        rows: list[_Row] = []
        for values in product(*row_values):
            cells = grid.row(values, columns)
            # A matrix from a few cells or one shard lacks most combinations.
            if any(cell.status != "missing" for cell in cells):
                rows.append(_Row(values, cells))
        yield PageTable(
            name=group["name"],
            variant=group["variant"],
            images=tuple(group["images"]),
            row_axes=layout.row_axes,
            column_axis=layout.column_axis,
            columns=columns,
            bodies=tuple(_bodies(rows)),
        )


class _Layout(NamedTuple):
    """Which axis makes the columns ("" for none), and which make the rows, the outermost first."""

    column_axis: str
    row_axes: tuple[str, ...]

    @property
    def axes(self) -> tuple[str, ...]:
        return (*self.row_axes, self.column_axis) if self.column_axis else self.row_axes


def _layout(axes: Sequence[str]) -> _Layout:
    """Python makes the columns, and torch is the outermost axis of the rows."""
    column_axis = ""
    if "python" in axes:
        column_axis = "python"
    elif len(axes) > 1:
        column_axis = axes[-1]
    row_axes = [name for name in axes if name != column_axis]
    # A stable sort: the others keep the order of versions.toml.
    row_axes.sort(key=lambda name: name != "torch")
    return _Layout(column_axis, tuple(row_axes))


class _Row(NamedTuple):
    values: tuple[str, ...]
    cells: tuple[PageCell, ...]


class _Grid:
    """The cells of one group by the values of the axes. ``prefix`` begins the ids of its panels."""

    def __init__(self, matrix: Mapping[str, Any], group: Mapping[str, Any], layout: _Layout, *, prefix: str) -> None:
        self._axes = layout.axes
        self._has_column_axis = bool(layout.column_axis)
        self._prefix = prefix
        self._group = group["name"]
        self._panels = 0
        self._cells: dict[tuple[str, ...], Mapping[str, Any]] = {}
        variant = group["variant"]
        for cell in matrix["cells"]:
            at = cell["at"]
            if at.get("variant", variant) == variant:
                values = tuple(at[axis] for axis in self._axes)
                self._cells[values] = cell

    def row(self, values: tuple[str, ...], columns: Sequence[str]) -> tuple[PageCell, ...]:
        if not self._has_column_axis:
            # The only column has no value.
            return (self._cell(values),)
        return tuple(self._cell((*values, column)) for column in columns)

    def _cell(self, values: tuple[str, ...]) -> PageCell:
        where = tuple(zip(self._axes, values, strict=True))
        text = ", ".join(f"{axis} {value}" for axis, value in where)
        cell = self._cells.get(values)
        if cell is None:
            return PageCell("missing", "not run", text)
        if cell["excluded"]:
            return PageCell("excluded", "excluded", text)
        result = self._result(cell)
        if result is None:
            return PageCell("missing", "not run", text)
        self._panels += 1
        panel = Panel(
            id=f"{self._prefix}-{self._panels}",
            where=where,
            command=f'lockgen compat "{cell["name"]}"',
            result=result,
        )
        status = status_of(result)
        label, _ = STATUSES[status]
        return PageCell(status, label, text, _note(result), panel)

    def _result(self, cell: Mapping[str, Any]) -> Mapping[str, Any] | None:
        results: Sequence[Mapping[str, Any]] = cell["results"]
        for result in results:
            if result["group"] == self._group:
                return result
        return None


def _note(result: Mapping[str, Any]) -> str:
    """A few words below the status, for what readers want to know without opening the cell."""
    notes = []
    if result["status"] == "changes":
        notes.append(counted(len(result["changes"]), "pin changes", "pins change"))
    installed = result.get("installed")
    if installed is not None:
        notes += _install_notes(result["status"], installed)
    return ", ".join(notes)


def _install_notes(status: str, installed: Mapping[str, Any]) -> Iterator[str]:
    if installed["status"] == "unknown":
        yield "could not be run"
    elif installed["status"] == "yes" and status == "changes":
        yield "runs"
    if installed["native"]:
        yield "libraries missing"


def _bodies(rows: Sequence[_Row]) -> Iterator[tuple[PageRow, ...]]:
    """The rows with their headers. Each header is in the first of the rows that it covers."""
    body: list[PageRow] = []
    previous: tuple[str, ...] = ()
    for row in rows:
        if body and row.values[:1] != previous[:1]:
            yield tuple(body)
            body = []
        body.append(PageRow(_heads(rows, row, previous), row.cells))
        previous = row.values
    if body:
        yield tuple(body)


def _heads(rows: Sequence[_Row], row: _Row, previous: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    heads = []
    for level, value in enumerate(row.values, 1):
        prefix = row.values[:level]
        span = 0
        if previous[:level] != prefix:
            span = sum(other.values[:level] == prefix for other in rows)
        heads.append((value, span))
    return tuple(heads)
