"""What a run of `lockgen update` did, as text and as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lockgen.update.model import GroupResult, Waiting


def text(told: Sequence[GroupResult], waiting: Sequence[Waiting], *, bodies: bool) -> str:
    """The report for a terminal, a block for each group; with ``bodies`` the texts of the pull requests too."""
    blocks = []
    for one in told:
        head = f"{one.group}: {one.deed}{f', {one.title}' if one.title else ''}"
        lines = [head, *([f"  {one.url}"] if one.url else []), *(f"  {line}" for line in one.why.splitlines())]
        if bodies and one.body:
            lines += ["", *(f"  | {line}".rstrip() for line in one.body.splitlines())]
        blocks.append("\n".join(lines))
    if waiting:
        blocks.append("\n".join(["held back", *(f"  {line}" for line in _held_back(waiting))]))
    return "\n".join(blocks) + "\n" if blocks else "everything is up to date\n"


def _held_back(waiting: Iterable[Waiting]) -> list[str]:
    """A line for each package and reason; the releases are in order, the newest first."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in waiting:
        found.setdefault((one.name, one.why), []).append(one.version)
    return [f"{name} {_span(versions)}: {why}" for (name, why), versions in found.items()]


def _span(versions: Sequence[str]) -> str:
    if len(versions) < 4:
        return ", ".join(versions)
    return f"{versions[0]} and {len(versions) - 1} older ones, to {versions[-1]}"


def as_json(told: Sequence[GroupResult], waiting: Sequence[Waiting]) -> dict[str, object]:
    """Plain data; ``format`` grows when a reader of the former one would misread it."""
    return {
        "format": 1,
        "groups": [
            {
                "group": one.group,
                "outcome": str(one.deed),
                "branch": one.branch,
                "title": one.title or None,
                "url": one.url,
                "why": one.why or None,
                "moves": [{"name": move.name, "from": move.old, "to": move.new} for move in one.moves],
                "body": one.body or None,
            }
            for one in told
        ],
        "held-back": [{"name": w.name, "version": w.version, "why": w.why} for w in waiting],
    }
