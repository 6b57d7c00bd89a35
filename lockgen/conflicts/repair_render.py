"""Proposals to repair a family, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from lockgen.conflicts.conflict_render import ConflictLine, constraint_data
from lockgen.conflicts.model import Conflict, Constraint, Listing, NewPin, Override, PinChange, Proposal, Repairs
from lockgen.core.words import counted


class _Row(NamedTuple):
    place: str
    old: str
    new: str
    why: str


def text(repairs: Repairs, line: ConflictLine) -> str:
    """The proposals: each with its changes, their reasons, and the images that they affect."""
    rows: list[str] = []
    for number, proposal in enumerate(repairs.proposals, 1):
        changes = counted(proposal.size, "change")
        images = ", ".join(proposal.images)
        rows.append(f"{number}. {changes}, for {images}")
        if proposal.accelerator:
            rows.append(f"   CHANGES THE ACCELERATOR: torch becomes a build for {proposal.accelerator}")
        rows += [f"   {row}" for row in _table(proposal, repairs.conflicts, line)]
        for listing in proposal.listings:
            rows += [f"   {row}" for row in _listing(listing)]
        rows += [f'   new: [pins] {pin.package} = "{pin.version}"   {pin.why}' for pin in proposal.new_pins]
        rows.append("")
    for override in repairs.overrides:
        rows += _override(override)
        rows.append("")
    if repairs.proposals and not repairs.complete:
        rows.append("the search ended early: there may be a smaller proposal")
    return "\n".join(rows).rstrip("\n")


def _override(override: Override) -> list[str]:
    needs = f"{override.package} {override.version} requires {override.needs}"
    # lockgen writes no override: `pip check` in the image would fail.
    return [
        f"or: {needs}. This is the only requirement that prevents a resolution.",
        f"    With an override to {override.instead}, the family resolves without any change. Whether it works is",
        "    untested, and `pip check` in the image will report it. lockgen does not write overrides.",
    ]


def _listing(listing: Listing) -> Iterable[str]:
    yield f'{listing.text}: index {listing.index} has it. Add "{listing.package}" to [index.{listing.index}] packages'
    for variant in listing.variants:
        yield f'  and set [variants.{variant}] index = "{listing.index}"'
    if listing.recorded:
        yield f"  then record the index: lockgen index record {listing.index}"


def _table(proposal: Proposal, conflicts: Iterable[Conflict], line: ConflictLine) -> list[str]:
    rows = [_row(move, proposal, conflicts, line) for move in proposal.moves]
    if not rows:
        return []
    places = [row.place for row in rows]
    old_texts = [row.old for row in rows]
    place_width = max(map(len, places))
    old_width = max(map(len, old_texts))
    lines: list[str] = []
    for row in rows:
        cells = f"{row.place:{place_width}}  {row.old:{old_width}}  -> {row.new}"
        lines.append(f"{cells}   {row.why}" if row.why else cells)
    return lines


def _row(move: PinChange, proposal: Proposal, conflicts: Iterable[Conflict], line: ConflictLine) -> _Row:
    return _Row(
        place=_place(move.constraint, line),
        old=move.constraint.text,
        new=move.to if move.to is not None else "any version",
        why=reason(move, proposal, conflicts),
    )


def _place(constraint: Constraint, line: ConflictLine) -> str:
    number = line(constraint)
    return f"line {number}:" if number is not None else ""


def reason(move: PinChange, proposal: Proposal, conflicts: Iterable[Conflict]) -> str:
    """The reason for a change: an unmet requirement, a release that no index has, or a conflicting constraint."""
    why = move.why
    if why is not None:
        return f"{why.name} {why.version} requires {why.needs}{why.bound}"
    own = [conflict for conflict in conflicts if move.constraint in conflict.constraints]
    for conflict in own:
        if len(conflict.constraints) == 1:
            return conflict.unavailable[0] if conflict.unavailable else "no solution contains it"
    against = _opponent(move, proposal, own)
    return f"conflicts with {against.text}" if against is not None else ""


def _opponent(move: PinChange, proposal: Proposal, conflicts: Iterable[Conflict]) -> Constraint | None:
    """A constraint that conflicts with the one that changes; None if there is none."""
    others: list[Constraint] = []
    for conflict in conflicts:
        others += [other for other in conflict.constraints if other != move.constraint]
    # A constraint that stays is the better reason. But two may both have to change because of each other.
    changing = {change.constraint for change in proposal.moves}
    for other in others:
        if other not in changing:
            return other
    return others[0] if others else None


def note(move: PinChange, proposal: Proposal, conflicts: Iterable[Conflict]) -> str:
    """The comment next to a changed value in versions.toml."""
    why = reason(move, proposal, conflicts)
    old = move.constraint.version or move.constraint.text
    return f"was {old}: {why}" if why else f"was {old}"


def as_json(repairs: Repairs, line: ConflictLine) -> dict[str, Any]:
    """Format 1."""
    return {
        "format": 1,
        "complete": repairs.complete,
        "questions": repairs.asked,
        "unknown": list(repairs.unknown),
        "proposals": [_proposal_data(proposal, repairs.conflicts, line) for proposal in repairs.proposals],
        "overrides": [_override_data(override) for override in repairs.overrides],
    }


def _proposal_data(proposal: Proposal, conflicts: Iterable[Conflict], line: ConflictLine) -> dict[str, Any]:
    changes: list[dict[str, Any]] = []
    for move in proposal.moves:
        change = constraint_data(move.constraint, line)
        change["to"] = move.to
        change["releases-between"] = move.steps
        change["why"] = reason(move, proposal, conflicts)
        changes.append(change)
    versions: dict[str, dict[str, str]] = {}
    for solve, packages in proposal.versions.items():
        versions[solve] = dict(sorted(packages.items()))
    return {
        "images": list(proposal.images),
        "changes": changes,
        "versions": versions,
        "accelerator": proposal.accelerator or None,
        "new-pins": [_new_pin_data(pin) for pin in proposal.new_pins],
        "listings": [_listing_data(listing) for listing in proposal.listings],
    }


def _listing_data(listing: Listing) -> dict[str, Any]:
    return {
        "package": listing.package,
        "index": listing.index,
        "variants": list(listing.variants),
        "record": listing.recorded,
    }


def _new_pin_data(pin: NewPin) -> dict[str, str]:
    return {"package": pin.package, "version": pin.version, "why": pin.why}


def _override_data(override: Override) -> dict[str, Any]:
    return {
        "package": override.package,
        "version": override.version,
        "needs": override.needs,
        "instead": override.instead,
    }
