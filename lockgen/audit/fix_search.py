"""Find the smallest upgrade that gets a package away from all advisories and resolves.

It tries the lowest unaffected release above the locked one first, with all other pins unchanged, then the next one.
`fix_candidates` finds the versions to try, this module calls the resolver, and `fix_blockers` explains a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from packaging.utils import canonicalize_name
from packaging.version import Version

from lockgen.audit.fix_blockers import blocking_requirements, shortened
from lockgen.audit.fix_candidates import CandidateSearch, WantedVersions, later
from lockgen.audit.model import AffectedPackage, Fix, UpgradeStep
from lockgen.conflicts.model import Answer, Proposal, Repairs, Verdict
from lockgen.conflicts.oracle import Oracle
from lockgen.core.accelerator import FAMILY
from lockgen.core.index import ExplicitIndex
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest, Pin
from lockgen.core.parsing import parse_requirement, parse_version
from lockgen.core.ports import Progress
from lockgen.core.resolution import Request
from lockgen.lock.requests import order_of_variants, request_for

_FEW = 3
"""Up to so many candidates are tried one by one. With more, the first question is whether any of them resolves."""


class _Range(NamedTuple):
    """Whether any candidate resolves, and the highest worth trying (None if unknown)."""

    verdict: Verdict
    highest: Version | None


@dataclass
class FixSearch:
    """``repair`` finds which other pins have to move along with an upgrade; None is not to search for that."""

    oracle: Oracle
    candidates: CandidateSearch
    manifest: Manifest
    lock: Lock
    indexes: Mapping[str, ExplicitIndex]
    progress: Progress
    offline: bool = False
    repair: Callable[[WantedVersions], Repairs] | None = None
    _requests: dict[str, Request] = field(default_factory=dict)
    _refreshed: set[str] = field(default_factory=set)

    def fix(self, package: AffectedPackage) -> Fix:
        """The smallest upgrade of ``package``, or why there is none. Every reported upgrade was resolved."""
        if not package.images:
            return Fix(why=("only builds need it: `lockgen resolve --upgrade` takes the latest tools",))
        self.progress.step(f"looking for a release of {package.name} without known vulnerabilities")
        variants = self._variants(package)
        request = self._request_of(package.variants[0])
        released = self.candidates.releases_of(package.name, request)
        # The locked release may be yanked, and so not listed; but then others are.
        if not released:
            return Fix(why=(f"the releases of {package.name} cannot be listed",), known=False)
        found = self.candidates.candidates(package, released, request)
        if not found.upgrades:
            return Fix(why=found.why)
        self._refresh(variants)
        return self._first_that_resolves(package, variants, found.upgrades)

    def _variants(self, package: AffectedPackage) -> list[str]:
        """The variants that an upgrade changes: all that share the pin, or that have the package without a pin."""
        pin = self._pins(package).get(package.name)
        order = order_of_variants(self.manifest)
        if pin is not None:
            return [name for name in order if self.manifest.pins_of(name).get(package.name) == pin]
        # The lock may be older than versions.toml, and have only variants that are gone.
        return [name for name in order if name in package.variants] or list(package.variants)

    def _pins(self, package: AffectedPackage) -> Mapping[str, Pin]:
        return self.manifest.pins_of(package.variants[0])

    # -- what resolves -----------------------------------------------------------

    def _first_that_resolves(
        self, package: AffectedPackage, variants: Sequence[str], upgrades: Sequence[WantedVersions]
    ) -> Fix:
        if len(upgrades) > _FEW and len(upgrades[0]) == 1:
            verdict, highest = self._resolvable_range(package, variants, upgrades)
            if verdict.answer is Answer.NO:
                return self._no_fix(package, variants, upgrades, verdict.reason)
            if highest is not None:
                within = [each for each in upgrades if parse_version(each[package.name]) <= highest]
                # The range also matches other builds of the first release: if the resolver took one, all are tried.
                upgrades = within or upgrades
        doubts: list[str] = []
        refused = ""
        for upgrade in upgrades:
            verdict = self._resolves(variants, upgrade)
            if verdict.answer is Answer.YES:
                return self._as_fix(package, variants, upgrade, known=not doubts)
            if verdict.answer is Answer.NO:
                refused = refused or verdict.reason
            else:
                doubts.append(shortened(verdict.reason))
        # With an unanswered question, "no fix" would be a guess.
        if doubts:
            return Fix(why=tuple(dict.fromkeys(doubts)), known=False)
        return self._no_fix(package, variants, upgrades, refused)

    def _resolvable_range(
        self, package: AffectedPackage, variants: Sequence[str], upgrades: Sequence[WantedVersions]
    ) -> _Range:
        """Whether any of ``upgrades`` resolves. A resolver takes the highest that does: none above is worth trying."""
        name = package.name
        free = [parse_version(upgrade[name]) for upgrade in upgrades]
        released = self.candidates.releases_of(name, self._request_of(package.variants[0]))
        affected = [
            version
            for version in later(released, parse_version(package.version))
            if version > free[0] and version not in free
        ]
        bounds = [f"{name}>={free[0].public}", *(f"{name}!={version.public}" for version in affected)]
        verdict = Verdict(Answer.UNKNOWN)
        taken: list[Version] = []
        for variant in variants:
            verdict = self.oracle.ask(self._changed_request(variant, [name], bounds))
            if verdict.answer is not Answer.YES:
                return _Range(verdict, None)
            if name in verdict.versions:
                taken.append(parse_version(verdict.versions[name]))
        return _Range(verdict, min(taken, default=None))

    def _resolves(self, variants: Sequence[str], upgrade: WantedVersions) -> Verdict:
        """The first answer other than yes, or else the last."""
        bounds = [f"{name}=={version}" for name, version in upgrade.items()]
        verdict = Verdict(Answer.UNKNOWN)
        for variant in variants:
            verdict = self.oracle.ask(self._changed_request(variant, upgrade, bounds))
            if verdict.answer is not Answer.YES:
                break
        return verdict

    # -- requests ----------------------------------------------------------------

    def _request_of(self, variant: str) -> Request:
        """The request for what is locked."""
        if variant not in self._requests:
            locked = self.lock.by_variant.get(variant, {})
            preferences = {name: package.version for name, package in locked.items()}
            self._requests[variant] = request_for(
                self.manifest, [variant], self.indexes, preferences, offline=self.offline
            )
        return self._requests[variant]

    def _refresh(self, variants: Iterable[str]) -> None:
        """Query the index about all locked packages: a cached page may lack the very release that fixes one."""
        for variant in variants:
            if not self.offline and variant not in self._refreshed:
                self._refreshed.add(variant)
                self.oracle.ask(self._request_of(variant), warm=True)

    def _changed_request(self, variant: str, moving: Collection[str], bounds: Iterable[str]) -> Request:
        """The request for what is locked, with ``bounds`` instead of the pins of what is ``moving``."""
        locked = self._request_of(variant)
        kept = {text for text in locked.constraints if canonicalize_name(parse_requirement(text).name) not in moving}
        preferences = {name: version for name, version in locked.preferences.items() if name not in moving}
        return replace(locked, constraints=tuple(sorted(kept | set(bounds))), preferences=preferences)

    # -- an upgrade as a fix -----------------------------------------------------

    def _as_fix(
        self, package: AffectedPackage, variants: Sequence[str], upgrade: WantedVersions, *, known: bool
    ) -> Fix:
        """``upgrade`` as a fix. A package without a pin gets one if `resolve -P` would take an affected release."""
        steps = self._steps(package, upgrade)
        notes = self._notes(package, upgrade)
        unpinned = {step.name for step in steps if step.path is None}
        order = order_of_variants(self.manifest)
        concerned = [variant for variant in order if unpinned & self._unpinned_packages(variant)]
        if not unpinned or self._is_latest_good(upgrade, unpinned, concerned):
            return Fix(tuple(steps), tuple(notes), known=known)
        # [pins] applies to all variants that have the package.
        tables: list[tuple[str, ...]] = [("pins",)]
        others = [variant for variant in concerned if variant not in variants]
        if others and self._resolves(others, upgrade).answer is not Answer.YES:
            tables = [("variants", variant, "pins") for variant in variants]
            notes.append(
                f"a pin for all variants would also apply to {', '.join(others)}, which may not resolve with it"
            )
        pinned: list[UpgradeStep] = []
        added: list[UpgradeStep] = []
        for step in steps:
            if step.path is not None:
                pinned.append(step)
                continue
            added += [replace(step, path=(*table, step.name)) for table in tables]
        return Fix((*pinned, *added), tuple(notes), known=known)

    def _steps(self, package: AffectedPackage, upgrade: WantedVersions) -> list[UpgradeStep]:
        locked = self.lock.by_variant[package.variants[0]]
        pins = self._pins(package)
        steps = []
        for name, new in sorted(upgrade.items()):
            if name not in locked:
                continue
            old = locked[name].version
            if parse_version(old) != parse_version(new):
                path = pins[name].path if name in pins else None
                steps.append(UpgradeStep(name, old, new, path))
        return steps

    def _notes(self, package: AffectedPackage, upgrade: WantedVersions) -> list[str]:
        pins = self._pins(package)
        held = [name for name in upgrade if name in pins and pins[name].held]
        return [f"the pin of {name} is held: lockgen never moves it by itself" for name in held]

    def _unpinned_packages(self, variant: str) -> set[str]:
        return self.lock.by_variant.get(variant, {}).keys() - self.manifest.pins_of(variant).keys()

    def _is_latest_good(self, upgrade: WantedVersions, unpinned: Collection[str], variants: Sequence[str]) -> bool:
        """Whether the releases that a resolver takes of ``unpinned``, the latest that fit, are free of advisories."""
        bounds = [f"{name}=={version}" for name, version in upgrade.items() if name not in unpinned]
        for variant in variants:
            # Warm: without the metadata of the latest release in its cache, a resolver would take a lower one.
            verdict = self.oracle.ask(self._changed_request(variant, upgrade, bounds), warm=True)
            if verdict.answer is not Answer.YES:
                return False
            for name, version in verdict.versions.items():
                if name not in unpinned:
                    continue
                # Another torch could be a build for another accelerator.
                is_other_torch = name in FAMILY and version != upgrade[name]
                if is_other_torch or not self.candidates.is_good(name, version):
                    return False
        return True

    # -- what does not resolve ---------------------------------------------------

    def _no_fix(
        self, package: AffectedPackage, variants: Sequence[str], upgrades: Sequence[WantedVersions], reason: str
    ) -> Fix:
        """The repair of the smallest upgrade; without one, why no upgrade resolves."""
        repaired = self._repaired(package, upgrades[0])
        return repaired or self._blocked(package, variants, upgrades, reason)

    def _repaired(self, package: AffectedPackage, upgrade: WantedVersions) -> Fix | None:
        """``upgrade`` with the fewest other pins that have to move; none of them to an affected release."""
        pins = self._pins(package)
        if self.repair is None or not pins.keys() >= upgrade.keys():
            return None
        self.progress.step(f"looking for other pins to move with {package.name} {upgrade[package.name]}")
        for proposal in self.repair(upgrade).proposals:
            moved = _pin_steps(proposal)
            if moved is not None and self._are_good(moved):
                steps = [*self._steps(package, upgrade), *moved]
                notes = self._notes(package, upgrade)
                return Fix(tuple(steps), tuple(notes))
        return None

    def _are_good(self, steps: Iterable[UpgradeStep]) -> bool:
        return all(self.candidates.is_good(step.name, step.new) for step in steps)

    def _blocked(
        self, package: AffectedPackage, variants: Sequence[str], upgrades: Sequence[WantedVersions], reason: str
    ) -> Fix:
        """No fix: the requirements in the way, or else the resolver's ``reason``."""
        name = package.name
        offered = [parse_version(upgrade[name]) for upgrade in upgrades if name in upgrade]
        why = blocking_requirements(name, offered, self.lock, self.manifest, variants)
        if not why:
            lowest = ", ".join(f"{each} {version}" for each, version in upgrades[0].items())
            why = [f"the family has no solution with {lowest}: {shortened(reason)}"]
        # Only pins can be repaired.
        if name in self._pins(package):
            why.append(_NO_REPAIR if self.repair is None else _REPAIR_FAILED)
        return Fix(why=tuple(why))


