"""What a bound depends on: pure.

A release that does not run with some versions of other packages may run with others. So a bound names those that can
matter: the distribution with the problem, everything that it requires, and what the message names.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from packaging.utils import canonicalize_name

from lockgen.core.lock import Dependency, Lock, Package
from lockgen.lock.closure import Graph, image_closure
from lockgen.proof.model import BoundConditions, Problem

_WORD = re.compile(r"[A-Za-z0-9][\w.-]*")


def conditions_of(lock: Lock, image: str, package: str, problem: Problem, moved: Collection[str]) -> BoundConditions:
    """What ``problem`` of ``image`` depends on besides the version of ``package``.

    ``lock`` has the versions with the problem. Packages that ``moved`` with it are not part of the surroundings.
    """
    packages = _packages(lock, image)
    stable = {name: found for name, found in packages.items() if name != package and name not in moved}
    bound = problem.bound
    if bound is not None and bound.by != bound.package and bound.specifier and bound.package in packages:
        # The message says what is missing, so only the distribution that wrote it counts.
        return BoundConditions(_versions(stable, [problem.by]), bound if bound.package != package else None)
    is_about_others = bound is not None and bound.by == bound.package
    if problem.kind == "test" or is_about_others:
        # A test may use anything, and a message that blames its own distribution does not say which one it means.
        return BoundConditions(_versions(stable, stable))
    _, _, variant = image.rpartition(":")
    # An extra may need packages of other images only.
    required = _required(lock.by_variant[variant], [package, problem.by])
    named = _named(f"{problem.text} {problem.output}", packages)
    return BoundConditions(_versions(stable, [*required, *named]))


def _packages(lock: Lock, image: str) -> dict[str, Package]:
    """The packages of ``image`` and of the images below it."""
    name, _, variant = image.rpartition(":")
    locked = lock.by_tag[name, variant]
    table = lock.by_variant[variant]
    return {package: table[package] for package in image_closure(lock, locked)}


def _versions(packages: Mapping[str, Package], names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, packages[name].version) for name in sorted(set(names)) if name in packages)


def _required(packages: Mapping[str, Package], roots: Iterable[str]) -> frozenset[str]:
    """The packages that ``roots`` require, directly or not, with all extras that the family uses."""
    wanted = [Dependency(name, tuple(packages[name].extras)) for name in roots if name in packages]
    return Graph(packages).closure(wanted)


def _named(text: str, packages: Mapping[str, Package]) -> set[str]:
    """The packages that a message names, themselves or by a module: "cannot import name 'x' from 'torch.utils'"."""
    found = set()
    for word in _WORD.findall(text):
        for name in (word, word.split(".")[0]):
            canonical = str(canonicalize_name(name))
            if canonical in packages:
                found.add(canonical)
    return found
