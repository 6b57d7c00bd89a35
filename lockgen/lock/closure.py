"""Which packages an ask needs, exactly: extras count, and nothing comes along for company."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lockgen.core.lock import Dependency, Lock, LockedImage, Package
from lockgen.errors import NoResolution

NodeKey = tuple[str, str]
"""A package's name and one of its extras; "" for the package itself."""


def nodes(asks: Iterable[Dependency]) -> list[NodeKey]:
    """What ``asks`` name: each package, and each extra asked of it."""
    found = []
    for ask in asks:
        found.append((ask.name, ""))
        found += [(ask.name, extra) for extra in ask.extras]
    return found


class Graph:
    """The packages of one variant. What a node reaches is computed once."""

    def __init__(self, packages: Mapping[str, Package]) -> None:
        self._packages = packages
        self._reach: dict[NodeKey, frozenset[str]] = {}

    def asks(self, node: NodeKey) -> tuple[Dependency, ...]:
        """What ``node`` requires. An extra that a package does not have asks for nothing, as with pip.

        Raises:
            NoResolution: there is no such package.
        """
        name, extra = node
        package = self._packages.get(name)
        if package is None:
            raise NoResolution(
                f"{name} is needed, and the solution does not hold it",
                hint=f"needed by {', '.join(self._askers(name)) or 'an image'}",
            )
        return package.extras.get(extra, ()) if extra else package.requires

    def closure(self, asks: Iterable[Dependency]) -> frozenset[str]:
        """The names of everything that ``asks`` need, themselves included."""
        return frozenset().union(*map(self._reached, nodes(asks)))

    def _reached(self, start: NodeKey) -> frozenset[str]:
        known = self._reach.get(start)
        if known is not None:
            return known
        names = {start[0]}
        seen = {start}
        todo = [start]
        while todo:
            for node in nodes(self.asks(todo.pop())):
                if node in seen:
                    continue
                seen.add(node)
                known = self._reach.get(node)
                if known is not None:
                    names |= known
                else:
                    names.add(node[0])
                    todo.append(node)
        self._reach[start] = frozenset(names)
        return self._reach[start]

    def _askers(self, name: str) -> list[str]:
        return sorted(
            package.name
            for package in self._packages.values()
            if any(ask.name == name for asks in (package.requires, *package.extras.values()) for ask in asks)
        )


class Closures:
    """The closures of a lock's images, each computed once and on top of its base's."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._graphs = {variant: Graph(packages) for variant, packages in lock.by_variant.items()}
        self._known: dict[tuple[str, str], frozenset[str]] = {}

    def of(self, image: LockedImage) -> frozenset[str]:
        """What ``image`` needs with everything it stands on, the common packages included.

        Raises:
            NoResolution: the lock lacks a package that is needed.
        """
        names: frozenset[str] = frozenset()
        for link in self._lock.chain(image):
            key = link.name, link.variant
            if key not in self._known:
                own = self._graphs[link.variant].closure((*link.common, *link.requires))
                self._known[key] = names | own
            names = self._known[key]
        return names


def closure(packages: Mapping[str, Package], asks: Iterable[Dependency]) -> frozenset[str]:
    """The names of everything that ``asks`` need among ``packages``, themselves included.

    Raises:
        NoResolution: a package that is needed is not among ``packages``.
    """
    return Graph(packages).closure(asks)


def image_closure(lock: Lock, image: LockedImage) -> frozenset[str]:
    """What ``image`` needs, its chain and the common packages included. For many images use ``Closures``."""
    return Closures(lock).of(image)