_NO_REPAIR = "--repair also searches for other pins that have to change"
_REPAIR_FAILED = "changing other pins does not help either"


def _pin_steps(proposal: Proposal) -> list[UpgradeStep] | None:
    """The moves of ``proposal`` as steps; None if one of them is not a pin that moves to another version."""
    moves = {}
    # An element may be dropped in one variant and moved in another: the version counts, so it comes last.
    for move in sorted(proposal.moves, key=lambda move: move.to is not None):
        moves[move.constraint.path] = move
    steps = []
    for move in moves.values():
        pin = move.constraint
        if move.to is None or pin.kind != "pin":
            return None
        steps.append(UpgradeStep(pin.name, pin.version or "", move.to, pin.path))
    return steps


def with_pins(manifest: Manifest, upgrade: WantedVersions) -> Manifest:
    """``manifest`` with the pins of the packages in ``upgrade`` moved to these versions, and held there.

    A pin moves only from a version with the same local part: torch for cu121 is not torch for the CPU.
    """
    variants = {
        name: replace(variant, pins=_moved(variant.pins, upgrade)) for name, variant in manifest.variants.items()
    }
    return replace(manifest, pins=_moved(manifest.pins, upgrade), variants=variants)


def _moved(pins: Mapping[str, Pin], upgrade: WantedVersions) -> dict[str, Pin]:
    moved = {}
    for name, pin in pins.items():
        moved[name] = pin
        if name in upgrade:
            version = parse_version(upgrade[name])
            if version.local == pin.version.local:
                moved[name] = Pin(version, pin.path, held=True)
    return moved
