"""What differs between two locks: per package and variant, and per image within its own closure."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.version import Version

from lockgen.core.lock import Lock, LockedImage, Package
from lockgen.diff.model import Change, ChangeKind, Changes, ImageChange, PackageChange, Setting, WholeImage
from lockgen.lock.closure import Closures


def compare(old: Lock | None, new: Lock) -> Changes:
    """What leads from ``old`` (None: there is none yet) to ``new``.

    Raises:
        NoResolution: a lock lacks a package that one of its images needs.
    """
    before = old or Lock(new.family, new.target, {}, new.indexes, {}, (), ())
    comparison = _Comparison(before, new)
    return Changes(
        packages=comparison.packages(),
        images=comparison.images(),
        added=_whole(new, before),
        removed=_whole(before, new),
        settings=_settings(before, new),
        first=old is None,
    )


class _Comparison:
    def __init__(self, old: Lock, new: Lock) -> None:
        self._old, self._new = old, new
        self._old_closures, self._new_closures = Closures(old), Closures(new)
        self._known: dict[tuple[str, str], Change | None] = {}

    def packages(self) -> tuple[PackageChange, ...]:
        variants: dict[Change, list[str]] = {}
        for variant in sorted({*self._old.variants, *self._new.variants}):
            before = self._old.by_variant.get(variant, {})
            after = self._new.by_variant.get(variant, {})
            for name in {*before, *after}:
                change = self._change(variant, name, before, after)
                if change is not None:
                    variants.setdefault(change, []).append(variant)
        found = [PackageChange(change, tuple(where)) for change, where in variants.items()]
        return tuple(sorted(found, key=lambda item: (item.change.sort_key, item.variants)))

    def _change(
        self, variant: str, name: str, before: Mapping[str, Package], after: Mapping[str, Package]
    ) -> Change | None:
        key = variant, name
        if key not in self._known:
            self._known[key] = classify(before.get(name), after.get(name))
        return self._known[key]

    def images(self) -> tuple[ImageChange, ...]:
        """Of the images that both locks have, those that differ."""
        found = []
        for key in sorted(self._old.by_tag.keys() & self._new.by_tag.keys()):
            before, after = self._old.by_tag[key], self._new.by_tag[key]
            changes = self._within(before, after)
            if changes or before.base != after.base:
                found.append(ImageChange(*key, changes, before.base, after.base))
        return tuple(found)

    def _within(self, before: LockedImage, after: LockedImage) -> tuple[Change, ...]:
        variant = after.variant
        old_packages, new_packages = self._old.by_variant[variant], self._new.by_variant[variant]
        old_names, new_names = self._old_closures.of(before), self._new_closures.of(after)
        kept = (self._change(variant, name, old_packages, new_packages) for name in old_names & new_names)
        changes = [change for change in kept if change is not None]
        changes += [_added(new_packages[name]) for name in new_names - old_names]
        changes += [_removed(old_packages[name]) for name in old_names - new_names]
        return tuple(sorted(changes, key=lambda change: change.sort_key))


def classify(old: Package | None, new: Package | None) -> Change | None:
    """The change from one package to the other, None if there is none."""
    if old is None:
        return None if new is None else _added(new)
    if new is None:
        return _removed(old)
    kind = _kind(old, new)
    return kind and Change(new.name, kind, old.version, new.version, old.index, new.index)


def _added(package: Package) -> Change:
    return Change(package.name, "added", None, package.version, None, package.index)


def _removed(package: Package) -> Change:
    return Change(package.name, "removed", package.version, None, package.index, None)


def _kind(old: Package, new: Package) -> ChangeKind | None:
    before, after = Version(old.version), Version(new.version)
    # By public version: PEP 440 sorts +cu124 above +cu121, which makes another accelerator look newer.
    public_before, public_after = Version(before.public), Version(after.public)
    if public_before != public_after:
        return "up" if public_before < public_after else "down"
    if before.local != after.local or old.index != new.index:
        return "moved"
    if old.version != new.version or _hashes(old) != _hashes(new):
        return "refreshed"
    return None


def _hashes(package: Package) -> set[tuple[str, str]]:
    return {(file.name, file.sha256) for file in package.files}


def _whole(lock: Lock, other: Lock) -> tuple[WholeImage, ...]:
    """The images that only ``lock`` has."""
    closures = Closures(lock)
    return tuple(
        WholeImage(*key, len(closures.of(lock.by_tag[key]))) for key in sorted(lock.by_tag.keys() - other.by_tag.keys())
    )


def _settings(old: Lock, new: Lock) -> tuple[Setting, ...]:
    before, after = _flat(old), _flat(new)
    return tuple(
        Setting(name, before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def _flat(lock: Lock) -> dict[str, str]:
    return {
        "family": lock.family,
        **{f"target.{key}": value for key, value in lock.target.items()},
        **{f"index.{name}": url for name, url in lock.indexes.items()},
    }
