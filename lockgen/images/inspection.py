"""Inspect what an image's layers contain: installed packages, unmet requirements, and duplicated or overwritten files.

Layers are read like a union file system reads them: from the bottom up, an upper layer replaces files of the same path
and hides files by whiteouts (see `Layer`).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from packaging.requirements import InvalidRequirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from lockgen.core.parsing import parse_requirement
from lockgen.core.target import Target
from lockgen.images.layer_model import Layer, LayeredImage

_VENDORED = re.compile(r"(?:site|dist)-packages/.+/[^/]+\.dist-info$")
_DIST = re.compile(r"([A-Za-z0-9][A-Za-z0-9._]*)-([^-/]+)\.dist-info$")


class InstalledPackage(NamedTuple):
    """A package's canonical name and its version, as its .dist-info folder spells it."""

    name: str
    version: str


class SharedFile(NamedTuple):
    """A package's file that is in two layers, by their numbers (from 1)."""

    path: str
    first: int
    second: int


def parse_dist_info(folder: str) -> InstalledPackage | None:
    """The package that a .dist-info folder describes, from the folder's name; None for any other folder."""
    found = _DIST.search(posixpath.basename(folder))
    if found is None:
        return None
    name = re.sub(r"[-_.]+", "-", found[1]).lower()
    return InstalledPackage(name, found[2])


def package_of(folder: str) -> InstalledPackage | None:
    """As `parse_dist_info`; None also for a copy inside another package (setuptools/_vendor), which is part of that."""
    if _VENDORED.search(folder) is not None:
        return None
    return parse_dist_info(folder)


def owners_of(layer: Layer) -> dict[str, InstalledPackage]:
    """Path to the package that installs it, for all files in this layer's RECORDs, and for their bytecode."""
    owners: dict[str, InstalledPackage] = {}
    for folder, paths in layer.records.items():
        package = package_of(folder)
        if package is not None:
            owners |= dict.fromkeys(paths, package)
    # Bytecode that was compiled after the installation is in no RECORD.
    for path in layer.files.keys() - owners.keys():
        source = _source_of(path)
        if source in owners:
            owners[path] = owners[source]
    return owners


def _source_of(path: str) -> str | None:
    """The module that a file in __pycache__ was compiled from."""
    folder, name = posixpath.split(path)
    if not name.endswith(".pyc") or posixpath.basename(folder) != "__pycache__":
        return None
    module = name.split(".")[0]
    return posixpath.join(posixpath.dirname(folder), f"{module}.py")


def installed(image: LayeredImage) -> dict[str, dict[str, str]]:
    """The distributions in the final image: folder to name to version."""
    found: dict[str, dict[str, str]] = {}
    for folder in sorted(_final_records(image)):
        package = package_of(folder)
        if package is not None:
            site = found.setdefault(posixpath.dirname(folder), {})
            site[package.name] = package.version
    return found


def _final_records(image: LayeredImage) -> set[str]:
    """The .dist-info folders of the final image."""
    folders: set[str] = set()
    for layer in image.layers:
        folders.difference_update(hidden_paths(folders, layer))
        folders.update(layer.records)
    return folders


def present(image: LayeredImage) -> set[str]:
    """The files of the final image."""
    files: set[str] = set()
    for layer in image.layers:
        # A layer's whiteouts hide lower files only, so its own come after.
        files.difference_update(hidden_paths(files, layer))
        files.update(layer.files)
    return files


def unmet_requirements(image: LayeredImage, target: Target, site: str) -> list[str]:
    """What `pip check` would report for the environment under ``site``: requirements that are missing or not met."""
    requires: dict[InstalledPackage, tuple[str, ...]] = {}
    for layer in image.layers:
        for folder, lines in layer.requires.items():
            package = package_of(folder)
            if package is not None and folder.startswith(site):
                requires[package] = lines
    versions: dict[str, str] = {}
    for folder, packages in installed(image).items():
        if folder.startswith(site):
            versions.update(packages)
    found = []
    for package, lines in sorted(requires.items()):
        # METADATA in a lower layer may be of a version that an upper layer replaced.
        if versions.get(package.name) == package.version:
            problems = (_unmet(line, target, versions) for line in lines)
            found += [f"{package.name} {package.version} {problem}" for problem in problems if problem]
    return found


def _unmet(line: str, target: Target, versions: Mapping[str, str]) -> str | None:
    """Why the requirement ``line`` is not met; None if it is met or unreadable (pip, too, ignores old metadata)."""
    try:
        requirement = parse_requirement(line)
        if not target.holds(requirement.marker):
            return None
        version = versions.get(canonicalize_name(requirement.name))
        if version is None:
            return f"requires {requirement.name}, which is not installed"
        # A folder's name has _ where the version has +.
        if requirement.specifier.contains(version.replace("_", "+"), prereleases=True):
            return None
        return f"requires {requirement.name}{requirement.specifier}, and {version} is installed"
    except (InvalidRequirement, InvalidVersion):
        return None


def hidden_paths(paths: Iterable[str], layer: Layer) -> list[str]:
    """Those of ``paths`` in lower layers that ``layer`` hides."""
    # Most layers hide nothing, and an image has some hundred thousand files.
    if not layer.removed and not layer.emptied:
        return []
    return [path for path in paths if _is_hidden(path, layer)]


def _is_hidden(path: str, layer: Layer) -> bool:
    # pip deletes the files of a .dist-info folder one by one.
    if f"{path}/RECORD" in layer.removed:
        return True
    if path in layer.removed or path in layer.emptied:
        return True
    folder = posixpath.dirname(path)
    while folder:
        if folder in layer.removed or folder in layer.emptied:
            return True
        folder = posixpath.dirname(folder)
    return False


def shared_files(image: LayeredImage) -> list[SharedFile]:
    """The files of packages that are in two layers."""
    last_seen: dict[str, int] = {}
    found = []
    for number, layer in enumerate(image.layers, 1):
        for path in sorted(owners_of(layer).keys() & layer.files.keys()):
            if path in last_seen:
                found.append(SharedFile(path, last_seen[path], number))
            last_seen[path] = number
    return found
