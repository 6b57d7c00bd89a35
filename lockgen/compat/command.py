"""`lockgen compat`: which combinations of Python, torch and variant work, as versions.toml's [compat] declares them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
from packaging.version import Version

from lockgen.app import App
from lockgen.compat import cells as planning
from lockgen.compat import render as rendering
from lockgen.compat.html_page import page
from lockgen.compat.matrix_search import MatrixSearch
from lockgen.compat.model import Cell, CellOutcome, CellResult, CellStatus, ImageGroup, InstallSummary, Matrix
from lockgen.compat.reader import parse_matrix
from lockgen.conflicts.answer_conditions import answer_conditions
from lockgen.core.compat_axes import PYTHON, Compat, Pairs
from lockgen.core.index import ExplicitIndex
from lockgen.core.layout import COMPAT_PATH
from lockgen.core.manifest import Manifest
from lockgen.core.ports import Progress
from lockgen.core.resolution import Resolver
from lockgen.core.target import Target
from lockgen.errors import BadInput, Exit, Fault, LockgenError, Place, ToolFailed
from lockgen.index.simple_api import read_page
from lockgen.index.sources import explicit_indexes
from lockgen.io.ownership import refuse_foreign_file
from lockgen.io.parallel import Threads
from lockgen.io.workspace import Folder
from lockgen.manifest.fingerprints import Inputs, compat_fingerprint, read_inputs
from lockgen.pairs.plan import wheels_of
from lockgen.pairs.table import known_pairs


@dataclass(frozen=True)
class CompatOptions:
    """The command line. ``seconds`` bounds a question; ``shard`` is "I/N"; with ``merge`` the words are files."""

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
    """A matrix to be filled, and what it is filled from."""

    folder: Folder
    manifest: Manifest
    compat: Compat
    pairs: Pairs
    indexes: Mapping[str, ExplicitIndex]
    matrix: Matrix


def run(app: App, words: tuple[str, ...], options: CompatOptions) -> int:
    """Prints the matrix, or the cells that ``words`` mean; a whole one is written to locks/COMPAT.md too.

    Raises:
        LockgenError: versions.toml, a record or a shard is at fault; nothing was written.
    """
    _check(words, options)
    folder = app.folder
    inputs = read_inputs(folder)
    writes = options.merge or (not words and options.shard is None and not options.only_list)
    if writes:  # before hours of resolving, not after them
        refuse_foreign_file(folder, COMPAT_PATH, _is_matrix)
    try:
        if options.merge:
            matrix, complete = merged(folder, inputs.manifest, [Path(word) for word in words]), True
        else:
            plan = planned(app, inputs.manifest, options)
            wanted = _wanted(plan.matrix, words, options)
            if options.only_list:
                click.echo("\n".join(cell.name for cell in wanted if not cell.excluded))
                return Exit.DONE
            matrix, complete = filled(app, plan, wanted, options)
    except LockgenError as error:
        raise type(error).of([_placed(inputs, fault) for fault in error.faults]) from error
    _print(matrix, options)
    if not complete:
        return Exit.INTERRUPTED
    if writes:
        _write(folder, matrix, app.progress)
    return _exit_code(matrix, options.fail_on)


def _check(words: Sequence[str], options: CompatOptions) -> None:
    if options.offline and options.live:
        raise BadInput("--offline and --live exclude each other", hint="choose one")
    if options.as_json + options.as_markdown + options.as_html > 1:
        raise BadInput("--json, --markdown and --html exclude one another", hint="choose one")
    if options.merge and (not words or options.shard):
        raise BadInput("--merge puts shards together, and resolves nothing", hint="name their files, without --shard")


def _placed(inputs: Inputs, fault: Fault) -> Fault:
    return fault if fault.path is None or fault.place else replace(fault, place=inputs.place(fault.path))


def declared(manifest: Manifest) -> Compat:
    """What [compat] says.

    Raises:
        BadInput: there is none.
    """
    if manifest.compat is None:
        hint = 'say what to try: [compat] python = ["3.11", "3.12"], torch = ">=2.1"'
        raise BadInput("versions.toml has no [compat]", hint=hint)
    return manifest.compat


# -- planning -----------------------------------------------------------------


def planned(app: App, manifest: Manifest, options: CompatOptions) -> Plan:
    """The empty matrix.

    Raises:
        LockgenError: an axis, an exclusion, a record or an index is at fault.
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
    if faults := planning.without_partner(compat, axes, pairs):
        raise BadInput.of(faults)
    cells = planning.cells_of(compat, axes)
    groups = planning.groups_of(manifest, compat.variants)
    matrix = Matrix(manifest.family, fingerprint, axes, groups, cells)
    return Plan(folder, manifest, compat, pairs, indexes, matrix)


def _of_variants(manifest: Manifest, compat: Compat) -> Manifest:
    return replace(manifest, variants={name: manifest.variants[name] for name in compat.variants})


def _targets(manifest: Manifest) -> list[Target]:
    pythons = next(axis.values for axis in declared(manifest).axes if axis.name == PYTHON)
    return [replace(manifest.target, python=python) for python in pythons]


