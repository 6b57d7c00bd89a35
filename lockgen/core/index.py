"""The contents of an index: files, their Core Metadata, project pages, and explicit indexes as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from lockgen.core.urls import Login


@dataclass(frozen=True, slots=True)
class IndexFile:
    """A file as an index page lists it.

    ``url`` is absolute. ``sha256`` is the hash of the file, None if the index gives none. ``metadata_sha256`` is the
    hash of its METADATA, "" if the index offers METADATA without a hash, None if it offers none (PEP 658, PEP 714).
    ``size`` and ``installed`` are in bytes; ``installed`` is the size of a wheel's files on disk, from a record.
    ``yanked`` is the reason ("" if none was given), None if the file is not yanked (PEP 592).
    ``ambiguous`` is True if the page lists the file with different hashes; then ``sha256`` is None.
    ``vouched`` is False if the sha256 comes from a resolver: it may have hashed a file without a hash on the index.
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
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class CoreMetadata:
    """The Core Metadata that a resolver needs. ``requires`` has the Requires-Dist lines as written."""

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
    """An index that serves only the packages assigned to it, as data.

    ``metadata`` maps the name of a file to its Core Metadata; a file without it is not offered to a resolver.
    ``withheld`` maps the name of a file to the reason why it is not offered (no hash, no METADATA). A ``recorded``
    index is never read over the network. uv needs the ``login`` of the index to download its files; it is in no output.
    """

    name: str
    url: str
    pages: Mapping[str, ProjectPage]
    metadata: Mapping[str, CoreMetadata]
    withheld: Mapping[str, str] = field(default_factory=dict)
    recorded: bool = False
    login: Login | None = field(default=None, repr=False)


class Release(NamedTuple):
    """A version and the upload time of its first file; None if the index does not give it."""

    version: str
    uploaded: datetime | None = None

    def age(self, now: datetime) -> int | None:
        """Whole days since the upload."""
        if self.uploaded is None:
            return None
        # An upload time in the future comes from a clock that differs.
        return max(0, (now - self.uploaded).days)
