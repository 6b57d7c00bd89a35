"""`lockgen pairs`: show which torch, torchaudio and torchvision belong together; `--refresh` reads the indexes."""

from __future__ import annotations

from dataclasses import dataclass

from lockgen.app import App
from lockgen.core.compat_axes import Pairs
from lockgen.core.layout import PAIRS_PATH as OWN
from lockgen.core.manifest import Manifest
from lockgen.errors import BadInput, Exit
from lockgen.io.output import print_text
from lockgen.io.ownership import refuse_foreign_file
from lockgen.io.workspace import Folder
from lockgen.manifest.fingerprints import VERSIONS, read_inputs
from lockgen.pairs.reader import parse_pairs
from lockgen.pairs.refresh import refreshed
from lockgen.pairs.render import render_pairs, text
from lockgen.pairs.table import known_pairs


@dataclass(frozen=True)
class PairsOptions:
    """Command-line options. ``output`` is the path of a refreshed table, within the project."""

    refresh: bool = False
    output: str = OWN
    as_json: bool = False


def run(app: App, options: PairsOptions) -> int:
    """Print the table; with ``refresh``, write a new one first.

    Raises:
        LockgenError: an index cannot be read; no file was changed.
    """
    manifest = _manifest(app.folder)
    pairs = _refresh(app, manifest, options.output) if options.refresh else _known(app.folder, manifest)
    if options.as_json:
        print_text(render_pairs(pairs).rstrip("\n"))
    else:
        print_text(text(pairs))
    return Exit.DONE


def _manifest(folder: Folder) -> Manifest | None:
    """The manifest, if there is one: the table is useful before there is a versions.toml."""
    if folder.read(VERSIONS) is None:
        return None
    return read_inputs(folder).manifest


def _known(folder: Folder, manifest: Manifest | None) -> Pairs:
    compat = manifest.compat if manifest is not None else None
    return known_pairs(folder, compat.pairs if compat is not None else {})


def _refresh(app: App, manifest: Manifest | None, output: str) -> Pairs:
    folder = app.folder
    with folder.locked():
        # Before the network is used: a refusal should not take minutes.
        if output == OWN:
            refuse_foreign_file(folder, OWN, _is_pair_table)
        pairs = refreshed(app, manifest)
        _write(folder, output, render_pairs(pairs).encode())
    return pairs


def _write(folder: Folder, path: str, data: bytes) -> None:
    """Write the table: a generated file at its usual path, or a copy at any path that the user named."""
    if path == OWN:
        folder.replace({path: data})
    else:
        folder.put(path, data)


def _is_pair_table(data: bytes) -> bool:
    try:
        parse_pairs(data, OWN)
    except BadInput:
        return False
    return True
