"""Proposals to repair a family, as text and as data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lockgen.conflicts.conflict_render import ConflictLine, element_data
from lockgen.conflicts.model import Conflict, Constraint, PinChange, Proposal, Repairs


def text(repairs: Repairs, line: ConflictLine) -> str:
    """The proposals, each with what every pin becomes, why, and which images it touches."""
    parts: list[str] = []
    for number, proposal in enumerate(repairs.proposals, 1):
        count = len(proposal.moves)
        parts.append(f"{number}. {count} {'change' if count == 1 else 'changes'}, for {', '.join(proposal.images)}")
        parts += [f"   {row}" for row in _rows(proposal, repairs, line)]
        parts.append("")
    for override in repairs.overrides:
        parts += [
            f"or: {override.package} {override.version} needs {override.needs}, and that alone stands in the way.",
            f"    With an override to {override.instead} everything stays as it is. It resolves; whether it runs",
            "    nobody has tried, and `pip check` in the image will say so. lockgen does not write it.",
            "",
        ]
    if repairs.proposals and not repairs.complete:
        parts.append("the search did not end: there may be a smaller one")
    return "\n".join(parts).rstrip("\n")


def _rows(proposal: Proposal, repairs: Repairs, line: ConflictLine) -> list[str]:
    cells = [(_place(move.element, line), move.element.text, _becomes(move)) for move in proposal.moves]
    widths = [max(len(row[n]) for row in cells) for n in range(2)]
    rows = []
    for (where, old, new), move in zip(cells, proposal.moves, strict=True):
        why = reason(move, proposal, repairs.conflicts)
        rows.append(f"{where:{widths[0]}}  {old:{widths[1]}}  -> {new}" + (f"   {why}" if why else ""))
    return rows


def _place(element: Constraint, line: ConflictLine) -> str:
    number = line(element)
    return f"line {number}:" if number is not None else ""


def _becomes(move: PinChange) -> str:
    return move.to if move.to is not None else "any version"


def reason(move: PinChange, proposal: Proposal, conflicts: Iterable[Conflict]) -> str:
    """Why it has to move: a need that the old version does not meet, what no index has, or what it conflicts with."""
    if move.why is not None:
        return f"{move.why.name} {move.why.version} needs {move.why.needs}{move.why.bound}"
    moving = {other.element for other in proposal.moves}
    mine = [conflict for conflict in conflicts if move.element in conflict.elements]
    for conflict in mine:
        if len(conflict.elements) == 1:
            return conflict.never[0] if conflict.never else "no solution has it"
    # What stays is the better reason, but two may have to move for one another's sake.
    others = [e for conflict in mine for e in conflict.elements if e != move.element]
    against = next((e for e in others if e not in moving), next(iter(others), None))
    return f"conflicts with {against.text}" if against is not None else ""


def note(move: PinChange, proposal: Proposal, conflicts: Iterable[Conflict]) -> str:
    """What stands beside a changed value in versions.toml."""
    why = reason(move, proposal, conflicts)
    was = move.element.version or move.element.text
    return f"was {was}: {why}" if why else f"was {was}"


def as_json(repairs: Repairs, line: ConflictLine) -> dict[str, Any]:
    """Format 1."""
    return {
        "format": 1,
        "complete": repairs.complete,
        "questions": repairs.asked,
        "unknown": list(repairs.unknown),
        "proposals": [
            {
                "images": list(proposal.images),
                "changes": [
                    {
                        **element_data(move.element, line),
                        "to": move.to,
                        "releases-between": move.steps,
                        "why": reason(move, proposal, repairs.conflicts),
                    }
                    for move in proposal.moves
                ],
                "versions": {variant: dict(sorted(held.items())) for variant, held in proposal.versions.items()},
            }
            for proposal in repairs.proposals
        ],
        "overrides": [
            {"package": o.package, "version": o.version, "needs": o.needs, "instead": o.instead}
            for o in repairs.overrides
        ],
    }
