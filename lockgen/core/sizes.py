"""Bytes: what a wheel weighs to download, and what its files come to once installed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bytes:
    """Sums over packages of what is known. ``unknown`` names the packages that are not in ``installed``, ``unweighed``
    those that are not in ``download``.
    """

    download: int = 0
    installed: int = 0
    unknown: frozenset[str] = frozenset()
    unweighed: frozenset[str] = frozenset()

    def __add__(self, other: Bytes) -> Bytes:
        return Bytes(
            self.download + other.download,
            self.installed + other.installed,
            self.unknown | other.unknown,
            self.unweighed | other.unweighed,
        )


@dataclass(frozen=True, slots=True)
class ImageSize:
    """One image in one layout: its own layers by name, and everything that it holds."""

    image: str
    variant: str
    layers: tuple[tuple[str, Bytes], ...]
    whole: Bytes

    @property
    def tag(self) -> str:
        return f"{self.image}:{self.variant}"


@dataclass(frozen=True, slots=True)
class LayoutSize:
    """A layout's images, and the bytes that a registry holds for all of them: each layer once."""

    layout: str
    images: tuple[ImageSize, ...]
    unique: Bytes


@dataclass(frozen=True, slots=True)
class Excess:
    """A budget that is exceeded, or may be. Installed bytes; ``what`` is an image or a layer."""

    what: str
    path: tuple[str, ...]
    budget: int
    size: Bytes

    @property
    def known(self) -> bool:
        """Whether it is exceeded for sure."""
        return self.over > 0

    @property
    def over(self) -> int:
        """How many bytes are known to be too many; a negative number of bytes is what is left for the unknown."""
        return self.size.installed - self.budget


@dataclass(frozen=True, slots=True)
class Weight:
    """The size of an image before and after; None if the image does not exist then."""

    tag: str
    before: Bytes | None
    after: Bytes | None
