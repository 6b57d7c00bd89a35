"""A new pair table, from the metadata on the default index and in the records of a project."""

from __future__ import annotations

from dataclasses import replace

from lockgen.app import App
from lockgen.core.accelerator import FAMILY
from lockgen.core.compat_axes import TORCH, Pairs, TorchRelease, merged
from lockgen.core.index import CoreMetadata, IndexFile
from lockgen.core.manifest import Manifest
from lockgen.core.parsing import parse_version
from lockgen.core.ports import Progress
from lockgen.errors import ToolFailed
from lockgen.index.live_index import read_wheels
from lockgen.index.metadata import MetadataReader
from lockgen.index.record_reader import parse_record
from lockgen.index.simple_api import read_page
from lockgen.io.uv import default_index
from lockgen.pairs.plan import SeenReleases, WheelsByVersion, pair_up, pairs_of_record, representative, wheels_of
from lockgen.pairs.table import shipped

_OLDEST = {"torchvision": parse_version("0.16")}
"""The oldest release to read; torchvision 0.16 was released with torch 2.1."""

_OLDEST_TORCH = parse_version("2.1")


def refreshed(app: App, manifest: Manifest | None) -> Pairs:
    """The table of the default index. Where it says nothing, the project's records and the shipped table count.

    Raises:
        LockgenError: an index cannot be read.
    """
    # Later tables take precedence: the shipped one is as old as this lockgen.
    pairs: Pairs = shipped()
    indexes = manifest.indexes if manifest is not None else {}
    for index in sorted(indexes.values(), key=lambda index: index.name):
        if index.recorded is None or TORCH not in index.packages:
            continue
        record = parse_record(app.folder.read, index.recorded, index.name)
        recorded = _without_pythons(pairs_of_record(record))
        pairs = merged(pairs, recorded)
    current = pair_up(_default_index_releases(app))
    return merged(pairs, current)


def _without_pythons(pairs: Pairs) -> Pairs:
    """``pairs`` without Python versions: a record may lack wheels, so it cannot show that a Python has none."""
    found: dict[str, TorchRelease] = {}
    for torch, release in pairs.items():
        members = {name: replace(member, pythons=None) for name, member in release.members.items()}
        found[torch] = replace(release, members=members)
    return found


def _default_index_releases(app: App) -> dict[str, SeenReleases]:
    reader = app.metadata()
    address = default_index()
    found: dict[str, SeenReleases] = {}
    for name in FAMILY:
        app.progress.step(f"reading {name} on the default index")
        page = read_page(app.http, address, name)
        oldest = _OLDEST.get(name, _OLDEST_TORCH)
        wheels = {version: files for version, files in wheels_of(page.files).items() if version >= oldest}
        if not wheels:
            # An empty table would replace a good one.
            raise ToolFailed(
                f"the default index has no wheel of {name}",
                hint="if it is a mirror, check that it mirrors all public packages",
            )
        found[name] = SeenReleases.of(wheels, _metadata(reader, wheels, app.progress))
    return found


def _metadata(reader: MetadataReader, wheels: WheelsByVersion, progress: Progress) -> dict[str, CoreMetadata]:
    """The metadata of one wheel per release, by file name. A wheel that cannot be read is reported and omitted."""
    chosen: list[IndexFile] = [representative(files) for files in wheels.values()]
    metadata, failed = read_wheels(reader, chosen)
    for file, error in sorted(failed.items()):
        progress.note(f"skipping {file}: {error}")
    return metadata
