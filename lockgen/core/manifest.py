"""versions.toml as values: what people asked for, checked, with every name canonical (PEP 503)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from lockgen.core.accelerator import FAMILY, of_index, of_version
from lockgen.core.compat_axes import Compat
from lockgen.core.key_path import KeyPath
from lockgen.core.target import Target
from lockgen.core.update_policy import Policy


@dataclass(frozen=True)
class DeclaredRequirement:
    """A requirement as written, and the path of keys where it stands."""

    requirement: Requirement
    path: tuple[str | int, ...]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def text(self) -> str:
        return render_requirement(self.requirement)


@dataclass(frozen=True, slots=True)
class Pin:
    """The exact version of one package, and the path of keys where it stands.

    A ``held`` one is moved by people only.
    """

    version: Version
    path: tuple[str | int, ...]
    held: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """An index besides the default one. ``packages`` (canonical) come from it and from nowhere else."""

    name: str
    url: str
    packages: frozenset[str]
    recorded: str | None

    @property
    def accelerator(self) -> str | None:
        """ "cu121" for https://download.pytorch.org/whl/cu121; None where the URL does not say."""
        return of_index(self.url)


@dataclass(frozen=True, slots=True)
class Variant:
    """A flavour of images: its own solve, pins, index and the image its root bases stand on."""

    name: str
    from_image: str
    index: str | None
    pins: dict[str, Pin]
    ppa: str | None = None


@dataclass(frozen=True, slots=True)
class User:
    """The one unprivileged user that every image runs as."""

    name: str
    uid: int


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits in installed bytes; None means no limit."""

    image: int | None = None
    layer: int | None = None


@dataclass(frozen=True, slots=True)
class Unimported:
    """Why a package is used that no code imports, and the path of keys where that stands."""

    reason: str
    path: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Image:
    """A base or a stage, in the variants it comes in.

    ``base`` is the image of the family it is FROM, None for a root base. ``apt`` are runtime packages,
    ``build_apt`` those of the builder only. ``folders`` are made under /app for the user to write to; ``preload`` are
    the arguments of `python -m` that fetch models while the image is built.
    """

    name: str
    kind: Literal["base", "stage"]
    base: str | None
    variants: tuple[str, ...]
    packages: tuple[DeclaredRequirement, ...]
    apt: tuple[str, ...] = ()
    build_apt: tuple[str, ...] = ()
    copy: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    entrypoint: str | None = None
    folders: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    budget: Budget = Budget()


@dataclass(frozen=True)
class Manifest:
    """One family. ``build`` names the packages that may be built from a source distribution.

    ``budget`` applies to images and layers without their own limit. ``ignores`` are for `lockgen audit`,
    ``unimported`` for `lockgen lint`: no lock becomes another by either.
    """

    family: str
    registry: str | None
    target: Target
    exclude_newer: datetime | None
    build: frozenset[str]
    indexes: dict[str, Index]
    variants: dict[str, Variant]
    pins: dict[str, Pin]
    common: tuple[DeclaredRequirement, ...]
    images: dict[str, Image]
    user: User = User("appuser", 1000)
    budget: Budget = Budget()
    compat: Compat | None = None
    update: Policy = field(default_factory=Policy)
    ignores: tuple[IgnoredAdvisory, ...] = ()
    unimported: dict[str, Unimported] = field(default_factory=dict)

    def chain(self, image: str) -> tuple[Image, ...]:
        """The images that ``image`` stands on, the root base first, ``image`` last."""
        links = [self.images[image]]
        while (base := links[-1].base) is not None:
            links.append(self.images[base])
        return tuple(reversed(links))

    def pins_of(self, variant: str) -> dict[str, Pin]:
        """The pins that hold in ``variant``: the family's, and its own over them."""
        return {**self.pins, **self.variants[variant].pins}

    def index_of(self, package: str, variant: str) -> Index | None:
        """The index that ``package`` comes from in ``variant``; None is the default index."""
        name = self.variants[variant].index
        index = self.indexes[name] if name is not None else None
        return index if index is not None and package in index.packages else None

    @cached_property
    def listed(self) -> frozenset[str]:
        """Every package that some index claims for itself."""
        return frozenset(package for index in self.indexes.values() for package in index.packages)

    def images_of(self, variant: str) -> list[Image]:
        """The images that come in ``variant``, by name."""
        return sorted((i for i in self.images.values() if variant in i.variants), key=lambda i: i.name)


def render_requirement(requirement: Requirement) -> str:
    """The requirement in one spelling: canonical name, sorted extras and bounds, marker."""
    text: str = canonicalize_name(requirement.name)
    if requirement.extras:
        extras = sorted(canonicalize_name(extra) for extra in requirement.extras)
        text += f"[{','.join(extras)}]"
    bounds = sorted(str(part) for part in requirement.specifier)
    text += ",".join(bounds)
    if requirement.marker:
        text += f" ; {requirement.marker}"
    return text


@dataclass(frozen=True, slots=True)
class IgnoredAdvisory:
    """An advisory, by any of its names, that does not count. ``until`` is the last such day, None is for ever."""

    id: str
    reason: str
    until: date | None
    path: KeyPath

    def holds(self, today: date) -> bool:
        return self.until is None or today <= self.until


def accelerator_of(manifest: Manifest, variant: str) -> str | None:
    """What the images of ``variant`` are for, as its index says it, else the builds of its torch; None of neither."""
    name = manifest.variants[variant].index
    index = manifest.indexes[name] if name is not None else None
    builds = [of_version(pin.version) for n, pin in manifest.pins_of(variant).items() if n in FAMILY]
    return (index.accelerator if index is not None else None) or next(filter(None, builds), None)
