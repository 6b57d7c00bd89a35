"""What an image's layers do to one another: packages installed twice, replaced or deleted, and the bytes that costs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from lockgen.core.target import Target
from lockgen.images.layer_model import Layer, LayeredImage, Waste

Held = tuple[str, str]
"""A package's canonical name and its version."""

_VENDORED = re.compile(r"(?:site|dist)-packages/.+/[^/]+\.dist-info$")
_DIST = re.compile(r"([A-Za-z0-9][A-Za-z0-9._]*)-([^-/]+)\.dist-info$")


def dist_of(folder: str) -> Held | None:
    """Name and version from the name of a .dist-info folder."""
    found = _DIST.search(posixpath.basename(folder))
    return (re.sub(r"[-_.]+", "-", found[1]).lower(), found[2]) if found else None


def owners_of(layer: Layer) -> dict[str, Held]:
    """Path to the package that brings it, of all files that a RECORD of this layer lists, and of their bytecode."""
    owners: dict[str, Held] = {}
    for folder, paths in layer.records.items():
        held = dist_of(folder)
        if held is not None and not _is_vendored(folder):
            owners |= dict.fromkeys(paths, held)
    for path in layer.files.keys() - owners.keys():
        source = _source_of(path)
        if source in owners:
            owners[path] = owners[source]
    return owners


def _source_of(path: str) -> str | None:
    folder, name = posixpath.split(path)
    if not name.endswith(".pyc") or posixpath.basename(folder) != "__pycache__":
        return None
    return posixpath.join(posixpath.dirname(folder), f"{name.split('.')[0]}.py")


def installed(image: LayeredImage) -> dict[str, dict[str, str]]:
    """What the image holds in the end: each folder with distributions, and name to version in it.

    What a package brings inside itself (setuptools/_vendor) is that package's own, and no distribution of the folder.
    """
    found: dict[str, dict[str, str]] = {}
    for folder in sorted(_final(image)):
        if (held := dist_of(folder)) is not None and not _is_vendored(folder):
            found.setdefault(posixpath.dirname(folder), {})[held[0]] = held[1]
    return found


def present(image: LayeredImage) -> set[str]:
    """The files that are still there when all layers lie upon one another."""
    files: set[str] = set()
    for layer in image.layers:
        files = files.difference(_hidden_paths(dict.fromkeys(files), layer)) | layer.files.keys()
    return files


def _is_vendored(folder: str) -> bool:
    return _VENDORED.search(folder) is not None


def broken(image: LayeredImage, target: Target, site: str) -> list[str]:
    """What `pip check` would say of the environment under ``site``: a need that is missing, or not met."""
    requires: dict[Held, tuple[str, ...]] = {}
    for layer in image.layers:
        for folder, lines in layer.requires.items():
            held = dist_of(folder)
            if held is not None and folder.startswith(site) and not _is_vendored(folder):
                requires[held] = lines
    there = {
        name: v for folder, held in installed(image).items() if folder.startswith(site) for name, v in held.items()
    }
    found = []
    for (name, version), lines in sorted(requires.items()):
        if there.get(name) == version:
            found += [
                f"{name} {version} {fault}" for line in lines if (fault := _unmet(line, target, there)) is not None
            ]
    return found


def _unmet(line: str, target: Target, there: Mapping[str, str]) -> str | None:
    try:
        need = Requirement(line)
        if not target.holds(need.marker):
            return None
        have = there.get(canonicalize_name(need.name))
        if have is None:
            return f"requires {need.name}, which is not installed"
        met = need.specifier.contains(have.replace("_", "+"), prereleases=True)
        return None if met else f"requires {need.name}{need.specifier}, and {have} is installed"
    except (InvalidRequirement, InvalidVersion):
        return None


def _final(image: LayeredImage) -> set[str]:
    """The .dist-info folders that are still there when all layers lie upon one another."""
    folders: set[str] = set()
    for layer in image.layers:
        folders = {folder for folder in folders if not _hidden(folder, layer)} | set(layer.records)
    return folders


