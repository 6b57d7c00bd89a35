"""The compatibility matrix: as JSON (format 1), as a table for a terminal, and as locks/COMPAT.md."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from lockgen.compat.model import Axis, Cell, CellResult, CellStatus, ImageGroup, InstallSummary, Matrix, Verdict
from lockgen.compat.ranges import ANY, Block, Coordinates, blocks, label, merged, pattern, row_cells, row_label
from lockgen.core.compat_axes import PYTHON, VARIANT
from lockgen.core.layout import COMPAT_MARK
from lockgen.core.markdown import plain, table_row
from lockgen.core.printable import one_line
from lockgen.core.text_table import table
from lockgen.core.words import counted

# The second and the third line of locks/COMPAT.md begin with these.
_INPUTS = "<!-- inputs "
_TEXT = "<!-- text "
_AS_PINNED = "as pinned"
_LEGEND = (
    "runs: resolves as pinned, and its packages install and import; resolves: resolves as pinned, but was not run; "
    "does not run: resolves as pinned, but does not install or import; N pins: resolves if N free pins change, and was "
    "not run, except if it says so; no: has no resolution; ?: unknown, because the index, the record or the resolver "
    "gives no answer; -: excluded"
)


# -- JSON ---------------------------------------------------------------------


def render_json(matrix: Matrix) -> str:
    """Format 1; equal matrices give equal bytes."""
    data = {
        "format": 1,
        "family": matrix.family,
        "inputs": matrix.inputs,
        "axes": [{"name": axis.name, "values": list(axis.values)} for axis in matrix.axes],
        "groups": [_group(group) for group in matrix.groups],
        "cells": [_cell(cell) for cell in matrix.cells],
    }
    return json.dumps(data, indent=1, sort_keys=True) + "\n"


def _group(group: ImageGroup) -> dict[str, object]:
    return {"name": group.name, "variant": group.variant, "images": list(group.images)}


def _cell(cell: Cell) -> dict[str, object]:
    results = [_result(result) for result in cell.results]
    return {"name": cell.name, "at": dict(cell.at), "excluded": cell.excluded, "results": results}


def _result(result: CellResult) -> dict[str, object]:
    return {
        "group": result.group.name,
        "images": list(result.group.images),
        "status": str(result.status),
        "verdict": str(result.verdict),
        "changes": {name: list(versions) for name, versions in result.changes.items()},
        "reason": result.reason,
        "detail": result.detail,
        "versions": dict(result.versions),
        "installed": _installed(result.installed),
    }


def _installed(installed: InstallSummary | None) -> dict[str, object] | None:
    if installed is None:
        return None
    return {"status": str(installed.status), "reason": installed.reason, "native": list(installed.native)}


# -- tables -------------------------------------------------------------------


def symbol(result: CellResult) -> str:
    """A result as a table shows it."""
    # Words, not colours: the table is also read in logs and as Markdown.
    if result.status is CellStatus.UNKNOWN:
        return "?"
    verdict = result.verdict
    if result.status is not CellStatus.CHANGES:
        return verdict.words
    pins = counted(len(result.changes), "pin")
    return pins if verdict is Verdict.RESOLVES else f"{pins}, {verdict.words}"


def _table(matrix: Matrix, group: ImageGroup) -> tuple[list[str], list[list[str]]]:
    """A head and rows: one column for each Python. A row is a range of the other axes with equal symbols."""
    cells = _cells(matrix, group)
    # A shard may have no cell of some Python.
    present = {cell.at[PYTHON] for cell in cells}
    pythons = [python for python in _values(matrix, PYTHON) if python in present]
    symbols_by_row: dict[Coordinates, dict[str, str]] = {}
    for cell in cells:
        symbols = symbols_by_row.setdefault(_row_values(cell), {})
        symbols[cell.at[PYTHON]] = _symbol(cell, group)
    fields = {
        values: tuple(symbols.get(python, "") for python in pythons) for values, symbols in symbols_by_row.items()
    }
    axes = _row_axes(matrix)
    if not axes:
        return ["Python", *pythons], [[_AS_PINNED, *row] for row in fields.values()]
    rows = []
    for block in blocks(fields, axes):
        first = next(iter(block.cells()))
        rows.append([row_label(block, axes), *fields[first]])
    return [", ".join(axis.name for axis in axes), *pythons], rows


def _row_axes(matrix: Matrix) -> list[Axis]:
    return [axis for axis in matrix.axes if axis.name not in {PYTHON, VARIANT}]


def _row_values(cell: Cell) -> Coordinates:
    return tuple(value for axis, value in cell.at.items() if axis not in {PYTHON, VARIANT})


def _cells(matrix: Matrix, group: ImageGroup) -> list[Cell]:
    return [cell for cell in matrix.cells if cell.at[VARIANT] == group.variant]


def _values(matrix: Matrix, name: str) -> tuple[str, ...]:
    return next(axis.values for axis in matrix.axes if axis.name == name)


def _symbol(cell: Cell, group: ImageGroup) -> str:
    if cell.excluded:
        return "-"
    result = _result_of(cell, group)
    return symbol(result) if result is not None else ""


def _result_of(cell: Cell, group: ImageGroup) -> CellResult | None:
    for result in cell.results:
        if result.group.name == group.name:
            return result
    return None


def _explanations(matrix: Matrix, group: ImageGroup, section: _Section) -> Iterable[str]:
    """A line for each range of cells with one explanation."""
    axes = [axis for axis in matrix.axes if axis.name != VARIANT]
    results = _results(matrix, group, section, axes)
    for explanation, ranges in _ranges(results, section, axes).items():
        # A reason comes from a resolver or a package: a line break in it must not look like a line of the report.
        yield one_line(f"{'; '.join(ranges)}: {explanation}")


def _ranges(results: Mapping[Coordinates, CellResult], section: _Section, axes: Sequence[Axis]) -> dict[str, list[str]]:
    """The titles of ranges of cells by their explanation."""
    # Reasons that differ in versions only are merged. Cells that run are not merged with those that only resolve.
    keys = {
        values: (section.facts(result), pattern(section.reason(result)), result.verdict)
        for values, result in results.items()
    }
    by_explanation: dict[str, list[str]] = {}
    for block in blocks(keys, axes, gaps=frozenset({PYTHON})):
        explained = [results[values] for values in block.cells()]
        explanation = _explanation(section, explained)
        ranges = by_explanation.setdefault(explanation, [])
        ranges.append(_title(block, axes))
    return by_explanation


def _results(
    matrix: Matrix, group: ImageGroup, section: _Section, axes: Sequence[Axis]
) -> dict[Coordinates, CellResult]:
    """The results of ``section``, by the values of ``axes``."""
    results: dict[Coordinates, CellResult] = {}
    for cell in _cells(matrix, group):
        result = _result_of(cell, group)
        if result is not None and section.has(result):
            values = tuple(cell.at[axis.name] for axis in axes)
            results[values] = result
    return results


def _explanation(section: _Section, results: Sequence[CellResult]) -> str:
    """The facts and the reason of results that have the same facts and reasons of one pattern."""
    facts = section.facts(results[0])
    reason = merged([section.reason(result) for result in results])
    return ": ".join(part for part in (facts, reason) if part)


def _title(block: Block, axes: Sequence[Axis]) -> str:
    """The cells of a block: "Python 3.10, torch 2.1.0 to 2.4.1"."""
    parts = []
    for values, axis in zip(block.values, axes, strict=True):
        shown = label(values, axis)
        if shown != ANY:
            parts.append(f"{'Python' if axis.name == PYTHON else axis.name} {shown}")
    return ", ".join(parts) or "all cells"


def _changes(result: CellResult) -> str:
    """ "numpy 2.3.4 -> 2.1.3, scipy 1.16.3 -> 1.14.1"."""
    changes = []
    for name, (old, new) in sorted(result.changes.items()):
        changes.append(f"{name} {old} -> {new}")
    return ", ".join(changes)


class _Section(NamedTuple):
    """Cells that are explained together. ``facts`` must be equal for cells to be merged, ``reason`` except versions."""

    title: str
    has: Callable[[CellResult], bool]
    facts: Callable[[CellResult], str]
    reason: Callable[[CellResult], str]


def _needs_changes(result: CellResult) -> bool:
    return result.status is CellStatus.CHANGES


def _fails(result: CellResult) -> bool:
    return result.verdict is Verdict.FAILS


def _could_not_run(result: CellResult) -> bool:
    return result.verdict is Verdict.RESOLVES and result.installed is not None


def _has_no_resolution(result: CellResult) -> bool:
    return result.status is CellStatus.NO


def _is_unknown(result: CellResult) -> bool:
    return result.status is CellStatus.UNKNOWN


def _reason(result: CellResult) -> str:
    return result.reason


def _install_reason(result: CellResult) -> str:
    return result.installed.reason if result.installed is not None else ""


def _no_facts(result: CellResult) -> str:
    return ""


_SECTIONS = (
    _Section("Required pin changes", _needs_changes, _changes, _reason),
    _Section("Does not run", _fails, _no_facts, _install_reason),
    _Section("Could not be run", _could_not_run, _no_facts, _install_reason),
    _Section("No resolution", _has_no_resolution, _no_facts, _reason),
    _Section("Unknown", _is_unknown, _no_facts, _reason),
)


def text(matrix: Matrix) -> str:
    """For a terminal: a table for each group, explanations of its cells, and the legend."""
    lines: list[str] = []
    for group in matrix.groups:
        # A selection of cells may have none of this group.
        if any(_symbol(cell, group) for cell in _cells(matrix, group)):
            lines += _group_lines(matrix, group)
    lines.append(_LEGEND)
    return "\n".join(lines) + "\n"


def _group_lines(matrix: Matrix, group: ImageGroup) -> list[str]:
    images = ", ".join(group.images)
    head, rows = _table(matrix, group)
    lines = [f"{group.name}: {images}", table(head, rows), ""]
    explanations = [line for section in _SECTIONS for line in _explanations(matrix, group, section)]
    if explanations:
        lines += [*explanations, ""]
    return lines


# -- locks/COMPAT.md ----------------------------------------------------------


def markdown(matrix: Matrix) -> str:
    """The file. Its first lines have the fingerprint of the inputs and the hash of the text."""
    body = "\n".join(_body(matrix)) + "\n"
    digest = _hash(body.encode())
    return f"{COMPAT_MARK}{_INPUTS}{matrix.inputs} -->\n{_TEXT}{digest} -->\n{body}"


def _body(matrix: Matrix) -> Iterable[str]:
    legend = _LEGEND[0].upper() + _LEGEND[1:]
    yield from ("", f"# Compatibility of {plain(matrix.family)}", "", f"{legend}.")
    for group in matrix.groups:
        images = plain(f"{', '.join(group.images)}.")
        yield from ("", f"## {plain(group.name)}", "", images, "")
        yield from _markdown_table(matrix, group)
        yield from _markdown_lists(matrix, group)


def _markdown_lists(matrix: Matrix, group: ImageGroup) -> Iterable[str]:
    for section in _SECTIONS:
        lines = list(_explanations(matrix, group, section))
        if lines:
            yield from ("", f"{section.title}:", "")
        for line in lines:
            yield f"* {plain(line)}"


def _markdown_table(matrix: Matrix, group: ImageGroup) -> Iterable[str]:
    (axes, *pythons), rows = _table(matrix, group)
    columns = [_python_column(python) for python in pythons]
    head = [axes, *columns]
    yield _row(head)
    yield "|" + "---|" * len(head)
    for row in rows:
        yield _row(row)


def _python_column(python: str) -> str:
    return f"Python {python}"


def _row(fields: list[str]) -> str:
    return table_row([plain(field) for field in fields])


def inputs_of(data: bytes) -> str | None:
    """The fingerprint of the inputs in the head of a file; None if lockgen did not write it."""
    lines = data.decode("utf-8", "replace").splitlines()
    if len(lines) <= 2:
        return None
    mark, inputs, *_ = lines
    if mark != COMPAT_MARK.rstrip("\n") or not inputs.startswith(_INPUTS):
        return None
    return inputs.removeprefix(_INPUTS).removesuffix(" -->")


def is_unedited(data: bytes) -> bool:
    """Whether the text of a file is as lockgen wrote it."""
    parts = data.split(b"\n", 3)
    if len(parts) != 4:
        return False
    _, _, text_line, body = parts
    return text_line.decode("utf-8", "replace") == f"{_TEXT}{_hash(body)} -->"


def _hash(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def statuses_of(data: bytes, matrix: Matrix) -> dict[tuple[str, str], CellStatus] | None:
    """The status of each cell and group in a file, by their names; None if it is edited or has other inputs."""
    if inputs_of(data) != matrix.inputs or not is_unedited(data):
        return None
    statuses: dict[tuple[str, str], CellStatus] = {}
    tables = _parse_tables(data.decode("utf-8", "replace"))
    for group in matrix.groups:
        # An older lockgen wrote names of groups as they are.
        rows = tables.get(plain(group.name)) or tables.get(group.name, [])
        symbols_by_row = _parse_symbols(rows, _row_axes(matrix))
        for cell in _cells(matrix, group):
            row = symbols_by_row.get(_row_values(cell), {})
            column = plain(_python_column(cell.at[PYTHON]))
            # Excluded cells have a symbol, but no status.
            status = _parse_status(row.get(column, ""))
            if status is not None:
                statuses[cell.name, group.name] = status
    return statuses


def _parse_tables(text: str) -> dict[str, list[list[str]]]:
    """The rows of the table under each group's heading, still escaped; the line of dashes is omitted."""
    tables: dict[str, list[list[str]]] = {}
    heading = ""
    for line in text.splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif line.startswith("| "):
            row = line.removeprefix("| ").removesuffix(" |").split(" | ")
            tables.setdefault(heading, []).append(row)
    return tables


