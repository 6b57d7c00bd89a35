"""Find packages that an image's layers store in vain: replaced or deleted by an upper layer, or installed twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lockgen.images.inspection import InstalledPackage, hidden_paths, owners_of, parse_dist_info
from lockgen.images.layer_model import Layer, LayeredImage, Waste

_SITE = re.compile(r"(.*?(?:site|dist)-packages)/")


def wasted(image: LayeredImage) -> list[Waste]:
    """Every package with files in a layer that the final image does not use, or with a second copy elsewhere."""
    stack = _Stack()
    for layer in image.layers:
        stack.add(layer)
    hidden = stack.hidden_packages()
    copies = _second_copies(stack.files)
    return sorted([*hidden, *copies])


class _StoredFile(NamedTuple):
    """A file of the image so far: its layer's number, its bytes, and the package that installed it."""

    layer: int
    size: int
    owner: InstalledPackage | None


class _LossKey(NamedTuple):
    """Files of one package in layer ``layer`` that layer ``by`` hides are one finding."""

    owner: InstalledPackage
    layer: int
    by: int


@dataclass
class _Loss:
    """``kind`` is "deleted" or "replaced"; ``size`` in bytes."""

    kind: str
    size: int = 0


class _Stack:
    """Layers on top of one another. ``files`` are those that are still visible, by path."""

    def __init__(self) -> None:
        self.files: dict[str, _StoredFile] = {}
        self._losses: dict[_LossKey, _Loss] = {}
        self._installed_by: dict[int, dict[str, str]] = {}

    def add(self, layer: Layer) -> None:
        number = len(self._installed_by) + 1
        self._installed_by[number] = _versions(layer.records)
        owners = owners_of(layer)
        # Deletions first: pip deletes the old version before it writes the new one, and the first kind is reported.
        for path in hidden_paths(self.files, layer):
            self._lose(path, number, "deleted")
        for path, size in layer.files.items():
            if path in self.files:
                self._lose(path, number, "replaced")
            self.files[path] = _StoredFile(number, size, owners.get(path))

    def _lose(self, path: str, by: int, kind: str) -> None:
        file = self.files.pop(path)
        # An upper layer may well replace a file that belongs to no package.
        if file.owner is None:
            return
        key = _LossKey(file.owner, file.layer, by)
        loss = self._losses.setdefault(key, _Loss(kind))
        loss.size += file.size

    def hidden_packages(self) -> list[Waste]:
        found = []
        for key, loss in self._losses.items():
            package = key.owner
            upper = self._installed_by[key.by]
            now = upper.get(package.name, "")
            # An installer deletes the old files before it writes the new ones.
            kind = "replaced" if now else loss.kind
            waste = Waste(package.name, package.version, key.layer, key.by, kind, loss.size, now)
            found.append(waste)
        return found


def _versions(folders: Iterable[str]) -> dict[str, str]:
    """Name to version of the packages that .dist-info ``folders`` describe."""
    packages = (parse_dist_info(folder) for folder in folders)
    return {package.name: package.version for package in packages if package is not None}


@dataclass
class _Copy:
    """A package in one site-packages folder, with the version and the layer of its first file; ``size`` in bytes."""

    version: str
    layer: int
    size: int = 0


def _second_copies(files: Mapping[str, _StoredFile]) -> list[Waste]:
    """Packages that are visible in two places. Only the largest copy counts as used."""
    found = []
    for name, copies in _copies(files).items():
        ordered = sorted(copies, key=lambda copy: (copy.size, copy.layer))
        used = ordered.pop()
        for copy in ordered:
            waste = Waste(name, copy.version, copy.layer, used.layer, "twice", copy.size, used.version)
            found.append(waste)
    return found


def _copies(files: Mapping[str, _StoredFile]) -> dict[str, list[_Copy]]:
    """Each package's copies, one for each site-packages folder."""
    copies: dict[str, dict[str, _Copy]] = {}
    for path, file in files.items():
        owner = file.owner
        site = _SITE.match(path)
        if owner is None or site is None:
            continue
        by_site = copies.setdefault(owner.name, {})
        folder = site[1]
        copy = by_site.setdefault(folder, _Copy(owner.version, file.layer))
        copy.size += file.size
    return {name: list(by_site.values()) for name, by_site in copies.items()}
