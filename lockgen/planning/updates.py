"""Which pins are due for an update, in which groups, and which versions of them to try.

Nothing here touches anything: what the indexes and the advisories say is gathered at the edges.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from packaging.version import Version

from lockgen.model.accelerator import FAMILY
from lockgen.model.bumps import Unit, public
from lockgen.model.manifest import Manifest
from lockgen.model.policy import GroupPolicy, Policy, Step
from lockgen.model.update import (
    BaseCandidate,
    Candidate,
    Group,
    Moved,
    Published,
    Waiting,
    Weakness,
)
from lockgen.planning.units import unit_of

Seen = Mapping[str, Mapping[str, datetime]]
"""Package to version to the moment in which it was first seen."""


def step_of(old: Version, new: Version) -> Step:
    """How far it is from ``old`` to ``new``: the first number, the second, or any later one (an epoch is a major)."""
    before, after = (*old.release, 0, 0)[:2], (*new.release, 0, 0)[:2]
    if old.epoch != new.epoch or before[0] != after[0]:
        return "major"
    return "minor" if before[1] != after[1] else "patch"


@dataclass(frozen=True, slots=True)
class Movable:
    """What moves as one. ``only`` are the variants that have it in a version of their own; empty of everybody's."""

    unit: Unit
    only: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """A name that no other has: the package that leads, and whose it is."""
        return " ".join((self.unit.name, *self.only))


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
class Market:
    """What there is to move to: ``published`` releases by the key of what is movable (a package's name, where it is
    locked without a pin), ``seen`` when one without a time came up.

    ``weaknesses`` are those of the ``locked`` versions; ``now`` has an offset, ``cut_off`` is
    the family's exclude-newer.
    """

    published: Mapping[str, Sequence[Published]]
    seen: Seen
    weaknesses: Mapping[str, Sequence[Weakness]]
    locked: Mapping[str, Version]
    now: datetime
    cut_off: datetime | None = None


def unseen(market: Market, manifest: Manifest) -> dict[str, dict[str, datetime]]:
    """What was seen, with every newer release without an upload time that was not yet in it; gone ones are left out."""
    found: dict[str, dict[str, datetime]] = {}
    for key, one in movable(manifest).items():
        name, known = one.unit.name, market.seen.get(one.unit.name, {})
        for release in market.published.get(key, ()):
            if release.uploaded is None and public(release.version) > one.unit.current:
                text = release.version.public
                found.setdefault(name, {})[text] = known.get(text, market.now)
    return found


Bases = Mapping[str, tuple[GroupPolicy, Sequence[BaseCandidate]]]
"""The base images that are due, by group."""


def due(
    manifest: Manifest, policy: Policy, market: Market, bases: Bases | None = None
) -> tuple[list[Group], list[Waiting]]:
    """The groups with something to move, those with a known vulnerability first; and what the policy holds back."""
    waiting: list[Waiting] = []
    parts: dict[tuple[str, tuple[str, ...]], _Part] = {}
    for key, one in movable(manifest).items():
        group = group_of(policy, one.unit.name)
        held_back: list[Waiting] = []
        candidate = _candidate(one.unit.name, one.unit.current, key, group, policy, market, held_back)
        waiting += held_back
        if candidate is not None:
            parts.setdefault((group.name, one.only), _Part(group)).candidates.append(candidate)
    for candidate in _unpinned(manifest, policy, market, waiting):
        group = group_of(policy, candidate.name)
        parts.setdefault((group.name, ()), _Part(group)).candidates.append(candidate)
    for name, (group, images) in (bases or {}).items():
        parts.setdefault((name, ()), _Part(group)).bases.extend(images)
    return sorted(_named(parts), key=lambda group: (not group.security, group.name)), waiting


@dataclass
class _Part:
    """A group in the making."""

    policy: GroupPolicy
    candidates: list[Candidate] = field(default_factory=list)
    bases: list[BaseCandidate] = field(default_factory=list)


def _named(parts: Mapping[tuple[str, tuple[str, ...]], _Part]) -> Iterable[Group]:
    """Each with a name of its own: it becomes a branch, and a variant's own pins have one for themselves."""
    taken = {name for name, only in parts if not only}
    for (group, only), part in sorted(parts.items()):
        name = group
        if only:
            name = "-".join([group, *(variant.replace(".", "-") for variant in only)])
            while name in taken:
                name += "-own"
            taken.add(name)
        key = key_of(part.candidates, part.bases)
        yield Group(name, tuple(part.candidates), part.policy.partial, key, only, tuple(part.bases))


def _unpinned(manifest: Manifest, policy: Policy, market: Market, waiting: list[Waiting]) -> Iterable[Candidate]:
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
        candidate = _candidate(name, current, name, group, policy, market, [])
        if candidate is not None:
            yield replace(candidate, pinned=False)


