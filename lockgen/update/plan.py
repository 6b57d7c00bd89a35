"""Which pins are due for an update, in which groups, and which versions of them to try.

Nothing here touches anything: what the indexes and the advisories say is gathered at the edges.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from packaging.version import Version

from lockgen.audit.vulnerabilities import touches
from lockgen.core.accelerator import FAMILY
from lockgen.core.manifest import Manifest
from lockgen.core.update_policy import GroupPolicy, Policy, VersionStep
from lockgen.index.model import Published
from lockgen.update.model import BaseCandidate, Candidate, KnownVulnerability, MovedPin, UpdateGroup, Waiting
from lockgen.upgrade.bump_model import PinGroup, public
from lockgen.upgrade.pin_groups import unit_of

FirstSeen = Mapping[str, Mapping[str, datetime]]
"""Package to version to the moment in which it was first seen."""


def step_of(old: Version, new: Version) -> VersionStep:
    """How far it is from ``old`` to ``new``: the first number, the second, or any later one (an epoch is a major)."""
    before, after = (*old.release, 0, 0)[:2], (*new.release, 0, 0)[:2]
    if old.epoch != new.epoch or before[0] != after[0]:
        return "major"
    return "minor" if before[1] != after[1] else "patch"


@dataclass(frozen=True, slots=True)
class Movable:
    """What moves as one. ``only`` are the variants that have it in a version of their own; empty of everybody's."""

    unit: PinGroup
    only: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """A name that no other has: the package that leads, and whose it is."""
        return " ".join((self.unit.name, *self.only))

    @property
    def suffix(self) -> str:
        """How the name of its group ends; "" of everybody's."""
        return suffix_of(self.only)


def suffix_of(only: Iterable[str]) -> str:
    """How the name of a group of these variants' own pins ends."""
    return "".join(f"-{variant.replace('.', '-')}" for variant in only)


def movable(manifest: Manifest) -> dict[str, Movable]:
    """What update may move, by its key, as `lockgen bump` moves it; held pins are for people only."""
    pinned = [*manifest.pins, *(name for _, variant in sorted(manifest.variants.items()) for name in variant.pins)]
    found = {one.key: one for name in pinned for one in _movable(manifest, name)}
    return {key: one for key, one in sorted(found.items()) if not one.unit.held}


def _movable(manifest: Manifest, name: str) -> Iterable[Movable]:
    """The pins that hold for all, and those of variants that go their own way."""
    only: tuple[str, ...] = ()
    unit = unit_of(manifest, name)
    while unit is not None:
        yield Movable(unit, tuple(sorted(unit.variants)) if only else ())
        only = tuple(sorted({variant for seat in unit.others for variant in seat.variants}))
        unit = unit_of(manifest, name, only) if only else None


def group_of(policy: Policy, package: str) -> GroupPolicy:
    """The first group that holds ``package``; one of its own where none does. torch's family is one package."""
    members = FAMILY if package in FAMILY else (package,)
    for group in policy.groups:
        if any(group.holds(member) for member in members):
            return group
    return GroupPolicy(package, (package,), policy.steps)


@dataclass(frozen=True)
class AvailableReleases:
    """What there is to move to: ``published`` releases by the key of what is movable (a package's name, where it is
    locked without a pin), ``seen`` when one without a time came up.

    ``weaknesses`` are those of the ``locked`` versions; ``now`` has an offset, ``cut_off`` is
    the family's exclude-newer.
    """

    published: Mapping[str, Sequence[Published]]
    seen: FirstSeen
    weaknesses: Mapping[str, Sequence[KnownVulnerability]]
    locked: Mapping[str, Version]
    now: datetime
    cut_off: datetime | None = None


def unseen(market: AvailableReleases, manifest: Manifest) -> dict[str, dict[str, datetime]]:
    """What was seen, with every newer release without an upload time that was not yet in it; gone ones are left out."""
    found: dict[str, dict[str, datetime]] = {}
    for one in movable(manifest).values():
        name, known = one.unit.name, market.seen.get(one.unit.name, {})
        for release in market.published.get(one.key, ()):
            if release.uploaded is None and public(release.version) > one.unit.current:
                text = release.version.public
                found.setdefault(name, {})[text] = known.get(text, market.now)
    return found


Bases = Mapping[str, tuple[GroupPolicy, Sequence[BaseCandidate]]]
"""The base images that are due, by group."""


