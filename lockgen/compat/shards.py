"""The matrix from shards that several machines resolved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lockgen.compat import cells as planning
from lockgen.compat.matrix_run import declared
from lockgen.compat.model import Cell, Matrix
from lockgen.compat.reader import parse_matrix
from lockgen.core.manifest import Manifest
from lockgen.errors import BadInput, Place
from lockgen.io.workspace import Folder
from lockgen.manifest.fingerprints import compat_fingerprint
from lockgen.pairs.table import known_pairs


def merged(folder: Folder, manifest: Manifest, paths: Sequence[Path]) -> Matrix:
    """The whole matrix of its shards.

    Raises:
        BadInput: they are not of one matrix, not of this versions.toml, or do not add up to all cells.
    """
    shards = [(str(path), _shard_at(path)) for path in paths]
    compat = declared(manifest)
    fingerprint = compat_fingerprint(manifest, known_pairs(folder, compat.pairs), folder)
    _check_shards(shards, fingerprint)
    first = shards[0][1]
    cells: dict[str, Cell] = {}
    for name, shard in shards:
        for cell in shard.cells:
            if cell.name in cells:
                raise BadInput(f"{cell.name} is in two shards", place=Place(name), hint="give each shard once")
            cells[cell.name] = cell
    whole = [cell.name for cell in planning.cells_of(replace(compat, exclude=()), first.axes)]
    if missing := [name for name in whole if name not in cells]:
        listed = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise BadInput(f"the shards lack {listed}", hint="give all of them: 1/N to N/N")
    return replace(first, cells=tuple(cells[name] for name in whole))


def _shard_at(path: Path) -> Matrix:
    try:
        return parse_matrix(path.read_bytes(), str(path))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", hint="the output of --json --shard I/N") from error


def _check_shards(shards: Sequence[tuple[str, Matrix]], fingerprint: str) -> None:
    for name, shard in shards:
        first = shards[0][1]
        if shard.inputs != fingerprint:
            hint = "make all shards from this versions.toml, these records and this lockgen"
            raise BadInput("this shard was made from other inputs", place=Place(name), hint=hint)
        if (shard.family, shard.axes, shard.groups) != (first.family, first.axes, first.groups):
            hint = "make all shards from the same index: an axis that is a bound grows with it"
            raise BadInput(f"this shard is not of the same matrix as {shards[0][0]}", place=Place(name), hint=hint)
