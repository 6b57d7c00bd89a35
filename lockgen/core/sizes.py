"""Sizes in bytes: of the download of wheels, and of their files once installed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bytes:
    """Sums of the known sizes of packages.

    ``unknown`` names the packages that ``installed`` does not include, ``unweighed`` those that ``download`` does not.
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
    """One image in one layout: its own layers by name, and ``whole`` with the layers of its bases."""

    image: str
    variant: str
    layers: tuple[tuple[str, Bytes], ...]
    whole: Bytes

    @property
    def tag(self) -> str:
        return f"{self.image}:{self.variant}"


@dataclass(frozen=True, slots=True)
class LayoutSize:
    """The images of a layout. ``unique`` is the size of all of them on a registry, where each layer is stored once."""

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
        """Whether it is exceeded even without the packages of unknown size."""
        return self.over > 0

    @property
    def over(self) -> int:
        """The known excess in bytes. A negative number is the space left for packages of unknown size."""
        return self.size.installed - self.budget


@dataclass(frozen=True, slots=True)
class Weight:
    """The size of an image before and after; None if the image does not exist then."""

    tag: str
    before: Bytes | None
    after: Bytes | None
