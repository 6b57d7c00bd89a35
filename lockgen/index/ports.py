"""Ports to indexes: metadata, sizes, build requirements and releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lockgen.core.index import CoreMetadata, IndexFile
from lockgen.core.resolution import Request

if TYPE_CHECKING:  # one command needs it: importing it costs the others time
    from lockgen.core.index import Release


class MetadataSource(Protocol):
    """Core Metadata of files, many at once. Raises ToolFailed naming every file it could not read."""

    def read(self, files: Sequence[IndexFile], request: Request) -> Mapping[str, CoreMetadata]:
        """File name to metadata, for every file given. A source distribution may be built for it."""
        ...

    def yanked(self, projects: Sequence[str], request: Request) -> frozenset[str]:
        """The names of the files of ``projects`` that the default index has yanked (PEP 592)."""
        ...


@dataclass(frozen=True, slots=True)
class BuildNeeds:
    """What building a source distribution requires (PEP 508), and the bytes of its wheel once installed."""

    requires: tuple[str, ...]
    installed: int


class Artifacts(Protocol):
    """What files come to."""

    def installed(self, files: Sequence[IndexFile], request: Request) -> Mapping[str, int]:
        """Wheel to the bytes of its files once installed. What nobody can tell is left out; asks no network offline."""
        ...

    def build_needs(self, file: IndexFile, request: Request) -> BuildNeeds:
        """Of one source distribution. Raises ToolFailed if it does not build."""
        ...


class Releases(Protocol):
    """What an index has of a package."""

    def usable(self, name: str, request: Request) -> Sequence[str]:
        """Its versions with a file that runs on the target, in order, none newer than the cut-off; none if nobody
        can tell.
        """
        ...


class Publications(Protocol):
    """All that an index has of a package, for whomever."""

    def published(self, name: str, request: Request) -> Sequence[Release]:
        """Its versions that are not withdrawn, the oldest first. Raises ToolFailed where nobody can tell."""
        ...
