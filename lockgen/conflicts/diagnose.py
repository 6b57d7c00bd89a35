"""Diagnosis of a whole family, for every command that has to explain a failed resolution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lockgen.app import App
from lockgen.conflicts.answer_cache import AnswerCache
from lockgen.conflicts.answer_conditions import answer_conditions
from lockgen.conflicts.conflict_render import ConflictLine
from lockgen.conflicts.conflict_search import ConflictSearch
from lockgen.conflicts.model import Constraint, Diagnosis
from lockgen.conflicts.oracle import Oracle
from lockgen.core.index import ExplicitIndex
from lockgen.core.manifest import Manifest
from lockgen.errors import NoResolution
from lockgen.index.sources import explicit_indexes
from lockgen.io.parallel import Threads
from lockgen.lock.engine import Engine
from lockgen.lock.requests import joint_variants, order_of_variants
from lockgen.manifest.fingerprints import Inputs
from lockgen.resolvers.uv import Uv


@dataclass(frozen=True)
class SearchOptions:
    """How to search. ``seconds`` is the timeout of each resolver call, ``jobs`` how many run at once.

    See ConflictSearch for ``limit`` and ``patience``.
    """

    offline: bool = False
    live: bool = False
    limit: int | None = None
    patience: int | None = None
    seconds: float = 60.0
    jobs: int | None = None
    no_cache: bool = False


def conflict_search(
    app: App,
    inputs: Inputs,
    options: SearchOptions,
    indexes: Mapping[str, ExplicitIndex] | None = None,
) -> ConflictSearch:
    """A search for conflicts of the family in the app's folder. ``indexes`` are those that were read before."""
    uv = app.uv(options.seconds)
    if indexes is None:
        indexes = explicit_indexes(
            inputs.manifest, app.folder, app.http, app.progress, live=options.live, offline=options.offline
        )
    return ConflictSearch(
        session=Oracle(uv, app.metadata(), _answer_cache(app, inputs.manifest, uv, options)),
        manifest=inputs.manifest,
        indexes=indexes,
        parallel=Threads(options.jobs),
        progress=app.progress,
        offline=options.offline,
        limit=options.limit,
        patience=options.patience,
    )


def _answer_cache(app: App, manifest: Manifest, uv: Uv, options: SearchOptions) -> AnswerCache | None:
    """Verdicts of earlier runs; None if they may be out of date."""
    if options.no_cache or not is_settled(manifest):
        return None
    return AnswerCache(app.cache("questions"), answer_conditions(manifest, uv))


def is_settled(manifest: Manifest) -> bool:
    """Whether the indexes can get no further release before the cut-off."""
    cut_off = manifest.exclude_newer
    if cut_off is None:
        return False
    # A margin: shortly after the cut-off, a release from before it may still appear.
    return cut_off < datetime.now(UTC) - timedelta(days=1)


def diagnose_family(search: ConflictSearch, manifest: Manifest) -> list[Diagnosis]:
    """The conflicts of each variant; if there are none, those of all variants as one family.

    Raises:
        NoResolution: the variants do not agree, and no constraint that they share explains it.
    """
    diagnoses = [search.diagnose([variant]) for variant in order_of_variants(manifest)]
    # Only variants that each have a solution can disagree.
    if not all(_has_solution(diagnosis) for diagnosis in diagnoses):
        return diagnoses
    error = disagreement(search, manifest)
    if error is None:
        return diagnoses
    joint = search.diagnose(joint_variants(manifest))
    if joint.complete and not joint.conflicts:
        raise error
    return [joint]


def _has_solution(diagnosis: Diagnosis) -> bool:
    return diagnosis.complete and not diagnosis.conflicts and not diagnosis.unknown


def disagreement(search: ConflictSearch, manifest: Manifest) -> NoResolution | None:
    """Why the family has no resolution although each variant has one; None if it has one.

    Variants share one version of each package (guarantee 2), so each can have a solution and the family none.

    Raises:
        ToolFailed: the answer is unknown.
    """
    if len(order_of_variants(manifest)) < 2:
        return None
    oracle = search.session
    engine = Engine(oracle.resolver, oracle.metadata, search.indexes, search.progress, search.offline)
    try:
        engine.resolve(manifest, {}, None)
    except NoResolution as error:
        return error
    return None


def constraint_lines(inputs: Inputs) -> ConflictLine:
    """The line in versions.toml of each constraint."""

    def line(constraint: Constraint) -> int | None:
        return inputs.place(constraint.path).line

    return line
