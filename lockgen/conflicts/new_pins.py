"""Repairs that pin a package without a pin, mostly one that only other packages require.

A resolver takes another release by itself if one is in a conflict, has no file for the target or has broken metadata.
It stops at a release that does not build, or that requires another package by URL. An older release may be fine.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import NamedTuple

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from lockgen.conflicts.model import Answer, NewPin, Proposal, Repairs, Verdict
from lockgen.conflicts.repair_problem import RepairProblem
from lockgen.core.parsing import parse_version

_MOST_RELEASES = 8
"""The search ends after this many releases at which the resolver stops: each may be a build."""

_RELEASE = r"(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[\w.+!-]+)"
_STOPS = (
    (re.compile(rf"Failed to (?:download and )?build `{_RELEASE}`"), "does not build"),
    (
        re.compile(r"(?m)^(?P<name>[A-Za-z0-9][\w.-]*) (?P<version>[\w.+!-]+) requires `(?P<other>[\w.-]+) @ "),
        "requires {other} by URL",
    ),
)


class _Stop(NamedTuple):
    """A release at which the resolver stops."""

    name: str
    version: str
    why: str


def new_pins(problem: RepairProblem, found: Repairs) -> Proposal | None:
    """A proposal that pins the packages at whose releases the resolver stops; None if that does not help."""
    stops: dict[str, _Stop] = {}
    reasons = [*found.unknown, *(conflict.reason for conflict in found.conflicts)]
    while True:
        new = _new_stops(reasons, stops)
        if not new or len(stops) + len(new) > _MOST_RELEASES:
            return None
        if any(_is_pinned(problem, stop.name) for stop in new.values()):
            return None
        stops |= new
        # Each key excludes the release.
        verdicts = _ask(problem, stops)
        reasons = [verdict.reason for verdict in verdicts.values() if verdict.answer is not Answer.YES]
        if not reasons:
            return _proposal(problem, stops.values(), verdicts)


def _new_stops(reasons: Iterable[str], known: Collection[str]) -> dict[str, _Stop]:
    """The releases that ``reasons`` name, without ``known``, by the constraint that excludes each: "torch!=2.0"."""
    found: dict[str, _Stop] = {}
    for reason in reasons:
        for stop in _stops(reason):
            constraint = f"{stop.name}!={stop.version}"
            if constraint not in known:
                found[constraint] = stop
    return found


def _stops(reason: str) -> Iterable[_Stop]:
    for pattern, words in _STOPS:
        for match in pattern.finditer(reason):
            try:
                version = str(parse_version(match["version"]))
            except InvalidVersion:
                continue
            name = canonicalize_name(match["name"])
            yield _Stop(name, version, f"{name} {version} {words.format(**match.groupdict())}")


def _is_pinned(problem: RepairProblem, name: str) -> bool:
    manifest = problem.manifest
    return any(name in manifest.pins_of(variant) for variant in manifest.variants)


def _ask(problem: RepairProblem, bounds: Iterable[str]) -> dict[str, Verdict]:
    """The verdict on each solve with everything that versions.toml has, and ``bounds``."""
    added = set(bounds)
    verdicts: dict[str, Verdict] = {}
    for solve in problem.solves:
        request = problem.request(solve, problem.every_unit)
        constraints = tuple(sorted(added.union(request.constraints)))
        verdicts[solve] = problem.oracle.ask(replace(request, constraints=constraints))
    return verdicts


def _proposal(problem: RepairProblem, stops: Iterable[_Stop], verdicts: dict[str, Verdict]) -> Proposal | None:
    """The proposal for solutions without ``stops``, if these have one version of each package, and it is proved."""
    # The last release at which the resolver stopped is next to the one that it takes.
    why = {stop.name: stop.why for stop in stops}
    pins: list[NewPin] = []
    for name in sorted(why):
        versions = {verdict.versions[name] for verdict in verdicts.values() if name in verdict.versions}
        if len(versions) > 1:
            return None
        # Without the releases, another solution may not need the package at all.
        pins += [NewPin(name, version, why[name]) for version in versions]
    proved = _ask(problem, [f"{pin.package}=={pin.version}" for pin in pins])
    if not pins or any(verdict.answer is not Answer.YES for verdict in proved.values()):
        return None
    images = tuple(sorted(problem.manifest.images))
    versions_of = {solve: verdict.versions for solve, verdict in proved.items()}
    return Proposal((), images, versions_of, new_pins=tuple(pins))
