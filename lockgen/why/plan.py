"""Why images contain a package: the shortest paths from their requirements to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from packaging.utils import canonicalize_name

from lockgen.core.close_match import close_match
from lockgen.core.lock import Dependency, Lock, LockedImage, Package
from lockgen.errors import BadInput
from lockgen.lock.closure import Graph, NodeKey, nodes
from lockgen.why.model import (
    DependencyPath,
    Dependent,
    ImageRequirement,
    InheritingImage,
    LockedVersion,
    PathGroup,
    Why,
)
from lockgen.why.path_search import PathSearch

PATHS_SHOWN = 5


class _OwnRequirement(NamedTuple):
    """A requirement of an image. ``common``: it is one of the common packages."""

    requirement: Dependency
    common: bool


class _Answer(NamedTuple):
    """The listed paths of an image, the number of other paths, and whether that number is exact."""

    paths: tuple[DependencyPath, ...]
    more: int
    counted: bool


def why(lock: Lock, package: str, images: Collection[str] | None = None, *, limit: int = PATHS_SHOWN) -> Why:
    """The paths to ``package`` from the images that contain it, at most ``limit`` for each group of images.

    ``images`` selects images by name ("asr") or tag ("asr:cuda"). None means all.

    Raises:
        BadInput: the lock does not contain the package, or one of the images.
        NoResolution: the lock lacks a needed package.
    """
    name = canonicalize_name(package)
    _check_known(lock, package, name)
    # Images below the selected ones count too: most packages are inherited from them.
    chains = [lock.chain(image) for image in _selected(lock, images)]
    links = {link.tag: link for chain in chains for link in chain}
    return Why(
        package=name,
        versions=_versions(lock, name),
        dependents=_dependents(lock, name, links.values()),
        image_requirements=_image_requirements(name, links.values()),
        groups=_groups(lock, name, chains, limit),
    )


def _check_known(lock: Lock, written: str, name: str) -> None:
    # Build tools are not in any image, so they are unknown here.
    known = {package.name for package in lock.packages}
    if name not in known:
        raise BadInput(f"no package {written!r} in the lock", hint=close_match(name, known))


def _selected(lock: Lock, wanted: Collection[str] | None) -> list[LockedImage]:
    images = sorted(lock.images, key=lambda image: (image.name, image.variant))
    if wanted is None:
        return images
    names = {image.name for image in images}
    tags = {image.tag for image in images}
    known = names | tags
    for name in wanted:
        if name not in known:
            hint = close_match(name, known)
            raise BadInput(f"no image {name!r} in the lock", hint=hint)
    return [image for image in images if image.name in wanted or image.tag in wanted]


def _versions(lock: Lock, name: str) -> tuple[LockedVersion, ...]:
    packages = [package for package in lock.packages if package.name == name]
    packages.sort(key=lambda package: package.sort_key)
    versions = []
    for package in packages:
        variants = tuple(sorted(package.variants))
        versions.append(LockedVersion(package.version, package.index, variants))
    return tuple(versions)


def _own_requirements(image: LockedImage) -> list[_OwnRequirement]:
    own = [_OwnRequirement(requirement, common=True) for requirement in image.common]
    own += [_OwnRequirement(requirement, common=False) for requirement in image.requires]
    return own


# -- who requires the package directly ------------------------------------------------------


def _image_requirements(name: str, images: Iterable[LockedImage]) -> tuple[ImageRequirement, ...]:
    tags: dict[Dependency, set[str]] = defaultdict(set)
    for image in images:
        for requirement, _ in _own_requirements(image):
            if requirement.name == name:
                tags[requirement].add(image.tag)
    found = []
    for requirement in sorted(tags):
        where = tuple(sorted(tags[requirement]))
        found.append(ImageRequirement(requirement, where))
    return tuple(found)


class _DependentKey(NamedTuple):
    """A `Dependent` without its variants."""

    name: str
    extra: str
    version: str
    requirement: Dependency


def _dependents(lock: Lock, name: str, images: Iterable[LockedImage]) -> tuple[Dependent, ...]:
    variants: dict[_DependentKey, list[str]] = defaultdict(list)
    starts = _starts(images)
    for variant in sorted(starts):
        packages = lock.by_variant[variant]
        keys = _dependents_in(packages, name, starts[variant])
        for key in keys:
            variants[key].append(variant)
    found = []
    for key in sorted(variants):
        dependent = Dependent(*key, variants=tuple(variants[key]))
        found.append(dependent)
    return tuple(found)


def _starts(images: Iterable[LockedImage]) -> dict[str, set[NodeKey]]:
    """The nodes that the images require directly, by variant."""
    starts: dict[str, set[NodeKey]] = defaultdict(set)
    for image in images:
        requirements = (*image.common, *image.requires)
        starts[image.variant].update(nodes(requirements))
    return starts


def _dependents_in(packages: Mapping[str, Package], name: str, starts: set[NodeKey]) -> set[_DependentKey]:
    """The dependents of ``name`` within one variant that are reachable from ``starts``."""
    graph = Graph(packages)
    found = set()
    for node in _reachable(graph, starts):
        package, extra = node
        # An extra that requests other extras of the same package is not a dependent.
        if package == name:
            continue
        for requirement in graph.requirements(node):
            if requirement.name == name:
                found.add(_DependentKey(package, extra, packages[package].version, requirement))
    return found


def _reachable(graph: Graph, starts: set[NodeKey]) -> set[NodeKey]:
    seen = set(starts)
    todo = list(starts)
    while todo:
        new = set(nodes(graph.requirements(todo.pop()))) - seen
        seen |= new
        todo += new
    return seen


# -- paths ------------------------------------------------------------------------------------


def _groups(lock: Lock, name: str, chains: Iterable[tuple[LockedImage, ...]], limit: int) -> tuple[PathGroup, ...]:
    """Images with the same answer together, the groups of the lowest images first."""
    answers = _Answers(lock, name, limit)
    groups: dict[_Answer, _GroupBuilder] = defaultdict(_GroupBuilder)
    for chain in chains:
        nearest = None
        for depth, link in enumerate(chain):
            answer = answers.of(link)
            if not answer.paths:
                continue
            groups[answer].images.add((depth, link.tag))
            if link is not chain[-1]:
                nearest = link
        # Of several images below that require the package, the nearest counts.
        if nearest is not None:
            heir = InheritingImage(chain[-1].tag, via=nearest.name)
            groups[answers.of(nearest)].inheriting.append(heir)
    ordered = sorted(groups.items(), key=lambda item: min(item[1].images))
    return tuple(group.built(answer) for answer, group in ordered)


class _GroupBuilder:
    """A `PathGroup` in the making. ``images`` are the depth in the chain and the tag of each image."""

    def __init__(self) -> None:
        # A set, as a base is in the chains of all its stages.
        self.images: set[tuple[int, str]] = set()
        self.inheriting: list[InheritingImage] = []

    def built(self, answer: _Answer) -> PathGroup:
        return PathGroup(
            images=tuple(sorted(tag for _, tag in self.images)),
            paths=answer.paths,
            inheriting=tuple(sorted(self.inheriting, key=lambda image: image.tag)),
            more=answer.more,
            counted=answer.counted,
        )


class _Answers:
    """The paths from each image's own requirements to one package."""

    def __init__(self, lock: Lock, name: str, limit: int) -> None:
        self._limit = limit
        self._known: dict[str, _Answer] = {}
        # One search per variant: its images share most of their packages.
        self._searches = _searches(lock, name)

    def of(self, image: LockedImage) -> _Answer:
        if image.tag not in self._known:
            self._known[image.tag] = self._answer(image)
        return self._known[image.tag]

    def _answer(self, image: LockedImage) -> _Answer:
        search = self._searches[image.variant]
        paths: list[DependencyPath] = []
        counted = True
        for requirement, common in _own_requirements(image):
            found = search.paths(requirement)
            for trail in found.trails:
                steps = search.steps(trail)
                paths.append(DependencyPath(steps, common))
            # Without a complete search, the number of paths is a lower bound.
            counted = counted and found.complete
        paths.sort(key=_path_order)
        more = max(0, len(paths) - self._limit)
        return _Answer(tuple(paths[: self._limit]), more, counted)


def _searches(lock: Lock, name: str) -> dict[str, PathSearch]:
    """A search for the package in each variant, from the requirements of all images."""
    requirements: dict[str, list[Dependency]] = defaultdict(list)
    for image in lock.images:
        requirements[image.variant] += image.common
        requirements[image.variant] += image.requires
    searches = {}
    for variant, packages in lock.by_variant.items():
        searches[variant] = PathSearch(packages, name, requirements[variant])
    return searches


def _path_order(path: DependencyPath) -> tuple[int, list[str], bool]:
    """The shortest path first; among equals, by text, so that the order never varies."""
    texts = [str(step) for step in path.steps]
    return len(path.steps), texts, path.common
