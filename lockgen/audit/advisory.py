"""What is publicly known to be wrong with releases of packages, in the shape of OSV (ossf.github.io/osv-schema)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LEVELS = ("none", "low", "medium", "high", "critical")
"""CVSS's own words for a score, from the least on; "unknown" where nobody gave one."""

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Event:
    """One end of a range, with the version as written; "0" is before every version."""

    kind: Literal["introduced", "fixed", "last_affected", "limit"]
    version: str


@dataclass(frozen=True, slots=True)
class Affected:
    """What an advisory says of one package (canonical): ``versions`` by name, and those within ``ranges``."""

    name: str
    versions: tuple[str, ...]
    ranges: tuple[tuple[Event, ...], ...]


@dataclass(frozen=True, slots=True)
class Advisory:
    """One record. ``aliases`` are the names that others gave to the same thing.

    ``score`` is the highest CVSS base score that it gives; ``level`` the word for it, or for what its database
    says, else UNKNOWN. One that was withdrawn says nothing any more.
    """

    id: str
    aliases: tuple[str, ...]
    summary: str
    affected: tuple[Affected, ...]
    score: float | None = None
    level: str = UNKNOWN
    withdrawn: bool = False
