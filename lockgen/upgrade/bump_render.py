"""Render the result of a bump, as text and as data."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from lockgen.core.quoting import readable
from lockgen.core.sizes import Bytes, Weight
from lockgen.core.text_table import table
from lockgen.diff import render as changes
from lockgen.proof import change_text
from lockgen.proof.model import ProofBound
from lockgen.proof.run_document import bound_document, change_document
from lockgen.size.render import download, installed
from lockgen.upgrade.bump_model import Bumped, PinMove, Stay

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def text(bumped: Bumped, *, dry_run: bool) -> str:
    """The changes in versions.toml, what did not change and why, the difference and size of each image, the files."""
    blocks = _pins(bumped)
    if bumped.moves or bumped.opened:
        blocks.append(changes.text(bumped.changes).rstrip("\n"))
    if bumped.weights:
        blocks.append(weights(bumped.weights))
    if bumped.runs:
        blocks.append(change_text.changes(bumped.runs))
    if bumped.files:
        verb = "would be written" if dry_run else "written"
        blocks.append("\n".join(f"{path} {verb}" for path in bumped.files))
    if not blocks:
        return "nothing to change: everything is already as requested"
    return "\n\n".join(blocks)


def _pins(bumped: Bumped) -> list[str]:
    """What happens to the requests, in blocks."""
    blocks: list[str] = []
    if bumped.moves:
        blocks.append(_moves(bumped.moves))
    if bumped.stays:
        blocks.append("\n".join(stay(one) for one in bumped.stays))
    if bumped.short:
        blocks.append("\n".join(not_newest(one) for one in bumped.short))
    if bumped.bounds:
        blocks.append("\n".join(bound(one) for one in bumped.bounds))
    if bumped.opened:
        blocks.append(f"without a pin, upgraded to the latest compatible version: {', '.join(bumped.opened)}")
    return blocks


def _moves(moves: Sequence[PinMove]) -> str:
    name_width = max(len(move.name) for move in moves)
    change_width = max(len(_change(move)) for move in moves)
    lines: list[str] = []
    for move in moves:
        name = move.name.ljust(name_width)
        change = _change(move).ljust(change_width)
        lines.append(f"{name}  {change}  {place(move)}")
    return "\n".join(lines)


def _change(move: PinMove) -> str:
    return f"{move.old or 'no pin'} -> {move.new}"


def place(move: PinMove) -> str:
    """The keys of a value as TOML writes them: ``variants.cuda.pins.torch``."""
    return ".".join(_key(str(part)) for part in move.path)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else readable(key)


def stay(one: Stay) -> str:
    """Why a pin does not change, in one line."""
    stays = f"{one.name} stays at {one.current}"
    alone = "".join(_alone(one.name, variant) for variant in one.alone)
    if one.newest is None:
        return f"{stays}: no newer version is allowed{alone}"
    why = f": {one.reason}" if one.reason else ""
    return f"{stays}: {one.newest} is not compatible{why}{alone}"


def _alone(name: str, variant: str) -> str:
    return f"; for {variant} alone there is one: lockgen bump {name} --variant {variant}"


def not_newest(one: Stay) -> str:
    """Why a pin that changes does not change to the latest version, in one line."""
    why = f": {one.reason}" if one.reason else ""
    return f"{one.name} does not change to {one.newest}{why}"


def bound(one: ProofBound) -> str:
    """A version that does not run, in one line."""
    rest = f"{one.passed} is the newest version that runs" if one.passed else "no newer version runs"
    return f"{one.package} {one.failed}: {one.image} does not run: {one.reason}; {rest}"


def weights(images: Sequence[Weight]) -> str:
    """The size of each image before and after: of the download, and once installed."""
    head = ["image", "download before", "after", "installed before", "after"]
    rows: list[list[str]] = []
    for image in images:
        row = [image.tag]
        for render in (download, installed):
            row.append(_size(image.before, render))
            row.append(_size(image.after, render))
        rows.append(row)
    return table(head, rows)


def _size(size: Bytes | None, render: Callable[[Bytes], object]) -> str:
    return "-" if size is None else str(render(size))


def as_json(bumped: Bumped, *, dry_run: bool) -> dict[str, Any]:
    """The output of `lockgen bump --json`, format 1. ``changes`` is the output of `lockgen diff --json`."""
    return {
        "format": 1,
        "dry-run": dry_run,
        "moves": [_move_data(move) for move in bumped.moves],
        "stays": [_stay_data(one) for one in bumped.stays],
        "short": [_stay_data(one) for one in bumped.short],
        "opened": list(bumped.opened),
        "changes": changes.as_json(bumped.changes),
        "sizes": [_weight_data(image) for image in bumped.weights],
        "files": list(bumped.files),
        "runs": [change_document(change) for change in bumped.runs],
        "bounds": [bound_document(one) for one in bumped.bounds],
    }


def _move_data(move: PinMove) -> dict[str, Any]:
    return {
        "name": move.name,
        "kind": move.kind,
        "from": move.old,
        "to": move.new,
        "path": list(move.path),
    }


def _stay_data(one: Stay) -> dict[str, Any]:
    return {
        "name": one.name,
        "version": one.current,
        "newest": one.newest,
        "reason": one.reason,
    }


def _weight_data(image: Weight) -> dict[str, Any]:
    return {
        "image": image.tag,
        "before": _size_data(image.before),
        "after": _size_data(image.after),
    }


def _size_data(size: Bytes | None) -> dict[str, Any] | None:
    if size is None:
        return None
    return {
        "download": size.download,
        "installed": size.installed,
        "unknown": sorted(size.unknown),
        "unweighed": sorted(size.unweighed),
    }
