"""The compatibility matrix: as JSON (format 1), as a table for a terminal, and as locks/COMPAT.md."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable

from lockgen.compat.model import Cell, CellResult, CellStatus, ImageGroup, InstallSummary, Matrix
from lockgen.core.compat_axes import PYTHON, VARIANT
from lockgen.core.layout import COMPAT_MARK
from lockgen.core.markdown import plain, table_row
from lockgen.core.text_table import table

# The second and the third line of locks/COMPAT.md begin with these.
_INPUTS = "<!-- inputs "
_TEXT = "<!-- text "
_LEGEND = (
    "yes: resolves as pinned; N pins: resolves if N free pins change; no: has no resolution; ?: unknown, because the "
    "index, the record or the resolver gives no answer; -: excluded"
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
    match result.status:
        case CellStatus.CHANGES:
            count = len(result.changes)
            return f"{count} pin" if count == 1 else f"{count} pins"
        case CellStatus.UNKNOWN:
            return "?"
        case status:
            return str(status)


def _table(matrix: Matrix, group: ImageGroup) -> tuple[list[str], list[list[str]]]:
    """A head and rows: one column for each Python, and one row for each combination of the other axes."""
    cells = _cells(matrix, group)
    # A shard may have no cell of some Python.
    present = {cell.at[PYTHON] for cell in cells}
    pythons = [python for python in _values(matrix, PYTHON) if python in present]
    symbols_by_row: dict[str, dict[str, str]] = {}
    for cell in cells:
        symbols = symbols_by_row.setdefault(_row_name(cell), {})
        symbols[cell.at[PYTHON]] = _symbol(cell, group)
    rows = []
    for name, symbols in symbols_by_row.items():
        fields = [symbols.get(python, "") for python in pythons]
        rows.append([name, *fields])
    return [_row_axes(matrix), *pythons], rows


def _row_axes(matrix: Matrix) -> str:
    names = [axis.name for axis in matrix.axes if axis.name not in {PYTHON, VARIANT}]
    return ", ".join(names) or "Python"


def _cells(matrix: Matrix, group: ImageGroup) -> list[Cell]:
    return [cell for cell in matrix.cells if cell.at[VARIANT] == group.variant]


def _values(matrix: Matrix, name: str) -> tuple[str, ...]:
    return next(axis.values for axis in matrix.axes if axis.name == name)


def _row_name(cell: Cell) -> str:
    values = [value for axis, value in cell.at.items() if axis not in {PYTHON, VARIANT}]
    return ", ".join(values) or "as pinned"


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


def _explained_cells(
    matrix: Matrix, group: ImageGroup, status: CellStatus, explain: Callable[[CellResult], str]
) -> dict[str, list[str]]:
    """The explanation of each result with ``status``, to the cells that it applies to."""
    found: dict[str, list[str]] = {}
    for cell in _cells(matrix, group):
        result = _result_of(cell, group)
        if result is not None and result.status is status:
            cells = found.setdefault(explain(result), [])
            cells.append(_cell_title(cell))
    return found


def _cell_title(cell: Cell) -> str:
    parts = []
    for axis, value in cell.at.items():
        if axis == PYTHON:
            parts.append(f"Python {value}")
        # The table is that of one variant.
        elif axis != VARIANT:
            parts.append(f"{axis} {value}")
    return ", ".join(parts)


def _explain_changes(result: CellResult) -> str:
    """ "numpy 2.3.4 -> 2.1.3, scipy 1.16.3 -> 1.14.1: the reason"."""
    changes = []
    for name, (old, new) in sorted(result.changes.items()):
        changes.append(f"{name} {old} -> {new}")
    return f"{', '.join(changes)}: {result.reason}"


def _explain_reason(result: CellResult) -> str:
    return result.reason


_SECTIONS: tuple[tuple[CellStatus, str, Callable[[CellResult], str]], ...] = (
    (CellStatus.CHANGES, "Required pin changes", _explain_changes),
    (CellStatus.NO, "No resolution", _explain_reason),
    (CellStatus.UNKNOWN, "Unknown", _explain_reason),
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
    explanations = list(_explanations(matrix, group))
    if explanations:
        lines += [*explanations, ""]
    return lines


def _explanations(matrix: Matrix, group: ImageGroup) -> Iterable[str]:
    for status, _, explain in _SECTIONS:
        for explanation, cells in _explained_cells(matrix, group, status, explain).items():
            yield f"{_abbreviated(cells)}: {explanation}"


def _abbreviated(cells: list[str]) -> str:
    if len(cells) <= 3:
        return "; ".join(cells)
    return "; ".join([*cells[:3], f"{len(cells) - 3} more"])


# -- locks/COMPAT.md ----------------------------------------------------------


def markdown(matrix: Matrix) -> str:
    """The file. Its first lines have the fingerprint of the inputs and the hash of the text."""
    body = "\n".join(_body(matrix)) + "\n"
    digest = _hash(body.encode())
    return f"{COMPAT_MARK}{_INPUTS}{matrix.inputs} -->\n{_TEXT}{digest} -->\n{body}"


def _body(matrix: Matrix) -> Iterable[str]:
    legend = _LEGEND[0].upper() + _LEGEND[1:]
    yield from ("", f"# Compatibility of {matrix.family}", "", f"{legend}.")
    for group in matrix.groups:
        images = ", ".join(group.images)
        yield from ("", f"## {group.name}", "", f"{images}.", "")
        yield from _markdown_table(matrix, group)
        yield from _markdown_lists(matrix, group)


def _markdown_lists(matrix: Matrix, group: ImageGroup) -> Iterable[str]:
    for status, title, explain in _SECTIONS:
        explained = _explained_cells(matrix, group, status, explain)
        if explained:
            yield from ("", f"{title}:", "")
        for explanation, cells in explained.items():
            where = "; ".join(cells)
            yield f"* {where}: {plain(explanation)}"


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
        symbols_by_row = _parse_symbols(tables.get(group.name, []))
        for cell in _cells(matrix, group):
            row = symbols_by_row.get(plain(_row_name(cell)), {})
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


def _parse_symbols(rows: list[list[str]]) -> dict[str, dict[str, str]]:
    """The symbols of a table by row and column."""
    if not rows:
        return {}
    _, *columns = rows[0]
    symbols_by_row: dict[str, dict[str, str]] = {}
    for name, *symbols in rows[1:]:
        # A symbol may be empty, so that the row seems to be shorter.
        symbols_by_row[name] = dict(zip(columns, symbols, strict=False))
    return symbols_by_row


def _parse_status(word: str) -> CellStatus | None:
    """The inverse of `symbol`."""
    if word.endswith((" pin", " pins")):
        return CellStatus.CHANGES
    return {"yes": CellStatus.YES, "no": CellStatus.NO, "?": CellStatus.UNKNOWN}.get(word)
