"""Releases on an index, for `lockgen update` and `lockgen bump`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from packaging.version import Version


@dataclass(frozen=True, slots=True)
class Published:
    """A release with a file that runs on the target. ``uploaded`` is None if the index gives no upload times."""

    version: Version
    uploaded: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReleaseNotes:
    """The link to a package's release notes, from its own metadata."""

    package: str
    label: str
    url: str
