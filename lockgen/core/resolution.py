"""A request to a resolver, its solution, and the port of resolvers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile

if TYPE_CHECKING:  # one command needs it: importing it costs the others time
    from lockgen.core.target import Target

BUILD_BACKENDS = frozenset({"setuptools", "wheel"})
"""Packages whose pins apply to builds too. Many old builds need an old setuptools and do not say so."""


@dataclass(frozen=True, slots=True)
class Request:
    """The input of one solve. All texts are PEP 508; nothing in it depends on the resolver.

    ``requirements`` and ``constraints`` (the pins) are sorted. ``routes`` maps a package to the name of its index,
    whichever package requires it; all other packages come from the default index. ``preferences`` maps a package to the
    version to keep if it is still compatible. ``build`` names the packages that may be built from source. ``overrides``
    maps a package to requirements that replace its own of the same name; only uv supports them, and no lock is made
    with them. ``blocked`` are listed packages that no index of this request serves: no index gets a request for them.
    ``known`` is metadata of releases that overrides the index: see `lockgen/lock/misread.py`. With ``other_python``,
    lockgen's own Python may ask backends for metadata if this machine does not have the target's: for answers that are
    not locked.
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
    known: tuple[CoreMetadata, ...] = ()
    other_python: bool = False


@dataclass(frozen=True, slots=True)
class Resolved:
    """One package of a solution, with the files of the index that the target can use."""

    name: str
    version: str
    index: str | None
    files: tuple[IndexFile, ...]


class Solution(NamedTuple):
    """The answer of a resolver: every package that the request needs, by name."""

    packages: Mapping[str, Resolved]


class Resolver(Protocol):
    """A resolver. Raises NoResolution with its output as the reason, ToolFailed if it has no answer."""

    name: str

    def solve(self, request: Request) -> Solution: ...
