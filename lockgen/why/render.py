"""The answer of `lockgen why`, as text and as plain data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from lockgen.core.lock import Dependency
from lockgen.why.model import DependencyPath, Dependent, InheritingImage, LockedVersion, PathGroup, Why

FORMAT = 1
NAMES_SHOWN = 12
"""How many images a line names. The others are only counted."""

PathData = dict[str, object]


def text(why: Why) -> str:
    """Lines that read without colour, with a newline at the end."""
    versions = [_version(why.package, locked) for locked in why.versions]
    blocks = [versions]
    required_by = _required_by(why)
    if required_by:
        blocks.append(["required by", *required_by])
    blocks += [_group(group) for group in why.groups]
    if not why.groups:
        blocks.append(["none of these images contains it"])
    paragraphs = ["\n".join(block) for block in blocks]
    return "\n\n".join(paragraphs) + "\n"


def _version(package: str, locked: LockedVersion) -> str:
    index = f" from {locked.index}" if locked.index else ""
    variants = ", ".join(locked.variants)
    return f"{package} {locked.version}{index} ({variants})"


def _required_by(why: Why) -> list[str]:
    lines = [_dependent(dependent) for dependent in why.dependents]
    for item in why.image_requirements:
        images = _list(item.images)
        lines.append(f"  {images}: {item.requirement}")
    return lines


def _dependent(dependent: Dependent) -> str:
    name = dependent.name
    if dependent.extra:
        name += f"[{dependent.extra}]"
    variants = ", ".join(dependent.variants)
    return f"  {name} {dependent.version}: {dependent.requirement} ({variants})"


def _group(group: PathGroup) -> list[str]:
    lines = [_list(group.images)]
    lines += [_path(path) for path in group.paths]
    if group.more:
        # The search for paths gives up after many of them.
        least = "" if group.counted else "at least "
        noun = "paths" if group.more > 1 else "path"
        lines.append(f"  and {least}{group.more} more {noun}")
    lines += _inheriting(group.inheriting)
    return lines


def _path(path: DependencyPath) -> str:
    verb = "requires (common)" if path.common else "requires"
    steps = " -> ".join(str(step) for step in path.steps)
    return f"  {verb} {steps}"


def _inheriting(images: Iterable[InheritingImage]) -> list[str]:
    tags: dict[str, list[str]] = defaultdict(list)
    for image in images:
        tags[image.via].append(image.tag)
    lines = []
    for via in sorted(tags):
        names = _list(tags[via])
        lines.append(f"  via {via}: {names}")
    return lines


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    rest = len(names) - NAMES_SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown


# -- JSON ---------------------------------------------------------------------------------


def as_json(why: Why) -> PathData:
    """Plain data. FORMAT is raised when readers of the previous format would misread it."""
    return {
        "format": FORMAT,
        "package": why.package,
        "held": [_version_data(locked) for locked in why.versions],
        "askers": [_dependent_data(dependent) for dependent in why.dependents],
        "image_asks": [
            {"ask": _requirement_data(item.requirement), "images": list(item.images)} for item in why.image_requirements
        ],
        "groups": [_group_data(group) for group in why.groups],
    }


def _version_data(locked: LockedVersion) -> PathData:
    return {"version": locked.version, "index": locked.index, "variants": list(locked.variants)}


def _dependent_data(dependent: Dependent) -> PathData:
    return {
        "name": dependent.name,
        "extra": dependent.extra or None,
        "version": dependent.version,
        "variants": list(dependent.variants),
        "ask": _requirement_data(dependent.requirement),
    }


def _group_data(group: PathGroup) -> PathData:
    return {
        "images": list(group.images),
        "inherited": [{"image": image.tag, "via": image.via} for image in group.inheriting],
        "paths": [_path_data(path) for path in group.paths],
        "more": group.more,
        "more_is_exact": group.counted,
    }


def _path_data(path: DependencyPath) -> PathData:
    steps = [{**_requirement_data(step.requirement), "version": step.version} for step in path.steps]
    return {"common": path.common, "steps": steps}


def _requirement_data(requirement: Dependency) -> PathData:
    return {"name": requirement.name, "extras": list(requirement.extras), "specifier": requirement.specifier}
