"""versions.toml as checked values. Every package name is canonical (PEP 503).

Values that a later check may report keep the path of keys where they are written: checks that need an index or a lock
run long after the file was parsed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Literal, NamedTuple

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
    """A requirement as written, and the path of keys where it is written."""

    requirement: Requirement
    path: tuple[str | int, ...]

    # Computed once: a family of many images asks for them many times.

    @cached_property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @cached_property
    def text(self) -> str:
        return render_requirement(self.requirement)


class Pin(NamedTuple):
    """The exact version of one package, and the path of keys where it is written.

    No command changes a ``held`` pin.
    """

    version: Version
    path: tuple[str | int, ...]
    held: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """An index besides the default one. ``packages`` (canonical names) come only from it."""

    name: str
    url: str
    packages: frozenset[str]
    recorded: str | None

    @property
    def accelerator(self) -> str | None:
        """The accelerator named by the last part of the URL, such as "cu121"; None if it names none."""
        return of_index(self.url)


@dataclass(frozen=True, slots=True)
class Variant:
    """A flavour of images with its own solve, pins and index. Its root bases build on ``from_image``."""

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


class Unimported(NamedTuple):
    """Why a package is needed although no code imports it, and the path of keys where that is written."""

    reason: str
    path: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class CheckLimits:
    """[checks]: the limits of each command that checks an image. Wall seconds, bytes of memory, and the network."""

    seconds: int = 300
    memory: int = 8_000_000_000
    network: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """A base or a stage.

    ``base`` is the image of the family that it builds on, None for a root base. ``variants`` are those that it is built
    in. ``apt`` are system packages of the image, ``build_apt`` those of the build stage only. ``folders`` are created
    in /app for the user to write to. ``preload`` has arguments of `python -m` that fetch models during the build.
    ``check_imports`` are modules that must be importable, ``tests`` commands (argument lists) that must succeed.
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
    check_imports: tuple[str, ...] = ()
    tests: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Manifest:
    """One family. ``build`` names the packages that may be built from a source distribution.

    ``budget`` applies to images and layers without their own limit. ``ignores`` are for `lockgen audit`,
    ``unimported`` for `lockgen lint`, ``checks`` for the checks of images; none of them changes the lock.
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
    checks: CheckLimits = CheckLimits()

    def chain(self, image: str) -> tuple[Image, ...]:
        """The images that ``image`` builds on, from the root base to ``image`` itself."""
        links = [self.images[image]]
        while (base := links[-1].base) is not None:
            links.append(self.images[base])
        return tuple(reversed(links))

    def pins_of(self, variant: str) -> dict[str, Pin]:
        """The pins that apply to ``variant``: those of the family, overridden by its own."""
        return {**self.pins, **self.variants[variant].pins}

    def index_of(self, package: str, variant: str) -> Index | None:
        """The index that ``package`` comes from in ``variant``; None is the default index."""
        name = self.variants[variant].index
        if name is None:
            return None
        index = self.indexes[name]
        return index if package in index.packages else None

    @cached_property
    def listed(self) -> frozenset[str]:
        """All packages that are assigned to an index."""
        # Not only those of this variant's index: a package that any index claims never comes from the default one.
        return frozenset(package for index in self.indexes.values() for package in index.packages)

    def images_of(self, variant: str) -> list[Image]:
        """The images that are built in ``variant``, sorted by name."""
        images = [image for image in self.images.values() if variant in image.variants]
        return sorted(images, key=lambda image: image.name)


def render_requirement(requirement: Requirement) -> str:
    """The requirement in one spelling: canonical name, sorted extras and bounds, marker."""
    # Fingerprints contain this text: the order in which something is written must not change a lock.
    text: str = canonicalize_name(requirement.name)
    if requirement.extras:
        extras = sorted(canonicalize_name(extra) for extra in requirement.extras)
        text += f"[{','.join(extras)}]"
    bounds = sorted(str(part) for part in requirement.specifier)
    text += ",".join(bounds)
    if requirement.marker:
        text += f" ; {requirement.marker}"
    return text


class IgnoredAdvisory(NamedTuple):
    """An advisory, by any of its identifiers, that is ignored. ``until`` is the last such day; None: no end."""

    id: str
    reason: str
    until: date | None
    path: KeyPath

    def holds(self, today: date) -> bool:
        return self.until is None or today <= self.until


def accelerator_of(manifest: Manifest, variant: str) -> str | None:
    """The accelerator of ``variant``, from the URL of its index, else from its pins of torch's family.

    None if neither names one.
    """
    name = manifest.variants[variant].index
    if name is not None:
        accelerator = manifest.indexes[name].accelerator
        if accelerator is not None:
            return accelerator
    for package, pin in manifest.pins_of(variant).items():
        build = of_version(pin.version) if package in FAMILY else None
        if build is not None:
            return build
    return None
