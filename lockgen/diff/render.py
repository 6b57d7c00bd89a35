"""Changes between two locks as text, as Markdown for a pull request, and as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lockgen.core.markdown import plain, table_row
from lockgen.diff.model import KINDS, Change, Changes, ImageChange, PackageChange, WholeImage

FORMAT = 1
NAMES_SHOWN = 12
"""How many images a line of text or Markdown names. The others are only counted."""
CHANGES_SHOWN = 12
"""How many packages one cell of Markdown names. The table of packages lists all of them."""

_FIRST = "This is the first lock: everything is new."

ChangeData = dict[str, object]
Blocks = list[list[str]]
"""Lines in blocks, which an empty line separates."""


class _Effect(NamedTuple):
    """The changes of an image, apart from its name. Images with the same ones are shown together."""

    old_base: str | None
    new_base: str | None
    changes: tuple[Change, ...]

    @property
    def rebased(self) -> bool:
        return self.old_base != self.new_base


# -- text -------------------------------------------------------------------------------------


def text(changes: Changes) -> str:
    """Lines that read without colour, with a newline at the end."""
    if not changes:
        return "no changes\n"
    blocks: Blocks = []
    if changes.first:
        blocks.append([_FIRST])
    blocks.append([_headline(changes)])
    if changes.settings:
        settings = [f"{item.name}: {_from_to(item.old, item.new)}" for item in changes.settings]
        blocks.append(settings)
    if changes.packages:
        packages = [_package_line(item) for item in changes.packages]
        blocks.append(["packages", *packages])
    blocks += _whole_blocks("new images", changes.added)
    blocks += _whole_blocks("removed images", changes.removed)
    for effect, images in _by_effect(changes.images).items():
        blocks.append(_image_block(effect, images))
    paragraphs = ["\n".join(block) for block in blocks]
    return "\n\n".join(paragraphs) + "\n"


def _package_line(item: PackageChange) -> str:
    variants = ", ".join(item.variants)
    return f"  {_line(item.change)} ({variants})"


def _whole_blocks(title: str, images: Sequence[WholeImage]) -> Blocks:
    if not images:
        return []
    return [[title, *(f"  {_sizes(group)}" for group in _by_size(images))]]


def _image_block(effect: _Effect, images: Sequence[ImageChange]) -> list[str]:
    lines = [f"image {_tags(images)}"]
    if effect.rebased:
        lines.append(f"  base      {_from_to(effect.old_base, effect.new_base)}")
    return lines + [f"  {_line(change)}" for change in effect.changes]


# -- Markdown ---------------------------------------------------------------------------------


def markdown(changes: Changes) -> str:
    """Tables for the body of a pull request, with a newline at the end."""
    if not changes:
        return "No changes.\n"
    blocks = [_FIRST] if changes.first else []
    blocks.append(plain(_headline(changes)))
    if changes.settings:
        settings = [(item.name, item.old or "-", item.new or "-") for item in changes.settings]
        blocks.append(_table(("setting", "from", "to"), settings))
    if changes.packages:
        packages = [_package_row(item) for item in changes.packages]
        blocks.append(_table(("package", "variants", "change", "from", "to"), packages))
    # Images with the same changes share a row.
    images = _image_rows(changes)
    if images:
        blocks.append(_table(("images", "changes in their closures"), images))
    return "\n\n".join(blocks) + "\n"


def _package_row(item: PackageChange) -> Sequence[str]:
    change = item.change
    variants = ", ".join(item.variants)
    return change.name, variants, change.kind, _old_version(change), _new_version(change)


def _image_rows(changes: Changes) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    rows += [(_sizes(group), "new") for group in _by_size(changes.added)]
    rows += [(_sizes(group), "removed") for group in _by_size(changes.removed)]
    groups = _by_effect(changes.images)
    for effect, images in groups.items():
        rows.append((_tags(images), _summary(effect)))
    return rows


def _summary(effect: _Effect) -> str:
    """The changes of an image for one cell."""
    parts = []
    if effect.rebased:
        parts.append(f"base {_from_to(effect.old_base, effect.new_base)}")
    shown = effect.changes[:CHANGES_SHOWN]
    parts += [f"{change.kind} {change.name} {_versions(change)}" for change in shown]
    rest = len(effect.changes) - CHANGES_SHOWN
    if rest > 0:
        parts.append(f"and {rest} more")
    return "; ".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---"] * len(head)
    lines = [table_row(head), table_row(rule)]
    for row in rows:
        cells = [plain(cell) for cell in row]
        lines.append(table_row(cells))
    return "\n".join(lines)


# -- JSON -------------------------------------------------------------------------------------


def as_json(changes: Changes) -> ChangeData:
    """Plain data. FORMAT is raised when readers of the previous format would misread it."""
    return {
        "format": FORMAT,
        "first": changes.first,
        "settings": [{"name": item.name, "from": item.old, "to": item.new} for item in changes.settings],
        "packages": [{**_data(item.change), "variants": list(item.variants)} for item in changes.packages],
        "images": {
            "added": [_whole_data(image) for image in changes.added],
            "removed": [_whole_data(image) for image in changes.removed],
            "changed": [_effect_data(effect, images) for effect, images in _by_effect(changes.images).items()],
        },
    }


def _effect_data(effect: _Effect, images: Sequence[ImageChange]) -> ChangeData:
    return {
        "images": [{"name": image.name, "variant": image.variant} for image in images],
        "base": {"from": effect.old_base, "to": effect.new_base},
        "packages": [_data(change) for change in effect.changes],
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


# -- parts of several formats -----------------------------------------------------------------


def _by_effect(images: Iterable[ImageChange]) -> dict[_Effect, list[ImageChange]]:
    """Images with the same changes together, in the order of the first image of each group."""
    groups: dict[_Effect, list[ImageChange]] = {}
    for image in images:
        effect = _Effect(image.old_base, image.new_base, image.changes)
        if not effect.rebased:
            # A base that stays the same does not separate images.
            effect = _Effect(None, None, image.changes)
        groups.setdefault(effect, []).append(image)
    return groups


def _by_size(images: Iterable[WholeImage]) -> list[list[WholeImage]]:
    groups: dict[int, list[WholeImage]] = {}
    for image in images:
        groups.setdefault(image.packages, []).append(image)
    return list(groups.values())


def _sizes(group: Sequence[WholeImage]) -> str:
    """Images of one size, with the number of their packages."""
    number = group[0].packages
    noun = "package" if number == 1 else "packages"
    each = " each" if len(group) > 1 else ""
    return f"{_tags(group)} ({number} {noun}{each})"


def _counts(packages: Iterable[PackageChange]) -> str:
    counts = Counter(item.change.kind for item in packages)
    # Not in the order of the counter, which depends on the packages.
    kinds = [f"{counts[kind]} {kind}" for kind in KINDS if counts[kind]]
    return ", ".join(kinds)


def _headline(changes: Changes) -> str:
    packages = _counts(changes.packages) or "none changed"
    changed = len(changes.images)
    added = len(changes.added)
    removed = len(changes.removed)
    return f"packages: {packages}; images: {changed} changed, {added} new, {removed} removed"


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
    # An index that stays the same is shown once, with the new version.
    stays = change.new is not None and change.old_index == change.new_index
    index = None if stays else change.old_index
    return _version(change.old, index, moved=_moved(change))


def _new_version(change: Change) -> str:
    return _version(change.new, change.new_index, moved=_moved(change))


def _moved(change: Change) -> bool:
    """Whether the index changes. Only then is the default index named."""
    in_both = change.old is not None and change.new is not None
    return in_both and change.old_index != change.new_index


def _version(version: str | None, index: str | None, *, moved: bool) -> str:
    if version is None:
        return "-"
    # Elsewhere the default index is left out, as most packages come from it.
    if index is None and moved:
        index = "the default index"
    return f"{version} from {index}" if index else version


def _from_to(old: str | None, new: str | None) -> str:
    return f"{old or 'none'} -> {new or 'none'}"


def _tags(images: Sequence[ImageChange | WholeImage]) -> str:
    tags = [image.tag for image in images[:NAMES_SHOWN]]
    shown = ", ".join(tags)
    rest = len(images) - NAMES_SHOWN
    if rest > 0:
        return f"{shown} and {rest} more"
    return shown
