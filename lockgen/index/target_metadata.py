"""Metadata as the target reads it, for a resolver that knows no target but the machine that it runs on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from lockgen.core.index import CoreMetadata
from lockgen.core.parsing import parse_requirement
from lockgen.core.target import Target

# An extra may occur in a marker and not in Provides-Extra. Resolvers accept it.
_EXTRA_IN_MARKER = re.compile(r"\bextra\s*==\s*['\"]([^'\"]+)['\"]")


def metadata_on(target: Target, metadata: CoreMetadata) -> CoreMetadata:
    """``metadata`` with the requirements whose markers are true on ``target``; only extras are left as markers.

    Requires-Python is dropped if it admits the target.
    """
    extras = _extras(metadata)
    requires: dict[str, None] = {}
    for line in metadata.requires:
        requires |= dict.fromkeys(_lines_on(target, line, extras))
    python = metadata.requires_python
    return replace(
        metadata,
        requires_python=None if target.admits(python) else python,
        requires=tuple(requires),
        extras=tuple(sorted({canonicalize_name(extra) for extra in extras})),
    )


def requirement_on(target: Target, text: str) -> str | None:
    """The requirement ``text`` without its marker; None if the marker is false on ``target``."""
    requirement = parse_requirement(text)
    return _without_marker(requirement) if target.holds(requirement.marker) else None


def _extras(metadata: CoreMetadata) -> tuple[str, ...]:
    """The extras as the markers spell them."""
    found = dict.fromkeys(metadata.extras)
    for line in metadata.requires:
        found |= dict.fromkeys(_EXTRA_IN_MARKER.findall(line))
    return tuple(found)


def _lines_on(target: Target, line: str, extras: tuple[str, ...]) -> Iterator[str]:
    try:
        requirement = parse_requirement(line)
    except InvalidRequirement:
        # The resolver decides what to do with it.
        yield line
        return
    text = _without_marker(requirement)
    if target.holds(requirement.marker):
        yield text
        return
    for extra in extras:
        if target.holds(requirement.marker, extra):
            yield f'{text} ; extra == "{canonicalize_name(extra)}"'


def _without_marker(requirement: Requirement) -> str:
    bare = parse_requirement(str(requirement))
    bare.marker = None
    return str(bare)
