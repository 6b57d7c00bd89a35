"""The differences between two locks, as values."""

from __future__ import annotations

from typing import Literal, NamedTuple

ChangeKind = Literal["added", "removed", "up", "down", "moved", "refreshed"]
KINDS: tuple[ChangeKind, ...] = ("added", "removed", "up", "down", "moved", "refreshed")


class Change(NamedTuple):
    """One package, before and after. The version is None where the package is missing.

    ``up`` and ``down`` compare public versions. ``moved`` has the same public version with another local part or
    from another index. ``refreshed`` has the same version from the same index with other files or hashes. An index of
    None is the default index.
    """

    name: str
    kind: ChangeKind
    old: str | None
    new: str | None
    old_index: str | None = None
    new_index: str | None = None

    @property
    def sort_key(self) -> tuple[str, int, str, str]:
        return self.name, KINDS.index(self.kind), self.old or "", self.new or ""


class PackageChange(NamedTuple):
    """A change, and the variants that it applies to."""

    change: Change
    variants: tuple[str, ...]


class ImageChange(NamedTuple):
    """An image whose closure or base changed. ``changes`` are those within its closure.

    A package can be new to an image although its variant had it before. ``old_base`` and ``new_base`` are the images
    below it, None for a root base.
    """

    name: str
    variant: str
    changes: tuple[Change, ...]
    old_base: str | None = None
    new_base: str | None = None

    @property
    def tag(self) -> str:
        return f"{self.name}:{self.variant}"


class WholeImage(NamedTuple):
    """An added or removed image, with the number of packages in its closure."""

    name: str
    variant: str
    packages: int

    @property
    def tag(self) -> str:
        return f"{self.name}:{self.variant}"


class Setting(NamedTuple):
    """A setting of the lock, by its dotted name: the family, part of the target, or the URL of an index."""

    name: str
    old: str | None
    new: str | None


class Changes(NamedTuple):
    """All differences, sorted by name. ``first``: the old lock is missing."""

    packages: tuple[PackageChange, ...] = ()
    images: tuple[ImageChange, ...] = ()
    added: tuple[WholeImage, ...] = ()
    removed: tuple[WholeImage, ...] = ()
    settings: tuple[Setting, ...] = ()
    first: bool = False

    def __bool__(self) -> bool:
        return bool(self.packages or self.images or self.added or self.removed or self.settings)
