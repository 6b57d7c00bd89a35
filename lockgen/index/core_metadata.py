"""Core Metadata (METADATA, PKG-INFO): the few fields that a resolver needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from packaging.markers import Marker
from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from lockgen.core.documents import parse_toml
from lockgen.core.index import CoreMetadata
from lockgen.core.parsing import parse_lenient_requirement, parse_requirement, parse_version
from lockgen.errors import ToolFailed
from lockgen.index.wheel_ranking import identity

_BOUND = r"(?:[<>]=?|[!=]=)\s*\d+(?:\.\d+)*"
_BOUNDS = rf"{_BOUND}(?:\s*,\s*{_BOUND})*"
# Most lines are like this, and to parse one takes fifty times as long.
_PLAIN = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
    rf"\s*(?:{_BOUNDS}|\({_BOUNDS}\))?"
    r"\s*(?:;\s*extra\s*==\s*(?:'[A-Za-z0-9._-]+'|\"[A-Za-z0-9._-]+\"))?"
)
_PROJECT_KEYS = {"version", "dependencies", "optional-dependencies", "requires-python"}
_EXTRA = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_EXTRA_IN_MARKER = re.compile(r"\bextra\s*==\s*(['\"])(.+?)\1|(['\"])([^'\"]+)\3\s*==\s*extra\b")


def parse_metadata(text: bytes | str, file: str) -> CoreMetadata:
    """The metadata of ``file``, as uv reads it. Invalid values of other fields are ignored.

    Requirements from before PEP 440 are repaired. A line without a repair stays as it is: see `invalid_requirement`.
    Extras that only markers name count as if they were declared.

    Raises:
        ToolFailed: the name or the version is missing.
    """
    # parse_email does not validate. Old releases have fields that are invalid today and still install.
    raw, _ = parse_email(text)
    name, version = raw.get("name"), raw.get("version")
    if not name or not version:
        raise ToolFailed(f"the metadata of {file} has no name or no version")
    requires = tuple(_repaired(_on_one_line(line)) for line in raw.get("requires_dist", ()))
    declared = [_on_one_line(extra) for extra in raw.get("provides_extra", ())]
    return CoreMetadata(
        name=_on_one_line(name),
        version=_on_one_line(version),
        requires_python=_on_one_line(raw.get("requires_python") or "") or None,
        requires=requires,
        extras=tuple(all_extras(declared, requires)),
    )


def invalid_requirement(metadata: CoreMetadata) -> str | None:
    """The first requirement of ``metadata`` that cannot be read, so that resolvers refuse the file; else None."""
    for line in metadata.requires:
        if not _is_valid(line):
            return line
    return None


# The releases of a project repeat most of their requirements.
@lru_cache(maxsize=100_000)
def _is_valid(line: str) -> bool:
    if _PLAIN.fullmatch(line):
        return True
    try:
        parse_requirement(line)
    except InvalidRequirement:
        return False
    return True


def _repaired(line: str) -> str:
    if _is_valid(line):
        return line
    try:
        return str(parse_lenient_requirement(line))
    except InvalidRequirement:
        return line


def all_extras(declared: Iterable[str], requires: Iterable[str]) -> Iterator[str]:
    """The extras that are declared, then those that only markers name: pip would not find them."""
    known = set()
    for extra in (*declared, *_extras_in_markers(requires)):
        canonical = canonicalize_name(extra)
        # A name that is not valid cannot be requested, and uv refuses it in its settings.
        if canonical not in known and _EXTRA.fullmatch(extra):
            known.add(canonical)
            yield extra


def _extras_in_markers(requires: Iterable[str]) -> Iterator[str]:
    for line in requires:
        marker = line.partition(";")[2]
        if "extra" in marker:
            for found in _EXTRA_IN_MARKER.finditer(marker):
                yield found[2] or found[4]


def _on_one_line(value: str) -> str:
    # A header may be folded over several lines. lockgen writes its value into files where a line break would start
    # another entry.
    if not value.isprintable():
        value = "".join(char if char.isprintable() else " " for char in value)
    return " ".join(value.split())


def check_identity(metadata: CoreMetadata, file: str) -> None:
    """Check that ``metadata`` has the package and the version that the name of ``file`` says.

    Raises:
        ToolFailed: it belongs to another package or version.
    """
    name, version = identity(file)
    try:
        agrees = canonicalize_name(metadata.name) == name and parse_version(metadata.version) == version
    except InvalidVersion:
        agrees = False
    if not agrees:
        raise ToolFailed(f"the metadata of {file} is that of {metadata.name} {metadata.version}")


def is_static(text: bytes | str) -> bool:
    """Whether a source distribution's PKG-INFO guarantees that its wheels have the same requirements (PEP 643)."""
    raw, _ = parse_email(text)
    try:
        version = tuple(int(part) for part in raw.get("metadata_version", "0").split("."))
    except ValueError:
        return False
    # Before 2.2 a field could say one thing in the PKG-INFO and another in the wheel.
    if version < (2, 2):
        return False
    dynamic = {field.lower() for field in raw.get("dynamic", ())}
    return not dynamic & {"requires-dist", "provides-extra"}


def static_project(text: bytes) -> CoreMetadata | None:
    """The metadata that a pyproject.toml guarantees (PEP 621); None if it leaves a part of it to the backend."""
    try:
        document = parse_toml(text.decode("utf-8"))
        return _from_project(document)
    except (ValueError, KeyError, TypeError, AttributeError):
        # The backend says what is wrong with it.
        return None


def _from_project(document: Mapping[str, Any]) -> CoreMetadata | None:
    """Raises KeyError, TypeError, AttributeError, ValueError: it has no project, or is malformed."""
    project = document["project"]
    dynamic = set(project.get("dynamic", ()))
    # Poetry takes what [project] leaves out from its own table.
    uses_poetry = "poetry" in document.get("tool", {}) and "dependencies" not in project
    if dynamic & _PROJECT_KEYS or uses_poetry:
        return None
    requires = [str(parse_requirement(line)) for line in project.get("dependencies", ())]
    extras = project.get("optional-dependencies", {})
    for extra, lines in extras.items():
        requires += [_for_extra(line, extra) for line in lines]
    return CoreMetadata(
        project["name"], project["version"], project.get("requires-python"), tuple(requires), tuple(extras)
    )


def _for_extra(line: str, extra: str) -> str:
    requirement = parse_requirement(line)
    condition = f'extra == "{extra}"'
    if requirement.marker is not None:
        condition = f"({requirement.marker}) and {condition}"
    requirement.marker = Marker(condition)
    return str(requirement)


def metadata_text(metadata: CoreMetadata) -> bytes:
    """The headers of a METADATA file."""
    lines = ["Metadata-Version: 2.1", f"Name: {metadata.name}", f"Version: {metadata.version}"]
    if metadata.requires_python:
        lines.append(f"Requires-Python: {metadata.requires_python}")
    lines += [f"Provides-Extra: {extra}" for extra in metadata.extras]
    lines += [f"Requires-Dist: {line}" for line in metadata.requires]
    # A line break in a value would start another header.
    text = "\n".join(line.replace("\n", " ") for line in lines)
    return f"{text}\n".encode()
