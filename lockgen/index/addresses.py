"""The addresses of the indexes of versions.toml. Their credentials go to the HTTP client.

`ExplicitIndex.login` is the only other value that has them: uv downloads files itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from lockgen.core.manifest import Manifest
from lockgen.core.urls import redacted
from lockgen.io.http import Http


def index_addresses(http: Http, manifest: Manifest) -> dict[str, str]:
    """The URL of each index of versions.toml, by name. From now on ``http`` uses their credentials.

    Raises:
        ToolFailed: a URL is not valid.
    """
    return {name: http.add_index(index.url, name) for name, index in manifest.indexes.items()}


def locked_addresses(http: Http, manifest: Manifest, locked: Mapping[str, str]) -> dict[str, str]:
    """The URL of each index of a lock, by name. ``locked`` are those URLs; only versions.toml has credentials.

    Raises:
        ToolFailed: a URL is not valid.
    """
    found: dict[str, str] = {}
    for name, url in locked.items():
        index = manifest.indexes.get(name)
        # The lock may be older. The credentials of another address must not be sent to this one.
        is_same = index is not None and redacted(index.url) == redacted(url)
        found[name] = http.add_index(index.url if index is not None and is_same else url, name)
    return found
