"""What an image of a lock has, and what its checks are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict

from lockgen.core.index import ExplicitIndex, IndexFile
from lockgen.core.lock import Lock, LockedImage, Package
from lockgen.core.manifest import Manifest
from lockgen.core.resolution import Resolved
from lockgen.index.explicit_files import listed_files
from lockgen.lock.closure import Closures
from lockgen.proof.model import Checks, ImportCheck


def packages_of(lock: Lock, image: LockedImage, closures: Closures) -> list[Package]:
    """The packages of ``image`` and of all images below it, sorted by name."""
    table = lock.by_variant[image.variant]
    return [table[name] for name in sorted(closures.of(image))]


def rows_of(packages: list[Package], indexes: Mapping[str, ExplicitIndex]) -> list[Resolved]:
    """``packages`` with their locked files. Only those of an explicit index have an address; it is empty if unknown."""
    return [Resolved(package.name, package.version, package.index, _files(package, indexes)) for package in packages]


def _files(package: Package, indexes: Mapping[str, ExplicitIndex]) -> tuple[IndexFile, ...]:
    index = indexes.get(package.index or "")
    listed = listed_files(index, package.name) if index is not None else ()
    urls = {file.name: file.url for file in listed}
    # The installed file is the first.
    others = [file for file in package.files if file != package.chosen]
    found = []
    for file in (package.chosen, *others):
        url = urls.get(file.name, "")
        found.append(IndexFile(file.name, url, file.sha256))
    return tuple(found)


def checks_of(manifest: Manifest, lock: Lock, image: LockedImage, *, with_tests: bool) -> Checks:
    """The checks of ``image``: those of versions.toml, else the modules of everything that its chain requires."""
    declared = manifest.images[image.name]
    imports = [ImportCheck(module, (module,)) for module in declared.check_imports]
    if not imports:
        required: set[str] = set()
        for link in lock.chain(image):
            required.update(need.name for need in (*link.common, *link.requires))
        imports = [ImportCheck(name) for name in sorted(required)]
    return Checks(tuple(imports), declared.tests if with_tests else (), manifest.checks)


def digest(packages: list[Package], checks: Checks, conditions: Mapping[str, object]) -> str:
    """A key for the result: the same files, checks and ``conditions`` give the same one again."""
    document = {
        "files": [package.chosen.sha256 for package in packages],
        "checks": asdict(checks),
        "conditions": dict(conditions),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
