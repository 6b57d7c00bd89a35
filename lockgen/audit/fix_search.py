"""The smallest upgrade that gets away from what is known to be wrong with a package, and resolves.

The lowest release above the locked one that no advisory means is asked for first, with everything else as it is
pinned; then the next. torch's family moves as one, by the pair table, and stays on its accelerator.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from lockgen.audit.advisory import Advisory
from lockgen.audit.model import AffectedPackage, Fix, UpgradeStep
from lockgen.audit.vulnerabilities import is_free
from lockgen.conflicts.model import Answer, Repairs, Verdict
from lockgen.conflicts.oracle import Oracle
from lockgen.core.accelerator import FAMILY
from lockgen.core.compat_axes import Pairs
from lockgen.core.index import ExplicitIndex
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest, Pin
from lockgen.core.ports import Progress
from lockgen.core.resolution import Request
from lockgen.index.ports import Releases
from lockgen.lock.requests import order_of_variants, request_for

_FEW = 3
"""So many releases are simply asked for; with more, first whether any of them goes at all."""

WantedVersions = Mapping[str, str]
"""Package to the version that it takes."""


@dataclass
class FixSearch:
    """``advisories`` tells all that count against a package. ``repair`` looks for what else has to move where pins take
    versions of that kind and stay there; None is not to look.
    """

    session: Oracle
    releases: Releases
    pairs: Pairs
    manifest: Manifest
    lock: Lock
    indexes: Mapping[str, ExplicitIndex]
    advisories: Callable[[str], Sequence[Advisory]]
    progress: Progress
    offline: bool = False
    repair: Callable[[WantedVersions], Repairs] | None = None
    _bases: dict[str, Request] = field(default_factory=dict)
    _warmed: set[str] = field(default_factory=set)

    def fix(self, holder: AffectedPackage) -> Fix:
        """The smallest upgrade of ``holder``, or why there is none. Nothing is told that was not resolved."""
        if not holder.images:
            return Fix(why=("only building needs it: `lockgen resolve --upgrade` takes the newest tools",))
        self.progress.step(f"looking for a release of {holder.name} that no advisory means")
        variants = self._variants(holder)
        request = self._base(holder.variants[0])
        listed = self._listed(holder.name, request)
        if not listed:  # a locked release that was yanked since is not listed, and others are
            return Fix(why=(f"nobody can tell which releases of {holder.name} there are",), known=False)
        ways, lacks = self._ways(holder, listed, request)
        if not ways:
            return Fix(why=tuple(lacks) or self._none(holder, listed, request))
        self._warm(variants)
        return self._walked(holder, variants, ways)

    # -- what there is ---------------------------------------------------------

    def _variants(self, holder: AffectedPackage) -> list[str]:
        """Those that feel it: all that share its pin, or hold it where it has none."""
        pin = self.manifest.pins_of(holder.variants[0]).get(holder.name)
        order = order_of_variants(self.manifest)
        if pin is None:
            return [name for name in order if name in holder.variants] or list(holder.variants)
        return [name for name in order if self.manifest.pins_of(name).get(holder.name) == pin]

    def _base(self, variant: str) -> Request:
        if variant not in self._bases:
            kept = {name: package.version for name, package in self.lock.by_variant.get(variant, {}).items()}
            self._bases[variant] = request_for(self.manifest, [variant], self.indexes, kept, offline=self.offline)
        return self._bases[variant]

    def _warm(self, variants: Iterable[str]) -> None:
        """Asks the index about all that is locked: a page that a cache kept may lack the very release that fixes."""
        for variant in variants:
            if not self.offline and variant not in self._warmed:
                self._warmed.add(variant)
                self.session.ask(self._base(variant), warm=True)

    def _listed(self, name: str, request: Request) -> list[Version]:
        return sorted(map(Version, self.releases.usable(name, request)))

    def _ways(
        self, holder: AffectedPackage, listed: Sequence[Version], request: Request
    ) -> tuple[list[WantedVersions], list[str]]:
        """What may be taken instead, the lowest first; and what torch's family lacks where nothing may."""
        if holder.name in FAMILY and FAMILY[0] in self.lock.by_variant[holder.variants[0]]:
            return self._family_ways(holder, request)
        later = _later(listed, Version(holder.version))
        known = self.advisories(holder.name)
        return [{holder.name: str(version)} for version in later if is_free(holder.name, version, known)], []

    def _family_ways(self, holder: AffectedPackage, request: Request) -> tuple[list[WantedVersions], list[str]]:
        held = self.lock.by_variant[holder.variants[0]]
        members = [name for name in FAMILY if name in held]
        lead = FAMILY[0]
        now = Version(held[lead].version)
        listed = {name: self._listed(name, request) for name in members}
        later = [version for version in _later(listed[lead], now) if self._is_same_build(version, now, request)]
        if not later:
            return [], [self._ends(lead, now, request)]
        ways: list[WantedVersions] = []
        lacks: list[str] = []
        for version in later:
            way = self._together(lead, version, members, listed)
            if isinstance(way, str):
                lacks.append(way)
            elif all(is_free(name, Version(new), self.advisories(name)) for name, new in way.items()):
                ways.append(way)
        if not ways and not lacks:
            index = request.routes.get(lead)
            where = f"on index {index}" if index is not None else "for the same accelerator"
            lacks.append(f"advisories mean every later {lead} {where}, up to {later[-1]}")
        return ways, lacks

    def _ends(self, name: str, now: Version, request: Request) -> str:
        index = request.routes.get(name)
        if index is not None:
            return f"{name} {now} is the last on index {index}: another accelerator is another variant"
        return f"no later {name} on the default index is known to be for the same accelerator"

    def _is_same_build(self, version: Version, now: Version, request: Request) -> bool:
        """Whether the accelerator stays: by the local part, or by the pair table where builds do not say theirs."""
        if version.local != now.local:
            return False
        known = self.pairs.get(now.public)
        if FAMILY[0] in request.routes or known is None or known.accelerator is None:
            return True
        release = self.pairs.get(version.public)
        return release is not None and release.accelerator == known.accelerator

    def _together(
        self, lead: str, version: Version, members: Sequence[str], listed: Mapping[str, Sequence[Version]]
    ) -> WantedVersions | str:
        """What goes with ``version`` of ``lead``, or what is lacking."""
        found = {lead: str(version)}
        release = self.pairs.get(version.public)
        for name in members:
            if name == lead:
                continue
            member = release.members.get(name) if release is not None else None
            if member is None or member.version is None:
                return f"nobody knows which {name} belongs to {lead} {version}"
            fits = [v for v in listed[name] if v.public == Version(member.version).public and v.local == version.local]
            if not fits:
                return f"there is no {name} {member.version} beside {lead} {version}"
            found[name] = str(fits[-1])
        return found

    def _none(self, holder: AffectedPackage, listed: Sequence[Version], request: Request) -> tuple[str, ...]:
        """Why nothing can be taken: nothing is later, or all of it is meant too; or it came after the cut-off."""
        now = Version(holder.version)
        later = _later(listed, now)
        index = request.routes.get(holder.name)
        where = f"on index {index}" if index is not None else "that runs on the target"
        if later:
            said = f"advisories mean every later release {where}, up to {later[-1]}"
        else:
            said = f"there is no later release {where}"
        cut_off = request.exclude_newer
        if cut_off is None:
            return (said,)
        uncut = _later(self._listed(holder.name, replace(request, exclude_newer=None)), now)
        free = [v for v in uncut if is_free(holder.name, v, self.advisories(holder.name))]
        when = cut_off.astimezone(UTC).date()
        if free:
            return (f"{said}; {free[0]} would do, and is newer than [family] exclude-newer ({when})",)
        return (f"{said}, published before [family] exclude-newer ({when})",)

    # -- what resolves ---------------------------------------------------------

    def _walked(self, holder: AffectedPackage, variants: Sequence[str], ways: Sequence[WantedVersions]) -> Fix:
        doubts: list[str] = []
        refused = ""
        if len(ways) > _FEW and len(ways[0]) == 1:
            verdict, highest = self._any(holder, variants, ways)
            if verdict.answer is Answer.NO:
                blocked = Fix(why=self._in_the_way(holder, variants, ways, verdict.reason))
                return self._repaired(holder, ways[0]) or blocked
            if highest is not None:
                ways = [way for way in ways if Version(way[holder.name]) <= highest] or ways
        for way in ways:
            verdict = self._verdict(variants, way)
            if verdict.answer is Answer.YES:
                return self._taken(way, holder, variants, known=not doubts)
            if verdict.answer is Answer.NO:
                refused = refused or verdict.reason
            else:
                doubts.append(_short(verdict.reason))
        if doubts:
            return Fix(why=tuple(dict.fromkeys(doubts)), known=False)
        return self._repaired(holder, ways[0]) or Fix(why=self._in_the_way(holder, variants, ways, refused))

    def _taken(self, way: WantedVersions, holder: AffectedPackage, variants: Sequence[str], *, known: bool) -> Fix:
        """``way`` as a fix. What has no pin gets one where `resolve -P` would take a release that is bad too.

        The path of such a step is where its pin will be: [pins] holds for all variants that have the package, else
        each variant needs one of its own.
        """
        steps, said = self._steps(way, holder), self._said(way, holder)
        loose = {step.name for step in steps if step.path is None}
        every = [v for v in order_of_variants(self.manifest) if loose & self._unpinned(v)]
        if not loose or self._is_good_newest(way, loose, every):
            return Fix(steps, said, known=known)
        others = [variant for variant in every if variant not in variants]
        if not others or self._verdict(others, way).answer is Answer.YES:
            tables: list[tuple[str, ...]] = [("pins",)]
        else:
            tables = [("variants", variant, "pins") for variant in variants]
            said = (*said, f"a pin for all variants would be one for {', '.join(others)} too, which may not take it")
        added = tuple(
            replace(step, path=(*table, step.name)) for step in steps if step.path is None for table in tables
        )
        return Fix((*(step for step in steps if step.path is not None), *added), said, known=known)

    def _unpinned(self, variant: str) -> set[str]:
        return self.lock.by_variant.get(variant, {}).keys() - self.manifest.pins_of(variant).keys()

    def _is_good_newest(self, way: WantedVersions, loose: Collection[str], variants: Sequence[str]) -> bool:
        """Whether what a resolver takes of ``loose`` is free: it takes the newest that goes. torch keeps its build."""
        bounds = [f"{name}=={version}" for name, version in way.items() if name not in loose]
        for variant in variants:
            # Warm: a cache that lacks the metadata of the newest makes a resolver take a lower one.
            answer = self.session.ask(self._request(variant, dict.fromkeys(way, ""), bounds), warm=True)
            taken = {name: version for name, version in answer.versions.items() if name in loose}
            strange = any(name in FAMILY and version != way[name] for name, version in taken.items())
            if answer.answer is not Answer.YES or strange:
                return False
            if not all(self._is_good(name, version) for name, version in taken.items()):
                return False
        return True

    def _repaired(self, holder: AffectedPackage, way: WantedVersions) -> Fix | None:
        """``way`` with the fewest other pins that let it be; none of them to a release that advisories mean."""
        pins = self.manifest.pins_of(holder.variants[0])
        if self.repair is None or not all(name in pins for name in way):
            return None
        self.progress.step(f"looking for what else has to move with {holder.name} {way[holder.name]}")
        for proposal in self.repair(way).proposals:
            # A pin is let go of where no image of a variant needs it, and has a version where one does.
            ordered = sorted(proposal.moves, key=lambda m: m.to is not None)
            moves = {m.constraint.path: (m.constraint, m.to) for m in ordered}
            steps = [
                UpgradeStep(e.name, e.version or "", to, e.path) for e, to in moves.values() if to and e.kind == "pin"
            ]
            if len(steps) == len(moves) and all(self._is_good(step.name, step.new) for step in steps):
                return Fix((*self._steps(way, holder), *steps), self._said(way, holder))
        return None

    def _is_good(self, name: str, version: str) -> bool:
        return is_free(name, Version(version), self.advisories(name))

    def _any(
        self, holder: AffectedPackage, variants: Sequence[str], ways: Sequence[WantedVersions]
    ) -> tuple[Verdict, Version | None]:
        """Whether any of ``ways`` goes; what a resolver takes of them is then the highest worth asking for."""
        free = [Version(way[holder.name]) for way in ways]
        listed = _later(self._listed(holder.name, self._base(holder.variants[0])), Version(holder.version))
        strange = [v for v in listed if v > free[0] and v not in free]
        bounds = [f"{holder.name}>={free[0].public}", *(f"{holder.name}!={v.public}" for v in strange)]
        answer = Verdict(Answer.UNKNOWN)
        taken: list[Version] = []
        for variant in variants:
            answer = self.session.ask(self._request(variant, {holder.name: ""}, bounds))
            if answer.answer is not Answer.YES:
                return answer, None
            taken += [Version(answer.versions[holder.name])] if holder.name in answer.versions else []
        return answer, min(taken, default=None)

    def _verdict(self, variants: Sequence[str], way: WantedVersions) -> Verdict:
        """The first answer that is no yes; else the last."""
        answer = Verdict(Answer.UNKNOWN)
        for variant in variants:
            answer = self.session.ask(self._request(variant, way, [f"{n}=={v}" for n, v in way.items()]))
            if answer.answer is not Answer.YES:
                break
        return answer

    def _request(self, variant: str, moving: WantedVersions, bounds: Iterable[str]) -> Request:
        base = self._base(variant)
        kept = {text for text in base.constraints if canonicalize_name(Requirement(text).name) not in moving}
        preferences = {name: version for name, version in base.preferences.items() if name not in moving}
        return replace(base, constraints=tuple(sorted(kept | set(bounds))), preferences=preferences)

    def _steps(self, way: WantedVersions, holder: AffectedPackage) -> tuple[UpgradeStep, ...]:
        held = self.lock.by_variant[holder.variants[0]]
        pins = self.manifest.pins_of(holder.variants[0])
        return tuple(
            UpgradeStep(name, held[name].version, new, pins[name].path if name in pins else None)
            for name, new in sorted(way.items())
            if name in held and Version(held[name].version) != Version(new)
        )

    def _said(self, way: WantedVersions, holder: AffectedPackage) -> tuple[str, ...]:
        pins = self.manifest.pins_of(holder.variants[0])
        held = [name for name in way if name in pins and pins[name].held]
        return tuple(f"the pin of {name} is held: only people move it" for name in held)

    # -- what stands in the way ------------------------------------------------

    def _in_the_way(
        self, holder: AffectedPackage, variants: Sequence[str], ways: Sequence[WantedVersions], reason: str
    ) -> tuple[str, ...]:
        """Needs that no release on offer meets; else that the lowest does not; else what the resolver says."""
        offered = [Version(way[holder.name]) for way in ways if holder.name in way]
        needs = list(dict.fromkeys(self._needs(holder.name, variants)))
        for versions in (offered, offered[:1]):
            blocking = [who for who, bound in needs if not any(bound.contains(v, prereleases=True) for v in versions)]
            if blocking and versions:
                return (*blocking, *self._more(holder, ways))
        lowest = ", ".join(f"{name} {version}" for name, version in ways[0].items())
        return (f"with {lowest} the family has no solution: {_short(reason)}", *self._more(holder, ways))

    def _more(self, holder: AffectedPackage, ways: Sequence[WantedVersions]) -> Iterable[str]:
        """Where other pins could move too, that is repair's to find."""
        if holder.name in self.manifest.pins_of(holder.variants[0]):
            yield (
                "with --repair lockgen looks for what else has to move"
                if self.repair is None
                else ("no other pins that may move let it be")
            )

    def _needs(self, name: str, variants: Sequence[str]) -> Iterable[tuple[str, SpecifierSet]]:
        for variant in variants:
            for package in self.lock.by_variant.get(variant, {}).values():
                for need in (*package.requires, *(n for needs in package.extras.values() for n in needs)):
                    if need.name == name and need.specifier:
                        yield (
                            f"{package.name} {package.version} needs {name}{need.specifier}",
                            SpecifierSet(need.specifier),
                        )
        asks = [("[common]", ask) for ask in self.manifest.common]
        asks += [(image.name, ask) for image in self.manifest.images.values() for ask in image.packages]
        for who, ask in asks:
            if ask.name == name and ask.requirement.specifier:
                yield f"{who} asks for {ask.text}", ask.requirement.specifier


def _later(listed: Iterable[Version], now: Version) -> list[Version]:
    return [v for v in listed if v > now and v.public != now.public and (now.is_prerelease or not v.is_prerelease)]


def _short(reason: str) -> str:
    """A resolver's derivation in one line."""
    text = " ".join(reason.split())
    return text if len(text) <= 300 else text[:297] + "..."


def with_pins(manifest: Manifest, way: WantedVersions) -> Manifest:
    """``manifest`` with the pins of the packages in ``way`` at these versions, and held there.

    A pin is moved where it stands at a version with the same local part: torch of cu121 is not that of cpu.
    """
    variants = {name: replace(variant, pins=_moved(variant.pins, way)) for name, variant in manifest.variants.items()}
    return replace(manifest, pins=_moved(manifest.pins, way), variants=variants)


def _moved(pins: Mapping[str, Pin], way: WantedVersions) -> dict[str, Pin]:
    return {
        name: Pin(Version(way[name]), pin.path, held=True)
        if name in way and pin.version.local == Version(way[name]).local
        else pin
        for name, pin in pins.items()
    }
