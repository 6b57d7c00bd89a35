"""Why images carry a package: the shortest paths from their asks to it."""

from __future__ import annotations

import difflib
import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from packaging.utils import canonicalize_name

from lockgen.core.lock import Dependency, Lock, LockedImage, Package
from lockgen.errors import BadInput
from lockgen.lock.closure import Graph, NodeKey, nodes
from lockgen.why.model import Asker, DependencyPath, Heir, Held, ImageAsk, PathGroup, PathStep, Why

PATHS_SHOWN = 5
PATHS_COUNTED = 100
"""How many paths from one ask are looked for: the simple paths of a graph can outnumber its atoms."""

PATHS_TRIED = 20_000
"""How many beginnings of paths from one ask are tried."""

_Asks = list[tuple[Dependency, bool]]
_Trail = tuple[Dependency, ...]
_State = tuple[str, tuple[str, ...]]
"""A package and the extras asked of it on the way: another way may ask for more."""

_Answer = tuple[tuple[DependencyPath, ...], int, bool]
"""The paths that are shown, the number of the others, and whether that is all of them."""


def why(lock: Lock, package: str, images: Collection[str] | None = None, *, limit: int = PATHS_SHOWN) -> Why:
    """The paths to ``package`` from the images that carry it, at most ``limit`` for each group of images.

    ``images`` narrows the question: names ("asr") or tags ("asr:cuda").

    Raises:
        BadInput: the lock holds no such package, or no such image.
        NoResolution: the lock lacks a package that is needed.
    """
    name = canonicalize_name(package)
    _check_known(lock, package, name)
    chains = [lock.chain(image) for image in _selected(lock, images)]
    links = {(link.name, link.variant): link for chain in chains for link in chain}
    return Why(
        package=name,
        held=_held(lock, name),
        askers=_askers(lock, name, links.values()),
        image_asks=_image_asks(name, links.values()),
        groups=_groups(lock, name, chains, limit),
    )


def _check_known(lock: Lock, written: str, name: str) -> None:
    known = {package.name for package in lock.packages}
    if name not in known:
        raise BadInput(f"no package {written!r} in the lock", hint=_close(name, known))


def _close(name: str, known: Iterable[str]) -> str | None:
    matches = difflib.get_close_matches(name, sorted(known), n=3)
    return f"did you mean {' or '.join(matches)}?" if matches else None


def _selected(lock: Lock, wanted: Collection[str] | None) -> list[LockedImage]:
    images = sorted(lock.images, key=lambda image: (image.name, image.variant))
    if wanted is None:
        return images
    known = {name for image in images for name in (image.name, image.tag)}
    for name in wanted:
        if name not in known:
            raise BadInput(f"no image {name!r} in the lock", hint=_close(name, known))
    return [image for image in images if image.name in wanted or image.tag in wanted]


def _held(lock: Lock, name: str) -> tuple[Held, ...]:
    packages = sorted((p for p in lock.packages if p.name == name), key=lambda p: p.sort_key)
    return tuple(Held(p.version, p.index, tuple(sorted(p.variants))) for p in packages)


def _asks(image: LockedImage) -> _Asks:
    """The image's own asks; True marks those of the common packages."""
    return [*((ask, True) for ask in image.common), *((ask, False) for ask in image.requires)]


def _image_asks(name: str, images: Iterable[LockedImage]) -> tuple[ImageAsk, ...]:
    tags: dict[Dependency, set[str]] = defaultdict(set)
    for image in images:
        for ask, _ in _asks(image):
            if ask.name == name:
                tags[ask].add(image.tag)
    return tuple(ImageAsk(ask, tuple(sorted(tags[ask]))) for ask in sorted(tags))


def _askers(lock: Lock, name: str, images: Iterable[LockedImage]) -> tuple[Asker, ...]:
    starts: dict[str, set[NodeKey]] = defaultdict(set)
    for image in images:
        starts[image.variant].update(nodes(ask for ask, _ in _asks(image)))
    variants: dict[tuple[str, str, str, Dependency], list[str]] = defaultdict(list)
    for variant in sorted(starts):
        packages = lock.by_variant[variant]
        graph = Graph(packages)
        for node in _reachable(graph, starts[variant]):
            for ask in graph.requirements(node):
                if ask.name == name != node[0]:
                    variants[(*node, packages[node[0]].version, ask)].append(variant)
    return tuple(Asker(*key, tuple(dict.fromkeys(where))) for key, where in sorted(variants.items()))


def _reachable(graph: Graph, starts: set[NodeKey]) -> set[NodeKey]:
    seen = set(starts)
    todo = list(starts)
    while todo:
        new = set(nodes(graph.requirements(todo.pop()))) - seen
        seen |= new
        todo += new
    return seen


def _groups(lock: Lock, name: str, chains: Iterable[tuple[LockedImage, ...]], limit: int) -> tuple[PathGroup, ...]:
    answers = _Answers(lock, name, limit)
    images: dict[_Answer, list[tuple[int, str]]] = defaultdict(list)
    heirs: dict[_Answer, list[Heir]] = defaultdict(list)
    listed = set()
    for chain in chains:
        asking = [(depth, link) for depth, link in enumerate(chain) if answers.of(link)[0]]
        for depth, link in asking:
            if link.tag not in listed:
                listed.add(link.tag)
                images[answers.of(link)].append((depth, link.tag))
        below = [link for _, link in asking if link is not chain[-1]]
        if below:
            heirs[answers.of(below[-1])].append(Heir(chain[-1].tag, below[-1].name))
    ordered = sorted(images.items(), key=lambda item: min(item[1]))
    return tuple(
        PathGroup(
            images=tuple(sorted(tag for _, tag in members)),
            paths=answer[0],
            heirs=tuple(sorted(heirs[answer], key=lambda heir: heir.tag)),
            more=answer[1],
            counted=answer[2],
        )
        for answer, members in ordered
    )


