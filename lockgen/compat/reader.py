"""A compatibility matrix of JSON, format 1: what shards hand over."""

from __future__ import annotations

import json
from typing import Any

from lockgen.compat.model import Axis, Cell, CellResult, CellStatus, ImageGroup, InstallSummary, Matrix
from lockgen.errors import BadInput, Place


def parse_matrix(data: bytes, where: str) -> Matrix:
    """Reads what `lockgen compat --json` printed.

    Raises:
        BadInput: it is something else.
    """
    try:
        document = json.loads(data)
        if document["format"] != 1:
            raise ValueError(f"format {document['format']!r} is not known to this lockgen")
        groups = {str(entry["name"]): _group(entry) for entry in document["groups"]}
        return Matrix(
            family=str(document["family"]),
            inputs=str(document["inputs"]),
            axes=tuple(Axis(str(axis["name"]), _texts(axis["values"])) for axis in document["axes"]),
            groups=tuple(groups.values()),
            cells=tuple(
                _cell(entry, [axis["name"] for axis in document["axes"]], groups) for entry in document["cells"]
            ),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        hint = "each file is the whole output of `lockgen compat --json --shard I/N`"
        raise BadInput(f"not a matrix as lockgen prints it: {error}", place=Place(where), hint=hint) from error


def _texts(values: list[Any]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def _group(entry: dict[str, Any]) -> ImageGroup:
    return ImageGroup(str(entry["name"]), str(entry["variant"]), _texts(entry["images"]))


def _cell(entry: dict[str, Any], axes: list[str], groups: dict[str, ImageGroup]) -> Cell:
    # JSON's keys are sorted; the axes have an order of their own.
    at = {axis: str(entry["at"][axis]) for axis in axes}
    return Cell(at, bool(entry["excluded"]), tuple(_result(result, groups) for result in entry["results"]))


def _result(entry: dict[str, Any], groups: dict[str, ImageGroup]) -> CellResult:
    installed = entry["installed"]
    return CellResult(
        group=groups[entry["group"]],
        status=CellStatus(entry["status"]),
        changes={str(name): (str(old), str(new)) for name, (old, new) in entry["changes"].items()},
        reason=str(entry["reason"]),
        detail=str(entry["detail"]),
        versions={str(name): str(version) for name, version in entry["versions"].items()},
        installed=None
        if installed is None
        else InstallSummary(CellStatus(installed["status"]), str(installed["reason"]), _texts(installed["native"])),
    )
