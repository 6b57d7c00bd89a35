"""The compatibility matrix: as JSON (format 1), as a table for a terminal, and as locks/COMPAT.md."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping

from lockgen.compat.model import Cell, CellResult, CellStatus, ImageGroup, Matrix
from lockgen.core.compat_axes import PYTHON, VARIANT
from lockgen.core.layout import COMPAT_MARK
from lockgen.core.text_table import table

_INPUTS, _TEXT = "<!-- inputs ", "<!-- text "
_LEGEND = (
    "yes: resolves as it is; N pins: resolves once N free pins move; no: does not resolve; ?: the index, the record "
    "or the resolver does not say; -: excluded"
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
    installed = result.installed
    return {
        "group": result.group.name,
        "images": list(result.group.images),
        "status": str(result.status),
        "changes": {name: list(pair) for name, pair in result.changes.items()},
        "reason": result.reason,
        "detail": result.detail,
        "versions": dict(result.versions),
        "installed": None
        if installed is None
        else {"status": str(installed.status), "reason": installed.reason, "native": list(installed.native)},
    }


# -- tables -------------------------------------------------------------------


def symbol(result: CellResult) -> str:
    """A result in a word that needs no colour."""
    match result.status:
        case CellStatus.CHANGES:
            return f"{len(result.changes)} pin{'s' if len(result.changes) != 1 else ''}"
        case CellStatus.UNKNOWN:
            return "?"
        case status:
            return str(status)


def _rows(matrix: Matrix, group: ImageGroup) -> tuple[list[str], list[list[str]]]:
    """A head and rows: one for each combination of all axes but Python, which are the columns."""
    shown = {(_row(cell), cell.at[PYTHON]): _shown(cell, group) for cell in _cells(matrix, group)}
    pythons = [python for python in _values(matrix, PYTHON) if any(python == column for _, column in shown)]
    names = [axis.name for axis in matrix.axes if axis.name not in {PYTHON, VARIANT}]
    rows = [[row, *(shown.get((row, python), "") for python in pythons)] for row in dict.fromkeys(r for r, _ in shown)]
    return [", ".join(names) or "Python", *(f"{python}" for python in pythons)], rows


def _cells(matrix: Matrix, group: ImageGroup) -> list[Cell]:
    return [cell for cell in matrix.cells if cell.at[VARIANT] == group.variant]


def _values(matrix: Matrix, name: str) -> tuple[str, ...]:
    return next(axis.values for axis in matrix.axes if axis.name == name)


def _row(cell: Cell) -> str:
    return ", ".join(value for axis, value in cell.at.items() if axis not in {PYTHON, VARIANT}) or "as pinned"


def _shown(cell: Cell, group: ImageGroup) -> str:
    if cell.excluded:
        return "-"
    result = _of(cell, group)
    return symbol(result) if result is not None else ""


def _of(cell: Cell, group: ImageGroup) -> CellResult | None:
    return next((result for result in cell.results if result.group.name == group.name), None)


def _told(
    matrix: Matrix, group: ImageGroup, status: CellStatus, say: Callable[[CellResult], str]
) -> dict[str, list[str]]:
    """What ``say`` makes of each result of that status, to the cells where it is so."""
    found: dict[str, list[str]] = {}
    for cell in _cells(matrix, group):
        result = _of(cell, group)
        if result is not None and result.status is status:
            found.setdefault(say(result), []).append(_where(cell))
    return found


def _where(cell: Cell) -> str:
    return ", ".join(
        f"{'Python' if axis == PYTHON else axis} {value}" for axis, value in cell.at.items() if axis != VARIANT
    )


def moves(changes: Mapping[str, tuple[str, str]]) -> str:
    """ "numpy 2.3.4 -> 2.1.3, scipy 1.16.3 -> 1.14.1"."""
    return ", ".join(f"{name} {old} -> {new}" for name, (old, new) in sorted(changes.items()))


_CHAPTERS: tuple[tuple[CellStatus, str, Callable[[CellResult], str]], ...] = (
    (CellStatus.CHANGES, "What has to move", lambda result: f"{moves(result.changes)}: {result.reason}"),
    (CellStatus.NO, "What does not resolve", lambda result: result.reason),
    (CellStatus.UNKNOWN, "What is not known", lambda result: result.reason),
)


def text(matrix: Matrix) -> str:
    """For a terminal: a table for each group, then what the words in it stand for."""
    parts: list[str] = []
    for group in matrix.groups:
        if not any(_of(cell, group) or cell.excluded for cell in _cells(matrix, group)):
            continue
        head, rows = _rows(matrix, group)
        parts += [f"{group.name}: {', '.join(group.images)}", table(head, rows), ""]
        for status, _, say in _CHAPTERS:
            for told, where in _told(matrix, group, status, say).items():
                parts.append(f"{_list(where)}: {told}")
        parts += [""] if parts[-1] else []
    return "\n".join([*parts, _LEGEND]) + "\n"


def _list(where: list[str]) -> str:
    return "; ".join(where) if len(where) < 4 else "; ".join([*where[:3], f"{len(where) - 3} more"])


# -- locks/COMPAT.md ----------------------------------------------------------


def markdown(matrix: Matrix) -> str:
    """The file: its first lines say of what inputs and of what text it is."""
    body = "\n".join(_body(matrix)) + "\n"
    return f"{COMPAT_MARK}{_INPUTS}{matrix.inputs} -->\n{_TEXT}{_digest(body)} -->\n{body}"


def _body(matrix: Matrix) -> Iterable[str]:
    yield from ("", f"# What {matrix.family} resolves with", "", f"{_LEGEND[0].upper()}{_LEGEND[1:]}.")
    for group in matrix.groups:
        head, rows = _rows(matrix, group)
        yield from ("", f"## {group.name}", "", f"{', '.join(group.images)}.", "")
        yield _line([head[0], *(f"Python {python}" for python in head[1:])])
        yield "|".join(["", *("---" for _ in head), ""])
        yield from (_line(row) for row in rows)
        for status, title, say in _CHAPTERS:
            told = _told(matrix, group, status, say)
            if told:
                yield from ("", f"{title}:", "")
                yield from (f"* {'; '.join(where)}: {_escaped(what)}" for what, where in told.items())


def _line(row: list[str]) -> str:
    return f"| {' | '.join(_escaped(part) for part in row)} |"


def _escaped(text: str) -> str:
    """Versions and bounds as they are: nothing in them is Markdown or HTML."""
    return "".join(f"\\{char}" if char in "\\`*_|<>[]#~" else char for char in text)


def inputs_of(data: bytes) -> str | None:
    """The fingerprint of the inputs that a file says it is of; None where lockgen did not write it."""
    lines = data.decode("utf-8", "replace").splitlines()
    known = len(lines) > 2 and lines[0] == COMPAT_MARK.rstrip("\n") and lines[1].startswith(_INPUTS)
    return lines[1].removeprefix(_INPUTS).removesuffix(" -->") if known else None


def statuses_of(data: bytes, matrix: Matrix) -> dict[tuple[str, str], CellStatus] | None:
    """What a file that is still the matrix of these inputs says of each cell's groups, by their names; else None."""
    if inputs_of(data) != matrix.inputs or not is_unedited(data):
        return None
    found: dict[tuple[str, str], CellStatus] = {}
    tables = _tables(data.decode("utf-8", "replace"))
    for group in matrix.groups:
        head, *rows = tables.get(group.name, [[]])
        shown = {(row[0], column): word for row in rows for column, word in zip(head[1:], row[1:], strict=False)}
        for cell in _cells(matrix, group):
            word = shown.get((_escaped(_row(cell)), _escaped(f"Python {cell.at[PYTHON]}")))
            if word is not None and (status := _status(word)) is not None:
                found[cell.name, group.name] = status
    return found


def _tables(text: str) -> dict[str, list[list[str]]]:
    """The rows of the table under each heading of a group, as they are written; without the line of dashes."""
    found: dict[str, list[list[str]]] = {}
    heading = ""
    for line in text.splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif line.startswith("| "):
            found.setdefault(heading, []).append(line.removeprefix("| ").removesuffix(" |").split(" | "))
    return found


def _status(word: str) -> CellStatus | None:
    """The other way of `symbol`."""
    if word.endswith((" pin", " pins")):
        return CellStatus.CHANGES
    return {"yes": CellStatus.YES, "no": CellStatus.NO, "?": CellStatus.UNKNOWN}.get(word)


def is_unedited(data: bytes) -> bool:
    """Whether the text of a file is the one that was written."""
    parts = data.split(b"\n", 3)
    return len(parts) == 4 and parts[2].decode("utf-8", "replace") == f"{_TEXT}{_hash(parts[3])} -->"


def _digest(body: str) -> str:
    return _hash(body.encode())


def _hash(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
