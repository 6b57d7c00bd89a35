"""Changes between two locks as text, as Markdown for a pull request, and as plain data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from lockgen.diff.model import KINDS, Change, Changes, ImageChange, WholeImage

FORMAT = 1
NAMES_SHOWN = 12
"""How many images a line of text or Markdown names before it only counts the rest."""
CHANGES_SHOWN = 12
"""The same for the packages in one cell of Markdown; the table of packages has them all."""

_FIRST = "There was no lock before: everything is new."
_MARKDOWN = re.compile(r"([\\`*<\[\]|])")

ChangeData = dict[str, object]
Group = tuple[tuple[str | None, str | None, tuple[Change, ...]], list[ImageChange]]


def text(changes: Changes) -> str:
    """Lines that read without colour, the last one ended by a new line."""
    if not changes:
        return "no changes\n"
    blocks = [[_FIRST]] if changes.first else []
    blocks.append([_headline(changes)])
    if changes.settings:
        blocks.append([f"{item.name}: {_from_to(item.old, item.new)}" for item in changes.settings])
    if changes.packages:
        rows = [f"  {_line(item.change)} ({', '.join(item.variants)})" for item in changes.packages]
        blocks.append(["packages", *rows])
    for title, whole in (("new images", changes.added), ("images gone", changes.removed)):
        if whole:
            blocks.append([title, *(f"  {_sizes(group)}" for group in _by_size(whole))])
    for (old_base, new_base, own), images in _groups(changes.images):
        lines = [f"image {_list([image.tag for image in images])}"]
        if old_base != new_base:
            lines.append(f"  base      {_from_to(old_base, new_base)}")
        blocks.append([*lines, *(f"  {_line(change)}" for change in own)])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def markdown(changes: Changes) -> str:
    """Tables for the body of a pull request, ended by a new line."""
    if not changes:
        return "No changes.\n"
    blocks = [_FIRST] if changes.first else []
    blocks.append(_escape(_headline(changes)))
    if changes.settings:
        rows = [(item.name, item.old or "-", item.new or "-") for item in changes.settings]
        blocks.append(_table(("setting", "from", "to"), rows))
    if changes.packages:
        packages = [
            (c.name, ", ".join(item.variants), c.kind, _old_version(c), _new_version(c))
            for item in changes.packages
            for c in (item.change,)
        ]
        blocks.append(_table(("package", "variants", "change", "from", "to"), packages))
    images = [
        *((_sizes(group), "new") for group in _by_size(changes.added)),
        *((_sizes(group), "gone") for group in _by_size(changes.removed)),
        *((_list([i.tag for i in group]), _summary(*key)) for key, group in _groups(changes.images)),
    ]
    if images:
        blocks.append(_table(("images", "changes in their closures"), images))
    return "\n\n".join(blocks) + "\n"


def as_json(changes: Changes) -> ChangeData:
    """Plain data; ``format`` grows when a reader of the former one would misread it."""
    return {
        "format": FORMAT,
        "first": changes.first,
        "settings": [{"name": s.name, "from": s.old, "to": s.new} for s in changes.settings],
        "packages": [{**_data(p.change), "variants": list(p.variants)} for p in changes.packages],
        "images": {
            "added": [_whole_data(image) for image in changes.added],
            "removed": [_whole_data(image) for image in changes.removed],
            "changed": [
                {
                    "images": [{"name": image.name, "variant": image.variant} for image in images],
                    "base": {"from": old_base, "to": new_base},
                    "packages": [_data(change) for change in own],
                }
                for (old_base, new_base, own), images in _groups(changes.images)
            ],
        },
    }


def _data(change: Change) -> ChangeData:
    return {
        "name": change.name,
        "change": change.kind,
        "from": change.old,
        "to": change.new,
        "from_index": change.old_index,
        "to_index": change.new_index,
    }


def _whole_data(image: WholeImage) -> ChangeData:
    return {"name": image.name, "variant": image.variant, "packages": image.packages}


def _groups(images: Iterable[ImageChange]) -> list[Group]:
    """Images with the same changes together, in the order in which the first of each came.

    The base counts only where it changed.
    """
    groups: dict[tuple[str | None, str | None, tuple[Change, ...]], list[ImageChange]] = {}
    for image in images:
        rebased = image.old_base != image.new_base
        bases = (image.old_base, image.new_base) if rebased else (None, None)
        groups.setdefault((*bases, image.changes), []).append(image)
    return list(groups.items())


def _by_size(images: Iterable[WholeImage]) -> list[list[WholeImage]]:
    groups: dict[int, list[WholeImage]] = {}
    for image in images:
        groups.setdefault(image.packages, []).append(image)
    return list(groups.values())


def _sizes(group: Sequence[WholeImage]) -> str:
    each = " each" if len(group) > 1 else ""
    return f"{_list([image.tag for image in group])} ({_count(group[0].packages, 'package')}{each})"


def _headline(changes: Changes) -> str:
    kinds = Counter(item.change.kind for item in changes.packages)
    packages = ", ".join(f"{kinds[kind]} {kind}" for kind in KINDS if kinds[kind])
    parts = [
        f"packages: {packages or 'none changed'}",
        f"images: {len(changes.images)} changed, {len(changes.added)} new, {len(changes.removed)} gone",
    ]
    return "; ".join(parts)


def _line(change: Change) -> str:
    return f"{change.kind:9} {change.name} {_versions(change)}"


def _versions(change: Change) -> str:
    if change.kind == "refreshed" and change.old == change.new:
        return f"{_new_version(change)}, other files or hashes"
    match change.kind:
        case "added":
            return _new_version(change)
        case "removed":
            return _old_version(change)
        case _:
            return f"{_old_version(change)} -> {_new_version(change)}"


def _old_version(change: Change) -> str:
    """An index that stays is told once, with the new version."""
    stays = change.new is not None and change.old_index == change.new_index
    return _version(change.old, None if stays else change.old_index, moved=_moved(change))


def _new_version(change: Change) -> str:
    return _version(change.new, change.new_index, moved=_moved(change))


def _moved(change: Change) -> bool:
    """Whether the default index, else not worth a word, is one of two."""
    return None not in (change.old, change.new) and change.old_index != change.new_index


def _version(version: str | None, index: str | None, *, moved: bool) -> str:
    if version is None:
        return "-"
    index = index or ("the default index" if moved else None)
    return f"{version} from {index}" if index else version


def _from_to(old: str | None, new: str | None) -> str:
    return f"{old or 'none'} -> {new or 'none'}"


def _summary(old_base: str | None, new_base: str | None, changes: Sequence[Change]) -> str:
    parts = [f"base {_from_to(old_base, new_base)}"] if old_base != new_base else []
    parts += [f"{c.kind} {c.name} {_versions(c)}" for c in changes[:CHANGES_SHOWN]]
    rest = len(changes) - CHANGES_SHOWN
    return "; ".join([*parts, f"and {rest} more"] if rest > 0 else parts)


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    rest = len(names) - NAMES_SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _escape(cell: str) -> str:
    return " ".join(_MARKDOWN.sub(r"\\\1", cell).split())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_escape(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
