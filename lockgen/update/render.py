"""Render the report of a run of `lockgen update`, as text and as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lockgen.proof.run_document import bound_document, change_document
from lockgen.update.model import GroupResult, Waiting

_LISTED = 3
"""How many held-back releases of a package are listed one by one."""


def text(results: Sequence[GroupResult], waiting: Sequence[Waiting], *, bodies: bool) -> str:
    """The report for a terminal, one block per group; with ``bodies`` including the texts of the pull requests."""
    blocks = ["\n".join(_block(result, body=bodies)) for result in results]
    if waiting:
        lines = [f"  {line}" for line in _held_back(waiting)]
        blocks.append("\n".join(["held back", *lines]))
    if not blocks:
        return "everything is up to date\n"
    return "\n".join(blocks) + "\n"


def _block(result: GroupResult, *, body: bool) -> list[str]:
    head = f"{result.group}: {result.outcome}"
    if result.title:
        head += f", {result.title}"
    lines = [head]
    if result.url:
        lines.append(f"  {result.url}")
    # Indented, as an explanation may contain lines that look like results.
    lines += [f"  {line}" for line in result.why.splitlines()]
    if body and result.body:
        lines.append("")
        lines += [f"  | {line}".rstrip() for line in result.body.splitlines()]
    return lines


def _held_back(waiting: Iterable[Waiting]) -> list[str]:
    """A line for each package and reason. The releases are sorted, the latest first."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in waiting:
        found.setdefault((one.name, one.why), []).append(one.version)
    return [f"{name} {_span(versions)}: {why}" for (name, why), versions in found.items()]


def _span(versions: Sequence[str]) -> str:
    if len(versions) <= _LISTED:
        return ", ".join(versions)
    return f"{versions[0]} and {len(versions) - 1} older ones, to {versions[-1]}"


def as_json(results: Sequence[GroupResult], waiting: Sequence[Waiting]) -> dict[str, object]:
    """The report as plain data. Increase ``format`` if a reader of the previous format would misread it."""
    held_back = [{"name": one.name, "version": one.version, "why": one.why} for one in waiting]
    return {
        "format": 1,
        "groups": [_data(result) for result in results],
        "held-back": held_back,
    }


def _data(result: GroupResult) -> dict[str, object]:
    moves = [{"name": move.name, "from": move.old, "to": move.new} for move in result.moves]
    return {
        "group": result.group,
        "outcome": str(result.outcome),
        "branch": result.branch,
        "title": result.title or None,
        "url": result.url,
        "why": result.why or None,
        "moves": moves,
        "body": result.body or None,
        "runs": [change_document(run) for run in sorted(result.runs, key=lambda run: run.image)],
        "bounds": [bound_document(bound) for bound in result.bounds],
    }
