"""The files of a project on an explicit index."""

from __future__ import annotations

from urllib.parse import urlsplit

from lockgen.core.index import ExplicitIndex, IndexFile
from lockgen.core.urls import origin, with_login
from lockgen.index.core_metadata import invalid_requirement


def listed_files(index: ExplicitIndex, project: str) -> tuple[IndexFile, ...]:
    """Every file that ``index`` lists for ``project``; empty if the index does not have the project."""
    page = index.pages.get(project)
    return page.files if page is not None else ()


def offered_files(index: ExplicitIndex, project: str) -> list[IndexFile]:
    """The files that a resolver may choose: those with a sha256 and with known, valid Core Metadata."""
    return [file for file in listed_files(index, project) if file.sha256 and _is_readable(index, file)]


def download_url(file: IndexFile, index: ExplicitIndex) -> str:
    """The URL of ``file`` of ``index`` for uv, which knows neither the index nor its credentials.

    Files on another origin get no credentials. netrc has one user for a host, and the indexes of a host may differ.
    """
    if index.login is None or "@" in urlsplit(file.url).netloc or origin(file.url) != origin(index.url):
        return file.url
    return with_login(file.url, index.login)


def _is_readable(index: ExplicitIndex, file: IndexFile) -> bool:
    metadata = index.metadata.get(file.name)
    # Resolvers skip a file with an invalid requirement. As static metadata, uv would refuse it with an error.
    return metadata is not None and invalid_requirement(metadata) is None
