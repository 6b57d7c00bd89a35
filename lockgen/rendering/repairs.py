"""Proposals to repair a family, as text and as data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lockgen.model.conflicts import Conflict, Element, Link, Move, Proposal, Repairs
from lockgen.rendering.conflicts import Line, element_data


def text(repairs: Repairs, line: Line) -> str:
    """The proposals, each with what every pin becomes, why, and which images it touches."""
    parts: list[str] = []
    for number, proposal in enumerate(repairs.proposals, 1):
        count = len(proposal.moves)
        parts.append(f"{number}. {count} {'change' if count == 1 else 'changes'}, for {', '.join(proposal.images)}")
        parts += [f"   {row}" for row in _rows(proposal, repairs, line)]
        parts.append("")
    for override in repairs.overrides:
        parts += [
            f"or: {override.package} {override.version} needs {override.needs}, and that alone stands in the way. With an override",
            f"    to {override.instead} everything stays as it is: it resolves, but nobody has tried whether it runs, and",
            "    `pip check` in the image will say so. lockgen does not write it.",
            "",
        ]
    if repairs.proposals and not repairs.complete:
        parts.append("the search did not end: there may be a smaller one")
    return "\n".join(parts).rstrip("\n")


def _rows(proposal: Proposal, repairs: Repairs, line: Line) -> list[str]:
    cells = [(_place(move.element, line), move.element.text, _becomes(move)) for move in proposal.moves]
    widths = [max(len(row[n]) for row in cells) for n in range(2)]
    rows = []
    for (where, old, new), move in zip(cells, proposal.moves, strict=True):
        why = reason(move.element, proposal, repairs.conflicts)
        rows.append(f"{where:{widths[0]}}  {old:{widths[1]}}  -> {new}" + (f"   {why}" if why else ""))
    return rows


def _place(element: Element, line: Line) -> str:
    number = line(element)
    return f"line {number}:" if number is not None else ""


def _becomes(move: Move) -> str:
    return move.to if move.to is not None else "any version"


def reason(element: Element, proposal: Proposal, conflicts: Iterable[Conflict]) -> str:
    """The shortest reason why ``element`` has to move: a need that it does not meet, or what it conflicts with."""
    moving = {move.element for move in proposal.moves}
    links: list[Link] = []
    against: list[str] = []
    for conflict in conflicts:
        if element not in conflict.elements:
            continue
        links += [link for link in conflict.links if element.name in (link.needs, link.name)]
        against += [e.text for e in conflict.elements if e != element and e not in moving]
    mine = [link for link in links if link.needs == element.name] or links
    if mine:
        return f"{mine[0].name} {mine[0].version} needs {mine[0].needs}{mine[0].bound}"
    return f"conflicts with {against[0]}" if against else ""


def note(move: Move, proposal: Proposal, conflicts: Iterable[Conflict]) -> str:
    """What stands beside a changed value in versions.toml."""
    why = reason(move.element, proposal, conflicts)
    was = move.element.version or move.element.text
    return f"was {was}: {why}" if why else f"was {was}"


def as_json(repairs: Repairs, line: Line) -> dict[str, Any]:
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
                        "why": reason(move.element, proposal, repairs.conflicts),
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