def due(
    manifest: Manifest, policy: Policy, market: AvailableReleases, bases: Bases | None = None
) -> tuple[list[UpdateGroup], list[Waiting]]:
    """The groups with something to move, those with a known vulnerability first; and what the policy holds back."""
    waiting: list[Waiting] = []
    parts: dict[tuple[str, tuple[str, ...]], _UpdatePart] = {}
    for one in movable(manifest).values():
        group = group_of(policy, one.unit.name)
        held_back: list[Waiting] = []
        candidate = _candidate(one.unit.name, one.unit.current, one.only, group, policy, market, held_back)
        waiting += held_back
        if candidate is not None:
            parts.setdefault((group.name, one.only), _UpdatePart(group)).candidates.append(candidate)
    for candidate in _unpinned(manifest, policy, market, waiting):
        group = group_of(policy, candidate.name)
        parts.setdefault((group.name, ()), _UpdatePart(group)).candidates.append(candidate)
    for name, (group, images) in (bases or {}).items():
        parts.setdefault((name, ()), _UpdatePart(group)).bases.extend(images)
    names = {one.unit.name for one in movable(manifest).values()}
    return sorted(_named(parts, policy, names), key=lambda group: (not group.security, group.name)), waiting


@dataclass
class _UpdatePart:
    """A group in the making."""

    policy: GroupPolicy
    candidates: list[Candidate] = field(default_factory=list)
    bases: list[BaseCandidate] = field(default_factory=list)


def _named(
    parts: Mapping[tuple[str, tuple[str, ...]], _UpdatePart], policy: Policy, pinned: Collection[str]
) -> Iterable[UpdateGroup]:
    """Each with a name of its own: it becomes a branch, and a variant's own pins have one for themselves.

    A name that another group could have is not taken, whether or not that one has something to move today.
    """
    taken = {*pinned, *(group.name for group in policy.groups), *(name for name, only in parts if not only)}
    for (group, only), part in sorted(parts.items()):
        name = group
        if only:
            name += suffix_of(only)
            while name in taken:
                name += "-own"
            taken.add(name)
        key = key_of(part.candidates, part.bases)
        yield UpdateGroup(name, tuple(part.candidates), part.policy.partial, key, only, tuple(part.bases))


def _unpinned(
    manifest: Manifest, policy: Policy, market: AvailableReleases, waiting: list[Waiting]
) -> Iterable[Candidate]:
    """What is locked without a pin, and has a known vulnerability that a release ends."""
    for name in sorted(market.weaknesses.keys() & market.locked.keys()):
        unit = unit_of(manifest, name)
        if unit is not None:
            if unit.held:
                waiting.append(Waiting(name, str(market.locked[name]), "it has a known vulnerability, and is held"))
            continue
        group = GroupPolicy(name, (name,), ())
        bad = [weakness.version for weakness in market.weaknesses[name] if weakness.version is not None]
        current = min(bad, default=market.locked[name])
        candidate = _candidate(name, current, (), group, policy, market, [])
        if candidate is not None:
            yield candidate


def _candidate(
    name: str,
    current: Version,
    only: tuple[str, ...],
    group: GroupPolicy,
    policy: Policy,
    market: AvailableReleases,
    waiting: list[Waiting],
) -> Candidate | None:
    known = market.weaknesses.get(name, ())
    weaknesses = tuple(one for one in known if one.version is None or public(one.version) == public(current))
    allowed: list[Version] = []
    held_back: list[tuple[Published, str]] = []
    for release in sorted(
        market.published.get(" ".join((name, *only)), ()), key=lambda release: release.version, reverse=True
    ):
        if not _is_newer(release.version, current):
            continue
        why = _ruled_out(name, release, only, policy, market) or _too_early(
            name, release, current, group, policy, market
        )
        if why is None:
            allowed.append(public(release.version))
        else:
            held_back.append((release, why))
    offered = [
        public(release.version) for release, _ in held_back if not _ruled_out(name, release, only, policy, market)
    ]
    tiers = _tiers(list(dict.fromkeys(allowed)), offered, weaknesses)
    taken = {version for tier in tiers for version in tier}
    waiting += [Waiting(name, str(r.version), why) for r, why in held_back if public(r.version) not in taken]
    flat = tuple(version for tier in tiers for version in tier)
    mends = any(ends(weakness, version) for weakness in weaknesses for version in flat)
    return Candidate(name, current, flat, weaknesses, tiers=tiers, mends=mends) if tiers else None


FIXES = 3
"""How many releases that end a vulnerability, and that the policy would hold back, may be taken: the smallest steps."""


def _tiers(
    allowed: Sequence[Version], held_back: Iterable[Version], weaknesses: Sequence[KnownVulnerability]
) -> tuple[tuple[Version, ...], ...]:
    """What to try, the best first: what ends every vulnerability, of that what the policy ``allowed`` before what it
    holds back, the smallest step first; then what ends some; then the rest of ``allowed``.
    """
    late = sorted(set(held_back))
    fixes = sorted({v for weakness in weaknesses for v in [v for v in late if ends(weakness, v)][:FIXES]})
    mendable = [weakness for weakness in weaknesses if any(ends(weakness, v) for v in (*allowed, *fixes))]
    tiers: list[tuple[Version, ...]] = []
    for wanted in (all, any):
        mends = [v for v in allowed if mendable and wanted(ends(weakness, v) for weakness in mendable)]
        tiers += [tuple(mends), *((v,) for v in fixes if wanted(ends(weakness, v) for weakness in mendable))]
    known: set[Version] = set()
    found = []
    for tier in (*tiers, tuple(allowed)):
        fresh = tuple(version for version in tier if version not in known)
        known.update(fresh)
        found += [fresh] if fresh else []
    return tuple(found)


