"""`lockgen outdated`: show outdated pins and base images, and how far each could be upgraded on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lockgen.app import App
from lockgen.conflicts import diagnose as explain
from lockgen.conflicts.model import Answer, Verdict
from lockgen.core.image_reference import parse_reference
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest
from lockgen.core.ports import Parallel, Progress
from lockgen.core.words import counted
from lockgen.errors import BadInput, Exit, LockgenError
from lockgen.index.releases import IndexReleases
from lockgen.index.sources import explicit_indexes
from lockgen.io.console import render_fault
from lockgen.io.http import Http
from lockgen.io.output import print_json, print_text
from lockgen.manifest.fingerprints import Inputs, read_inputs
from lockgen.outputs.lock_service import old_lock
from lockgen.outputs.shortage_search import placed_shortages
from lockgen.proof.known_bounds import KIND, KnownBounds, sentence, versions_of
from lockgen.registry import base_images as baseimages
from lockgen.upgrade import outdated_render as rendering
from lockgen.upgrade.bump import all_pairs
from lockgen.upgrade.bump_search import BumpSearch
from lockgen.upgrade.outdated_model import OutdatedBase, Survey
from lockgen.upgrade.outdated_search import OutdatedSearch


@dataclass(frozen=True)
class OutdatedOptions:
    """The options of the command line. ``fail_on`` is what makes the exit code 1: "outdated", "unknown"."""

    as_json: bool = False
    as_markdown: bool = False
    fail_on: tuple[str, ...] = ()
    offline: bool = False
    live: bool = False
    seconds: float = 60.0
    jobs: int | None = None
    no_cache: bool = False


def run(app: App, options: OutdatedOptions) -> int:
    """Print a row for each pin, each of torch's families and each base image.

    Returns Exit.FOUND if ``fail_on`` names a result, else Exit.DONE: old versions are not an error.

    Raises:
        LockgenError: versions.toml or a record is invalid.
    """
    if options.offline and options.live:
        raise BadInput("--offline and --live are mutually exclusive", hint="choose one")
    found = survey(app, options)
    app.progress.step("")
    now = datetime.now(UTC)
    if options.as_json:
        print_json(rendering.as_json(found, now))
    elif options.as_markdown:
        print_text(rendering.markdown(found, now), end="")
    else:
        print_text(rendering.text(found, now))
    if found.outdated and "outdated" in options.fail_on:
        return Exit.FOUND
    if found.unknown and "unknown" in options.fail_on:
        return Exit.FOUND
    return Exit.DONE


def survey(app: App, options: OutdatedOptions) -> Survey:
    """All rows, as values.

    Raises:
        LockgenError: versions.toml or a record is invalid.
    """
    folder = app.folder
    with folder.shared():
        inputs = read_inputs(folder)
        manifest = inputs.manifest
        lock = old_lock(folder, app.progress)
        indexes = explicit_indexes(
            manifest,
            folder,
            app.http,
            app.progress,
            live=options.live,
            offline=options.offline,
            targets=[manifest.target],
        )
        conflicts = explain.conflict_search(app, inputs, _search_options(options), indexes)
        pairs = all_pairs(folder, manifest, indexes)
    # Not in the lock of the folder: from here on nothing reads it, and the search can take minutes.
    releases = IndexReleases(app.http)
    search = BumpSearch(
        session=conflicts.session,
        manifest=manifest,
        indexes=indexes,
        releases=releases,
        pairs=pairs,
        offline=options.offline,
        settled=explain.is_settled(manifest),
    )
    app.progress.step("resolving the current pins")
    verdicts = search.warm()
    has_solution = all(verdict.answer is Answer.YES for verdict in verdicts)
    known = KnownBounds(app.cache(KIND, ignored=options.no_cache), manifest).valid(versions_of(manifest, lock))
    rows = OutdatedSearch(search, releases, conflicts.parallel, app.progress, lock, has_solution, known).rows()
    bases = _bases(manifest, app.http, conflicts.parallel, app.progress, offline=options.offline)
    names = {member.name for row in rows for member in row.members}
    # Packages without a pin have no row, but `update` moves them, too.
    unpinned = [sentence(one) for one in known if one.bound.package not in names]
    notes = [*unpinned, *_notes(manifest, options, verdicts)]
    _note_shortages(app, inputs, lock, verdicts, offline=options.offline)
    return Survey(tuple(rows), tuple(bases), tuple(notes))


def _note_shortages(app: App, inputs: Inputs, lock: Lock | None, verdicts: Sequence[Verdict], *, offline: bool) -> None:
    """Print to stderr what the index lacks, as `resolve` does, if that is why there is no solution."""
    refused = [verdict.reason for verdict in verdicts if verdict.answer is Answer.NO]
    if not refused or offline:
        return
    for fault in placed_shortages(app.http, inputs, lock, "\n".join(refused)):
        app.progress.note(render_fault(fault, label="note"))


def _search_options(options: OutdatedOptions) -> explain.SearchOptions:
    return explain.SearchOptions(
        offline=options.offline,
        live=options.live,
        seconds=options.seconds,
        jobs=options.jobs,
        no_cache=options.no_cache,
    )


def _notes(manifest: Manifest, options: OutdatedOptions, verdicts: Sequence[Verdict]) -> list[str]:
    notes: list[str] = []
    if options.offline:
        notes.append("--offline: new releases, base images and their age are unknown")
    # The first message needs action by the user; an unknown answer may be different tomorrow.
    answers = {verdict.answer for verdict in verdicts}
    unknown_fits = "so it is unknown which versions are compatible"
    if Answer.NO in answers:
        notes.append(f"the current pins have no solution, {unknown_fits}: see `lockgen explain`")
    elif Answer.UNKNOWN in answers:
        notes.append(f"the current pins could not be resolved, {unknown_fits}")
    recorded = sorted(index.name for index in manifest.indexes.values() if index.recorded is not None)
    if recorded and not options.live:
        notes.append(f"{', '.join(recorded)}: read from the record; --live reads the index itself")
    return notes


def _bases(
    manifest: Manifest, http: Http, parallel: Parallel, progress: Progress, *, offline: bool
) -> list[OutdatedBase]:
    """A row for each base image."""
    variants = baseimages.by_reference(manifest)
    progress.step(f"checking {counted(len(variants), 'base image')}")

    def base(text: str) -> OutdatedBase:
        reference = parse_reference(text)
        row = OutdatedBase(text, variants[text], reference.digest)
        if offline:
            return replace(row, unknown="--offline forbids access to registries", listed=False)
        if not reference.tagged and reference.digest is not None:
            return replace(row, unknown="only a digest is pinned, so newer tags cannot be found", listed=False)
        return _with_answer(row, http, manifest)

    return parallel.each(base, list(variants))


def _with_answer(row: OutdatedBase, http: Http, manifest: Manifest) -> OutdatedBase:
    """``row`` with the answer of the registry, or why it is unknown."""
    try:
        found = baseimages.ask(http, parse_reference(row.reference), manifest, row.variants)
    except LockgenError as error:
        fault = error.faults[0]
        message = f"{fault.message} ({fault.reason})" if fault.reason else fault.message
        return replace(row, unknown=message, listed=False)
    return replace(
        row,
        digest=found.digest,
        tag=found.tag,
        unknown="; ".join(found.missing),
        listed=found.listed,
    )
