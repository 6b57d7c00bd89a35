"""Keys of tables that hold packages and files of several indexes."""

from __future__ import annotations

from typing import NamedTuple


class PackageKey(NamedTuple):
    """One version of one package from one index. ``index_name`` is None for the default index."""

    name: str
    version: str
    index_name: str | None


class FileKey(NamedTuple):
    """A file of one index: two indexes may have different files of one name."""

    index_name: str | None
    name: str
