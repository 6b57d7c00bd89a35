"""`lockgen explain`: print every minimal conflict of a versions.toml that has no resolution."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lockgen.app import App
from lockgen.conflicts import conflict_render as rendering
from lockgen.conflicts.conflict_search import merged
from lockgen.conflicts.diagnose import SearchOptions, conflict_search, constraint_lines, diagnose_family
from lockgen.conflicts.known_limits import KnownLimits, known_limits
from lockgen.conflicts.missing_releases import note_missing_releases
from lockgen.conflicts.model import Conflict, Diagnosis
from lockgen.core.close_match import close_match
from lockgen.core.layout import LOCK_PATH
from lockgen.core.lock import Lock
from lockgen.errors import BadInput, Exit
from lockgen.io.output import print_json, print_text
from lockgen.lock.reader import parse_lock
from lockgen.lock.requests import order_of_variants
from lockgen.manifest.fingerprints import Inputs, read_inputs
from lockgen.proof.known_bounds import KIND, KnownBounds, versions_of

_PATIENCE = 64
"""Tests without a new conflict after which the search ends: half a minute for 400 packages on two cores."""


@dataclass(frozen=True)
class ExplainOptions:
    """Command-line options. ``seconds`` is the timeout of each resolver call, ``jobs`` how many run at once."""

    offline: bool = False
    live: bool = False
    limit: int | None = None
    seconds: float = 60.0
    jobs: int | None = None
    no_cache: bool = False
    as_json: bool = False


def run(app: App, names: tuple[str, ...], options: ExplainOptions) -> int:
    """Print the conflicts of the variants ``names`` (default: all). Exit.DONE if there are none.

    Raises:
        LockgenError: versions.toml or a record is invalid.
    """
    # The lock covers only the reading: the search can take minutes, and it writes nothing.
    with app.folder.shared():
        inputs = read_inputs(app.folder)
        lock = _lock(app)
        search = conflict_search(app, inputs, _search_options(options))
    if names:
        diagnoses = [search.diagnose([variant]) for variant in _selected(inputs, names)]
    else:
        diagnoses = diagnose_family(search, inputs.manifest)
    lines = constraint_lines(inputs)
    merged_diagnoses = merged(diagnoses)
    conflicts = [conflict for diagnosis in diagnoses for conflict in diagnosis.conflicts]
    limits = _known_limits(app, inputs, lock, diagnoses, conflicts, options)
    if options.as_json:
        print_json(rendering.as_json(merged_diagnoses, lines, limits))
    else:
        print_text(rendering.text(merged_diagnoses, lines, limits))
    note_missing_releases(app, inputs, conflicts, offline=options.offline)
    return _exit_code(diagnoses)


def _lock(app: App) -> Lock | None:
    """The lock; None if there is none, or if it cannot be read: the versions of versions.toml are explained."""
    data = app.folder.read(LOCK_PATH)
    if data is None:
        return None
    try:
        return parse_lock(data, LOCK_PATH)
    except BadInput:
        return None


def _known_limits(
    app: App,
    inputs: Inputs,
    lock: Lock | None,
    diagnoses: Iterable[Diagnosis],
    conflicts: Iterable[Conflict],
    options: ExplainOptions,
) -> KnownLimits:
    manifest = inputs.manifest
    variants = {variant for diagnosis in diagnoses for variant in diagnosis.variants}
    versions = versions_of(manifest, lock)
    known = KnownBounds(app.cache(KIND, ignored=options.no_cache), manifest).valid(versions)
    return known_limits(manifest, variants, versions, known, conflicts)


def _search_options(options: ExplainOptions) -> SearchOptions:
    return SearchOptions(
        offline=options.offline,
        live=options.live,
        limit=options.limit,
        patience=_PATIENCE,
        seconds=options.seconds,
        jobs=options.jobs,
        no_cache=options.no_cache,
    )


def _selected(inputs: Inputs, names: tuple[str, ...]) -> list[str]:
    """The variants ``names``, the one with most images first.

    Raises:
        BadInput: a name is not that of a variant with images.
    """
    known = order_of_variants(inputs.manifest)
    for name in names:
        if name not in known:
            raise BadInput(f"no variant {name!r} with images", hint=close_match(name, known))
    return [variant for variant in known if variant in names]


def _exit_code(diagnoses: Iterable[Diagnosis]) -> Exit:
    found = list(diagnoses)
    # A conflict is certain even if answers are missing elsewhere, so it comes first.
    if any(diagnosis.conflicts for diagnosis in found):
        return Exit.NO_RESOLUTION
    if any(diagnosis.unknown for diagnosis in found):
        return Exit.TOOL
    if all(diagnosis.complete for diagnosis in found):
        return Exit.DONE
    return Exit.INTERRUPTED
