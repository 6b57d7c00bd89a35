"""Decide which pins have updates available, in which groups, and which versions to try.

Pure: the caller reads indexes and advisories. `due_groups` applies the policy to what they offer; `try_versions` then
goes through the versions of one group, from the best on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from packaging.version import Version

from lockgen.core.accelerator import FAMILY
from lockgen.core.manifest import Manifest
from lockgen.core.update_policy import GroupPolicy, Policy, VersionStep
from lockgen.core.words import counted
from lockgen.index.model import Published
from lockgen.update.model import BaseCandidate, Candidate, KnownVulnerability, MovedPin, PinKey, UpdateGroup, Waiting
from lockgen.upgrade.bump_model import PinGroup, public
from lockgen.upgrade.pin_groups import pin_group_of

FirstSeen = Mapping[str, Mapping[str, datetime]]
"""The time each release was first seen, by package and version."""

FIXES = 3
"""How many releases the policy would hold back are tried as fixes of a vulnerability, the smallest steps first."""


def step_of(old: Version, new: Version) -> VersionStep:
    """The size of the step from ``old`` to ``new``; a new epoch is a major step."""
    # "1" and "1.0" are the same release.
    before = (*old.release, 0, 0)[:2]
    after = (*new.release, 0, 0)[:2]
    if old.epoch != new.epoch or before[0] != after[0]:
        return "major"
    if before[1] != after[1]:
        return "minor"
    return "patch"


# -- which pins can move -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Movable:
    """Pins that move together. ``only`` are the variants that pin their own version; empty for shared pins."""

    pins: PinGroup
    only: tuple[str, ...] = ()

    @property
    def key(self) -> PinKey:
        """The unique key: the leading package, and the variants in ``only``."""
        return PinKey(self.pins.name, self.only)

    @property
    def suffix(self) -> str:
        """The suffix of the group's name; "" for shared pins."""
        return suffix_of(self.only)


def suffix_of(only: Iterable[str]) -> str:
    """The suffix of the name of a group that moves these variants' own pins."""
    return "".join(f"-{variant.replace('.', '-')}" for variant in only)


def movable_pins(manifest: Manifest) -> dict[PinKey, Movable]:
    """The pins that an update may move, by key, grouped as `lockgen bump` groups them. Held pins are left out."""
    pinned = list(manifest.pins)
    for _, variant in sorted(manifest.variants.items()):
        pinned += variant.pins
    found: dict[PinKey, Movable] = {}
    for name in pinned:
        for one in _movable(manifest, name):
            found[one.key] = one
    return {key: one for key, one in sorted(found.items()) if not one.pins.held}


def _movable(manifest: Manifest, name: str) -> Iterable[Movable]:
    """The shared pins of a package, then those of variants that pin another version."""
    only: tuple[str, ...] = ()
    pins = pin_group_of(manifest, name)
    while pins is not None:
        # Without shared pins the first group belongs to a variant, but still moves as the shared one.
        yield Movable(pins, tuple(sorted(pins.variants)) if only else ())
        variants = {variant for site in pins.others for variant in site.variants}
        only = tuple(sorted(variants))
        pins = pin_group_of(manifest, name, only) if only else None


def group_of(policy: Policy, package: str) -> GroupPolicy:
    """The first group that contains ``package``, or a group of this package alone.

    torch's family moves together, so a pattern that matches one member contains all of them.
    """
    members = FAMILY if package in FAMILY else (package,)
    for group in policy.groups:
        if any(group.holds(member) for member in members):
            return group
    return GroupPolicy(package, (package,), policy.steps)


# -- which groups have updates -------------------------------------------------


@dataclass(frozen=True)
class AvailableReleases:
    """What the indexes and advisories offer.

    ``published`` are the releases by key of the pins; a package that is locked without a pin has its name as the key.
    ``seen`` is when a release without an upload time was first seen. ``vulnerabilities`` are those of the ``locked``
    versions. ``now`` has a UTC offset; ``cut_off`` is the family's exclude-newer.
    """

    published: Mapping[PinKey, Sequence[Published]]
    seen: FirstSeen
    vulnerabilities: Mapping[str, Sequence[KnownVulnerability]]
    locked: Mapping[str, Version]
    now: datetime
    cut_off: datetime | None = None


