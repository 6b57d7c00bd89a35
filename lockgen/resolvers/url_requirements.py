"""Requirements by URL (``torch @ https://...``) in the metadata of packages: they are refused with the way out.

What a URL serves may change, and no index has a hash for it. uv refuses such a requirement itself, pip would download
it. So pip gets the name of a project that does not exist. If pip requests its page, the requirement counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from lockgen.core.index import CoreMetadata
from lockgen.core.parsing import parse_requirement
from lockgen.core.urls import redacted
from lockgen.errors import NoResolution

_URL_REQUIREMENT = re.compile(r"[^;'\"]*@")
_PROJECT = "lockgen-url-requirement"

_UV_RELEASE = re.compile(r"Failed to resolve dependencies for package `([^`]+?)==([^`]+)`")
_UV_REQUIREMENT = re.compile(
    r"Package `([^`]+)` was included as a URL dependency(?:.*? adding `[^`]+? @ ([^`]+)`)?", re.DOTALL
)
_UV_PARENTS = re.compile(r"was included because (.*?)(?:\n\s*\n|$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class UrlRequirement:
    """A release that requires ``package`` by URL. ``required_by`` says who requires that release."""

    name: str
    version: str
    package: str
    url: str
    required_by: tuple[str, ...] = ()

    def error(self) -> NoResolution:
        """The refusal."""
        reason = [f"{self.name} {self.version} requires `{self.package} @ {redacted(self.url)}`"]
        reason += [f"{parent} requires {self.name}" for parent in self.required_by]
        return NoResolution(
            f"{self.name} {self.version} requires {self.package} by URL, and only files of an index can be locked,",
            reason="\n".join(reason),
            hint=f"pin a version of {self.name} that requires {self.package} by name"
            f' ([pins] {self.name} = "..."), or list your own build of {self.name} on an index: [index.NAME]',
        )


def from_uv(text: str) -> UrlRequirement | None:
    """The requirement that uv refuses with the message ``text``; None if it is about something else."""
    refused = _UV_REQUIREMENT.search(text)
    release = _UV_RELEASE.search(text)
    if refused is None or release is None:
        return None
    found = _UV_PARENTS.search(text)
    parents = _parents(found[1]) if found is not None else ()
    return UrlRequirement(release[1], release[2], refused[1], refused[2] or "", tuple(parents))


def _parents(text: str) -> Iterator[str]:
    """The release before the last in uv's chain "`a` (v1) depends on `b` (v2) which depends on `c`"."""
    links = re.findall(r"`([^`]+)`(?: \(v([^)]+)\))?", text)
    for name, version in links[-2:-1]:
        yield f"{name} {version}" if version and name != "the family" else name


class UrlRequirements:
    """Replaces requirements by URL in what pip gets, and knows which of them pip asked for."""

    def __init__(self) -> None:
        self._replaced: dict[str, UrlRequirement] = {}
        self._served: list[CoreMetadata] = []
        self._asked: dict[str, None] = {}

    def replaced(self, metadata: CoreMetadata) -> CoreMetadata:
        """``metadata`` with a project that does not exist in place of each requirement by URL."""
        self._served.append(metadata)
        requires = tuple(self._line(metadata, line) for line in metadata.requires)
        return replace(metadata, requires=requires)

    def _line(self, metadata: CoreMetadata, line: str) -> str:
        requirement = _by_url(line)
        if requirement is None or requirement.url is None:
            return line
        project = f"{_PROJECT}-{len(self._replaced)}"
        name = canonicalize_name(metadata.name)
        self._replaced[project] = UrlRequirement(name, metadata.version, requirement.name, requirement.url)
        marker = f" ; {requirement.marker}" if requirement.marker is not None else ""
        return f"{project}{marker}"

    def asks(self, project: str) -> bool:
        """Whether ``project`` stands for a requirement by URL. If so, remember that it counts."""
        if project not in self._replaced:
            return False
        self._asked[project] = None
        return True

    def first(self, requirements: Iterable[str]) -> UrlRequirement | None:
        """The first requirement by URL that counts; None if there is none. ``requirements`` are the family's."""
        for project in self._asked:
            found = self._replaced[project]
            return replace(found, required_by=tuple(self._requiring(found.name, requirements)))
        return None

    def _requiring(self, name: str, requirements: Iterable[str]) -> Iterator[str]:
        if name in _names(requirements):
            yield "the family"
        for metadata in self._served:
            if name in _names(metadata.requires):
                yield f"{canonicalize_name(metadata.name)} {metadata.version}"


def _by_url(line: str) -> Requirement | None:
    # Most lines have no @ before the marker, and to parse one takes long.
    if _URL_REQUIREMENT.match(line) is None:
        return None
    try:
        return parse_requirement(line)
    except InvalidRequirement:
        return None


def _names(lines: Iterable[str]) -> set[str]:
    found = (re.match(r"[A-Za-z0-9._-]+", line) for line in lines)
    return {canonicalize_name(match[0]) for match in found if match is not None}
