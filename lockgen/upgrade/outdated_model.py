"""What is not the newest: pins and base images."""

from __future__ import annotations

from dataclasses import dataclass

from lockgen.core.index import Release
from lockgen.core.key_path import KeyPath


@dataclass(frozen=True, slots=True)
class FamilyMember:
    """One pin of a row: its package, its version, and what it would be with the newest that fits."""

    name: str
    path: KeyPath
    current: str
    fits: str | None


@dataclass(frozen=True, slots=True)
class OutdatedPin:
    """A pin, or torch's family of one table: ``members`` move as one, and ``name`` leads.

    ``fits`` is the newest that the family can have with all else as it is (``current`` where that is it), ``newest``
    the newest of its index at all; each is None if unknown, and ``unknown`` says why. ``allowed`` is the
    newest that may be asked for, where that does not fit, and ``reason`` why not; ``bar`` is why the newest at all may
    not be asked for. ``table`` is the variant whose own pin it is, None for [pins]; ``images`` are those that hold it.
    """

    name: str
    members: tuple[FamilyMember, ...]
    table: str | None
    variants: tuple[str, ...]
    images: tuple[str, ...]
    held: bool
    current: Release
    fits: Release | None = None
    newest: Release | None = None
    allowed: str | None = None
    reason: str = ""
    bar: str = ""
    unknown: str = ""

    @property
    def outdated(self) -> bool:
        """Whether something newer fits that may be moved to by itself."""
        return self.fits is not None and self.fits.version != self.current.version and not self.held


@dataclass(frozen=True, slots=True)
class OutdatedBase:
    """A base image. ``pinned`` is the digest that versions.toml names, ``digest`` what its tag is now.

    ``tag`` is a newer one of the same kind, None if there is none; ``unknown`` says why it is unknown
    the digest or, where no tags could be ``listed``, the tag.
    """

    reference: str
    variants: tuple[str, ...]
    pinned: str | None
    digest: str | None = None
    tag: str | None = None
    unknown: str = ""
    listed: bool = True

    @property
    def moved(self) -> bool:
        """Whether the tag is another image than the one that is pinned."""
        return self.pinned is not None and self.digest is not None and self.pinned != self.digest

    @property
    def outdated(self) -> bool:
        """Whether there is a newer tag, or another image under this one."""
        return self.moved or self.tag is not None


@dataclass(frozen=True, slots=True)
class Survey:
    """All rows, in the order of the file, and notes about all of them."""

    rows: tuple[OutdatedPin, ...]
    bases: tuple[OutdatedBase, ...]
    notes: tuple[str, ...] = ()

    @property
    def outdated(self) -> bool:
        """Whether anything is."""
        return any(row.outdated for row in self.rows) or any(base.outdated for base in self.bases)

    @property
    def unknown(self) -> bool:
        """Whether anything is not known."""
        return any(row.unknown for row in self.rows) or any(base.unknown for base in self.bases)
