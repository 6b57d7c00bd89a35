"""Why images carry a package, as text and as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lockgen.core.lock import Dependency
from lockgen.why.model import Asker, DependencyPath, Heir, PathGroup, Why

FORMAT = 1
NAMES_SHOWN = 12
"""How many images a line names before it only counts the rest."""

PathData = dict[str, object]


def text(why: Why) -> str:
    """Lines that read without colour, the last one ended by a new line."""
    held = []
    for item in why.held:
        index = f" from {item.index}" if item.index else ""
        held.append(f"{why.package} {item.version}{index} ({', '.join(item.variants)})")
    blocks = [held]
    askers = [f"  {_who(asker)} {asker.version}: {asker.ask} ({', '.join(asker.variants)})" for asker in why.askers]
    askers += [f"  {_list(item.images)}: {item.ask}" for item in why.image_asks]
    if askers:
        blocks.append(["asked for by", *askers])
    blocks += [_group(group) for group in why.groups]
    if not why.groups:
        blocks.append(["none of these images carries it"])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def as_json(why: Why) -> PathData:
    """Plain data; ``format`` grows when a reader of the former one would misread it."""
    return {
        "format": FORMAT,
        "package": why.package,
        "held": [{"version": h.version, "index": h.index, "variants": list(h.variants)} for h in why.held],
        "askers": [
            {"name": a.name, "extra": a.extra or None, "version": a.version, "variants": list(a.variants)}
            | {"ask": _ask(a.ask)}
            for a in why.askers
        ],
        "image_asks": [{"ask": _ask(item.ask), "images": list(item.images)} for item in why.image_asks],
        "groups": [
            {
                "images": list(group.images),
                "inherited": [{"image": heir.tag, "via": heir.via} for heir in group.heirs],
                "paths": [_path_data(path) for path in group.paths],
                "more": group.more,
                "more_is_exact": group.counted,
            }
            for group in why.groups
        ],
    }


def _path_data(path: DependencyPath) -> PathData:
    return {
        "common": path.common,
        "steps": [{**_ask(step.ask), "version": step.version} for step in path.steps],
    }


def _ask(ask: Dependency) -> PathData:
    return {"name": ask.name, "extras": list(ask.extras), "specifier": ask.specifier}


def _who(asker: Asker) -> str:
    return f"{asker.name}[{asker.extra}]" if asker.extra else asker.name


def _group(group: PathGroup) -> list[str]:
    lines = [_list(group.images)]
    for path in group.paths:
        asks = "common asks" if path.common else "asks"
        lines.append(f"  {asks} {' -> '.join(map(str, path.steps))}")
    if group.more:
        least = "" if group.counted else "at least "
        lines.append(f"  and {least}{group.more} more path{'s' if group.more > 1 else ''}")
    return [*lines, *_inherited(group.heirs)]


def _inherited(heirs: Iterable[Heir]) -> list[str]:
    tags: dict[str, list[str]] = {}
    for heir in heirs:
        tags.setdefault(heir.via, []).append(heir.tag)
    return [f"  via {via}: {_list(tags[via])}" for via in sorted(tags)]


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    rest = len(names) - NAMES_SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown
