"""Requirements with markers evaluated for the target, for resolvers that cannot do it themselves.

A family may leave the patch release of Python open. Then a requirement counts if its marker is true on some patch
release, which no resolver can evaluate. pip moreover evaluates markers for the machine that it runs on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from lockgen.core.parsing import parse_requirement
from lockgen.core.target import Target, depends_on_patch

_EXTRA = re.compile(r'\bextra == "([^"]+)"|"([^"]+)" == extra\b')


def evaluated(line: str, target: Target) -> Iterator[str]:
    """The requirement ``line`` without a marker if it counts on ``target``, or else for each extra that it counts for.

    A line that is not a requirement stays as it is: the resolver decides what to do with it.
    """
    try:
        requirement = parse_requirement(line)
    except InvalidRequirement:
        yield line
        return
    marker = requirement.marker
    bare = _without_marker(requirement)
    if target.holds(marker):
        yield bare
        return
    extras = {canonicalize_name(one or other) for one, other in _EXTRA.findall(str(marker))}
    for extra in sorted(extras):
        if target.holds(marker, extra):
            yield f'{bare} ; extra == "{extra}"'


def decided(requirements: Iterable[str], target: Target) -> Iterator[str]:
    """``requirements`` without markers on the patch release; all others stay as they are."""
    for line in requirements:
        if depends_on_patch(line):
            yield from evaluated(line, target)
        else:
            yield line


def _without_marker(requirement: Requirement) -> str:
    bare = parse_requirement(str(requirement))
    bare.marker = None
    return str(bare)
