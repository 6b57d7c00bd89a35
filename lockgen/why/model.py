"""Why an image contains a package: the paths from its requirements to the package."""

from __future__ import annotations

from dataclasses import dataclass

from lockgen.core.lock import Dependency


@dataclass(frozen=True, slots=True)
class PathStep:
    """A requirement, and the locked version that satisfies it."""

    requirement: Dependency
    version: str

    def __str__(self) -> str:
        return f"{self.requirement} ({self.version})"


@dataclass(frozen=True, slots=True)
class DependencyPath:
    """From a requirement of an image to the package. ``common``: it is a requirement of the common packages."""

    steps: tuple[PathStep, ...]
    common: bool = False


@dataclass(frozen=True, slots=True)
class InheritingImage:
    """An image that contains the package because ``via``, an image below it, does."""

    tag: str
    via: str


@dataclass(frozen=True, slots=True)
class PathGroup:
    """Images (tags) whose own requirements lead to the package by the same paths, the shortest first.

    ``more`` counts the paths that are not listed. Unless ``counted``, there may be even more. ``inheriting`` are
    images on top of ``images``. If they also require the package themselves, they are in another group too.
    """

    images: tuple[str, ...]
    paths: tuple[DependencyPath, ...]
    inheriting: tuple[InheritingImage, ...] = ()
    more: int = 0
    counted: bool = True


@dataclass(frozen=True, slots=True)
class LockedVersion:
    """A version of the package in the lock, and its variants. An index of None is the default index."""

    version: str
    index: str | None
    variants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dependent:
    """A package, or an extra of it, that requires the package directly."""

    name: str
    extra: str
    version: str
    requirement: Dependency
    variants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageRequirement:
    """A requirement of the package in versions.toml, and the images (tags) that have it."""

    requirement: Dependency
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Why:
    """The answer for one package. Without ``groups``, none of the selected images contains it."""

    package: str
    versions: tuple[LockedVersion, ...]
    dependents: tuple[Dependent, ...]
    image_requirements: tuple[ImageRequirement, ...]
    groups: tuple[PathGroup, ...]
