"""Metadata that a resolver read otherwise than it counts: the resolver gets it, and solves again.

There are two reasons: the resolver read another file of a release than the one that gets installed, or it evaluated
markers on one patch release of Python where the images may have any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lockgen.core.index import CoreMetadata
from lockgen.core.lock import Dependency
from lockgen.core.resolution import Solution
from lockgen.core.target import Target, depends_on_patch
from lockgen.errors import ToolFailed
from lockgen.lock.file_choices import FileChoices
from lockgen.lock.graph import DependencyReader, needed_nodes
from lockgen.lock.requests import versions_of


def possibly_misread(solution: Solution, choices: FileChoices, known: Iterable[CoreMetadata]) -> list[CoreMetadata]:
    """The metadata of packages of ``solution`` that the resolver may have read otherwise; without that in ``known``."""
    already = set(known)
    found = []
    for name, package in sorted(solution.packages.items()):
        metadata = choices.metadata(package)
        differs = name in choices.ambiguous or any(map(depends_on_patch, metadata.requires))
        if differs and metadata not in already:
            found.append(metadata)
    return found


def inconsistency(
    solution: Solution, metadata: Mapping[str, CoreMetadata], requirements: Iterable[Dependency], target: Target
) -> ToolFailed | None:
    """How ``solution`` contradicts the ``metadata`` of its own packages; None if it does not."""
    try:
        needed_nodes(DependencyReader(target, metadata), versions_of(solution), requirements)
    except ToolFailed as error:
        return error
    return None
