"""Conflicts as text for a terminal, in terms of images and lines of versions.toml, and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lockgen.conflicts.known_limits import NOTHING_KNOWN, KnownLimits
from lockgen.conflicts.model import Conflict, Constraint, Diagnosis, UnmetRequirement
from lockgen.core.words import counted

ConflictLine = Callable[[Constraint], int | None]
"""The line of a constraint in versions.toml."""

_MOST_NAMES = 4


def text(diagnoses: Sequence[Diagnosis], line: ConflictLine, limits: KnownLimits = NOTHING_KNOWN) -> str:
    """All diagnoses, for a terminal, then what is known of the versions besides."""
    rows: list[str] = []
    for diagnosis in diagnoses:
        rows += _diagnosis(diagnosis, line)
    if limits.lines:
        rows += ["What no metadata says, from earlier runs and [update]:", ""]
        rows += [f"  {sentence}" for sentence in limits.lines]
    return "\n".join(rows).rstrip("\n")


def _diagnosis(diagnosis: Diagnosis, line: ConflictLine) -> list[str]:
    rows = [_heading(diagnosis), ""]
    for number, conflict in enumerate(diagnosis.conflicts, 1):
        rows += _conflict(number, conflict, line)
        rows.append("")
    if diagnosis.unknown:
        rows.append(f"The resolver gave no answer to {counted(len(diagnosis.unknown), 'query', 'queries')}:")
        for reason in diagnosis.unknown:
            # The rest of a reason is the output of a build or of a resolver.
            first = reason.splitlines()[0] if reason else "the resolver gave no reason"
            rows.append(f"  {first}")
    return rows


def _heading(diagnosis: Diagnosis) -> str:
    variants = ", ".join(diagnosis.variants)
    if diagnosis.joint:
        variants += ", which share one version of each package"
    heading = f"the images of {variants}: {_count(len(diagnosis.conflicts))}"
    if not diagnosis.complete:
        heading += ", and there may be more: the search ended early"
    return heading


def _count(conflicts: int) -> str:
    return counted(conflicts, "conflict") if conflicts else "no conflict was found"


def _conflict(number: int, conflict: Conflict, line: ConflictLine) -> list[str]:
    constraints = " with ".join(_texts(conflict.constraints))
    note = "" if conflict.proved_minimal else " (may not be minimal)"
    rows = [f"{number}. {constraints}{note}"]
    rows += [f"   {sentence}" for sentence in sentences(conflict, line)]
    # Without a requirement to name, the resolver's own explanation is the best there is.
    if not conflict.unmet:
        rows += [f"   | {part}" for part in conflict.reason.splitlines() if part.strip()]
    return rows


def sentences(conflict: Conflict, line: ConflictLine) -> list[str]:
    """The cause of a conflict: each unmet requirement, the other constraints, and what no index has."""
    by_name = {constraint.name: constraint for constraint in conflict.constraints}
    found: list[str] = []
    mentioned: set[str] = set()
    for unmet in conflict.unmet:
        found.append(_unmet(unmet, by_name, line))
        mentioned |= {unmet.name, unmet.needs}
        if unmet.against is not None:
            mentioned.add(unmet.against.name)
    others = [constraint for constraint in conflict.constraints if constraint.name not in mentioned]
    found += [_declaration(constraint, line) for constraint in others]
    return [*found, *conflict.unavailable]


def _unmet(unmet: UnmetRequirement, by_name: Mapping[str, Constraint], line: ConflictLine) -> str:
    need = _need(unmet, by_name)
    if unmet.against is not None:
        return f"{need}; {_need(unmet.against, by_name)}"
    return f"{need}; {_declaration(by_name[unmet.needs], line)}"


def _need(unmet: UnmetRequirement, by_name: Mapping[str, Constraint]) -> str:
    package = f"{unmet.name} {unmet.version}"
    images = by_name[unmet.name].requested_by
    if images:
        package += f" (required by {_list(images)})"
    need = f"{unmet.needs}{unmet.bound}"
    if unmet.via:
        need = f"{unmet.via}, which requires {need}"
    return f"{package} requires {need}"


def _declaration(constraint: Constraint, line: ConflictLine) -> str:
    """Where a constraint is and what it says: "[pins] line 31 pins torch to 2.5.1+cu121"."""
    where = _table(constraint)
    number = line(constraint)
    if number is not None:
        where = f"{where} line {number}"
    if constraint.kind != "pin":
        return f"{where} requires {constraint.text}"
    pin = f"{where} pins {constraint.name} to {constraint.version}"
    if not constraint.requested_by:
        return pin
    return f"{pin} (required by {_list(constraint.requested_by)})"


def _table(constraint: Constraint) -> str:
    keys = [str(key) for key in constraint.path]
    # These tables have no names: [pins], but [stages.asr].
    length = 1 if keys[0] in {"pins", "common"} else 2
    return f"[{'.'.join(keys[:length])}]"


def _list(names: Sequence[str]) -> str:
    shown = list(names)
    if len(shown) > _MOST_NAMES:
        shown = [*names[:3], f"{len(names) - 3} more"]
    if len(shown) == 1:
        return shown[0]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def as_json(diagnoses: Sequence[Diagnosis], line: ConflictLine, limits: KnownLimits) -> dict[str, Any]:
    """Format 1. Line numbers are those of versions.toml."""
    return {"format": 1, "solves": [_diagnosis_data(diagnosis, line) for diagnosis in diagnoses], **limits.data}


def _diagnosis_data(diagnosis: Diagnosis, line: ConflictLine) -> Mapping[str, Any]:
    return {
        "variants": list(diagnosis.variants),
        "together": diagnosis.joint,
        "complete": diagnosis.complete,
        "questions": diagnosis.asked,
        "unknown": list(diagnosis.unknown),
        "conflicts": [_conflict_data(conflict, line) for conflict in diagnosis.conflicts],
        "without": [_texts(correction.constraints) for correction in diagnosis.corrections],
    }


def _texts(constraints: Sequence[Constraint]) -> list[str]:
    return [constraint.text for constraint in constraints]


def _conflict_data(conflict: Conflict, line: ConflictLine) -> dict[str, Any]:
    return {
        "elements": [constraint_data(constraint, line) for constraint in conflict.constraints],
        "needs": [_unmet_data(unmet) for unmet in conflict.unmet],
        "never": list(conflict.unavailable),
        "sentences": sentences(conflict, line),
        "reason": conflict.reason,
        "minimal": conflict.proved_minimal,
    }


def _unmet_data(unmet: UnmetRequirement) -> dict[str, Any]:
    data: dict[str, Any] = {
        "package": unmet.name,
        "version": unmet.version,
        "needs": f"{unmet.needs}{unmet.bound}",
    }
    # Absent keys, not null: format 1 has always left them out.
    if unmet.via:
        data["via"] = unmet.via
    if unmet.against is not None:
        data["against"] = _unmet_data(unmet.against)
    return data


def constraint_data(constraint: Constraint, line: ConflictLine) -> dict[str, Any]:
    """A constraint with its place and the images that require it."""
    return {
        "text": constraint.text,
        "kind": constraint.kind,
        "path": list(constraint.path),
        "line": line(constraint),
        "images": list(constraint.requested_by),
        "held": constraint.held,
    }
