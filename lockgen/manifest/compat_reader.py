"""Reader of [compat] in versions.toml. `compat.cells` checks what depends on an index."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from lockgen.core.close_match import close_match
from lockgen.core.compat_axes import PYTHON, TORCH, VARIANT, Compat, Declared, Exclusion, Member, TorchRelease
from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import Manifest
from lockgen.core.parsing import parse_specifiers, parse_version
from lockgen.manifest.faults import AddFault
from lockgen.manifest.field_checks import unique
from lockgen.manifest.tables import CompatTable

_HERE: KeyPath = ("compat",)
_KEYS = ("python", "variants", "exclude", "held", "pairs")


def as_bound(text: str) -> SpecifierSet | None:
    """A bound in any valid form: ">=2.1,<3", "2.1.*", or one version. None if it is invalid."""
    # "2.1.*" and "2.1.0" are not specifiers of PEP 440, but with "==" before them they are.
    for specifier in (text, f"=={text}"):
        try:
            return parse_specifiers(specifier)
        except InvalidSpecifier:
            continue
    return None


class CompatReader:
    """Reads one [compat] table; every fault goes to ``add``."""

    def __init__(self, table: CompatTable, manifest: Manifest, add: AddFault) -> None:
        self.table = table
        self.manifest = manifest
        self.add = add
        self.pinned: set[str] = set()
        for variant in manifest.variants:
            self.pinned.update(manifest.pins_of(variant))
        self.known = set(self.pinned)
        self.known.update(requirement.name for requirement in manifest.common)
        for image in manifest.images.values():
            self.known.update(requirement.name for requirement in image.packages)

    def read(self) -> Compat:
        axes = [self._python(), *self._packages()]
        names = {axis.name for axis in axes}
        return Compat(
            axes=tuple(axes),
            variants=self._variants(),
            exclude=tuple(self._exclusions({*names, VARIANT})),
            held=frozenset(self._held()),
            pairs=dict(self._pairs()),
        )

    # -- axes --------------------------------------------------------------------

    def _python(self) -> Declared:
        path = (*_HERE, PYTHON)
        values = self.table.python
        if values is None:
            values = [self.manifest.target.python]
        return Declared(PYTHON, tuple(unique(values, path, self.add)), None, path)

    def _packages(self) -> Iterator[Declared]:
        seen: set[str] = set()
        for text, value in self.table.axes.items():
            path = (*_HERE, text)
            name = str(canonicalize_name(text))
            if name not in self.known:
                # Any other key of the table is an axis, so this may be a misspelled key as well.
                hint = close_match(text, {*self.known, *_KEYS})
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
            parse_specifiers(text)
        except InvalidSpecifier:
            hint = f'a bound, as in ">=2.1,<=2.5.1", or a list of versions: {name} = ["{text}"]'
            self.add(path, f"{text!r} is not a version specifier", hint)
        return Declared(name, (), text, path)

    def _versions(self, values: list[str], path: KeyPath) -> Iterator[str]:
        for position, text in enumerate(unique(values, path, self.add)):
            here = (*path, position)
            try:
                version = parse_version(text)
            except InvalidVersion:
                hint = 'as in "2.5.1"; write a bound without an array: ">=2.1"'
                self.add(here, f"{text!r} is not a version", hint)
                continue
            if version.local is not None:
                hint = f'write "{version.public}": each variant uses the build of its index'
                self.add(here, f"{text!r} is the build of one index", hint)
            yield str(version)

    # -- variants and exclusions -------------------------------------------------

    def _variants(self) -> tuple[str, ...]:
        variants = sorted(self.manifest.variants)
        # A variant without images has no requirements, so all of its cells would pass.
        used = [name for name in variants if self.manifest.images_of(name)]
        if self.table.variants is None:
            return tuple(used)
        path = (*_HERE, "variants")
        for position, name in enumerate(self.table.variants):
            if name not in used:
                hint = close_match(name, used)
                self.add((*path, position), f"`{name}` is not a variant with images", hint)
        return tuple(unique(self.table.variants, path, self.add))

    def _exclusions(self, axes: set[str]) -> Iterator[Exclusion]:
        for position, entry in enumerate(self.table.exclude):
            path = (*_HERE, "exclude", position)
            if not entry:
                self.add(path, "an exclusion without a bound would leave out every cell", "name at least one axis")
            yield Exclusion(self._bounds(entry, path, axes), path)

    def _bounds(self, entry: dict[str, str], path: KeyPath, axes: set[str]) -> dict[str, str]:
        bounds: dict[str, str] = {}
        for key, text in entry.items():
            # Names of variants are not names of packages: they are matched as text.
            is_variant = key == VARIANT
            name = VARIANT if is_variant else str(canonicalize_name(key))
            if name not in axes:
                self.add((*path, key), f"`{key}` is not an axis", close_match(key, axes))
            elif not is_variant and as_bound(text) is None:
                message = f"{text!r} is not a version specifier"
                self.add((*path, key), message, 'as in "2.1.*", ">=2.2" or "2.1.0"')
            else:
                bounds[name] = text
        return bounds

    # -- held pins and pairs -----------------------------------------------------

    def _held(self) -> Iterator[str]:
        for position, text in enumerate(self.table.held):
            name = str(canonicalize_name(text))
            if name not in self.pinned:
                hint = close_match(text, self.pinned)
                self.add((*_HERE, "held", position), f"`{text}` is not pinned, so it cannot be held", hint)
            yield name

    def _pairs(self) -> Iterator[tuple[str, TorchRelease]]:
        for text, entry in self.table.pairs.items():
            path = (*_HERE, "pairs", text)
            version = self._public_version(text, path)
            pythons = tuple(entry.python) if entry.python is not None else None
            members = {TORCH: Member(version, pythons)}
            partners = {"torchaudio": entry.torchaudio, "torchvision": entry.torchvision}
            for name, partner in partners.items():
                if partner is None:
                    continue
                public = self._public_version(partner, (*path, name))
                members[name] = Member(public)
            yield version, TorchRelease(members, entry.accelerator)

    def _public_version(self, text: str, path: KeyPath) -> str:
        try:
            version = parse_version(text)
        except InvalidVersion:
            self.add(path, f"{text!r} is not a version", 'as in "2.5.1"')
            return text
        if version.local is not None:
            self.add(path, f"{text!r} is the build of one index", f'write "{version.public}"')
        return str(version)
