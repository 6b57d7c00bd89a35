"""`lockgen pairs`: which torch, torchaudio and torchvision belong together; `--refresh` reads it off the indexes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import click
from packaging.version import Version

from lockgen.app import App
from lockgen.core.compat_axes import Pairs, merged
from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile, ProjectPage
from lockgen.core.manifest import Manifest
from lockgen.errors import BadInput, Exit, ToolFailed
from lockgen.index.live_index import read_wheels
from lockgen.index.record_reader import parse_record
from lockgen.index.simple_api import read_page
from lockgen.io.ownership import refuse_foreign_file
from lockgen.io.uv import default_index
from lockgen.io.workspace import Folder
from lockgen.manifest.fingerprints import VERSIONS, read_inputs
from lockgen.pairs.plan import FAMILY, SeenReleases, pair_up, wheels_of
from lockgen.pairs.reader import parse_pairs
from lockgen.pairs.render import render_pairs, text
from lockgen.pairs.table import OWN, known_pairs, shipped


@dataclass(frozen=True)
class PairsOptions:
    """What the command line says. ``output`` is where a refreshed table goes, within the project."""

    refresh: bool = False
    output: str = OWN
    as_json: bool = False


def run(app: App, options: PairsOptions) -> int:
    """Prints the table; writes it first where it is refreshed.

    Raises:
        LockgenError: an index cannot be read; nothing was written.
    """
    folder = app.folder
    there = folder.read(VERSIONS) is not None
    manifest = read_inputs(folder).manifest if there else None
    if options.refresh:
        with folder.locked():
            if options.output == OWN:
                refuse_foreign_file(folder, OWN, _is_pair_table)
            pairs = refreshed(app, manifest)
            _write(folder, options.output, render_pairs(pairs).encode())
    else:
        declared = manifest.compat.pairs if manifest is not None and manifest.compat is not None else {}
        pairs = known_pairs(folder, declared)
    click.echo(render_pairs(pairs).rstrip("\n") if options.as_json else text(pairs))
    return Exit.DONE


def _write(folder: Folder, path: str, data: bytes) -> None:
    """To the table's own place as every generated file; to any other, which a person named, as that person wants it."""
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


def refreshed(app: App, manifest: Manifest | None) -> Pairs:
    """What the default index says, with what the records of this project say where it is silent."""
    pairs: Pairs = shipped()
    for index in sorted((manifest.indexes if manifest is not None else {}).values(), key=lambda index: index.name):
        if index.recorded is not None and "torch" in index.packages:
            pairs = merged(
                pairs, _without_pythons(pairs_of_record(parse_record(app.folder.read, index.recorded, index.name)))
            )
    return merged(pairs, pair_up(_default(app)))


def _without_pythons(pairs: Pairs) -> Pairs:
    """A record may lack wheels, so it says which releases belong together, and not for which Pythons they are not."""
    return {
        torch: replace(release, members={n: replace(m, pythons=None) for n, m in release.members.items()})
        for torch, release in pairs.items()
    }


def pairs_of_record(record: ExplicitIndex) -> Pairs:
    """The pair table that the metadata of one explicit index comes to."""
    return pair_up({name: _seen(record.pages.get(name, ProjectPage(name, ())), record.metadata) for name in FAMILY})


def _seen(page: ProjectPage, known: Mapping[str, CoreMetadata]) -> SeenReleases:
    wheels = wheels_of(page.files)
    texts = {v: known[f.name] for v, files in wheels.items() for f in files[-1:] if f.name in known}
    return SeenReleases(tuple(file.name for files in wheels.values() for file in files), texts)


def _default(app: App) -> dict[str, SeenReleases]:
    reader = app.metadata()
    address = default_index()
    found: dict[str, SeenReleases] = {}
    for name in FAMILY:
        app.progress.step(f"reading {name} on the default index")
        page = read_page(app.http, address, name)
        wheels = {version: files for version, files in wheels_of(page.files).items() if _is_wanted(name, version)}
        if not wheels:
            raise ToolFailed(f"the default index has no wheel of {name}", hint="is it a mirror of all that is public?")
        chosen: list[IndexFile] = [files[-1] for files in wheels.values()]
        metadata, failed = read_wheels(reader, chosen)
        for file, error in sorted(failed.items()):
            app.progress.note(f"{file} is left out: {error}")
        texts = {version: metadata[files[-1].name] for version, files in wheels.items() if files[-1].name in metadata}
        found[name] = SeenReleases(tuple(file.name for files in wheels.values() for file in files), texts)
    return found


def _is_wanted(name: str, version: Version) -> bool:
    """torchvision 0.16 came with torch 2.1."""
    return version >= Version("0.16") if name == "torchvision" else version >= Version("2.1")
