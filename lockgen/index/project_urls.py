"""The link to a project's release notes, from its Core Metadata."""

from __future__ import annotations

import re
from typing import NamedTuple

from packaging.metadata import parse_email

_REPOSITORY = re.compile(r"(https://(github\.com|gitlab\.com)/[\w.-]+/[\w.-]+?)(?:\.git)?/?")
_RELEASES_PATH = {"github.com": "releases", "gitlab.com": "-/releases"}
_NOTES = ("releasenotes", "changelog", "changes", "whatsnew", "history", "release", "releases", "news")
_REPOSITORIES = ("source", "repository", "sourcecode", "github", "code")
_OTHERS = ("homepage", "documentation", "docs")
# The best label first. PEP 753: labels are compared without case, punctuation and spaces.
_LABELS = (*_NOTES, *_REPOSITORIES, *_OTHERS)


class ProjectLink(NamedTuple):
    """A link as the metadata names it."""

    label: str
    url: str


def release_notes_link(text: bytes) -> ProjectLink | None:
    """The best link in the Core Metadata ``text``; None if it has none that leads to release notes."""
    links = _links_by_label(text)
    for label in _LABELS:
        if label in links:
            return _releases_of_repository(links[label])
    return None


def _links_by_label(text: bytes) -> dict[str, ProjectLink]:
    raw, _ = parse_email(text)
    links: dict[str, ProjectLink] = {}
    for label, url in (raw.get("project_urls") or {}).items():
        if url:
            links[_normalized(label)] = ProjectLink(label, url)
    # Older metadata has its home page in another field.
    home_page = raw.get("home_page")
    if home_page:
        links.setdefault("homepage", ProjectLink("Homepage", str(home_page)))
    return links


def _releases_of_repository(link: ProjectLink) -> ProjectLink:
    """The page of releases, if ``link`` is a repository on a host that has such a page; else ``link`` itself."""
    found = _REPOSITORY.fullmatch(link.url)
    if found is None:
        return link
    repository, host = found[1], found[2]
    return ProjectLink("Releases", f"{repository}/{_RELEASES_PATH[host]}")


def _normalized(label: str) -> str:
    return "".join(char for char in label.lower() if char.isalnum())
