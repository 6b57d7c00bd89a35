"""What is not the newest, as a table for a terminal, as Markdown and as data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lockgen.core.index import Release
from lockgen.core.text_table import table
from lockgen.upgrade.outdated_model import OutdatedBase, OutdatedPin, Survey

FORMAT = 1
_IMAGES = 3
"""How many images a row names before it only counts the rest."""
_MARKDOWN = re.compile(r"([\\`*<\[\]|])")
_HEAD = ["pin", "current", "days", "fits", "newest", "days", "held", "images"]
_BASES = ["base image", "variants", "digest", "newer tag"]


def text(survey: Survey, now: datetime) -> str:
    """Tables, then a line for each thing that stands in the way or is not known."""
    blocks = []
    if survey.rows:
        blocks.append(table(_HEAD, [_cells(row, now) for row in survey.rows], left=(0, 7)))
    if survey.bases:
        blocks.append(table(_BASES, [_base(base) for base in survey.bases], left=(0, 1, 2, 3)))
    lines = [*_remarks(survey), *survey.notes]
    if lines:
        blocks.append("\n".join(lines))
    blocks.append(_headline(survey))
    return "\n\n".join(blocks)


def markdown(survey: Survey, now: datetime) -> str:
    """The same as tables of Markdown, ended by a new line."""
    blocks = [_headline(survey)]
    if survey.rows:
        blocks.append(_table(_HEAD, [_cells(row, now) for row in survey.rows]))
    if survey.bases:
        blocks.append(_table(_BASES, [_base(base) for base in survey.bases]))
    lines = [*_remarks(survey), *survey.notes]
    if lines:
        blocks.append("\n".join(f"* {_escape(line)}" for line in lines))
    return "\n\n".join(blocks) + "\n"


def as_json(survey: Survey, now: datetime) -> dict[str, Any]:
    """Format 1. Ages are whole days, null where the index has no upload times."""
    return {
        "format": FORMAT,
        "outdated": survey.outdated,
        "pins": [_row_data(row, now) for row in survey.rows],
        "base-images": [_base_data(base) for base in survey.bases],
        "notes": list(survey.notes),
    }


def _row_data(row: OutdatedPin, now: datetime) -> dict[str, Any]:
    return {
        "name": row.name,
        "members": [{"name": m.name, "path": list(m.path), "current": m.current, "fits": m.fits} for m in row.members],
        "variant": row.table,
        "variants": list(row.variants),
        "images": list(row.images),
        "held": row.held,
        "outdated": row.outdated,
        "current": _release_data(row.current, now),
        "fits": _release_data(row.fits, now),
        "newest": _release_data(row.newest, now),
        "allowed": row.allowed,
        "why": row.reason,
        "newest-why": row.bar,
        "unknown": row.unknown,
    }


def _release_data(release: Release | None, now: datetime) -> dict[str, Any] | None:
    if release is None:
        return None
    uploaded = release.uploaded.isoformat() if release.uploaded is not None else None
    return {"version": release.version, "uploaded": uploaded, "age": release.age(now)}


def _base_data(base: OutdatedBase) -> dict[str, Any]:
    return {
        "image": base.reference,
        "variants": list(base.variants),
        "outdated": base.outdated,
        "digest": {"pinned": base.pinned, "now": base.digest},
        "newer-tag": base.tag,
        "unknown": base.unknown,
    }


def _cells(row: OutdatedPin, now: datetime) -> list[str]:
    label = ", ".join(dict.fromkeys([row.name, *(member.name for member in row.members)]))
    return [
        f"{label} ({row.table})" if row.table else label,
        row.current.version,
        _age(row.current, now),
        "unknown" if row.fits is None else "=" if row.fits.version == row.current.version else row.fits.version,
        "unknown" if row.newest is None else row.newest.version,
        _age(row.newest, now),
        "held" if row.held else "",
        _list(row.images),
    ]


def _age(release: Release | None, now: datetime) -> str:
    age = release.age(now) if release is not None else None
    return "" if age is None else str(age)


def _base(base: OutdatedBase) -> list[str]:
    now = base.digest.removeprefix("sha256:")[:12] if base.digest else ""
    digest = "not pinned" if base.pinned is None else f"now {now}" if base.moved else "the newest"
    if base.unknown and base.digest is None:
        digest = "unknown"
    tag = base.tag or ("none" if base.listed else "unknown")
    return [base.reference, ", ".join(base.variants), digest, tag]


def _remarks(survey: Survey) -> list[str]:
    """What does not fit, a line each; then why what is newer still is not asked for, the same reasons together."""
    found = [f"{_where(row)} {row.allowed} does not fit: {row.reason}" for row in survey.rows if row.allowed]
    bars = [(row.bar, f"{_where(row)} {row.newest.version}") for row in survey.rows if row.bar and row.newest]
    unknown = [(f"not known ({row.unknown})", _where(row)) for row in survey.rows if row.unknown]
    unknown += [(f"not known ({base.unknown})", base.reference) for base in survey.bases if base.unknown]
    together: dict[str, list[str]] = {}
    for reason, what in (*bars, *unknown):
        together.setdefault(reason, []).append(what)
    return found + [f"{reason}: {', '.join(names)}" for reason, names in together.items()]


def _where(row: OutdatedPin) -> str:
    return f"{row.name} ({row.table})" if row.table else row.name


def _headline(survey: Survey) -> str:
    pins = sum(row.outdated for row in survey.rows)
    bases = sum(base.outdated for base in survey.bases)
    return (
        f"{pins} of {len(survey.rows)} pins can move by themselves, "
        f"{bases} of {len(survey.bases)} base images are not the newest"
    )


def _list(names: Sequence[str]) -> str:
    rest = len(names) - _IMAGES
    return ", ".join(names[:_IMAGES]) + (f" +{rest}" if rest > 0 else "")


def _escape(cell: str) -> str:
    return " ".join(_MARKDOWN.sub(r"\\\1", cell).split())


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_escape(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