def _candidate(
    name: str, current: Version, key: str, group: GroupPolicy, policy: Policy, market: Market, waiting: list[Waiting]
) -> Candidate | None:
    known = market.weaknesses.get(name, ())
    weaknesses = tuple(one for one in known if one.version is None or public(one.version) == public(current))
    mended = max((min(weakness.fixed) for weakness in weaknesses if weakness.fixed), default=None)
    allowed: list[Version] = []
    held_back: list[tuple[Published, str]] = []
    for release in sorted(market.published.get(key, ()), key=lambda release: release.version, reverse=True):
        if not _is_newer(release.version, current):
            continue
        why = _ruled_out(name, release, policy, market) or _too_early(name, release, current, group, policy, market)
        if why is None:
            allowed.append(release.version)
        else:
            held_back.append((release, why))
    if mended is not None and not any(public(version) >= mended for version in allowed):
        fixes = [r for r, _ in held_back if public(r.version) >= mended and not _ruled_out(name, r, policy, market)]
        taken = sorted(fixes, key=lambda release: release.version)[:FIXES]
        held_back = [(release, why) for release, why in held_back if release not in taken]
        allowed = [*(release.version for release in taken), *allowed]
    waiting += [Waiting(name, str(release.version), why) for release, why in held_back]
    return Candidate(name, current, _once(allowed), weaknesses) if allowed else None


FIXES = 3
"""How many releases that end a vulnerability, and that the policy would hold back, may be taken: the smallest steps."""


def _once(versions: Sequence[Version]) -> tuple[Version, ...]:
    """Without the builds of other accelerators: which of them it is, whoever moves the pin decides."""
    return tuple(dict.fromkeys(Version(version.public) for version in versions))


def _is_newer(release: Version, pin: Version) -> bool:
    """By public version: PEP 440 sorts +cu124 above +cu121. A pre-release only after a pre-release."""
    return public(release) > public(pin) and (not release.is_prerelease or pin.is_prerelease)


def _ruled_out(name: str, release: Published, policy: Policy, market: Market) -> str | None:
    """Why nobody may take ``release``, whatever it mends; None where one may."""
    if market.cut_off is not None and release.uploaded is not None and release.uploaded >= market.cut_off:
        return "newer than [family] exclude-newer"
    for ignore in policy.ignore:
        if ignore.covers(name, release.version):
            return f"ignored{f': {ignore.reason}' if ignore.reason else ''}"
    return None


def _too_early(
    name: str, release: Published, pin: Version, group: GroupPolicy, policy: Policy, market: Market
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


def moves_of(moves: Iterable[Moved]) -> str:
    """A name for exactly these moves."""
    return digest([[m.name, m.new] for m in sorted(moves, key=lambda m: (m.name, m.new)) if m.kind != "cut-off"])


def digest(data: object) -> str:
    """A short name for plain data."""
    return hashlib.sha256(json.dumps(data, separators=(",", ":")).encode()).hexdigest()[:16]


# -- which versions to try -----------------------------------------------------

TRIES = 8
"""How many versions of a package are tried before it is said to be stuck."""

Resolves = Callable[[Mapping[str, Version]], str | None]
"""Whether the family resolves with these versions: None, or the words that say why not."""


@dataclass(frozen=True)
class Choice:
    """``versions`` resolve together; ``stuck`` maps a package that cannot move to why its newest does not resolve."""

    versions: Mapping[str, Version]
    stuck: Mapping[str, str]


def choose(group: Group, resolves: Resolves) -> Choice:
    """The newest that fits of every candidate: all at once, else one after the other, each as new as it can be.

    Where one cannot move and the group is not ``partial``, nothing does.
    """
    newest = {candidate.name: candidate.allowed[0] for candidate in group.candidates}
    why = resolves(newest)
    if why is None:
        return Choice(newest, {})
    versions: dict[str, Version] = {}
    stuck: dict[str, str] = {}
    for candidate in group.candidates:
        chosen, reason = _newest_beside(candidate, versions, resolves, why if len(newest) == 1 else None)
        if chosen is None:
            stuck[candidate.name] = reason
            if not group.partial:
                return Choice({}, stuck)
        else:
            versions[candidate.name] = chosen
    return Choice(versions, stuck)


def _newest_beside(
    candidate: Candidate, versions: Mapping[str, Version], resolves: Resolves, known: str | None
) -> tuple[Version | None, str]:
    """The newest version that resolves beside ``versions``; else None and why the newest does not.

    ``known`` is why the newest does not, where that was asked already.
    """
    first = known
    for version in candidate.allowed[1 if known is not None else 0 : TRIES]:
        why = resolves({**versions, candidate.name: version})
        if why is None:
            return version, ""
        first = first if first is not None else why
    return None, first or ""