def first_seen_record(available: AvailableReleases, manifest: Manifest) -> dict[str, dict[str, datetime]]:
    """The new record of first-seen times: every newer release without an upload time that the index still has."""
    found: dict[str, dict[str, datetime]] = {}
    for one in movable_pins(manifest).values():
        name = one.pins.name
        known = available.seen.get(name, {})
        for release in available.published.get(one.key, ()):
            if release.uploaded is not None:
                continue
            # Older releases are never proposed, so they need no record.
            if public(release.version) <= one.pins.current:
                continue
            text = release.version.public
            since = known.get(text, available.now)
            found.setdefault(name, {})[text] = since
    return found


Bases = Mapping[str, tuple[GroupPolicy, Sequence[BaseCandidate]]]
"""The base images that have updates, by group."""

_PartKey = tuple[str, tuple[str, ...]]
"""The policy group's name, and the variants whose own pins move."""


@dataclass
class _GroupPart:
    """A group under construction."""

    policy: GroupPolicy
    candidates: list[Candidate] = field(default_factory=list)
    bases: list[BaseCandidate] = field(default_factory=list)


def due_groups(
    manifest: Manifest, policy: Policy, available: AvailableReleases, bases: Bases | None = None
) -> tuple[list[UpdateGroup], list[Waiting]]:
    """The groups with updates, security fixes first, and the releases that the policy holds back."""
    waiting: list[Waiting] = []
    parts: dict[_PartKey, _GroupPart] = {}
    movable = movable_pins(manifest).values()
    for one in movable:
        group = group_of(policy, one.pins.name)
        choice = _Choice(one.key, one.pins.current, group, policy, available)
        candidate, held_back = choice.candidate()
        waiting += held_back
        if candidate is not None:
            _part(parts, group, one.only).candidates.append(candidate)
    unpinned, held_back = _unpinned(manifest, policy, available)
    waiting += held_back
    for candidate in unpinned:
        group = group_of(policy, candidate.name)
        _part(parts, group, ()).candidates.append(candidate)
    for group, images in (bases or {}).values():
        _part(parts, group, ()).bases.extend(images)
    groups = list(_named(parts, policy, {one.pins.name for one in movable}))
    # Security fixes first: they must not wait because of the limit of open pull requests.
    groups.sort(key=lambda group: (not group.security, group.name))
    return groups, waiting


def _part(parts: dict[_PartKey, _GroupPart], group: GroupPolicy, only: tuple[str, ...]) -> _GroupPart:
    """The part of a group, created on first use. A variant's own pins never mix with shared ones."""
    return parts.setdefault((group.name, only), _GroupPart(group))


def _named(parts: Mapping[_PartKey, _GroupPart], policy: Policy, pinned: Collection[str]) -> Iterable[UpdateGroup]:
    """The groups under unique names.

    The name becomes a branch. So a variant's own pins never take a name that another group could have, even if that
    group has no update today: two groups would take turns on one branch.
    """
    taken = set(pinned)
    taken.update(group.name for group in policy.groups)
    taken.update(name for name, only in parts if not only)
    for (group, only), part in sorted(parts.items()):
        name = group
        if only:
            name += suffix_of(only)
            while name in taken:
                name += "-own"
            taken.add(name)
        yield UpdateGroup(
            name,
            tuple(part.candidates),
            part.policy.partial,
            key_of(part.candidates, part.bases),
            only,
            tuple(part.bases),
        )


def _unpinned(
    manifest: Manifest, policy: Policy, available: AvailableReleases
) -> tuple[list[Candidate], list[Waiting]]:
    """Packages that are locked without a pin and have a vulnerability that a release fixes; and held pins."""
    candidates: list[Candidate] = []
    waiting: list[Waiting] = []
    for name in sorted(available.vulnerabilities.keys() & available.locked.keys()):
        locked = available.locked[name]
        pins = pin_group_of(manifest, name)
        if pins is not None:
            if pins.held:
                waiting.append(Waiting(name, str(locked), "it has a known vulnerability, and its pin is held"))
            continue
        affected = [found.version for found in available.vulnerabilities[name] if found.version is not None]
        current = min(affected, default=locked)
        # With no step allowed, only security fixes move it: the project does not choose its version.
        group = GroupPolicy(name, (name,), ())
        candidate, _ = _Choice(PinKey(name), current, group, policy, available).candidate()
        if candidate is not None:
            candidates.append(candidate)
    return candidates, waiting


