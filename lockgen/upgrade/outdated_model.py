"""Outdated pins and base images."""

from __future__ import annotations

from dataclasses import dataclass

from lockgen.core.index import Release
from lockgen.core.key_path import KeyPath
from lockgen.core.parsing import parse_version
from lockgen.proof.model import KnownBound


@dataclass(frozen=True, slots=True)
class FamilyMember:
    """One pin of a row: its package, its version, and its latest compatible version."""

    name: str
    path: KeyPath
    current: str
    fits: str | None


@dataclass(frozen=True, slots=True)
class OutdatedPin:
    """A row: a pin, or torch's family of one table. ``members`` change together; ``name`` is the leading package.

    ``fits`` is the latest compatible version with everything else unchanged (``current`` if no newer one is),
    ``newest`` the latest one on the index; None if unknown, and ``unknown`` says why. ``allowed`` is the latest version
    that the policy allows, if it does not fit, and ``reason`` why not; ``bar`` is why ``newest`` is not allowed.

    ``bounds`` are versions with which images were found not to run on this machine; ``ignored`` are the reasons why
    [update] ignores ``newest``, and ``not_ignored`` the latest release that it does not ignore.

    ``table`` is the variant whose own pin it is, None for [pins]; ``images`` are those that contain the package.
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
    bounds: tuple[KnownBound, ...] = ()
    ignored: tuple[str, ...] = ()
    not_ignored: str | None = None

    @property
    def newest_that_runs(self) -> str | None:
        """The newest version that runs; None if no version was found not to run, or if none is known to run."""
        if not self.bounds:
            return None
        newest = [known.bound.newest for known in self.bounds]
        return min((version for version in newest if version is not None), key=parse_version, default=None)

    @property
    def fits_but_does_not_run(self) -> bool:
        """Whether the version that fits was found not to run."""
        if self.fits is None:
            return False
        version = parse_version(self.fits.version)
        return any(known.bound.covers(version) for known in self.bounds)

    @property
    def label(self) -> str:
        """The leading package, with the variant whose own pin it is."""
        return f"{self.name} ({self.table})" if self.table else self.name

    @property
    def outdated(self) -> bool:
        """Whether the pin may change to a newer version, and one fits."""
        if self.fits is None or self.held:
            return False
        return self.fits.version != self.current.version


@dataclass(frozen=True, slots=True)
class OutdatedBase:
    """A base image. ``pinned`` is the digest in versions.toml, ``digest`` the current digest of its tag.

    ``tag`` is the latest newer tag of the same kind, None if there is none. ``unknown`` says why the digest is unknown
    or, if the tags could not be ``listed``, the tag.
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
        """Whether the tag names another image than the pinned one."""
        if self.pinned is None or self.digest is None:
            return False
        return self.pinned != self.digest

    @property
    def outdated(self) -> bool:
        """Whether there is a newer tag, or another image under the current one."""
        return self.moved or self.tag is not None


@dataclass(frozen=True, slots=True)
class Survey:
    """All rows, in the order of the file, and notes about all of them."""

    rows: tuple[OutdatedPin, ...]
    bases: tuple[OutdatedBase, ...]
    notes: tuple[str, ...] = ()

    @property
    def outdated(self) -> bool:
        """Whether any row is outdated."""
        rows: tuple[OutdatedPin | OutdatedBase, ...] = (*self.rows, *self.bases)
        return any(row.outdated for row in rows)

    @property
    def unknown(self) -> bool:
        """Whether any value is unknown."""
        rows: tuple[OutdatedPin | OutdatedBase, ...] = (*self.rows, *self.bases)
        return any(row.unknown for row in rows)
