"""Render outdated pins and base images, as tables for a terminal, as Markdown and as data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lockgen.core.index import Release
from lockgen.core.markdown import plain, table_row
from lockgen.core.text_table import WIDTH, narrow_table, table
from lockgen.core.words import counted
from lockgen.proof.known_bounds import known_document, sentence
from lockgen.upgrade.outdated_model import FamilyMember, OutdatedBase, OutdatedPin, Survey

FORMAT = 1
_IMAGES = 3
"""How many images a row lists before it only counts the rest."""
_HEAD = ["pin", "current", "days", "fits", "newest", "days", "held", "images"]
_BASE_HEAD = ["base image", "variants", "digest", "newer tag"]


def text(survey: Survey, now: datetime) -> str:
    """The tables, then a line for each version that does not fit or is not known."""
    blocks = []
    if survey.rows:
        head, rows = _grid(survey, now)
        blocks.append(_pins_table(head, rows))
    if survey.bases:
        bases = [_base_cells(base) for base in survey.bases]
        blocks.append(narrow_table(_BASE_HEAD, bases, left=(0, 1, 2, 3), broken=(0, 1, 3)))
    lines = [*_remarks(survey), *survey.notes]
    if lines:
        blocks.append("\n".join(lines))
    blocks.append(_headline(survey))
    return "\n\n".join(blocks)


def _grid(survey: Survey, now: datetime) -> tuple[list[str], list[list[str]]]:
    """The head and the rows of the table of pins, with a column for what runs if some version does not."""
    head = list(_HEAD)
    rows = [_cells(row, now) for row in survey.rows]
    if any(row.bounds for row in survey.rows):
        place = head.index("newest")
        head.insert(place, "runs")
        for row, cells in zip(survey.rows, rows, strict=True):
            cells.insert(place, _runs(row))
    return head, rows


def _runs(row: OutdatedPin) -> str:
    if not row.bounds:
        return ""
    return "=" if row.newest_that_runs == row.current.version else row.newest_that_runs or "unknown"


def _pins_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Numbers to the right, names to the left. If it is too wide, the images get lines below their rows."""
    wide = table(head, rows, left=(0, len(head) - 1))
    width = max(map(len, wide.splitlines()))
    if width <= WIDTH:
        return wide
    *shown, images_head = head
    narrow: list[Sequence[str]] = []
    below: list[str] = []
    for row in rows:
        *fields, images = row
        narrow.append(fields)
        below.append(f"{images_head}: {images}" if images else "")
    return narrow_table(shown, narrow, below=below)


def markdown(survey: Survey, now: datetime) -> str:
    """The same in Markdown, with a final newline."""
    blocks = [_headline(survey)]
    if survey.rows:
        head, rows = _grid(survey, now)
        blocks.append(_table(head, rows))
    if survey.bases:
        bases = [_base_cells(base) for base in survey.bases]
        blocks.append(_table(_BASE_HEAD, bases))
    lines = [*_remarks(survey), *survey.notes]
    if lines:
        items = [f"* {plain(line)}" for line in lines]
        blocks.append("\n".join(items))
    return "\n\n".join(blocks) + "\n"


def as_json(survey: Survey, now: datetime) -> dict[str, Any]:
    """The output of `lockgen outdated --json`. Ages are whole days, null if the index has no upload times."""
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
        "members": [_member_data(member) for member in row.members],
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
        "newest-that-runs": row.newest_that_runs,
        "bounds": [known_document(known) for known in row.bounds],
        "ignored": list(row.ignored),
        "newest-not-ignored": row.not_ignored,
    }


def _member_data(member: FamilyMember) -> dict[str, Any]:
    return {
        "name": member.name,
        "path": list(member.path),
        "current": member.current,
        "fits": member.fits,
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
    # The leading package first, then the others of the family.
    names = dict.fromkeys([row.name, *(member.name for member in row.members)])
    label = ", ".join(names)
    if row.table:
        label += f" ({row.table})"
    return [
        label,
        row.current.version,
        _age(row.current, now),
        _fits(row),
        row.newest.version if row.newest is not None else "unknown",
        _age(row.newest, now),
        "held" if row.held else "",
        _list(row.images),
    ]


def _fits(row: OutdatedPin) -> str:
    if row.fits is None:
        return "unknown"
    if row.fits.version == row.current.version:
        return "="
    return row.fits.version


def _age(release: Release | None, now: datetime) -> str:
    age = release.age(now) if release is not None else None
    return "" if age is None else str(age)


def _base_cells(base: OutdatedBase) -> list[str]:
    tag = base.tag or ("none" if base.listed else "unknown")
    return [base.reference, ", ".join(base.variants), _digest(base), tag]


def _digest(base: OutdatedBase) -> str:
    """The state of the digest, in words."""
    if base.unknown and base.digest is None:
        return "unknown"
    if base.pinned is None:
        return "not pinned"
    if base.digest is not None and base.moved:
        return f"now {base.digest.removeprefix('sha256:')[:12]}"
    return "current"


def _remarks(survey: Survey) -> list[str]:
    """A line for each version that does not fit; then one for each reason why versions are not allowed or unknown."""
    lines: list[str] = []
    by_reason: dict[str, list[str]] = {}
    for row in survey.rows:
        if row.allowed:
            lines.append(f"{row.label} {row.allowed} is not compatible: {row.reason}")
        lines += [sentence(known) for known in row.bounds]
        if row.ignored and row.newest is not None:
            lines.append(_ignored(row, row.newest))
        if row.bar and row.newest is not None:
            by_reason.setdefault(row.bar, []).append(f"{row.label} {row.newest.version}")
    # In the order of the file, but after all versions that are not allowed.
    unknown = [(row.unknown, row.label) for row in survey.rows]
    unknown += [(base.unknown, base.reference) for base in survey.bases]
    for reason, name in unknown:
        if reason:
            by_reason.setdefault(f"unknown ({reason})", []).append(name)
    for reason, names in by_reason.items():
        lines.append(f"{reason}: {', '.join(names)}")
    return lines


def _ignored(row: OutdatedPin, newest: Release) -> str:
    reasons = "; ".join(reason for reason in row.ignored if reason)
    text = f"{row.label} {newest.version} is ignored by [update]"
    if reasons:
        text += f" ({reasons})"
    return f"{text}; newest that is not ignored: {row.not_ignored}" if row.not_ignored else text


def _headline(survey: Survey) -> str:
    pins = sum(row.outdated for row in survey.rows)
    bases = sum(base.outdated for base in survey.bases)
    held_back = sum(row.outdated and row.fits_but_does_not_run for row in survey.rows)
    but = f" (for {held_back}, the version that fits does not run)" if held_back else ""
    return (
        f"{pins} of {counted(len(survey.rows), 'pin')} can be upgraded on their own{but}, "
        f"{bases} of {counted(len(survey.bases), 'base image is', 'base images are')} outdated"
    )


def _list(names: Sequence[str]) -> str:
    text = ", ".join(names[:_IMAGES])
    rest = len(names) - _IMAGES
    return f"{text} +{rest}" if rest > 0 else text


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [table_row(head), table_row(["---"] * len(head))]
    lines += [table_row([plain(cell) for cell in row]) for row in rows]
    return "\n".join(lines)
