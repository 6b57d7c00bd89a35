"""Closures: the packages that requirements need, transitively, with exactly the requested extras."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lockgen.core.lock import Dependency, Lock, LockedImage, Package
from lockgen.errors import NoResolution

NodeKey = tuple[str, str]
"""A package's name and one of its extras; "" for the package itself."""


def nodes(requirements: Iterable[Dependency]) -> list[NodeKey]:
    """The nodes that ``requirements`` name: each package, and each requested extra of it."""
    found = []
    for requirement in requirements:
        found.append((requirement.name, ""))
        found += [(requirement.name, extra) for extra in requirement.extras]
    return found


class Graph:
    """The packages of one variant. The set of packages that a node reaches is computed once."""

    def __init__(self, packages: Mapping[str, Package]) -> None:
        self._packages = packages
        self._reach: dict[NodeKey, frozenset[str]] = {}

    def requirements(self, node: NodeKey) -> tuple[Dependency, ...]:
        """The requirements of ``node``. An extra that the package does not have adds none, as with pip.

        Raises:
            NoResolution: the graph does not contain the package.
        """
        name, extra = node
        package = self._packages.get(name)
        if package is None:
            requirers = ", ".join(self._requirers(name)) or "an image"
            raise NoResolution(f"the solution lacks {name}", hint=f"required by {requirers}")
        return package.extras.get(extra, ()) if extra else package.requires

    def closure(self, requirements: Iterable[Dependency]) -> frozenset[str]:
        """The names of all packages that ``requirements`` need, including those that they name."""
        return frozenset().union(*map(self._reached, nodes(requirements)))

    def _reached(self, start: NodeKey) -> frozenset[str]:
        known = self._reach.get(start)
        if known is not None:
            return known
        names = {start[0]}
        seen = {start}
        todo = [start]
        # A loop, not recursion: dependency chains may be deeper than Python's stack, and they may form cycles.
        while todo:
            for node in nodes(self.requirements(todo.pop())):
                if node in seen:
                    continue
                seen.add(node)
                known = self._reach.get(node)
                if known is not None:
                    names |= known
                else:
                    names.add(node[0])
                    todo.append(node)
        # Only ``start`` is complete now: within a cycle, the other nodes were not followed from themselves.
        self._reach[start] = frozenset(names)
        return self._reach[start]

    def _requirers(self, name: str) -> list[str]:
        """The packages that require ``name``, themselves or in one of their extras."""
        found = []
        for package in self._packages.values():
            lists = (package.requires, *package.extras.values())
            required = {requirement.name for requirements in lists for requirement in requirements}
            if name in required:
                found.append(package.name)
        return sorted(found)


class Closures:
    """The closures of a lock's images. Each is computed once, on top of the closure of its base."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._graphs = {variant: Graph(packages) for variant, packages in lock.by_variant.items()}
        self._known: dict[tuple[str, str], frozenset[str]] = {}

    def of(self, image: LockedImage) -> frozenset[str]:
        """The packages of ``image`` and of all images below it, including the common packages.

        Raises:
            NoResolution: the lock lacks a needed package.
        """
        # From the root base upwards, so that each closure extends the one below.
        names: frozenset[str] = frozenset()
        for link in self._lock.chain(image):
            key = link.name, link.variant
            if key not in self._known:
                own = self._graphs[link.variant].closure((*link.common, *link.requires))
                self._known[key] = names | own
            names = self._known[key]
        return names


def closure(packages: Mapping[str, Package], requirements: Iterable[Dependency]) -> frozenset[str]:
    """The names of all packages that ``requirements`` need, including those that they name.

    Raises:
        NoResolution: ``packages`` lacks a needed package.
    """
    return Graph(packages).closure(requirements)


def image_closure(lock: Lock, image: LockedImage) -> frozenset[str]:
    """The packages of ``image`` and of all images below it. For several images, use ``Closures``."""
    return Closures(lock).of(image)
