"""Reader of the compatibility matrix as JSON, format 1: the shards of other machines."""

from __future__ import annotations

from typing import Any

from lockgen.compat.model import Axis, Cell, CellResult, CellStatus, ImageGroup, InstallSummary, Matrix
from lockgen.core.compat_axes import PYTHON, VARIANT
from lockgen.core.documents import parse_json
from lockgen.core.printable import one_line
from lockgen.errors import BadInput, Place


def parse_matrix(data: bytes, where: str) -> Matrix:
    """Parse the output of `lockgen compat --json`.

    Raises:
        BadInput: ``data`` is not a matrix.
    """
    # The files come from other machines, so any value can be missing or have another type.
    try:
        return _matrix(parse_json(data))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        hint = "each file must be the complete output of `lockgen compat --json --shard I/N`"
        raise BadInput(f"not a matrix written by lockgen: {error}", place=Place(where), hint=hint) from error


def _matrix(document: dict[str, Any]) -> Matrix:
    if document["format"] != 1:
        raise ValueError(f"this lockgen does not support format {document['format']!r}")
    axes = [_axis(entry) for entry in document["axes"]]
    axis_names = [axis.name for axis in axes]
    if not {PYTHON, VARIANT} <= set(axis_names):
        raise ValueError("it has no axis of Pythons, or none of variants")
    groups = [_group(entry) for entry in document["groups"]]
    groups_by_name = {group.name: group for group in groups}
    cells = [_cell(entry, axis_names, groups_by_name) for entry in document["cells"]]
    return Matrix(
        family=_name(document["family"]),
        inputs=str(document["inputs"]),
        axes=tuple(axes),
        groups=tuple(groups_by_name.values()),
        cells=tuple(cells),
    )


def _axis(entry: dict[str, Any]) -> Axis:
    return Axis(_name(entry["name"]), _names(entry["values"]))


def _texts(values: list[Any]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def _name(value: Any) -> str:
    """A name or a version. Other characters could change the output, and lockgen writes none."""
    text = str(value)
    if not text.isprintable():
        raise ValueError(f"{one_line(text)!r} has characters that no name has")
    return text


def _names(values: list[Any]) -> tuple[str, ...]:
    return tuple(_name(value) for value in values)


def _group(entry: dict[str, Any]) -> ImageGroup:
    return ImageGroup(_name(entry["name"]), _name(entry["variant"]), _names(entry["images"]))


def _cell(entry: dict[str, Any], axes: list[str], groups: dict[str, ImageGroup]) -> Cell:
    # The JSON has sorted keys, but a cell's name lists the axes in their own order.
    values = entry["at"]
    at = {axis: str(values[axis]) for axis in axes}
    results = [_result(result, groups) for result in entry["results"]]
    return Cell(at, bool(entry["excluded"]), tuple(results))


def _result(entry: dict[str, Any], groups: dict[str, ImageGroup]) -> CellResult:
    return CellResult(
        group=groups[entry["group"]],
        status=CellStatus(entry["status"]),
        changes=_changes(entry["changes"]),
        reason=str(entry["reason"]),
        detail=str(entry["detail"]),
        versions=_versions(entry["versions"]),
        installed=_installed(entry["installed"]),
    )


def _changes(entry: dict[str, Any]) -> dict[str, tuple[str, str]]:
    changes: dict[str, tuple[str, str]] = {}
    for name, (old, new) in entry.items():
        changes[_name(name)] = (_name(old), _name(new))
    return changes


def _versions(entry: dict[str, Any]) -> dict[str, str]:
    return {_name(name): _name(version) for name, version in entry.items()}


def _installed(entry: dict[str, Any] | None) -> InstallSummary | None:
    if entry is None:
        return None
    return InstallSummary(CellStatus(entry["status"]), str(entry["reason"]), _texts(entry["native"]))
