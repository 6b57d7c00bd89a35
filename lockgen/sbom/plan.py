"""The bill of materials of an image, from the lock alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from lockgen.core.lock import Lock, LockedImage
from lockgen.lock.closure import Graph, NodeKey, nodes
from lockgen.sbom.model import Bill, BomReference, Part


def bill(
    lock: Lock, image: LockedImage, references: Mapping[tuple[str, str], str], base_image: str, moment: datetime | None
) -> Bill:
    """What ``image`` holds, those it stands on included. ``references`` name the images of the family.

    Raises:
        NoResolution: the lock lacks a package that is needed.
    """
    chain = lock.chain(image)
    links = []
    for place, link in enumerate(chain):
        below = references[chain[place - 1].name, link.variant] if place else base_image
        asks = tuple(sorted({ask.name for ask in (*link.common, *link.requires)}))
        links.append(BomReference(references[link.name, link.variant], asks, below))
    table = lock.by_variant[image.variant]
    starts = [node for link in chain for node in nodes((*link.common, *link.requires))]
    edges = _edges(Graph(table), starts)
    return Bill(
        chain=tuple(reversed(links)),
        base_image=base_image,
        parts=tuple(Part(table[name], tuple(sorted(needs))) for name, needs in sorted(edges.items())),
        indexes=dict(lock.indexes),
        moment=moment,
    )


def _edges(graph: Graph, starts: list[NodeKey]) -> dict[str, set[str]]:
    edges: dict[str, set[str]] = {}
    seen: set[NodeKey] = set()
    todo = list(starts)
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        needs = nodes(graph.requirements(node))
        # An extra may require another extra of the same package.
        edges.setdefault(node[0], set()).update(name for name, _ in needs if name != node[0])
        todo += needs
    return edges
