"""The shortest dependency paths from a requirement to one package, within one variant."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from lockgen.core.lock import Dependency, Package
from lockgen.lock.closure import Graph, NodeKey, nodes
from lockgen.why.model import PathStep

PATHS_COUNTED = 100
"""How many paths from one requirement are searched: a graph can have more simple paths than there are atoms."""

PATHS_TRIED = 20_000
"""How many partial paths from one requirement are examined."""

Trail = tuple[Dependency, ...]
"""A path, or the beginning of one: the requirement of each step."""


class _State(NamedTuple):
    """A package and its requested extras: the same package with other extras may have other requirements."""

    name: str
    extras: tuple[str, ...]


class FoundPaths(NamedTuple):
    """Simple paths, the shortest first. ``complete``: these are all of them."""

    trails: list[Trail]
    complete: bool


class _Partial(NamedTuple):
    """A partial path in the queue. The fields before ``trail`` are its order."""

    length: int
    """The least number of steps of a complete path with this beginning."""
    texts: tuple[str, ...]
    """The steps as text. They decide between paths of one length, so that the order never varies."""
    trail: Trail


class PathSearch:
    """Finds the paths from any of ``requirements`` to the package ``name``."""

    def __init__(self, packages: Mapping[str, Package], name: str, requirements: Iterable[Dependency]) -> None:
        self._packages = packages
        self._graph = Graph(packages)
        self._name = name
        # Both tables are filled on demand: images of one variant share most of their paths.
        self._edges: dict[_State, tuple[Dependency, ...]] = {}
        self._found: dict[Dependency, FoundPaths] = {}
        starts = {_state(requirement) for requirement in requirements}
        self._distance = self._distances(starts)

    def steps(self, trail: Trail) -> tuple[PathStep, ...]:
        """``trail`` with the version of each package."""
        steps = []
        for need in trail:
            version = self._packages[need.name].version
            steps.append(PathStep(need, version))
        return tuple(steps)

    def paths(self, start: Dependency) -> FoundPaths:
        """The simple paths that begin with ``start``."""
        if start not in self._found:
            self._found[start] = self._search(start)
        return self._found[start]

    def _search(self, start: Dependency) -> FoundPaths:
        # A*. The distances are exact except where a simple path would have to visit a package twice, so hardly any
        # partial path is examined that leads nowhere.
        found: list[Trail] = []
        if _state(start) not in self._distance:
            return FoundPaths(found, complete=True)
        queue = [_Partial(0, (str(start),), (start,))]
        for _ in range(PATHS_TRIED):
            if not queue or len(found) == PATHS_COUNTED:
                break
            partial = heapq.heappop(queue)
            if partial.trail[-1].name == self._name:
                found.append(partial.trail)
                continue
            for longer in self._longer(partial):
                heapq.heappush(queue, longer)
        return FoundPaths(found, complete=not queue)

    def _longer(self, partial: _Partial) -> Iterable[_Partial]:
        """``partial`` with one more step, for each requirement from which the package can be reached."""
        trail = partial.trail
        visited = {need.name for need in trail}
        last = _state(trail[-1])
        for need in self._requirements(last):
            distance = self._distance.get(_state(need))
            # Without a distance, it does not lead to the package.
            if distance is None or need.name in visited:
                continue
            yield _Partial(
                length=len(trail) + distance,
                texts=(*partial.texts, str(need)),
                trail=(*trail, need),
            )

    # -- the graph of states --------------------------------------------------------------

    def _requirements(self, state: _State) -> tuple[Dependency, ...]:
        """The requirements of a package with its extras: one for each name, with bounds and extras merged."""
        if state not in self._edges:
            self._edges[state] = tuple(self._merged(state))
        return self._edges[state]

    def _merged(self, state: _State) -> Iterable[Dependency]:
        by_name: dict[str, list[Dependency]] = defaultdict(list)
        for node in self._own_nodes(state):
            for need in self._graph.requirements(node):
                by_name[need.name].append(need)
        # Requirements of the package itself only request extras, which `_own_nodes` has followed.
        by_name.pop(state.name, None)
        for name in sorted(by_name):
            yield _merge(name, by_name[name])

    def _own_nodes(self, state: _State) -> set[NodeKey]:
        """The package, its extras, and the extras that these request in turn, as an extra named "all" does."""
        found: set[NodeKey] = set()
        # The package without extras is the node "".
        todo: list[NodeKey] = [(state.name, extra) for extra in ("", *state.extras)]
        while todo:
            node = todo.pop()
            if node in found:
                continue
            found.add(node)
            required = nodes(self._graph.requirements(node))
            todo += [other for other in required if other[0] == state.name]
        return found

    def _distances(self, starts: set[_State]) -> dict[_State, int]:
        """The number of steps to the package, from every state that is reachable from ``starts`` and leads to it."""
        seen, requirers = self._reachable(starts)
        distance = {state: 0 for state in seen if state.name == self._name}
        nearest = list(distance)
        # Breadth-first, backwards from the package.
        while nearest:
            farther = []
            for state in nearest:
                for requirer in requirers[state]:
                    if requirer not in distance:
                        distance[requirer] = distance[state] + 1
                        farther.append(requirer)
            nearest = farther
        return distance

    def _reachable(self, starts: set[_State]) -> tuple[set[_State], Mapping[_State, list[_State]]]:
        """The states reachable from ``starts``, and for each the states that require it."""
        requirers: dict[_State, list[_State]] = defaultdict(list)
        seen = set(starts)
        todo = list(starts)
        while todo:
            state = todo.pop()
            # Paths end at the package.
            if state.name == self._name:
                continue
            for need in self._requirements(state):
                following = _state(need)
                requirers[following].append(state)
                if following not in seen:
                    seen.add(following)
                    todo.append(following)
        return seen, requirers


def _merge(name: str, needs: Iterable[Dependency]) -> Dependency:
    """One requirement of ``name`` with the extras and bounds of all ``needs``."""
    extras: set[str] = set()
    bounds: set[str] = set()
    for need in needs:
        extras.update(need.extras)
        bounds.update(need.specifier.split(","))
    # No bounds at all are "", which splits into one empty part.
    bounds.discard("")
    return Dependency(name, tuple(sorted(extras)), ",".join(sorted(bounds)))


def _state(need: Dependency) -> _State:
    return _State(need.name, need.extras)
