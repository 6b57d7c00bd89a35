"""The files of a project on an explicit index."""

from __future__ import annotations

from lockgen.core.index import ExplicitIndex, IndexFile


def listed_files(index: ExplicitIndex, project: str) -> tuple[IndexFile, ...]:
    """Every file that ``index`` lists for ``project``; empty if the index does not have the project."""
    page = index.pages.get(project)
    return page.files if page is not None else ()


def offered_files(index: ExplicitIndex, project: str) -> list[IndexFile]:
    """The files that a resolver may choose: those with a sha256 and with known Core Metadata."""
    return [file for file in listed_files(index, project) if file.sha256 and file.name in index.metadata]
