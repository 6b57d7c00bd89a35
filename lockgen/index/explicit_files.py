"""The files of a project on an explicit index."""

from __future__ import annotations

from lockgen.core.index import ExplicitIndex, IndexFile
from lockgen.index.core_metadata import invalid_requirement


def listed_files(index: ExplicitIndex, project: str) -> tuple[IndexFile, ...]:
    """Every file that ``index`` lists for ``project``; empty if the index does not have the project."""
    page = index.pages.get(project)
    return page.files if page is not None else ()


def offered_files(index: ExplicitIndex, project: str) -> list[IndexFile]:
    """The files that a resolver may choose: those with a sha256 and with known, valid Core Metadata."""
    return [file for file in listed_files(index, project) if file.sha256 and _is_readable(index, file)]


def _is_readable(index: ExplicitIndex, file: IndexFile) -> bool:
    metadata = index.metadata.get(file.name)
    # Resolvers skip a file with an invalid requirement. As static metadata, uv would refuse it with an error.
    return metadata is not None and invalid_requirement(metadata) is None
