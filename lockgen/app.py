"""The composition root: the effects that commands work with, each built in this one place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lockgen.core.ports import Cache, Progress
from lockgen.io.http import Http
from lockgen.io.workspace import Folder

if TYPE_CHECKING:
    from lockgen.core.resolution import Resolver
    from lockgen.index.metadata import MetadataReader
    from lockgen.resolvers.uv import Uv


@dataclass(frozen=True)
class App:
    """What a command works with: a project folder, progress output, and one HTTP client for the whole run."""

    root: Path
    folder: Folder
    progress: Progress
    http: Http

    @classmethod
    def of(cls, root: Path, progress: Progress) -> App:
        """The app for the project in the folder ``root``."""
        return cls(root, Folder(root, progress), progress, Http(progress.note))

    def in_folder(self, root: Path) -> App:
        """The same for another project folder; connections and credentials are shared."""
        return replace(self, root=root, folder=Folder(root, self.progress))

    # What takes time to import is imported when it is asked for.

    def cache(self, kind: str, *, ignored: bool = False) -> Cache:
        """The user's cache of answers of one ``kind``; with ``ignored`` (--no-cache) a cache that is always empty."""
        from lockgen.io.cache import FileCache, NullCache

        return NullCache() if ignored else FileCache(kind)

    def metadata(self) -> MetadataReader:
        """The reader of Core Metadata."""
        from lockgen.index.metadata import MetadataReader

        return MetadataReader(self.http)

    def resolver(self, name: str) -> Resolver:
        """The resolver called ``name``, as the user chose it."""
        from lockgen.resolvers import resolver

        return resolver(name, self.http)

    def uv(self, seconds: float) -> Uv:
        """uv as an oracle. ``seconds`` limits each call."""
        from lockgen.resolvers.uv import Uv

        return Uv(seconds)
