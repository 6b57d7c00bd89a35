"""Why an image carries a package: the paths from what it asks for to the package."""

from __future__ import annotations

from dataclasses import dataclass

from lockgen.core.lock import Dependency


@dataclass(frozen=True, slots=True)
class PathStep:
    """What is asked for, and the version that the lock holds."""

    ask: Dependency
    version: str

    def __str__(self) -> str:
        return f"{self.ask} ({self.version})"


@dataclass(frozen=True, slots=True)
class DependencyPath:
    """From an image's ask to the package. ``common``: the ask is one of the common packages'."""

    steps: tuple[PathStep, ...]
    common: bool = False


@dataclass(frozen=True, slots=True)
class Heir:
    """An image that carries the package because of ``via``, an image that it stands on."""

    tag: str
    via: str


@dataclass(frozen=True, slots=True)
class PathGroup:
    """Images (tags) whose own asks lead to the package by the same paths, the shortest first.

    ``more`` counts the paths not listed; not ``counted``: there are at least so many. ``heirs`` stand on
    one of ``images``; they may ask for the package themselves too, and then have a group of their own.
    """

    images: tuple[str, ...]
    paths: tuple[DependencyPath, ...]
    heirs: tuple[Heir, ...] = ()
    more: int = 0
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """A version that the lock holds, and where. An index of None is the default one."""

    version: str
    index: str | None
    variants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asker:
    """A package, or an extra of it, that requires the package itself."""

    name: str
    extra: str
    version: str
    ask: Dependency
    variants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageAsk:
    """Images (tags) that ask for the package by name, in the same words."""

    ask: Dependency
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Why:
    """The answer for one package; no ``groups``: no image of those asked about carries it."""

    package: str
    held: tuple[Held, ...]
    askers: tuple[Asker, ...]
    image_asks: tuple[ImageAsk, ...]
    groups: tuple[PathGroup, ...]