class _Answers:
    """The paths of each image's own asks to one package."""

    def __init__(self, lock: Lock, name: str, limit: int) -> None:
        self._limit = limit
        self._searches: dict[str, _Search] = {}
        self._known: dict[str, _Answer] = {}
        for variant, packages in lock.by_variant.items():
            asks = [ask for image in lock.images if image.variant == variant for ask, _ in _asks(image)]
            self._searches[variant] = _Search(packages, name, asks)

    def of(self, image: LockedImage) -> _Answer:
        if image.tag not in self._known:
            self._known[image.tag] = self._answer(image)
        return self._known[image.tag]

    def _answer(self, image: LockedImage) -> _Answer:
        search = self._searches[image.variant]
        paths: list[DependencyPath] = []
        counted = True
        for ask, common in _asks(image):
            found, complete = search.paths(ask)
            paths += [DependencyPath(search.steps(trail), common) for trail in found]
            counted = counted and complete
        paths.sort(key=lambda path: (len(path.steps), [str(step) for step in path.steps], path.common))
        return tuple(paths[: self._limit]), max(0, len(paths) - self._limit), counted


class _Search:
    """The ways to one package in one variant, as trails of what each step asks for."""

    def __init__(self, packages: Mapping[str, Package], name: str, asks: Iterable[Dependency]) -> None:
        self._packages = packages
        self._graph = Graph(packages)
        self._name = name
        self._edges: dict[_State, tuple[Dependency, ...]] = {}
        self._found: dict[Dependency, tuple[list[_Trail], bool]] = {}
        self._distance = self._distances({_state(ask) for ask in asks})

    def steps(self, trail: _Trail) -> tuple[PathStep, ...]:
        return tuple(PathStep(ask, self._packages[ask.name].version) for ask in trail)

    def paths(self, ask: Dependency) -> tuple[list[_Trail], bool]:
        """The simple paths that begin with ``ask``, the shortest first, and whether these are all."""
        if ask not in self._found:
            self._found[ask] = self._look(ask)
        return self._found[ask]

    def _look(self, start: Dependency) -> tuple[list[_Trail], bool]:
        # A*: the distances are exact but for packages that a simple path may not pass twice, so hardly a
        # beginning is tried that leads nowhere. Among equals the text decides: the order never varies.
        found: list[_Trail] = []
        if _state(start) not in self._distance:
            return found, True
        heap: list[tuple[int, tuple[str, ...], _Trail]] = [(0, (str(start),), (start,))]
        for _ in range(PATHS_TRIED):
            if not heap or len(found) == PATHS_COUNTED:
                break
            _, texts, trail = heapq.heappop(heap)
            if trail[-1].name == self._name:
                found.append(trail)
                continue
            passed = {ask.name for ask in trail}
            for ask in self._asks(_state(trail[-1])):
                distance = self._distance.get(_state(ask))
                if distance is not None and ask.name not in passed:
                    heapq.heappush(heap, (len(trail) + distance, (*texts, str(ask)), (*trail, ask)))
        return found, not heap

    def _asks(self, state: _State) -> tuple[Dependency, ...]:
        """What a package with extras asks for: one dependency for each name, bounds and extras joined."""
        if state not in self._edges:
            self._edges[state] = tuple(self._joined(state))
        return self._edges[state]

    def _joined(self, state: _State) -> Iterable[Dependency]:
        own = {(state[0], extra) for extra in ("", *state[1])}
        while own != (
            wider := own | {n for node in own for n in nodes(self._graph.requirements(node)) if n[0] == state[0]}
        ):
            own = wider  # an extra that asks for others of the same package, as "all" does
        extras: dict[str, set[str]] = defaultdict(set)
        bounds: dict[str, set[str]] = defaultdict(set)
        for node in own:
            for ask in self._graph.requirements(node):
                extras[ask.name].update(ask.extras)
                bounds[ask.name].update(filter(None, ask.specifier.split(",")))
        for name in sorted(extras.keys() - {state[0]}):
            yield Dependency(name, tuple(sorted(extras[name])), ",".join(sorted(bounds[name])))

    def _distances(self, starts: set[_State]) -> dict[_State, int]:
        """The steps to the package from every state that ``starts`` reach and that reaches it."""
        askers: dict[_State, list[_State]] = defaultdict(list)
        seen = set(starts)
        todo = list(starts)
        while todo:
            state = todo.pop()
            if state[0] == self._name:
                continue
            for following in map(_state, self._asks(state)):
                askers[following].append(state)
                if following not in seen:
                    seen.add(following)
                    todo.append(following)
        distance = {state: 0 for state in seen if state[0] == self._name}
        ring = list(distance)
        while ring:
            nearer, ring = ring, []
            for state in nearer:
                for asker in askers[state]:
                    if asker not in distance:
                        distance[asker] = distance[state] + 1
                        ring.append(asker)
        return distance


def _state(ask: Dependency) -> _State:
    return ask.name, ask.extras
