"""`lockgen repair`: the smallest changes to versions.toml after which it resolves."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, replace
from typing import Any

import click

from lockgen.app import App
from lockgen.conflicts import explain_command as explain
from lockgen.conflicts import repair_render as rendering
from lockgen.conflicts.model import Proposal, Repairs
from lockgen.conflicts.repair_search import RepairSearch
from lockgen.core.ports import Progress
from lockgen.core.toml_positions import TomlPositions
from lockgen.errors import BadInput, Exit, Fault, NoResolution, ToolFailed
from lockgen.index.releases import IndexReleases
from lockgen.io.ownership import refuse_link
from lockgen.io.workspace import Folder
from lockgen.lock.requests import joint_variants, order_of_variants
from lockgen.manifest.editor import Edit, edited
from lockgen.manifest.fingerprints import VERSIONS, Inputs, read_inputs
from lockgen.manifest.reader import parse_manifest
from lockgen.pairs.table import known_pairs

_NAMED = re.compile(r"\s*[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?")


@dataclass(frozen=True)
class RepairOptions:
    """What the command line says. ``apply`` is the number of the proposal to write, from 1."""

    apply: int | None = None
    count: int = 3
    offline: bool = False
    live: bool = False
    seconds: float = 60.0
    jobs: int | None = None
    no_cache: bool = False
    as_json: bool = False


def run(app: App, options: RepairOptions) -> int:
    """Prints proposals; with ``apply`` writes one into versions.toml. Exit.DONE where there is one, or none is needed.

    Raises:
        BadInput: there is no proposal of that number, or the file cannot be edited.
        NoResolution: nothing that may move repairs it.
    """
    folder = app.folder
    with folder.locked() if options.apply is not None else folder.shared():
        inputs = read_inputs(folder)
        asking = explain.ExplainOptions(
            offline=options.offline,
            live=options.live,
            seconds=options.seconds,
            jobs=options.jobs,
            no_cache=options.no_cache,
        )
        explainer = explain.prepared(app, inputs, asking)
        count = max(options.count, options.apply or 0)
        compat = inputs.manifest.compat
        pairs = known_pairs(folder, compat.pairs if compat is not None else {})
        variants = order_of_variants(inputs.manifest)
        repairer = RepairSearch(explainer, IndexReleases(app.http), pairs, variants, count)
        found = _agreeing(repairer, inputs)
        if not found.conflicts:
            return _nothing(found, options)
        if not found.proposals:
            raise _hopeless(inputs, found)
        _report(inputs, found, options)
        if options.apply is not None:
            _apply(folder, inputs, found, options.apply, app.progress)
    return Exit.DONE if found.complete else Exit.INTERRUPTED


def _agreeing(repairer: RepairSearch, inputs: Inputs) -> Repairs:
    """Repairs after which the variants agree too: where one of them would not, all are sought once more, as one family.

    Raises:
        NoResolution: the variants do not agree, and no pin or bound that they share is why.
    """
    found = repairer.run()
    if len(repairer.variants) < 2 or not found.complete:
        return found
    texts = [_changed(inputs, proposal, found) for proposal in found.proposals] or [inputs.text]
    errors = [explain.disagreement(repairer.explainer, parse_manifest(text.encode(), VERSIONS)) for text in texts]
    if not any(errors):
        return found
    again = replace(
        repairer, joint=joint_variants(inputs.manifest), variants=order_of_variants(inputs.manifest), unknown=[]
    )
    found = again.run()
    if not found.conflicts and (error := next(filter(None, errors))):
        raise error
    return found


def _changed(inputs: Inputs, proposal: Proposal, found: Repairs) -> str:
    return edited(inputs.text, edits(inputs.text, proposal, found), TomlPositions(inputs.text).find, VERSIONS)


def _nothing(found: Repairs, options: RepairOptions) -> int:
    if found.unknown:
        raise ToolFailed("whether it resolves is not known", reason="\n".join(found.unknown))
    if options.as_json:
        click.echo(json.dumps(rendering.as_json(found, lambda element: None), indent=2))
    else:
        click.echo("it resolves as it is: nothing to repair")
    return Exit.DONE


def _hopeless(inputs: Inputs, found: Repairs) -> Exception:
    """No proposal: either nothing that may move is in a conflict, or no answer came."""
    if found.unknown:
        return ToolFailed("no repair was found, and some questions had no answer", reason="\n".join(found.unknown))
    held = sorted({e.text for c in found.conflicts for e in c.elements if e.held})
    stuck = [c for c in found.conflicts if all(e.held or e.kind == "ask" for e in c.elements)] or found.conflicts
    faults = [
        Fault(
            f"nothing that may move repairs {' with '.join(element.text for element in conflict.elements)}",
            place=inputs.place(conflict.elements[0].path) if conflict.elements else None,
            reason=conflict.reason,
            hint=f"held: {', '.join(held)}" if held else "see `lockgen explain`",
        )
        for conflict in stuck
    ]
    return NoResolution.of(faults)


def _report(inputs: Inputs, found: Repairs, options: RepairOptions) -> None:
    if options.as_json:
        click.echo(json.dumps(rendering.as_json(found, explain.lines(inputs)), indent=2))
    else:
        click.echo(rendering.text(found, explain.lines(inputs)))


def _apply(folder: Folder, inputs: Inputs, found: Repairs, number: int, progress: Progress) -> None:
    if number > len(found.proposals):
        raise BadInput(
            f"there is no proposal {number}", hint=f"there are {len(found.proposals)}: --apply 1 takes the smallest"
        )
    refuse_link(folder, VERSIONS)
    proposal = found.proposals[number - 1]
    text = _changed(inputs, proposal, found)
    parse_manifest(text.encode(), VERSIONS)
    folder.replace({VERSIONS: text.encode()})
    progress.note(f"{VERSIONS}: {len(proposal.moves)} values changed; `lockgen resolve` makes the lock of it")


def edits(text: str, proposal: Proposal, found: Repairs) -> list[Edit]:
    """The proposal as changes of values in ``text``, a versions.toml; each value keeps its spelling."""
    document = tomllib.loads(text)
    wanted = []
    for move in proposal.moves:
        said = rendering.note(move, proposal, found.conflicts)
        for path in (move.element.path, *move.element.also):
            old = _at(document, path)
            new = str(move.to) if move.element.kind == "pin" else respelled(old, move.to)
            wanted.append(Edit(path, old, new, said))
    return wanted


def _at(document: Any, path: tuple[str | int, ...]) -> str:
    for key in path:
        document = document[key]
    return str(document["version"] if isinstance(document, dict) else document)


def respelled(requirement: str, version: str | None) -> str:
    """A requirement as it is written, with another version, or without its bound: name, extras and marker stay."""
    head = _NAMED.match(requirement)
    marker = requirement.partition(";")[2].strip()
    bound = f"=={version}" if version is not None else ""
    return f"{head[0].rstrip() if head else requirement}{bound}{f' ; {marker}' if marker else ''}"