def _parse_symbols(rows: list[list[str]], axes: Sequence[Axis]) -> dict[Coordinates, dict[str, str]]:
    """The symbols of a table by the values of its rows, and by column."""
    if not rows:
        return {}
    _, *columns = rows[0]
    escaped = [Axis(axis.name, tuple(plain(value) for value in axis.values)) for axis in axes]
    originals = {plain(value): value for axis in axes for value in axis.values}
    symbols_by_row: dict[Coordinates, dict[str, str]] = {}
    for name, *symbols in rows[1:]:
        for cell in row_cells(name, escaped) if axes else [()]:
            values = tuple(originals[value] for value in cell)
            # A symbol may be empty, so that the row seems to be shorter.
            symbols_by_row[values] = dict(zip(columns, symbols, strict=False))
    return symbols_by_row


def _parse_status(word: str) -> CellStatus | None:
    """The inverse of `symbol`."""
    pins, _, _ = word.partition(", ")
    if pins.endswith((" pin", " pins")):
        return CellStatus.CHANGES
    return _STATUS_OF_WORD.get(word)


_STATUS_OF_WORD = {
    # Older versions of lockgen wrote "yes" for all that resolve.
    "yes": CellStatus.YES,
    Verdict.RUNS.words: CellStatus.YES,
    Verdict.RESOLVES.words: CellStatus.YES,
    Verdict.FAILS.words: CellStatus.YES,
    "no": CellStatus.NO,
    "?": CellStatus.UNKNOWN,
}
