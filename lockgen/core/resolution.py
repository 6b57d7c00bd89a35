"""One question to a resolver and its answer, and the port of resolvers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile

if TYPE_CHECKING:  # one command needs it: importing it costs the others time
    from lockgen.core.target import Target


@dataclass(frozen=True, slots=True)
class Request:
    """One solve: what a resolver is asked. All texts are PEP 508; nothing in it depends on a resolver.

    ``requirements`` and ``constraints`` (the pins) are sorted. ``routes`` maps a package to the index it comes
    from, wherever it is asked for; everything else comes from the default index. ``preferences`` maps a name to
    the version to keep if it still fits. ``build`` names what is built from source; nothing else may be. ``overrides``
    maps a package to needs that replace its own of the same name; only uv knows them, and no lock is made with them.
    ``blocked`` are listed packages that may come from nowhere here: no index is ever asked for them. ``known`` is the
    metadata of a version that counts whatever a resolver would read of it, by package: see `FileChoices`.
    """

    family: str
    target: Target
    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    routes: Mapping[str, str]
    indexes: Mapping[str, ExplicitIndex]
    preferences: Mapping[str, str]
    build: frozenset[str]
    exclude_newer: datetime | None
    offline: bool = False
    overrides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    blocked: frozenset[str] = frozenset()
    known: Mapping[str, CoreMetadata] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resolved:
    """One package of a solution: the files that the index offers for it and the target can use."""

    name: str
    version: str
    index: str | None
    files: tuple[IndexFile, ...]


@dataclass(frozen=True, slots=True)
class Solution:
    """What a resolver answers: every package that the request needs, by name."""

    packages: Mapping[str, Resolved]


class Resolver(Protocol):
    """A resolver. Raises NoResolution with its own words as the reason, ToolFailed if it could not say."""

    name: str

    def solve(self, request: Request) -> Solution: ...
