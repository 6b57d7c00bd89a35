"""The pair table of torch's family: as JSON, and for people."""

from __future__ import annotations

import json

from packaging.version import Version

from lockgen.core.compat_axes import Member, Pairs, TorchRelease
from lockgen.core.text_table import table

NAMES = ("torch", "torchaudio", "torchvision")


def render_pairs(pairs: Pairs) -> str:
    """Format 1: a release a block, the oldest first."""
    releases = {torch: _release(pairs[torch]) for torch in sorted(pairs, key=Version)}
    return json.dumps({"format": 1, "releases": releases}, indent=1) + "\n"


def _release(release: TorchRelease) -> dict[str, object]:
    members = {name: _member(member) for name, member in sorted(release.members.items())}
    return {"accelerator": release.accelerator, "members": members}


def _member(member: Member) -> dict[str, object]:
    return {"version": member.version, "pythons": list(member.pythons) if member.pythons is not None else None}


def text(pairs: Pairs) -> str:
    """A table; "?" is what no metadata says."""
    rows = []
    for torch in sorted(pairs, key=Version):
        release = pairs[torch]
        partners = [release.members[name].version if name in release.members else None for name in NAMES[1:]]
        own = release.members.get("torch", Member(None)).pythons
        pythons = f"{own[0]} to {own[-1]}" if own else "?"
        rows.append([torch, *(partner or "?" for partner in partners), release.accelerator or "?", pythons])
    return table([*NAMES, "built for", "Python"], rows)
