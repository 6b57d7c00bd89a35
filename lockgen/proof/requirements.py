"""The requirements file of an environment that holds exactly some packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lockgen.core.index import ExplicitIndex
from lockgen.core.resolution import Resolved
from lockgen.index.explicit_files import download_url


def hashed_requirements(rows: Sequence[Resolved], indexes: Mapping[str, ExplicitIndex]) -> str:
    """Requirement lines for an installer with ``--no-deps --require-hashes``. They may contain credentials."""
    lines = []
    for row in sorted(rows, key=lambda row: row.name):
        requirement = f"{row.name}=={row.version}"
        files = sorted(row.files, key=lambda file: file.name)
        if row.index is not None:
            # By URL: then the installer uses the default index for all other packages, and only that.
            best = row.files[0]
            index = indexes.get(row.index)
            url = best.url if index is None else download_url(best, index)
            requirement = f"{row.name} @ {url}"
            files = [best]
        hashes = "".join(f" --hash=sha256:{file.sha256}" for file in files)
        lines.append(f"{requirement}{hashes}\n")
    return "".join(lines)
