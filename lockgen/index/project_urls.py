"""Core Metadata to the address where a project tells of its releases."""

from __future__ import annotations

import re

from packaging.metadata import parse_email

_REPOSITORY = re.compile(r"(https://(github\.com|gitlab\.com)/[\w.-]+/[\w.-]+?)(?:\.git)?/?")
# PEP 753: labels are compared without case, punctuation and spaces. The best first.
_WANTED = (
    ("releasenotes", "changelog", "changes", "whatsnew", "history", "release", "releases", "news"),
    ("source", "repository", "sourcecode", "github", "code"),
    ("homepage", "documentation", "docs"),
)


def news_of(text: bytes) -> tuple[str, str] | None:
    """Label and address; None where the metadata has none that helps."""
    raw, _ = parse_email(text)
    urls = {_plain(label): (label, url) for label, url in (raw.get("project_urls") or {}).items() if url}
    if raw.get("home_page"):
        urls.setdefault("homepage", ("Homepage", str(raw["home_page"])))
    for names in _WANTED:
        for name in names:
            if name in urls:
                return _releases(*urls[name])
    return None


def _releases(label: str, url: str) -> tuple[str, str]:
    """The releases of a repository, where that is all that is said and its host has a page of them."""
    found = _REPOSITORY.fullmatch(url)
    if found is None:
        return label, url
    return "Releases", f"{found[1]}/{'releases' if found[2] == 'github.com' else '-/releases'}"


def _plain(label: str) -> str:
    return "".join(char for char in label.lower() if char.isalnum())