def ends(weakness: KnownVulnerability, version: Version) -> bool:
    """Whether ``version`` is not affected any more; without records by the first version that is said to be fixed."""
    if weakness.records:
        return not any(touches(record, weakness.package, public(version))[0] for record in weakness.records)
    return bool(weakness.fixed) and public(version) >= min(weakness.fixed)


def _is_newer(release: Version, pin: Version) -> bool:
    """By public version: PEP 440 sorts +cu124 above +cu121. A pre-release only after a pre-release."""
    return public(release) > public(pin) and (not release.is_prerelease or pin.is_prerelease)


def _ruled_out(
    name: str, release: Published, only: tuple[str, ...], policy: Policy, market: AvailableReleases
) -> str | None:
    """Why nobody may take ``release``, whatever it mends; None where one may."""
    if market.cut_off is not None and release.uploaded is not None and release.uploaded >= market.cut_off:
        return "newer than [family] exclude-newer"
    for ignore in policy.ignore:
        if ignore.covers(name, release.version, variants=only):
            return f"ignored{f': {ignore.reason}' if ignore.reason else ''}"
    return None


def _too_early(
    name: str, release: Published, pin: Version, group: GroupPolicy, policy: Policy, market: AvailableReleases
) -> str | None:
    """Why the policy holds ``release`` back, by its step or its age; None where it does not."""
    since = release.uploaded or market.seen.get(name, {}).get(release.version.public, market.now)
    return wrong_step(pin, release.version, group) or cooling(since, group, policy, market.now)


def wrong_step(old: Version, new: Version, group: GroupPolicy) -> str | None:
    """Why ``group`` does not go from ``old`` to ``new``; None where it does."""
    step = step_of(old, new)
    return None if step in group.steps else f"a {step} step, and the group takes {', '.join(group.steps) or 'none'}"


def cooling(since: datetime, group: GroupPolicy, policy: Policy, now: datetime) -> str | None:
    """Until when a release that is there ``since`` has to wait; None where it need not."""
    days = group.cooldown if group.cooldown is not None else policy.cooldown
    until = since + timedelta(days=days)
    return f"{days} days of cooldown end {until.astimezone(UTC):%Y-%m-%d}" if days and until > now else None


def key_of(candidates: Iterable[Candidate], bases: Iterable[BaseCandidate] = ()) -> str:
    """A name for exactly these candidates: whenever it is the same, so would be what comes of them on one base."""
    data = [[c.name, str(c.current), [str(v) for v in c.allowed], [w.name for w in c.advisories]] for c in candidates]
    return digest([*data, *([b.name, b.old, b.new, list(b.variants)] for b in bases)])


def moves_of(moves: Iterable[MovedPin], ended: Iterable[KnownVulnerability] = ()) -> str:
    """A name for exactly these moves; what ends a vulnerability is another one than before that was known."""
    made = [[m.name, m.new] for m in sorted(moves, key=lambda m: (m.name, m.new)) if m.kind != "cut-off"]
    return digest([*made, *sorted({weakness.name for weakness in ended})])


def digest(data: object) -> str:
    """A short name for plain data."""
    return hashlib.sha256(json.dumps(data, separators=(",", ":")).encode()).hexdigest()[:16]


# -- which versions to try -----------------------------------------------------

Attempt = Callable[[Mapping[str, Sequence[Version]], Callable[[Collection[str]], bool]], Mapping[str, str]]
"""Moves each package to the newest of what it may take, and says what does not move, and why.

Its second argument says whether that counts, though these packages do not move: else nothing may be written.
"""


@dataclass(frozen=True)
class Walk:
    """``stuck`` packages do not move; ``missed`` ones do not get what was best. Each with the words that say why."""

    stuck: Mapping[str, str]
    missed: Mapping[str, str]


def walk(group: UpdateGroup, attempt: Attempt) -> Walk:
    """The best of every candidate; what cannot have it is tried with the next best, and the others go on."""
    levels = {candidate.name: candidate.levels for candidate in group.candidates}
    at = dict.fromkeys(levels, 0)
    missed: dict[str, str] = {}
    while True:
        lower = {name for name in levels if at[name] + 1 < len(levels[name])}
        among = {name: levels[name][at[name]] for name in levels}
        stuck = attempt(among, lower.isdisjoint)
        missed = {**stuck, **missed}
        again = stuck.keys() & lower
        if not again:
            return Walk(stuck, {name: why for name, why in missed.items() if name not in stuck})
        for name in again:
            at[name] += 1
