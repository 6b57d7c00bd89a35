"""`lockgen explain`: every minimal conflict of a versions.toml that has no solution."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import click

from lockgen.app import App
from lockgen.conflicts import conflict_render as rendering
from lockgen.conflicts.answer_cache import AnswerCache
from lockgen.conflicts.answer_conditions import answer_conditions
from lockgen.conflicts.conflict_search import ConflictSearch, merged
from lockgen.conflicts.model import Constraint, Diagnosis
from lockgen.conflicts.oracle import Oracle
from lockgen.core.index import ExplicitIndex
from lockgen.core.manifest import Manifest
from lockgen.errors import BadInput, Exit, NoResolution
from lockgen.index.sources import explicit_indexes
from lockgen.io.parallel import Threads
from lockgen.lock.engine import Engine
from lockgen.lock.requests import joint_variants, order_of_variants
from lockgen.manifest.fingerprints import Inputs, read_inputs
from lockgen.manifest.reader import close_match
from lockgen.resolvers.uv import Uv


@dataclass(frozen=True)
class ExplainOptions:
    """What the command line says. ``seconds`` bounds each question, ``jobs`` how many are asked at once."""

    offline: bool = False
    live: bool = False
    limit: int | None = None
    seconds: float = 60.0
    jobs: int | None = None
    no_cache: bool = False
    as_json: bool = False


def run(app: App, names: tuple[str, ...], options: ExplainOptions) -> int:
    """Prints the conflicts of ``names`` (variants; all by default). Exit.DONE where there is none.

    Raises:
        LockgenError: versions.toml or a record is at fault.
    """
    with app.folder.shared():
        inputs = read_inputs(app.folder)
        explainer = prepared(app, inputs, options)
    if names:
        diagnoses = [explainer.diagnose([variant]) for variant in chosen(inputs, names)]
    else:
        diagnoses = diagnosed(explainer, inputs.manifest)
    if options.as_json:
        click.echo(json.dumps(rendering.as_json(merged(diagnoses), lines(inputs)), indent=2))
    else:
        click.echo(rendering.text(merged(diagnoses), lines(inputs)))
    return exit_code(diagnoses)


def diagnosed(explainer: ConflictSearch, manifest: Manifest) -> list[Diagnosis]:
    """The conflicts of each variant; where none has any, those of all of them as one family.

    Raises:
        NoResolution: the variants do not agree, and no pin or bound that they share is why.
    """
    found = [explainer.diagnose([variant]) for variant in order_of_variants(manifest)]
    if exit_code(found) == Exit.DONE and (error := disagreement(explainer, manifest)):
        found = [explainer.diagnose(joint_variants(manifest))]
        if not found[0].conflicts and found[0].complete:
            raise error
    return found


def prepared(
    app: App,
    inputs: Inputs,
    options: ExplainOptions,
    indexes: Mapping[str, ExplicitIndex] | None = None,
) -> ConflictSearch:
    """A search for conflicts of the family in the app's folder. ``indexes`` are those that were read before."""
    uv = app.uv(options.seconds)
    if indexes is None:
        indexes = explicit_indexes(
            inputs.manifest, app.folder, app.http, app.progress, live=options.live, offline=options.offline
        )
    return ConflictSearch(
        session=Oracle(uv, app.metadata(), _remembered(app, inputs.manifest, uv, options)),
        manifest=inputs.manifest,
        indexes=indexes,
        parallel=Threads(options.jobs),
        progress=app.progress,
        offline=options.offline,
        limit=options.limit,
    )


def _remembered(app: App, manifest: Manifest, uv: Uv, options: ExplainOptions) -> AnswerCache | None:
    """Answers of earlier runs, where those still hold."""
    if options.no_cache or not is_settled(manifest):
        return None
    return AnswerCache(app.cache("questions"), answer_conditions(manifest, uv))


def is_settled(manifest: Manifest) -> bool:
    """Whether no release can come any more: without a cut-off in the past an index has others a minute later."""
    return manifest.exclude_newer is not None and manifest.exclude_newer < datetime.now(UTC) - timedelta(days=1)


def chosen(inputs: Inputs, names: tuple[str, ...]) -> list[str]:
    """The variants that ``names`` say, those with most images first.

    Raises:
        BadInput: there is none of that name, or it has no images.
    """
    known = order_of_variants(inputs.manifest)
    for name in names:
        if name not in known:
            raise BadInput(f"there is no variant {name!r} with images", hint=close_match(name, known))
    return [variant for variant in known if not names or variant in names]


def disagreement(explainer: ConflictSearch, manifest: Manifest) -> NoResolution | None:
    """Why the family has no resolution though each variant has one: law 2 wants one version for all of them.

    Raises:
        ToolFailed: nobody can say.
    """
    if len(order_of_variants(manifest)) < 2:
        return None
    asking = explainer.session
    engine = Engine(asking.resolver, asking.metadata, explainer.indexes, explainer.progress, explainer.offline)
    try:
        engine.resolve(manifest, {}, None)
    except NoResolution as error:
        return error
    return None


def lines(inputs: Inputs) -> rendering.ConflictLine:
    """Where an element stands in versions.toml."""
    return lambda element: _line(inputs, element)


def _line(inputs: Inputs, element: Constraint) -> int | None:
    return inputs.place(element.path).line


def exit_code(diagnoses: Iterable[Diagnosis]) -> Exit:
    """What is known decides: a conflict, else an answer that is missing, else an early end."""
    found = list(diagnoses)
    if any(diagnosis.conflicts for diagnosis in found):
        return Exit.NO_RESOLUTION
    if any(diagnosis.unknown for diagnosis in found):
        return Exit.TOOL
    return Exit.DONE if all(diagnosis.complete for diagnosis in found) else Exit.INTERRUPTED
