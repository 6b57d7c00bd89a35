"""The complete matrix from shards that several machines ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class _Shard:
    path: str
    matrix: Matrix


def merged(folder: Folder, manifest: Manifest, paths: Sequence[Path]) -> Matrix:
    """The complete matrix from the files of all shards.

    Raises:
        BadInput: the shards are of different matrices or another versions.toml, or do not contain every cell once.
    """
    shards = [_read(path) for path in paths]
    compat = declared(manifest)
    pairs = known_pairs(folder, compat.pairs)
    _check_inputs(shards, compat_fingerprint(manifest, pairs, folder))
    first = shards[0].matrix
    cells = _cells_by_name(shards)
    # Exclusions are marked in the shards; here only the names and their order are needed.
    unmarked = planning.cells_of(replace(compat, exclude=()), first.axes)
    expected = [cell.name for cell in unmarked]
    missing = [name for name in expected if name not in cells]
    if missing:
        raise BadInput(f"the shards do not contain {_abbreviated(missing)}", hint="pass all shards, 1/N to N/N")
    return replace(first, cells=tuple(cells[name] for name in expected))


def _read(path: Path) -> _Shard:
    try:
        data = path.read_bytes()
    except OSError as error:
        hint = "pass files with the output of `lockgen compat --json --shard I/N`"
        raise BadInput(f"cannot read {path}: {error.strerror}", hint=hint) from error
    return _Shard(str(path), parse_matrix(data, str(path)))


def _check_inputs(shards: Sequence[_Shard], fingerprint: str) -> None:
    first = shards[0]
    for shard in shards:
        if shard.matrix.inputs != fingerprint:
            hint = "create all shards from this versions.toml, these records and this version of lockgen"
            raise BadInput("this shard was created from other inputs", place=Place(shard.path), hint=hint)
        if not _same_shape(shard.matrix, first.matrix):
            # The fingerprint does not cover the default index.
            hint = "create all shards at the same time: an axis with a bound includes new releases"
            message = f"this shard and {first.path} are from different matrices"
            raise BadInput(message, place=Place(shard.path), hint=hint)


def _same_shape(one: Matrix, other: Matrix) -> bool:
    if one.family != other.family or one.axes != other.axes:
        return False
    return one.groups == other.groups


def _cells_by_name(shards: Sequence[_Shard]) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    for shard in shards:
        for cell in shard.matrix.cells:
            if cell.name in cells:
                raise BadInput(f"{cell.name} is in two shards", place=Place(shard.path), hint="pass each shard once")
            cells[cell.name] = cell
    return cells


def _abbreviated(names: Sequence[str]) -> str:
    text = ", ".join(names[:3])
    if len(names) > 3:
        text += f" and {len(names) - 3} more"
    return text
