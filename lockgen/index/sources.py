"""The explicit indexes of a family as data: from their records, or live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename

from lockgen.core.index import ExplicitIndex, IndexFile
from lockgen.core.manifest import Index, Manifest
from lockgen.core.ports import Progress, Workspace
from lockgen.core.target import Target
from lockgen.errors import BadInput, ToolFailed
from lockgen.index.live_index import read_live
from lockgen.index.record_reader import parse_record
from lockgen.index.wheel_ranking import wheel_rank
from lockgen.io.http import Http


def explicit_indexes(
    manifest: Manifest,
    workspace: Workspace,
    http: Http,
    progress: Progress,
    *,
    live: bool,
    offline: bool,
    targets: Sequence[Target] | None = None,
) -> dict[str, ExplicitIndex]:
    """Every index that a variant with images names; with ``targets`` a live one in every version, for all of them.

    Raises:
        BadInput: a record is missing or at fault.
        ToolFailed: a live index cannot be read, or may not be (``offline``).
    """
    used = {v.index for v in manifest.variants.values() if v.index is not None and manifest.images_of(v.name)}
    return {
        name: _one(manifest, manifest.indexes[name], workspace, http, progress, live, offline, targets)
        for name in sorted(used)
    }


def _one(
    manifest: Manifest,
    index: Index,
    workspace: Workspace,
    http: Http,
    progress: Progress,
    live: bool,
    offline: bool,
    targets: Sequence[Target] | None,
) -> ExplicitIndex:
    if index.recorded is not None and not live:
        if workspace.read(f"{index.recorded}/index.json") is None:
            raise BadInput(
                f"index {index.name} has no record in {index.recorded}",
                path=("index", index.name, "recorded"),
                hint=f"make it with `lockgen index record {index.name}`, or resolve with --live",
            )
        record = parse_record(workspace.read, index.recorded, index.name)
        return _before(record, manifest.exclude_newer)
    if offline:
        raise ToolFailed(
            f"index {index.name} is not recorded, and --offline forbids to ask it",
            path=("index", index.name),
            hint=f"give [index.{index.name}] a `recorded` folder, then run lockgen index record {index.name}",
        )
    progress.step(f"reading index {index.name}")
    usable = _wanted(manifest, index) if targets is None else _runs_on(targets)
    return read_live(http, index.name, index.url, sorted(index.packages), usable, progress)


def _runs_on(targets: Sequence[Target]) -> Callable[[IndexFile], bool]:
    return lambda file: any(wheel_rank(file.name, target) is not None for target in targets)


def _before(record: ExplicitIndex, cut_off: datetime | None) -> ExplicitIndex:
    """``record`` without what is known to be newer than the cut-off; the CUDA index has no dates, and loses nothing."""
    if cut_off is None:
        return replace(record, recorded=True)
    pages = {
        name: replace(page, files=tuple(f for f in page.files if f.upload_time is None or f.upload_time < cut_off))
        for name, page in record.pages.items()
    }
    return replace(record, pages=pages, recorded=True)


def _wanted(manifest: Manifest, index: Index) -> Callable[[IndexFile], bool]:
    """Of a live index only what may be chosen: wheels that run on the target, of the pinned version if there is one."""
    pins: dict[str, list[SpecifierSet]] = {}
    for variant in manifest.variants.values():
        if variant.index == index.name:
            held = manifest.pins_of(variant.name)
            for name in index.packages:
                bound = f"=={held[name].version}" if name in held else ""
                pins.setdefault(name, []).append(SpecifierSet(bound))

    def usable(file: IndexFile) -> bool:
        if wheel_rank(file.name, manifest.target) is None:
            return False
        name, version, _, _ = parse_wheel_filename(file.name)
        bounds = pins.get(canonicalize_name(name), [])
        return any(bound.contains(version, prereleases=True) for bound in bounds)

    return usable
