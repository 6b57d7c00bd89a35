"""`lockgen outdated`: which pins and base images are not the newest, and how far each could go by itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import click

from lockgen.app import App
from lockgen.conflicts import diagnose as explain
from lockgen.conflicts.model import Answer, Verdict
from lockgen.core.image_reference import parse_reference
from lockgen.core.manifest import Manifest
from lockgen.core.ports import Parallel, Progress
from lockgen.errors import BadInput, Exit, LockgenError
from lockgen.index.releases import IndexReleases
from lockgen.index.sources import explicit_indexes
from lockgen.io.http import Http
from lockgen.manifest.fingerprints import read_inputs
from lockgen.outputs.lock_service import old_lock
from lockgen.registry import base_images as baseimages
from lockgen.upgrade import outdated_render as rendering
from lockgen.upgrade.bump import all_pairs
from lockgen.upgrade.bump_search import BumpSearch
from lockgen.upgrade.outdated_model import OutdatedBase, Survey
from lockgen.upgrade.outdated_search import OutdatedSearch


@dataclass(frozen=True)
class OutdatedOptions:
    """What the command line says. ``fail_on`` is what makes the exit code 1: "outdated", "unknown"."""

    as_json: bool = False
    as_markdown: bool = False
    fail_on: tuple[str, ...] = ()
    offline: bool = False
    live: bool = False
    seconds: float = 60.0
    jobs: int | None = None
    no_cache: bool = False


def run(app: App, options: OutdatedOptions) -> int:
    """Prints a row for each pin, each of torch's families and each base image.

    Exit.DONE, whatever they say: old versions are not an error. Exit.FOUND if ``fail_on`` names what was found.

    Raises:
        LockgenError: versions.toml or a record is at fault.
    """
    if options.offline and options.live:
        raise BadInput("--offline and --live exclude each other", hint="choose one")
    found = survey(app, options)
    app.progress.step("")
    now = datetime.now(UTC)
    if options.as_json:
        click.echo(json.dumps(rendering.as_json(found, now), indent=2))
    elif options.as_markdown:
        click.echo(rendering.markdown(found, now), nl=False)
    else:
        click.echo(rendering.text(found, now))
    bad = (found.outdated and "outdated" in options.fail_on) or (found.unknown and "unknown" in options.fail_on)
    return Exit.FOUND if bad else Exit.DONE


def survey(app: App, options: OutdatedOptions) -> Survey:
    """Every row, for who wants them as values.

    Raises:
        LockgenError: versions.toml or a record is at fault.
    """
    folder = app.folder
    with folder.shared():
        inputs = read_inputs(folder)
        manifest = inputs.manifest
        lock = old_lock(folder, app.progress)
        asking = explain.SearchOptions(
            offline=options.offline,
            live=options.live,
            seconds=options.seconds,
            jobs=options.jobs,
            no_cache=options.no_cache,
        )
        indexes = explicit_indexes(
            manifest,
            folder,
            app.http,
            app.progress,
            live=options.live,
            offline=options.offline,
            targets=[manifest.target],
        )
        explainer = explain.conflict_search(app, inputs, asking, indexes)
        pairs = all_pairs(folder, manifest, indexes)
    releases = IndexReleases(app.http)
    settled = explain.is_settled(manifest)
    chooser = BumpSearch(explainer.session, manifest, indexes, releases, pairs, options.offline, settled=settled)
    app.progress.step("resolving the family as it is")
    verdicts = chooser.warm()
    fitting = all(verdict.answer is Answer.YES for verdict in verdicts)
    rows = OutdatedSearch(chooser, releases, explainer.parallel, app.progress, lock, fitting).rows()
    bases = _bases(manifest, app.http, explainer.parallel, app.progress, offline=options.offline)
    return Survey(tuple(rows), tuple(bases), tuple(_notes(manifest, options, verdicts, fitting=fitting)))


def _notes(manifest: Manifest, options: OutdatedOptions, verdicts: Sequence[Verdict], *, fitting: bool) -> list[str]:
    found = []
    if options.offline:
        found.append("--offline: which releases and base images there are, and how old they are, is not asked")
    if not fitting:
        answers = {verdict.answer for verdict in verdicts}
        why = "has no solution: see `lockgen explain`" if Answer.NO in answers else "could not be resolved"
        found.append(f"the family as it is {why}; so what would fit is not known")
    recorded = sorted(i.name for i in manifest.indexes.values() if i.recorded is not None)
    if recorded and not options.live:
        found.append(f"{', '.join(recorded)}: as recorded; --live asks the index itself")
    return found


def _bases(
    manifest: Manifest, http: Http, parallel: Parallel, progress: Progress, *, offline: bool
) -> list[OutdatedBase]:
    """A row for each base image that is named, whatever its variants."""
    variants = baseimages.by_reference(manifest)
    progress.step(f"asking for {len(variants)} base images")

    def one(text: str) -> OutdatedBase:
        reference = parse_reference(text)
        row = OutdatedBase(text, variants[text], reference.digest)
        if offline:
            return replace(row, unknown="--offline asks no registry", listed=False)
        if not reference.tagged and reference.digest is not None:
            return replace(row, unknown="a digest alone is pinned: there is no tag to follow", listed=False)
        try:
            found = baseimages.ask(http, reference, manifest, variants[text])
        except LockgenError as error:
            fault = error.faults[0]
            said = f"{fault.message} ({fault.reason})" if fault.reason else fault.message
            return replace(row, unknown=said, listed=False)
        return replace(row, digest=found.digest, tag=found.tag, unknown="; ".join(found.missing), listed=found.listed)

    return parallel.each(one, list(variants))
