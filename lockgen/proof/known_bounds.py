"""Bounds that earlier runs on this machine found: kept in the user's cache, and valid while what they depend on is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from packaging.version import Version

from lockgen.core.documents import parse_json
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest
from lockgen.core.parsing import parse_specifiers, parse_version
from lockgen.core.ports import Cache
from lockgen.core.words import enumerated
from lockgen.proof.model import BoundConditions, KnownBound, ProofBound
from lockgen.proof.run_document import bound_document, bound_from_document

KIND = "bounds"
"""The kind of the cache."""
_MOST = 500
_MOST_OTHERS = 4

Versions = Mapping[str, Mapping[str, str]]
"""Variant to package to version."""


def locked_versions(lock: Lock) -> Versions:
    """The versions of all packages of ``lock``."""
    found = {}
    for variant, packages in lock.by_variant.items():
        found[variant] = {name: package.version for name, package in packages.items()}
    return found


def versions_of(manifest: Manifest, lock: Lock | None) -> Versions:
    """The versions that each variant has: those of its pins, and the locked ones of all other packages."""
    locked = locked_versions(lock) if lock is not None else {}
    found = {}
    for variant in manifest.variants:
        pinned = {name: str(pin.version) for name, pin in manifest.pins_of(variant).items()}
        found[variant] = {**locked.get(variant, {}), **pinned}
    return found


class KnownBounds:
    """The bounds of one family and target in ``cache``."""

    def __init__(self, cache: Cache, manifest: Manifest) -> None:
        self._cache, self._manifest = cache, manifest
        target = manifest.target
        document = [KIND, 1, manifest.family, target.release, target.platform]
        self._key = hashlib.sha256(json.dumps(document).encode()).hexdigest()

    def all(self) -> list[KnownBound]:
        """All bounds, also those that are not valid now; the oldest first."""
        text = self._cache.recall(self._key)
        try:
            return [_from_document(entry) for entry in parse_json(text)["bounds"]] if text is not None else []
        except (KeyError, TypeError, ValueError, AttributeError):
            return []

    def valid(self, versions: Versions) -> list[KnownBound]:
        """The bounds that apply to ``versions``, sorted by package."""
        found = [known for known in self.all() if self._is_valid(known, versions)]
        return sorted(found, key=lambda known: (known.bound.package, known.bound.image, known.bound.reason))

    def keep(self, bounds: Iterable[ProofBound], today: str) -> None:
        """Add ``bounds``, which were found today, in place of equal ones."""
        new = [KnownBound(bound, today, self._modules(bound)) for bound in bounds if _is_lasting(bound)]
        if not new:
            return
        replaced = {_identity(known.bound) for known in new}
        old = [known for known in self.all() if _identity(known.bound) not in replaced]
        self._write([*old, *new])

    def forget(self, reached: Mapping[str, Version], ran: Iterable[str], versions: Versions) -> None:
        """Remove bounds that a run disproved: the images ``ran`` run with the ``reached`` versions of packages."""
        images = set(ran)
        known = self.all()

        def disproved(one: KnownBound) -> bool:
            version = reached.get(one.bound.package)
            if version is None or one.bound.image not in images or not one.bound.covers(version):
                return False
            return self._is_valid(one, versions)

        left = [one for one in known if not disproved(one)]
        if len(left) != len(known):
            self._write(left)

    def _write(self, bounds: Sequence[KnownBound]) -> None:
        document = {"format": 1, "bounds": [known_document(known) for known in bounds[-_MOST:]]}
        self._cache.keep(self._key, json.dumps(document))

    def _modules(self, bound: ProofBound) -> tuple[str, ...]:
        name, _, _ = bound.image.rpartition(":")
        image = self._manifest.images.get(name)
        return image.check_imports if image is not None else ()

    def _is_valid(self, known: KnownBound, versions: Versions) -> bool:
        bound = known.bound
        name, _, variant = bound.image.rpartition(":")
        image = self._manifest.images.get(name)
        if image is None or variant not in image.variants:
            return False
        if bound.kind == "test":
            is_checked = bound.by in {" ".join(command) for command in image.tests}
        else:
            is_checked = image.check_imports == known.modules
        return is_checked and _holds(bound.conditions, versions.get(variant, {}))


def _holds(conditions: BoundConditions, versions: Mapping[str, str]) -> bool:
    for name, version in conditions.versions:
        found = versions.get(name)
        # The build of a release does not count: 2.5.1+cpu has the code of 2.5.1+cu121.
        if found is None or parse_version(found).public != parse_version(version).public:
            return False
    needed = conditions.requirement
    if needed is None:
        return True
    found = versions.get(needed.package)
    return found is not None and not parse_specifiers(needed.specifier).contains(found, prereleases=True)


def _is_lasting(bound: ProofBound) -> bool:
    """Whether a bound is about the packages. A limit is about this machine, an installation about the index."""
    return bound.kind not in {"limit", "install"} and bool(bound.refused)


def _identity(bound: ProofBound) -> tuple[object, ...]:
    return bound.package, bound.image, bound.conditions


# -- what readers see ----------------------------------------------------------------


def sentence(known: KnownBound) -> str:
    """The bound, its reason, and where it is from, in one line."""
    bound = known.bound
    text = f"{bound.package} >={bound.failed} does not run: {bound.image}: {bound.reason}"
    details = [f"tried {enumerated(bound.refused)}"]
    others = surroundings(bound.conditions)
    if others:
        details.append(f"valid {others}")
    details.append(f"found on this machine on {known.found}")
    text += f" ({'; '.join(details)})"
    return f"{text}; newest that runs: {bound.newest}" if bound.newest is not None else text


def surroundings(conditions: BoundConditions) -> str:
    """What a bound depends on: "with torch 2.5.1, without numpy>=3"."""
    others = [f"{name} {version}" for name, version in conditions.versions]
    if len(others) > _MOST_OTHERS:
        others = [*others[:_MOST_OTHERS], f"{len(others) - _MOST_OTHERS} more"]
    parts = [f"with {enumerated(others)}"] if others else []
    needed = conditions.requirement
    if needed is not None:
        parts.append(f"without {needed.package}{needed.specifier}")
    return ", ".join(parts)


def known_document(known: KnownBound) -> dict[str, Any]:
    """A bound as JSON: for `--json`, and for the cache."""
    return {**bound_document(known.bound), "check-imports": list(known.modules), "found": known.found}


def _from_document(entry: Any) -> KnownBound:
    bound = bound_from_document(entry)
    # A damaged file is noticed here, not where the versions are compared.
    for version in (
        bound.failed,
        bound.newest or bound.failed,
        *bound.refused,
        *dict(bound.conditions.versions).values(),
    ):
        parse_version(version)
    if bound.conditions.requirement is not None:
        parse_specifiers(bound.conditions.requirement.specifier)
    return KnownBound(bound, str(entry["found"]), tuple(map(str, entry["check-imports"])))
