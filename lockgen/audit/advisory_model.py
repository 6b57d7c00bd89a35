"""Published advisories about packages, in the shape of OSV (ossf.github.io/osv-schema)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LEVELS = ("none", "low", "medium", "high", "critical")
"""CVSS's names for score ranges, from the lowest up."""

UNKNOWN = "unknown"
"""The level of an advisory without a rating."""


@dataclass(frozen=True, slots=True)
class Event:
    """One end of a range, with the version as written; "0" is before every version."""

    kind: Literal["introduced", "fixed", "last_affected", "limit"]
    version: str


@dataclass(frozen=True, slots=True)
class Affected:
    """What an advisory says about one package (canonical name): ``versions`` by name, and those within ``ranges``."""

    name: str
    versions: tuple[str, ...]
    ranges: tuple[tuple[Event, ...], ...]


@dataclass(frozen=True, slots=True)
class Advisory:
    """One record. ``aliases`` are its names in other databases.

    ``score`` is the highest CVSS base score in it. ``level`` is the name for that score, or else the rating of its
    database, or else UNKNOWN. A withdrawn record no longer applies.
    """

    id: str
    aliases: tuple[str, ...]
    summary: str
    affected: tuple[Affected, ...]
    score: float | None = None
    level: str = UNKNOWN
    withdrawn: bool = False