def _offered(
    app: App,
    manifest: Manifest,
    compat: Compat,
    indexes: Mapping[str, ExplicitIndex],
    options: CompatOptions,
) -> dict[str, list[Version]]:
    """The versions that there are of each package whose axis is a bound."""
    found: dict[str, list[Version]] = {}
    for name in (axis.name for axis in compat.axes if axis.bound is not None):
        routes = {manifest.index_of(name, variant) for variant in compat.variants}
        explicit = [indexes[index.name] for index in routes if index is not None]
        files = [file for index in explicit if name in index.pages for file in index.pages[name].files]
        if not explicit:
            if options.offline:
                hint = "list the versions in [compat], or run it once without --offline"
                raise ToolFailed(
                    f"--offline, and nobody knows the versions of {name}", hint=hint, path=("compat", name)
                )
            app.progress.step(f"reading the versions of {name}")
            cut_off = manifest.exclude_newer
            page = read_page(app.http, app.uv(options.seconds).default_index, name)
            files = [file for file in page.files if cut_off is None or (file.upload_time or cut_off) < cut_off]
        found[name] = list(wheels_of(files))
    return found


def _wanted(matrix: Matrix, words: Sequence[str], options: CompatOptions) -> tuple[Cell, ...]:
    cells = planning.chosen(matrix.cells, matrix.axes, words) if words else matrix.cells
    if options.shard is None:
        return cells
    number, of = _shard(options.shard)
    return planning.shard(cells, number, of)


def _shard(text: str) -> tuple[int, int]:
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise BadInput(f"--shard {text!r} is no part of a whole", hint="I/N, as in 1/4: from 1/4 to 4/4")
    return int(number), int(of)


# -- filling ------------------------------------------------------------------


def filled(
    app: App, plan: Plan, cells: Sequence[Cell], options: CompatOptions, resolver: Resolver | None = None
) -> tuple[Matrix, bool]:
    """The matrix with the results of ``cells``, and whether all of them are there."""
    uv = app.uv(options.seconds)
    compatibility = MatrixSearch(
        resolver=resolver or uv,
        metadata=app.metadata(),
        indexes=plan.indexes,
        memory=app.cache("compat", ignored=options.no_cache),
        parallel=Threads(options.jobs),
        progress=app.progress,
        surroundings=answer_conditions(plan.manifest, uv),
        offline=options.offline,
    )
    places = [
        (cell, group) for cell in cells if not cell.excluded for group in plan.matrix.groups if _is_in(cell, group)
    ]
    situations = [planning.situation(plan.manifest, cell, group, plan.pairs, plan.indexes) for cell, group in places]
    outcomes = compatibility.judge(situations)
    results: dict[str, list[CellResult]] = {}
    for (cell, group), situation, outcome in zip(places, situations, outcomes, strict=True):
        if outcome is not None:
            found = result_of(group, outcome, planning.spoken_of(situation))
            if options.install and outcome.status in {CellStatus.YES, CellStatus.CHANGES}:
                app.progress.step(f"installing {group.name} of {cell.name}")
                from lockgen.compat.install_check import tried  # much to import, and few ask for it

                told = tried(situation, outcome.versions, resolver or uv, plan.indexes, offline=options.offline)
                found = replace(found, installed=InstallSummary(CellStatus(told.status), told.reason, told.native))
                said = "\n".join(f"  {line}" for line in (told.reason, *told.native) if line)
                app.progress.note(f"{cell.name}, {group.name}: installed: {told.status}\n{said}".rstrip())
            results.setdefault(cell.name, []).append(found)
    app.progress.note(f"{len(cells)} cells, the resolver was asked {compatibility.asked} times")
    done = tuple(replace(cell, results=tuple(results.get(cell.name, ()))) for cell in cells)
    return replace(plan.matrix, cells=done), None not in outcomes


def _is_in(cell: Cell, group: ImageGroup) -> bool:
    return cell.at["variant"] == group.variant


def result_of(group: ImageGroup, outcome: CellOutcome, spoken: Iterable[str]) -> CellResult:
    """``outcome`` as it is shown: of all versions only those of the packages that versions.toml speaks of."""
    shown = {name: outcome.versions[name] for name in sorted(spoken) if name in outcome.versions}
    return CellResult(group, outcome.status, outcome.changes, outcome.reason, outcome.detail, shown)


# -- shards -------------------------------------------------------------------


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


# -- telling ------------------------------------------------------------------


def _print(matrix: Matrix, options: CompatOptions) -> None:
    if options.as_json:
        click.echo(rendering.render_json(matrix), nl=False)
    elif options.as_html:
        click.echo(page(json.loads(rendering.render_json(matrix))), nl=False)
    elif options.as_markdown:
        click.echo(rendering.markdown(matrix), nl=False)
    else:
        click.echo(rendering.text(matrix), nl=False)


def _write(folder: Folder, matrix: Matrix, progress: Progress) -> None:
    for path in write_matrix(folder, matrix):
        progress.note(f"{path} written")


def write_matrix(folder: Folder, matrix: Matrix) -> list[str]:
    """Writes locks/COMPAT.md; its path if it changed.

    Raises:
        BadInput: the file there is not lockgen's.
    """
    with folder.locked():
        refuse_foreign_file(folder, COMPAT_PATH, _is_matrix)
        return folder.replace({COMPAT_PATH: rendering.markdown(matrix).encode()})


def _is_matrix(data: bytes) -> bool:
    return rendering.inputs_of(data) is not None


def _exit_code(matrix: Matrix, fail_on: Sequence[str]) -> Exit:
    wanted = {CellStatus(word) for word in fail_on}
    found = any(result.status in wanted for cell in matrix.cells for result in cell.results)
    return Exit.FOUND if found else Exit.DONE
