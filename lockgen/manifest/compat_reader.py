"""Reader of [compat] in versions.toml. `compat.cells` checks what depends on an index."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from lockgen.core.close_match import close_match
from lockgen.core.compat_axes import PYTHON, TORCH, VARIANT, Compat, Declared, Exclusion, Member, TorchRelease
from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import Manifest
from lockgen.manifest.schema import CompatTable, PairEntry

_HERE: KeyPath = ("compat",)


class AddFault(Protocol):
    def __call__(self, path: KeyPath, message: str, hint: str | None = None) -> None: ...


def as_bound(text: str) -> SpecifierSet | None:
    """A bound as it may be written: ">=2.1,<3", "2.1.*", or one version; None where it is neither."""
    for spelled in (text, f"=={text}"):
        try:
            return SpecifierSet(spelled)
        except InvalidSpecifier:
            continue
    return None


class Declaration:
    """Reads one [compat] table; every fault goes to ``add``."""

    def __init__(self, table: CompatTable, manifest: Manifest, add: AddFault) -> None:
        self.table = table
        self.manifest = manifest
        self.add = add
        self.pinned: set[str] = set()
        for variant in manifest.variants:
            self.pinned.update(manifest.pins_of(variant))
        required = {ask.name for ask in manifest.common}
        for image in manifest.images.values():
            required.update(ask.name for ask in image.packages)
        self.known = self.pinned | required

    def read(self) -> Compat:
        axes = [self._python(), *self._packages()]
        return Compat(
            axes=tuple(axes),
            variants=self._variants(),
            exclude=tuple(self._exclude({axis.name for axis in axes} | {VARIANT})),
            held=frozenset(self._held()),
            pairs=dict(self._pairs()),
        )

    def _python(self) -> Declared:
        path = (*_HERE, PYTHON)
        values = self.table.python if self.table.python is not None else [self.manifest.target.python]
        return Declared(PYTHON, tuple(self._once(values, path)), None, path)

    def _packages(self) -> Iterable[Declared]:
        seen: set[str] = set()
        for text, value in (self.table.__pydantic_extra__ or {}).items():
            path = (*_HERE, text)
            name = str(canonicalize_name(text))
            if name not in self.known:
                hint = close_match(text, {*self.known, "python", "variants", "exclude", "held", "pairs"})
                self.add(path, f"`{text}` is neither pinned nor required; it cannot be an axis", hint)
            elif name in seen:
                self.add(path, f"`{text}` is named twice", "keep one of them")
            elif isinstance(value, str):
                yield self._bounded(name, value, path)
            else:
                yield Declared(name, tuple(self._versions(value, path)), None, path)
            seen.add(name)

    def _bounded(self, name: str, text: str, path: KeyPath) -> Declared:
        try:
            SpecifierSet(text)
        except InvalidSpecifier:
            hint = f'a bound, as in ">=2.1,<=2.5.1", or a list of versions: {name} = ["{text}"]'
            self.add(path, f"{text!r} is not a version specifier", hint)
        return Declared(name, (), text, path)

    def _versions(self, values: list[str], path: KeyPath) -> Iterable[str]:
        for position, text in enumerate(self._once(values, path)):
            try:
                version = Version(text)
            except InvalidVersion:
                self.add(
                    (*path, position), f"{text!r} is not a version", 'as in "2.5.1"; a bound stands alone: ">=2.1"'
                )
                continue
            if version.local is not None:
                hint = f'write "{version.public}": each variant uses the build of its index'
                self.add((*path, position), f"{text!r} is the build of one index", hint)
            yield str(version)

    def _once(self, values: list[str], path: KeyPath) -> list[str]:
        for position, text in enumerate(values):
            if text in values[:position]:
                self.add((*path, position), f"`{text}` is named twice", "keep one of them")
        return list(dict.fromkeys(values))

    def _variants(self) -> tuple[str, ...]:
        there = [name for name in sorted(self.manifest.variants) if self.manifest.images_of(name)]
        if self.table.variants is None:
            return tuple(there)
        path = (*_HERE, "variants")
        for position, name in enumerate(self.table.variants):
            if name not in there:
                self.add((*path, position), f"there is no variant `{name}` with images", close_match(name, there))
        return tuple(self._once(self.table.variants, path))

    def _exclude(self, axes: set[str]) -> Iterable[Exclusion]:
        for position, entry in enumerate(self.table.exclude):
            path = (*_HERE, "exclude", position)
            bounds: dict[str, str] = {}
            if not entry:
                self.add(path, "an exclusion without a bound would leave out every cell", "name at least one axis")
            for key, text in entry.items():
                name = VARIANT if key == VARIANT else str(canonicalize_name(key))
                if name not in axes:
                    self.add((*path, key), f"`{key}` is not an axis", close_match(key, axes))
                elif name != VARIANT and as_bound(text) is None:
                    self.add((*path, key), f"{text!r} is not a version specifier", 'as in "2.1.*", ">=2.2" or "2.1.0"')
                else:
                    bounds[name] = text
            yield Exclusion(bounds, path)

    def _held(self) -> Iterable[str]:
        for position, text in enumerate(self.table.held):
            name = str(canonicalize_name(text))
            if name not in self.pinned:
                hint = close_match(text, self.pinned)
                self.add((*_HERE, "held", position), f"`{text}` is not pinned, so it cannot be held", hint)
            yield name

    def _pairs(self) -> Iterable[tuple[str, TorchRelease]]:
        for text, entry in self.table.pairs.items():
            path = (*_HERE, "pairs", text)
            version = self._plain(text, path)
            members = {TORCH: Member(version, _pythons(entry))}
            for name, partner in (("torchaudio", entry.torchaudio), ("torchvision", entry.torchvision)):
                if partner is not None:
                    members[name] = Member(self._plain(partner, (*path, name)))
            yield version, TorchRelease(members, entry.accelerator)

    def _plain(self, text: str, path: KeyPath) -> str:
        try:
            version = Version(text)
        except InvalidVersion:
            self.add(path, f"{text!r} is not a version", 'as in "2.5.1"')
            return text
        if version.local is not None:
            self.add(path, f"{text!r} is the build of one index", f'write "{version.public}"')
        return str(version)


def _pythons(entry: PairEntry) -> tuple[str, ...] | None:
    return tuple(entry.python) if entry.python is not None else None