@dataclass(frozen=True, slots=True)
class _Choice:
    """The choice of versions for one package that is at ``current``."""

    key: PinKey
    current: Version
    group: GroupPolicy
    policy: Policy
    available: AvailableReleases

    def candidate(self) -> tuple[Candidate | None, list[Waiting]]:
        """The versions to try, None if there are none; and the releases that the policy holds back."""
        allowed: list[Version] = []
        late: list[Version] = []
        held_back: list[tuple[Published, str]] = []
        for release in self._newer():
            excluded = self._excluded(release)
            why = excluded or self._too_early(release)
            if why is None:
                allowed.append(public(release.version))
                continue
            held_back.append((release, why))
            if excluded is None:
                late.append(public(release.version))
        vulnerabilities = self._vulnerabilities()
        # Two builds of one release have the same public version.
        tiers = _tiers(list(dict.fromkeys(allowed)), late, vulnerabilities)
        flat = tuple(version for tier in tiers for version in tier)
        waiting = [
            Waiting(self.key.name, str(release.version), why)
            for release, why in held_back
            if public(release.version) not in flat
        ]
        if not tiers:
            return None, waiting
        fixes = any(_fixes_any(version, vulnerabilities) for version in flat)
        return Candidate(self.key.name, self.current, flat, vulnerabilities, tiers, fixes), waiting

    def _newer(self) -> list[Published]:
        """The releases after the current version, the latest first."""
        releases = self.available.published.get(self.key, ())
        newer = [release for release in releases if _is_newer(release.version, self.current)]
        return sorted(newer, key=lambda release: release.version, reverse=True)

    def _vulnerabilities(self) -> tuple[KnownVulnerability, ...]:
        """The vulnerabilities of the current version: another variant may have another one locked."""
        known = self.available.vulnerabilities.get(self.key.name, ())
        current = public(self.current)
        return tuple(one for one in known if one.version is None or public(one.version) == current)

    def _excluded(self, release: Published) -> str | None:
        """Why ``release`` is not allowed even as a security fix; None if it is."""
        cut_off = self.available.cut_off
        if cut_off is not None and release.uploaded is not None and release.uploaded >= cut_off:
            return "newer than [family] exclude-newer"
        for ignore in self.policy.ignore:
            if ignore.covers(self.key.name, release.version, variants=self.key.variants):
                return ignored(ignore.reason)
        return None

    def _too_early(self, release: Published) -> str | None:
        """Why the step or the age of ``release`` is not allowed; None if both are."""
        seen = self.available.seen.get(self.key.name, {})
        since = release.uploaded or seen.get(release.version.public, self.available.now)
        step = wrong_step(self.current, release.version, self.group)
        return step or cooling(since, self.group, self.policy, self.available.now)


def _is_newer(release: Version, pin: Version) -> bool:
    """Whether ``release`` is an upgrade. A pre-release is one only for a pin that is a pre-release itself.

    Compares public versions: PEP 440 sorts +cu124 above +cu121, but another accelerator is not an upgrade.
    """
    if release.is_prerelease and not pin.is_prerelease:
        return False
    return public(release) > public(pin)


def _tiers(
    allowed: Sequence[Version], held_back: Iterable[Version], vulnerabilities: Sequence[KnownVulnerability]
) -> tuple[tuple[Version, ...], ...]:
    """The versions to try, the best tier first.

    First come versions that fix every vulnerability: those the policy ``allowed`` as one tier, then those it holds
    back, each its own tier, the smallest step first. Then versions that fix some. The rest of ``allowed`` comes last.
    """
    late = sorted(set(held_back))
    fixes = _late_fixes(late, vulnerabilities)
    # A vulnerability that no version fixes must not keep the others from being fixed.
    fixable = [one for one in vulnerabilities if any(one.is_fixed_in(version) for version in (*allowed, *fixes))]
    tiers: list[tuple[Version, ...]] = []
    if fixable:
        for is_fix in (_fixes_all, _fixes_any):
            within_policy = [version for version in allowed if is_fix(version, fixable)]
            tiers.append(tuple(within_policy))
            tiers += [(version,) for version in fixes if is_fix(version, fixable)]
    return _without_repeats([*tiers, tuple(allowed)])


def _late_fixes(late: Sequence[Version], vulnerabilities: Sequence[KnownVulnerability]) -> list[Version]:
    """The smallest steps to a fix of each vulnerability among the releases that the policy holds back."""
    found: set[Version] = set()
    for one in vulnerabilities:
        fixes = [version for version in late if one.is_fixed_in(version)]
        found.update(fixes[:FIXES])
    return sorted(found)


