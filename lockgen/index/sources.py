"""The explicit indexes of a family as data: from their records, or live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from lockgen.core.index import ExplicitIndex, IndexFile, ProjectPage
from lockgen.core.manifest import Index, Manifest
from lockgen.core.parsing import parse_specifiers, parse_wheel_filename
from lockgen.core.ports import Progress, Workspace
from lockgen.core.target import Target
from lockgen.errors import BadInput, ToolFailed
from lockgen.index.addresses import index_addresses
from lockgen.index.live_index import read_live
from lockgen.index.record_reader import parse_record
from lockgen.index.wheel_ranking import wheel_rank
from lockgen.io.http import Http

FileTest = Callable[[IndexFile], bool]


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
    """Every index of a variant that has images, by name.

    ``live`` reads the indexes themselves, although there are records. With ``targets``, a live index is read in every
    version and for all targets, instead of only in the pinned versions for the family's own target.

    Raises:
        BadInput: a record is missing or damaged.
        ToolFailed: a live index cannot be read, or ``offline`` forbids it.
    """
    addresses = index_addresses(http, manifest)
    found: dict[str, ExplicitIndex] = {}
    for name in _used_indexes(manifest):
        index = manifest.indexes[name]
        if index.recorded is not None and not live:
            read = _from_record(index, index.recorded, manifest, workspace)
        elif offline:
            raise ToolFailed(
                f"index {name} has no record, and --offline forbids reading the index itself",
                path=("index", name),
                hint=f"give [index.{name}] a `recorded` folder, then run lockgen index record {name}",
            )
        else:
            progress.step(f"reading index {name}")
            usable = _may_be_chosen(manifest, index) if targets is None else _runs_on_any(targets)
            read = read_live(http, name, addresses[name], sorted(index.packages), usable, progress)
            _require_hashes(read)
        found[name] = replace(read, login=http.login(addresses[name]))
    return found


def _require_hashes(index: ExplicitIndex) -> None:
    """Raise BadInput if no file of a live index can be used: files whose METADATA fails stop the reading before."""
    if index.withheld and not index.metadata:
        raise BadInput(
            f"no file of [index.{index.name}] that may be used has a sha256",
            path=("index", index.name, "url"),
            hint="lockgen locks hashes and computes none: let the server give them (pypiserver: --hash-algo sha256)",
        )


def _used_indexes(manifest: Manifest) -> list[str]:
    used: set[str] = set()
    for variant in manifest.variants.values():
        # A variant without images is never resolved, so nothing of its index is needed.
        if variant.index is not None and manifest.images_of(variant.name):
            used.add(variant.index)
    return sorted(used)


def _from_record(index: Index, folder: str, manifest: Manifest, workspace: Workspace) -> ExplicitIndex:
    if workspace.read(f"{folder}/index.json") is None:
        raise BadInput(
            f"index {index.name} has no record in {folder}",
            path=("index", index.name, "recorded"),
            hint=f"create it with `lockgen index record {index.name}`, or resolve with --live",
        )
    record = replace(parse_record(workspace.read, folder, index.name), recorded=True)
    if manifest.exclude_newer is None:
        return record
    pages = {name: _uploaded_before(page, manifest.exclude_newer) for name, page in record.pages.items()}
    return replace(record, pages=pages)


def _uploaded_before(page: ProjectPage, cut_off: datetime) -> ProjectPage:
    # Undated files stay: the index of CUDA builds has no upload times, and would lose everything.
    files = [file for file in page.files if file.upload_time is None or file.upload_time < cut_off]
    return replace(page, files=tuple(files))


def _runs_on_any(targets: Sequence[Target]) -> FileTest:
    return lambda file: any(wheel_rank(file.name, target) is not None for target in targets)


def _may_be_chosen(manifest: Manifest, index: Index) -> FileTest:
    """Accept wheels that run on the family's target, of the pinned version if a package is pinned.

    Reading less of a live index saves most of the time: each wheel costs a request.
    """
    bounds = _bounds(manifest, index)

    def usable(file: IndexFile) -> bool:
        if wheel_rank(file.name, manifest.target) is None:
            return False
        name, version, _, _ = parse_wheel_filename(file.name)
        return any(bound.contains(version, prereleases=True) for bound in bounds.get(canonicalize_name(name), []))

    return usable


def _bounds(manifest: Manifest, index: Index) -> dict[str, list[SpecifierSet]]:
    """For each package of ``index``, the pins of the variants that use it. Unpinned is an empty bound."""
    bounds: dict[str, list[SpecifierSet]] = {}
    for variant in manifest.variants.values():
        if variant.index != index.name:
            continue
        pins = manifest.pins_of(variant.name)
        for name in index.packages:
            bound = f"=={pins[name].version}" if name in pins else ""
            bounds.setdefault(name, []).append(parse_specifiers(bound))
    return bounds
