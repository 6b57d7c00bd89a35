"""What a bump came to, as text and as data."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from lockgen.core.sizes import Bytes, Weight
from lockgen.core.text_table import table
from lockgen.diff import render as changes
from lockgen.size.render import download, installed
from lockgen.upgrade.bump_model import Bumped, PinMove, Stay

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def text(bumped: Bumped, *, dry_run: bool) -> str:
    """What moved in versions.toml, what did not and why, the difference per image, sizes, and the files."""
    blocks = [_moves(bumped.moves)] if bumped.moves else []
    blocks += ["\n".join(stay(one) for one in bumped.stays)] if bumped.stays else []
    blocks += ["\n".join(not_newest(one) for one in bumped.short)] if bumped.short else []
    if bumped.opened:
        blocks.append(f"{', '.join(bumped.opened)}: without a pin; the newest that fits")
    if bumped.moves or bumped.opened:
        blocks.append(changes.text(bumped.changes).rstrip("\n"))
    if bumped.weights:
        blocks.append(weights(bumped.weights))
    if bumped.files:
        verb = "would be written" if dry_run else "written"
        blocks.append("\n".join(f"{path} {verb}" for path in bumped.files))
    return "\n\n".join(blocks) or "nothing to move: everything that was named is so already"


def _moves(moves: Sequence[PinMove]) -> str:
    rows = [(move.name, f"{move.old or 'no pin'} -> {move.new}", place(move)) for move in moves]
    widths = [max(len(row[n]) for row in rows) for n in range(2)]
    return "\n".join(f"{name:{widths[0]}}  {moved:{widths[1]}}  {where}" for name, moved, where in rows)


def place(move: PinMove) -> str:
    """The keys of a value as people write them: ``variants.cuda.pins.torch``."""
    return ".".join(key if _BARE.fullmatch(key := str(part)) else json.dumps(key) for part in move.path)


def stay(one: Stay) -> str:
    """Why a pin stays, in one line."""
    if one.newest is None:
        return f"{one.name} {one.current} stays: nothing newer is allowed"
    why = f": {one.reason}" if one.reason else ""
    return f"{one.name} {one.current} stays: {one.newest} does not fit{why}"


def not_newest(one: Stay) -> str:
    """Why a pin that moves does not become the newest, in one line."""
    return f"{one.name} is not {one.newest}" + (f": {one.reason}" if one.reason else "")


def weights(images: Sequence[Weight]) -> str:
    """Each image before and after: what is downloaded, and what it comes to once installed."""
    rows = [
        [
            image.tag,
            *(_size(image.before, download), _size(image.after, download)),
            *(_size(image.before, installed), _size(image.after, installed)),
        ]
        for image in images
    ]
    return table(["image", "download before", "after", "installed before", "after"], rows)


def _size(size: Bytes | None, said: Any) -> str:
    return "-" if size is None else str(said(size))


def as_json(bumped: Bumped, *, dry_run: bool) -> dict[str, Any]:
    """Format 1. ``changes`` is what `lockgen diff --json` prints."""
    return {
        "format": 1,
        "dry-run": dry_run,
        "moves": [
            {"name": move.name, "kind": move.kind, "from": move.old, "to": move.new, "path": list(move.path)}
            for move in bumped.moves
        ],
        "stays": [
            {"name": one.name, "version": one.current, "newest": one.newest, "reason": one.reason}
            for one in bumped.stays
        ],
        "short": [
            {"name": one.name, "version": one.current, "newest": one.newest, "reason": one.reason}
            for one in bumped.short
        ],
        "opened": list(bumped.opened),
        "changes": changes.as_json(bumped.changes),
        "sizes": [
            {"image": image.tag, "before": _bytes(image.before), "after": _bytes(image.after)}
            for image in bumped.weights
        ],
        "files": list(bumped.files),
    }


def _bytes(size: Bytes | None) -> dict[str, Any] | None:
    if size is None:
        return None
    unknown = {"unknown": sorted(size.unknown), "unweighed": sorted(size.unweighed)}
    return {"download": size.download, "installed": size.installed, **unknown}