def _hidden(path: str, layer: Layer) -> bool:
    here = path
    if path in layer.removed or f"{path}/RECORD" in layer.removed:
        return True
    while here:
        if here in layer.removed or (here in layer.emptied and here != path):
            return True
        here = posixpath.dirname(here)
    return path in layer.emptied


def wasted(image: LayeredImage) -> list[Waste]:
    """Every package whose files lie in a layer for nothing: hidden by a layer above, or a second copy elsewhere."""
    held: dict[str, tuple[int, int, Held | None]] = {}
    lost: dict[tuple[Held, int, int, str], int] = {}
    brought: list[dict[str, str]] = []
    for number, layer in enumerate(image.layers, 1):
        owners = owners_of(layer)
        brought.append(dict(held_now for held_now in map(dist_of, layer.records) if held_now is not None))
        for path in _hidden_paths(held, layer):
            _lose(lost, held.pop(path), number, "deleted")
        for path, size in layer.files.items():
            if path in held:
                _lose(lost, held.pop(path), number, "replaced")
            held[path] = (number, size, owners.get(path))
    found = []
    for (package, where, by, kind), size in lost.items():
        now = brought[by - 1].get(package[0], "")
        found.append(Waste(*package, where, by, "replaced" if now else kind, size, now))
    return sorted([*_merged(found), *_twice(held)])


def _merged(wastes: Iterable[Waste]) -> list[Waste]:
    """Deleted and replaced files of one package under one layer are one finding."""
    sums: dict[tuple[str, str, int, int, str], tuple[str, int]] = {}
    for waste in wastes:
        key = (waste.package, waste.version, waste.layer, waste.by, waste.now)
        kind, size = sums.get(key, (waste.kind, 0))
        sums[key] = ("replaced" if "replaced" in {kind, waste.kind} and waste.now else kind, size + waste.bytes)
    return [Waste(p, v, layer, by, kind, size, now) for (p, v, layer, by, now), (kind, size) in sums.items()]


def _hidden_paths(held: Mapping[str, object], layer: Layer) -> list[str]:
    if not layer.removed and not layer.emptied:
        return []
    return [path for path in held if _hidden(path, layer)]


def _lose(lost: dict[tuple[Held, int, int, str], int], was: tuple[int, int, Held | None], by: int, kind: str) -> None:
    number, size, owner = was
    if owner is not None:
        key = (owner, number, by, kind)
        lost[key] = lost.get(key, 0) + size


def _twice(held: Mapping[str, tuple[int, int, Held | None]]) -> list[Waste]:
    """Packages that are still there in two places: the smaller copy is one too many."""
    copies: dict[str, dict[str, tuple[str, int, int]]] = {}
    for path, (number, size, owner) in held.items():
        site = re.match(r"(.*?(?:site|dist)-packages)/", path)
        if owner is not None and site is not None:
            version, where, total = copies.setdefault(owner[0], {}).get(site[1], (owner[1], number, 0))
            copies[owner[0]][site[1]] = (version, where, total + size)
    found = []
    for name, places in copies.items():
        ordered = sorted(places.values(), key=lambda place: (place[2], place[1]))
        for version, where, total in ordered[:-1]:
            last = ordered[-1]
            found.append(Waste(name, version, where, last[1], "twice", total, last[0]))
    return found


def shared_files(image: LayeredImage) -> list[tuple[str, int, int]]:
    """Files of packages that lie in two layers: path, and the two layers' numbers."""
    seen: dict[str, int] = {}
    found = []
    for number, layer in enumerate(image.layers, 1):
        owners = owners_of(layer)
        for path in sorted(layer.files):
            if path in seen and path in owners:
                found.append((path, seen[path], number))
            if path in owners:
                seen[path] = number
    return found
