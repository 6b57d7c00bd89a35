"""Ports to indexes: metadata, sizes, build requirements and releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lockgen.core.index import CoreMetadata, IndexFile
from lockgen.core.resolution import Request

# Only for annotations: most commands do not need it, and importing it takes time.
if TYPE_CHECKING:
    from lockgen.core.index import Release


class MetadataSource(Protocol):
    """Core Metadata of many files at once. Raises ToolFailed with one fault for each file that could not be read."""

    def read(self, files: Sequence[IndexFile], request: Request) -> Mapping[str, CoreMetadata]:
        """The metadata of all files, by file name. A source distribution may be built for it."""
        ...

    def yanked(self, projects: Sequence[str], request: Request) -> frozenset[str]:
        """The names of the files of ``projects`` that the default index has yanked (PEP 592)."""
        ...


class BuildNeeds(NamedTuple):
    """The requirements for building a source distribution (PEP 508), and the installed size of its wheel in bytes.

    The size is None if no wheel was built.
    """

    requires: tuple[str, ...]
    installed: int | None


class Artifacts(Protocol):
    """Installed sizes and build requirements of files."""

    def installed(self, files: Sequence[IndexFile], request: Request) -> Mapping[str, int]:
        """The installed sizes of wheels in bytes, by file name.

        A wheel whose size is unknown is left out. Offline, only the cache is read.
        """
        ...

    def build_needs(self, file: IndexFile, request: Request, *, measured: bool) -> BuildNeeds:
        """The build requirements of one source distribution. A wheel is built only for its size, if it is ``measured``.

        Raises:
            NoResolution: a build requirement is by URL.
            ToolFailed: the backend does not answer.
        """
        ...


class Releases(Protocol):
    """The releases of packages that a target can use."""

    def usable(self, name: str, request: Request) -> Sequence[str]:
        """The versions with a file that runs on the target, oldest first, without those after the cut-off.

        Empty if the index cannot be read.
        """
        ...


class Publications(Protocol):
    """All releases of packages, for any target."""

    def published(self, name: str, request: Request) -> Sequence[Release]:
        """The versions that are not yanked, oldest first. Raises ToolFailed if the index cannot be read."""
        ...
