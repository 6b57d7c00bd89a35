"""The pair table as JSON and as text."""

from __future__ import annotations

import json

from lockgen.core.accelerator import FAMILY
from lockgen.core.compat_axes import TORCH, Member, Pairs, TorchRelease
from lockgen.core.parsing import parse_version
from lockgen.core.text_table import table

_UNKNOWN = "?"


def render_pairs(pairs: Pairs) -> str:
    """The table as JSON, format 1, the oldest torch first."""
    # By version: as text, 2.10 would come before 2.9.
    releases = {torch: _release(pairs[torch]) for torch in sorted(pairs, key=parse_version)}
    return json.dumps({"format": 1, "releases": releases}, indent=1) + "\n"


def _release(release: TorchRelease) -> dict[str, object]:
    members = {name: _member(member) for name, member in sorted(release.members.items())}
    return {"accelerator": release.accelerator, "members": members}


def _member(member: Member) -> dict[str, object]:
    pythons = list(member.pythons) if member.pythons is not None else None
    return {"version": member.version, "pythons": pythons}


def text(pairs: Pairs) -> str:
    """The table for a terminal; "?" marks what no metadata says."""
    rows = [_row(torch, pairs[torch]) for torch in sorted(pairs, key=parse_version)]
    return table([*FAMILY, "built for", "Python"], rows)


def _row(torch: str, release: TorchRelease) -> list[str]:
    row = [torch]
    for name in FAMILY[1:]:
        member = release.members.get(name, Member(None))
        row.append(member.version or _UNKNOWN)
    row.append(release.accelerator or _UNKNOWN)
    row.append(_pythons(release.members.get(TORCH, Member(None))))
    return row


def _pythons(member: Member) -> str:
    if not member.pythons:
        return _UNKNOWN
    return f"{member.pythons[0]} to {member.pythons[-1]}"
