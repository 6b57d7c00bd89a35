"""Compares two locks: per package and variant, and per image within its own closure."""

from __future__ import annotations

from collections.abc import Mapping

from lockgen.core.lock import Lock, LockedImage, Package
from lockgen.core.parsing import parse_version
from lockgen.diff.model import Change, ChangeKind, Changes, ImageChange, PackageChange, Setting, WholeImage
from lockgen.lock.closure import Closures


def compare(old: Lock | None, new: Lock) -> Changes:
    """The changes from ``old`` to ``new``. Without an old lock, everything is new.

    Raises:
        NoResolution: a lock lacks a package that one of its images needs.
    """
    # The target and indexes of the first lock are not changes, so the empty lock has the same ones.
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
        self._old = old
        self._new = new
        self._old_closures = Closures(old)
        self._new_closures = Closures(new)
        self._known: dict[tuple[str, str], Change | None] = {}

    def packages(self) -> tuple[PackageChange, ...]:
        """The changes of each variant. Variants with the same change share an entry."""
        variants: dict[Change, list[str]] = {}
        all_variants = {*self._old.variants, *self._new.variants}
        for variant in sorted(all_variants):
            for name in self._names(variant):
                change = self._change(variant, name)
                if change is not None:
                    variants.setdefault(change, []).append(variant)
        found = []
        for change, where in variants.items():
            found.append(PackageChange(change, tuple(where)))
        # A change of one kind and version may come from two indexes: then the variants decide.
        found.sort(key=lambda item: (item.change.sort_key, item.variants))
        return tuple(found)

    def _names(self, variant: str) -> set[str]:
        old = self._packages(self._old, variant)
        new = self._packages(self._new, variant)
        return {*old, *new}

    def images(self) -> tuple[ImageChange, ...]:
        """The images that both locks contain, with different packages or another base."""
        found = []
        in_both = self._old.by_tag.keys() & self._new.by_tag.keys()
        for key in sorted(in_both):
            change = self._image_change(self._old.by_tag[key], self._new.by_tag[key])
            if change is not None:
                found.append(change)
        return tuple(found)

    def _image_change(self, before: LockedImage, after: LockedImage) -> ImageChange | None:
        changes = self._within(before, after)
        if not changes and before.base == after.base:
            return None
        return ImageChange(
            name=after.name,
            variant=after.variant,
            changes=changes,
            old_base=before.base,
            new_base=after.base,
        )

    def _within(self, before: LockedImage, after: LockedImage) -> tuple[Change, ...]:
        """The changes in the closure of one image."""
        variant = after.variant
        old_names = self._old_closures.of(before)
        new_names = self._new_closures.of(after)
        old_packages = self._packages(self._old, variant)
        new_packages = self._packages(self._new, variant)
        # By closure, not by variant: a package that the variant had all along may be new to this image.
        changes = [_added(new_packages[name]) for name in new_names - old_names]
        changes += [_removed(old_packages[name]) for name in old_names - new_names]
        for name in old_names & new_names:
            change = self._change(variant, name)
            if change is not None:
                changes.append(change)
        changes.sort(key=lambda change: change.sort_key)
        return tuple(changes)

    def _change(self, variant: str, name: str) -> Change | None:
        # Most packages are in many images.
        key = variant, name
        if key not in self._known:
            before = self._packages(self._old, variant)
            after = self._packages(self._new, variant)
            self._known[key] = classify(
                old=before.get(name),
                new=after.get(name),
            )
        return self._known[key]

    @staticmethod
    def _packages(lock: Lock, variant: str) -> Mapping[str, Package]:
        return lock.by_variant.get(variant, {})


def classify(old: Package | None, new: Package | None) -> Change | None:
    """The change from one package to the other, None if they are the same."""
    if old is None:
        return None if new is None else _added(new)
    if new is None:
        return _removed(old)
    kind = _kind(old, new)
    if kind is None:
        return None
    return Change(new.name, kind, old.version, new.version, old.index, new.index)


def _added(package: Package) -> Change:
    return Change(package.name, "added", None, package.version, None, package.index)


def _removed(package: Package) -> Change:
    return Change(package.name, "removed", package.version, None, package.index, None)


def _kind(old: Package, new: Package) -> ChangeKind | None:
    before = parse_version(old.version)
    after = parse_version(new.version)
    # By public version: PEP 440 sorts +cu124 above +cu121, so that another accelerator would look newer.
    public_before = parse_version(before.public)
    public_after = parse_version(after.public)
    if public_before < public_after:
        return "up"
    if public_before > public_after:
        return "down"
    if before.local != after.local or old.index != new.index:
        return "moved"
    if old.version != new.version or _hashes(old) != _hashes(new):
        return "refreshed"
    return None


def _hashes(package: Package) -> set[tuple[str, str]]:
    # Sizes do not matter: they may become known later, for the same file.
    return {(file.name, file.sha256) for file in package.files}


def _whole(lock: Lock, other: Lock) -> tuple[WholeImage, ...]:
    """The images that ``lock`` contains and ``other`` does not."""
    closures = Closures(lock)
    found = []
    only_here = lock.by_tag.keys() - other.by_tag.keys()
    for key in sorted(only_here):
        image = lock.by_tag[key]
        closure = closures.of(image)
        found.append(WholeImage(image.name, image.variant, len(closure)))
    return tuple(found)


def _settings(old: Lock, new: Lock) -> tuple[Setting, ...]:
    before = _flat(old)
    after = _flat(new)
    changed = []
    for name in sorted(before.keys() | after.keys()):
        old_value = before.get(name)
        new_value = after.get(name)
        if old_value != new_value:
            changed.append(Setting(name, old_value, new_value))
    return tuple(changed)


def _flat(lock: Lock) -> dict[str, str]:
    """The settings of a lock by dotted name."""
    return {
        "family": lock.family,
        **{f"target.{key}": value for key, value in lock.target.items()},
        **{f"index.{name}": url for name, url in lock.indexes.items()},
    }
