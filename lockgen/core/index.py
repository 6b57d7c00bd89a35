"""What an index offers: files, their Core Metadata, pages, and explicit indexes as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class IndexFile:
    """A file as an index page lists it.

    ``url`` is absolute; ``sha256`` is the file's own or None; ``metadata_sha256`` is that of its METADATA, "" where
    the index offers METADATA without saying its hash, None where it offers none (PEP 658, PEP 714).
    ``installed`` are the bytes of a wheel's files once installed, where a record says it.
    ``yanked`` is the reason ("" if none was given), None where it is not yanked (PEP 592). ``vouched`` is False where
    the sha256 is a resolver's word: it may have hashed a file that the index itself gives no hash for.
    """

    name: str
    url: str
    sha256: str | None
    size: int | None = None
    requires_python: str | None = None
    upload_time: datetime | None = None
    metadata_sha256: str | None = None
    yanked: str | None = None
    vouched: bool = True
    installed: int | None = None


@dataclass(frozen=True, slots=True)
class CoreMetadata:
    """The Core Metadata that a resolver needs. ``requires`` are Requires-Dist lines as written."""

    name: str
    version: str
    requires_python: str | None = None
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """One project on one index."""

    project: str
    files: tuple[IndexFile, ...]


@dataclass(frozen=True)
class ExplicitIndex:
    """An index that serves only the packages it is asked for, as data.

    ``metadata`` maps a file's name to its Core Metadata; a file without one is not offered to a resolver.
    ``withheld`` maps a file's name to the reason why it is not offered (no hash, no METADATA). Of a ``recorded`` one
    nothing is asked over the network.
    """

    name: str
    url: str
    pages: Mapping[str, ProjectPage]
    metadata: Mapping[str, CoreMetadata]
    withheld: Mapping[str, str] = field(default_factory=dict)
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """A version, and when the first of its files was uploaded; None where the index does not say."""

    version: str
    uploaded: datetime | None = None

    def age(self, now: datetime) -> int | None:
        """Whole days since the upload."""
        return None if self.uploaded is None else max(0, (now - self.uploaded).days)
