"""The bill of materials of an image, from the lock alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from lockgen.core.lock import Dependency, Lock, LockedImage
from lockgen.lock.closure import Graph, NodeKey, nodes
from lockgen.sbom.model import Bill, BomReference, Part


def bill(
    lock: Lock,
    image: LockedImage,
    references: Mapping[tuple[str, str], str],
    base_image: str,
    timestamp: datetime | None,
) -> Bill:
    """The content of ``image``, including the images below it.

    ``references`` maps an image and a variant to the full reference.

    Raises:
        NoResolution: the lock lacks a package that is needed.
    """
    links: list[BomReference] = []
    starts: list[NodeKey] = []
    below = base_image
    for link in lock.chain(image):
        reference = references[link.name, link.variant]
        names = {requirement.name for requirement in _requirements(link)}
        links.append(BomReference(reference, tuple(sorted(names)), below))
        starts += nodes(_requirements(link))
        below = reference
    packages = lock.by_variant[image.variant]
    edges = _edges(Graph(packages), starts)
    return Bill(
        chain=tuple(reversed(links)),
        base_image=base_image,
        parts=tuple(Part(packages[name], tuple(sorted(edges[name]))) for name in sorted(edges)),
        indexes=dict(lock.indexes),
        timestamp=timestamp,
    )


def _requirements(image: LockedImage) -> tuple[Dependency, ...]:
    return (*image.common, *image.requires)


def _edges(graph: Graph, starts: Iterable[NodeKey]) -> dict[str, set[str]]:
    """The names that each package requires, of all packages reachable from ``starts``."""
    edges: dict[str, set[str]] = defaultdict(set)
    seen: set[NodeKey] = set()
    todo = list(starts)
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        package, _ = node
        required = nodes(graph.requirements(node))
        # An extra may require another extra of the same package.
        edges[package].update(name for name, _ in required if name != package)
        todo += required
    return edges
