"""Planning the compatibility matrix, resolving its cells, and writing locks/COMPAT.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property

from packaging.version import Version

from lockgen.app import App
from lockgen.compat import cells as planning
from lockgen.compat import render as rendering
from lockgen.compat.cells import Scenario
from lockgen.compat.matrix_search import MatrixSearch
from lockgen.compat.model import Cell, CellOutcome, CellResult, CellStatus, ImageGroup, InstallSummary, Matrix
from lockgen.conflicts.answer_conditions import answer_conditions
from lockgen.core.compat_axes import PYTHON, VARIANT, Compat, Pairs
from lockgen.core.index import ExplicitIndex, IndexFile
from lockgen.core.layout import COMPAT_PATH
from lockgen.core.manifest import Manifest
from lockgen.core.resolution import Resolver
from lockgen.core.target import Target
from lockgen.core.words import counted
from lockgen.errors import BadInput, ToolFailed
from lockgen.index.simple_api import read_page
from lockgen.index.sources import explicit_indexes
from lockgen.io.ownership import refuse_foreign_file
from lockgen.io.parallel import Threads
from lockgen.io.workspace import Folder
from lockgen.manifest.fingerprints import compat_fingerprint
from lockgen.pairs.plan import wheels_of
from lockgen.pairs.table import known_pairs

_RESOLVED = {CellStatus.YES, CellStatus.CHANGES}


@dataclass(frozen=True)
class CompatOptions:
    """Command-line options. ``seconds`` is the timeout of a resolver call, ``shard`` is "I/N"."""

    as_json: bool = False
    as_markdown: bool = False
    as_html: bool = False
    fail_on: tuple[str, ...] = ()
    jobs: int | None = None
    seconds: float = 60.0
    offline: bool = False
    live: bool = False
    no_cache: bool = False
    shard: str | None = None
    merge: bool = False
    only_list: bool = False
    install: bool = False


@dataclass(frozen=True)
class Plan:
    """A matrix without results, and the inputs that they depend on."""

    folder: Folder
    manifest: Manifest
    compat: Compat
    pairs: Pairs
    indexes: Mapping[str, ExplicitIndex]
    matrix: Matrix


def declared(manifest: Manifest) -> Compat:
    """The declaration in [compat].

    Raises:
        BadInput: there is none.
    """
    if manifest.compat is None:
        hint = 'declare what to test: [compat] python = ["3.11", "3.12"], torch = ">=2.1"'
        raise BadInput("versions.toml has no [compat]", hint=hint)
    return manifest.compat


def planned(app: App, manifest: Manifest, options: CompatOptions) -> Plan:
    """The matrix without results.

    Raises:
        LockgenError: an axis, an exclusion or a record is invalid, or an index cannot be read.
    """
    compat = declared(manifest)
    folder = app.folder
    with folder.shared():
        pairs = known_pairs(folder, compat.pairs)
        narrowed = _of_variants(manifest, compat)
        indexes = explicit_indexes(
            narrowed,
            app.folder,
            app.http,
            app.progress,
            live=options.live,
            offline=options.offline,
            targets=_targets(manifest),
        )
        fingerprint = compat_fingerprint(manifest, pairs, folder)
    axes = planning.axes_of(compat, _offered(app, narrowed, compat, indexes, options))
    faults = planning.unknown_torch_releases(compat, axes, pairs)
    if faults:
        raise BadInput.of(faults)
    cells = planning.cells_of(compat, axes)
    groups = planning.groups_of(manifest, compat.variants)
    matrix = Matrix(manifest.family, fingerprint, axes, groups, cells)
    return Plan(folder, manifest, compat, pairs, indexes, matrix)


def _of_variants(manifest: Manifest, compat: Compat) -> Manifest:
    return replace(manifest, variants={name: manifest.variants[name] for name in compat.variants})


def _targets(manifest: Manifest) -> list[Target]:
    targets: list[Target] = []
    for axis in declared(manifest).axes:
        if axis.name == PYTHON:
            targets += [replace(manifest.target, python=python) for python in axis.values]
    return targets


def _offered(
    app: App,
    manifest: Manifest,
    compat: Compat,
    indexes: Mapping[str, ExplicitIndex],
    options: CompatOptions,
) -> dict[str, list[Version]]:
    """The available versions of each package whose axis is a version specifier."""
    found: dict[str, list[Version]] = {}
    for axis in compat.axes:
        if axis.bound is None:
            continue
        files: list[IndexFile] = []
        routes = {manifest.index_of(axis.name, variant) for variant in compat.variants}
        explicit = [indexes[index.name] for index in routes if index is not None]
        for index in explicit:
            page = index.pages.get(axis.name)
            files += page.files if page is not None else ()
        if not explicit:
            files = _files_on_default_index(app, manifest, axis.name, options)
        found[axis.name] = list(wheels_of(files))
    return found


def _files_on_default_index(app: App, manifest: Manifest, name: str, options: CompatOptions) -> list[IndexFile]:
    if options.offline:
        message = f"with --offline the versions of {name} are unknown"
        hint = "list the versions in [compat], or retry without --offline"
        raise ToolFailed(message, hint=hint, path=("compat", name))
    app.progress.step(f"reading the versions of {name}")
    page = read_page(app.http, app.uv(options.seconds).default_index, name)
    cut_off = manifest.exclude_newer
    if cut_off is None:
        return list(page.files)
    # Without an upload time a file is taken to be too new, as uv does.
    return [file for file in page.files if file.upload_time is not None and file.upload_time < cut_off]


def filled(
    app: App, plan: Plan, cells: Sequence[Cell], options: CompatOptions, resolver: Resolver | None = None
) -> tuple[Matrix, bool]:
    """The matrix with the results of ``cells``, and whether all of them are there."""
    uv = app.uv(options.seconds)
    if resolver is None:
        resolver = uv
    search = MatrixSearch(
        resolver=resolver,
        metadata=app.metadata(),
        indexes=plan.indexes,
        cache=app.cache("compat", ignored=options.no_cache),
        parallel=Threads(options.jobs),
        progress=app.progress,
        conditions=answer_conditions(plan.manifest, uv),
        offline=options.offline,
    )
    runs = [_Run(plan, cell, group) for cell in cells for group in _groups_in(cell, plan)]
    outcomes = search.outcomes([run.scenario for run in runs])
    results: dict[str, list[CellResult]] = {}
    with ExitStack() as stack:
        install = _installer(app, resolver, options, stack) if options.install else None
        for run, outcome in zip(runs, outcomes, strict=True):
            # Without an outcome Ctrl-C came first.
            if outcome is None:
                continue
            result = _result(run, outcome)
            if install is not None and outcome.status in _RESOLVED:
                result = replace(result, installed=install(run, outcome))
            results.setdefault(run.cell.name, []).append(result)
    app.progress.note(f"{counted(len(cells), 'cell')}, {counted(search.asked, 'resolver call')}")
    done = []
    for cell in cells:
        cell_results = results.get(cell.name, [])
        done.append(replace(cell, results=tuple(cell_results)))
    matrix = replace(plan.matrix, cells=tuple(done))
    is_complete = None not in outcomes
    return matrix, is_complete


@dataclass(frozen=True)
class _Run:
    """One group in one cell."""

    plan: Plan
    cell: Cell
    group: ImageGroup

    @cached_property
    def scenario(self) -> Scenario:
        plan = self.plan
        return planning.scenario_of(plan.manifest, self.cell, self.group, plan.pairs, plan.indexes)


def _groups_in(cell: Cell, plan: Plan) -> list[ImageGroup]:
    if cell.excluded:
        return []
    return [group for group in plan.matrix.groups if group.variant == cell.at[VARIANT]]


def _result(run: _Run, outcome: CellOutcome) -> CellResult:
    """``outcome`` as it is reported: only with the versions of packages that versions.toml names."""
    names = run.scenario.declared_packages & outcome.versions.keys()
    return CellResult(
        group=run.group,
        status=outcome.status,
        changes=outcome.changes,
        reason=outcome.reason,
        detail=outcome.detail,
        versions={name: outcome.versions[name] for name in sorted(names)},
    )


_Install = Callable[[_Run, CellOutcome], InstallSummary]


def _installer(app: App, resolver: Resolver, options: CompatOptions, stack: ExitStack) -> _Install:
    """A function that installs a cell. Its environments end with ``stack``."""
    # Imported here because it takes long and --install is rare.
    from lockgen.compat.install_check import Environments, install_solution
    from lockgen.proof.known_runs import KIND, KnownRuns

    known = KnownRuns(app.cache(KIND, ignored=options.no_cache))
    environments = stack.enter_context(Environments())

    def install(run: _Run, outcome: CellOutcome) -> InstallSummary:
        app.progress.step(f"installing {run.group.name} of {run.cell.name}")
        done = install_solution(
            run.scenario,
            outcome.versions,
            resolver,
            run.plan.indexes,
            offline=options.offline,
            known=known,
            environments=environments,
        )
        installed = InstallSummary(CellStatus(done.status), done.reason, done.native)
        _note_install(app, run, installed)
        return installed

    return install


def _note_install(app: App, run: _Run, installed: InstallSummary) -> None:
    lines = [f"{run.cell.name}, {run.group.name}: installed: {installed.status}"]
    if installed.reason:
        lines.append(installed.reason)
    lines += installed.native
    app.progress.note("\n  ".join(lines))


def write_matrix(folder: Folder, matrix: Matrix) -> list[str]:
    """Write locks/COMPAT.md, and return its path if it changed.

    Raises:
        BadInput: the file there was not written by lockgen.
    """
    with folder.locked():
        refuse_foreign_file(folder, COMPAT_PATH, is_matrix)
        return folder.replace({COMPAT_PATH: rendering.markdown(matrix).encode()})


def is_matrix(data: bytes) -> bool:
    return rendering.inputs_of(data) is not None