def _fixes_all(version: Version, vulnerabilities: Iterable[KnownVulnerability]) -> bool:
    return all(one.is_fixed_in(version) for one in vulnerabilities)


def _fixes_any(version: Version, vulnerabilities: Iterable[KnownVulnerability]) -> bool:
    return any(one.is_fixed_in(version) for one in vulnerabilities)


def _without_repeats(tiers: Iterable[tuple[Version, ...]]) -> tuple[tuple[Version, ...], ...]:
    """The tiers with each version in the first tier that has it; empty tiers are left out."""
    known: set[Version] = set()
    found = []
    for tier in tiers:
        fresh = tuple(version for version in tier if version not in known)
        known.update(fresh)
        if fresh:
            found.append(fresh)
    return tuple(found)


# -- the policy ----------------------------------------------------------------


def ignored(reason: str) -> str:
    """The text for a release that an ignore rule excludes."""
    return f"ignored: {reason}" if reason else "ignored"


def wrong_step(old: Version, new: Version, group: GroupPolicy) -> str | None:
    """Why ``group`` does not allow the step from ``old`` to ``new``; None if it does."""
    step = step_of(old, new)
    if step in group.steps:
        return None
    return f"a {step} step, but the group allows {', '.join(group.steps) or 'none'}"


def cooling(since: datetime, group: GroupPolicy, policy: Policy, now: datetime) -> str | None:
    """Until when a release that exists ``since`` has to wait; None if its cooldown is over."""
    days = group.cooldown if group.cooldown is not None else policy.cooldown
    until = since + timedelta(days=days)
    if not days or until <= now:
        return None
    return f"cooldown of {counted(days, 'day')} until {until.astimezone(UTC):%Y-%m-%d}"


# -- identifiers ---------------------------------------------------------------


def key_of(candidates: Iterable[Candidate], bases: Iterable[BaseCandidate] = ()) -> str:
    """The identifier of exactly these candidates. On the same base commit, the same key gives the same update."""
    # Branches carry this key, so any change of the data makes every branch out of date once.
    data: list[object] = []
    for candidate in candidates:
        allowed = [str(version) for version in candidate.allowed]
        names = [one.name for one in candidate.vulnerabilities]
        entry = [candidate.name, str(candidate.current), allowed, names]
        data.append(entry)
    data += [[base.name, base.old, base.new, list(base.variants)] for base in bases]
    return digest(data)


def moves_of(moves: Iterable[MovedPin], fixed: Iterable[KnownVulnerability] = ()) -> str:
    """The identifier of exactly these moves.

    It contains the fixed vulnerabilities: an update that a person declined is proposed again once it is known to be a
    security fix.
    """
    made = [[move.name, move.new] for move in moves if move.kind != "cut-off"]
    fixes = {vulnerability.name for vulnerability in fixed}
    return digest([*sorted(made), *sorted(fixes)])


def digest(data: object) -> str:
    """A short hash of plain data: 16 hexadecimal digits."""
    text = json.dumps(data, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# -- which versions to try -----------------------------------------------------

TryVersions = Callable[[Mapping[str, Sequence[Version]], Callable[[Collection[str]], bool]], Mapping[str, str]]
"""Moves each package to the latest version that resolves, and returns the packages that do not move, with the reason.

The second argument decides whether the result may be written, given the packages that do not move.
"""


@dataclass(frozen=True)
class TriedVersions:
    """``stuck`` packages do not move; ``missed`` ones do not get their best version. Both map names to reasons."""

    stuck: Mapping[str, str]
    missed: Mapping[str, str]


def try_versions(group: UpdateGroup, attempt: TryVersions) -> TriedVersions:
    """Try the best tier of every candidate; while one is stuck, try again with its next tier."""
    levels = {candidate.name: candidate.levels for candidate in group.candidates}
    at = dict.fromkeys(levels, 0)
    missed: dict[str, str] = {}
    while True:
        lower = {name for name in levels if at[name] + 1 < len(levels[name])}
        among = {name: levels[name][at[name]] for name in levels}
        # A result counts only if no stuck package has another tier to try.
        stuck = attempt(among, lower.isdisjoint)
        # The first reason wins: it is about the best version.
        missed = {**stuck, **missed}
        again = stuck.keys() & lower
        if not again:
            reached = {name: why for name, why in missed.items() if name not in stuck}
            return TriedVersions(stuck, reached)
        for name in again:
            at[name] += 1
