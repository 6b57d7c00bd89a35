"""Why a family has no solution, in words of images and lines of versions.toml; and as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lockgen.conflicts.model import Conflict, Constraint, Diagnosis, Link

ConflictLine = Callable[[Constraint], int | None]
"""Where an element stands in versions.toml."""


def text(diagnoses: Sequence[Diagnosis], line: ConflictLine) -> str:
    """All of it for a terminal; "" where nothing is known to conflict."""
    return "\n".join(part for diagnosis in diagnoses for part in _diagnosis(diagnosis, line)).rstrip("\n")


def _diagnosis(diagnosis: Diagnosis, line: ConflictLine) -> list[str]:
    who = ", ".join(diagnosis.variants) + (", which share one version of each package" if diagnosis.joint else "")
    count = len(diagnosis.conflicts)
    what = "no conflict was found" if not count else f"{count} {'conflict' if count == 1 else 'conflicts'}"
    all_of_them = "" if diagnosis.complete else ", and there may be more: the search did not end"
    parts = [f"the images of {who}: {what}{all_of_them}", ""]
    for number, conflict in enumerate(diagnosis.conflicts, 1):
        parts += [*_conflict(number, conflict, line), ""]
    if diagnosis.unknown:
        parts.append(f"{len(diagnosis.unknown)} questions had no answer:")
        parts += [
            f"  {reason.splitlines()[0] if reason else 'the resolver said nothing'}" for reason in diagnosis.unknown
        ]
    return parts


def _conflict(number: int, conflict: Conflict, line: ConflictLine) -> list[str]:
    head = " with ".join(element.text for element in conflict.elements)
    proof = "" if conflict.proved else " (perhaps less of it would do)"
    rows = [f"{number}. {head}{proof}"]
    rows += [f"   {sentence}" for sentence in sentences(conflict, line)]
    if not conflict.links:
        rows += [f"   | {part}" for part in conflict.reason.splitlines() if part.strip()]
    return rows


def sentences(conflict: Conflict, line: ConflictLine) -> list[str]:
    """What makes it a conflict, each need with who asks for it and what holds against it; then what no index has."""
    by_name = {element.name: element for element in conflict.elements}
    found = [_linked(link, by_name, line) for link in conflict.links]
    told = {name for link in conflict.links for name in (link.name, link.needs, link.against and link.against.name)}
    found += [_holds(element, line) for element in conflict.elements if element.name not in told]
    return [*found, *conflict.never]


def _linked(link: Link, by_name: Mapping[str, Constraint], line: ConflictLine) -> str:
    need = _need(link, by_name)
    if link.against is not None:
        return f"{need}; {_need(link.against, by_name)}"
    return f"{need}; {_holds(by_name[link.needs], line)}"


def _need(link: Link, by_name: Mapping[str, Constraint]) -> str:
    asked = f", asked by {_list(by_name[link.name].askers)}," if by_name[link.name].askers else ""
    between = f"{link.via}, and those need " if link.via else ""
    return f"{link.name} {link.version}{asked} needs {between}{link.needs}{link.bound}"


def _holds(element: Constraint, line: ConflictLine) -> str:
    """ "[pins] line 31 holds torch at 2.5.1+cu121"."""
    table = _table(element)
    number = line(element)
    where = f"{table} line {number}" if number is not None else table
    if element.kind == "pin":
        asked = f", asked by {_list(element.askers)}" if element.askers else ""
        return f"{where} holds {element.name} at {element.version}{asked}"
    return f"{where} asks for {element.text}"


def _table(element: Constraint) -> str:
    keys = [str(key) for key in element.path]
    return "[" + ".".join(keys[:1] if keys[0] in {"pins", "common"} else keys[:2]) + "]"


def _list(names: Sequence[str]) -> str:
    shown = list(names) if len(names) < 5 else [*names[:3], f"{len(names) - 3} more"]
    return " and ".join(part for part in (", ".join(shown[:-1]), shown[-1]) if part)


def as_json(diagnoses: Sequence[Diagnosis], line: ConflictLine) -> dict[str, Any]:
    """Format 1. The lines are those of versions.toml."""
    return {"format": 1, "solves": [_data(diagnosis, line) for diagnosis in diagnoses]}


def _data(diagnosis: Diagnosis, line: ConflictLine) -> Mapping[str, Any]:
    return {
        "variants": list(diagnosis.variants),
        "together": diagnosis.joint,
        "complete": diagnosis.complete,
        "questions": diagnosis.asked,
        "unknown": list(diagnosis.unknown),
        "conflicts": [
            {
                "elements": [element_data(element, line) for element in conflict.elements],
                "needs": [_link_data(link) for link in conflict.links],
                "never": list(conflict.never),
                "sentences": sentences(conflict, line),
                "reason": conflict.reason,
                "minimal": conflict.proved,
            }
            for conflict in diagnosis.conflicts
        ],
        "without": [[element.text for element in correction.elements] for correction in diagnosis.corrections],
    }


def _link_data(link: Link) -> dict[str, Any]:
    found: dict[str, Any] = {"package": link.name, "version": link.version, "needs": f"{link.needs}{link.bound}"}
    if link.via:
        found["via"] = link.via
    if link.against is not None:
        found["against"] = _link_data(link.against)
    return found


def element_data(element: Constraint, line: ConflictLine) -> dict[str, Any]:
    """An element, with its place and its images."""
    return {
        "text": element.text,
        "kind": element.kind,
        "path": list(element.path),
        "line": line(element),
        "images": list(element.askers),
        "held": element.held,
    }
