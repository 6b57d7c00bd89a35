"""The smallest changes after which a family resolves: fewest pins, then nearest versions, each asked before it is told.

What must move are hitting sets of the conflicts (`planning/hitting.py`), asked for from the smallest on: with all that
the images want, and without the pins in one of them, is there a solution? A no is one more conflict. So the first yes
is one of the smallest. Then every freed pin is drawn towards its old version: is there a solution with fewer releases
between?
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from packaging.requirements import Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from lockgen.conflicts.conflict_search import ConflictSearch, parsed_needs, smallest
from lockgen.conflicts.constraints import Constraints, named_in
from lockgen.conflicts.hitting_sets import Items, hitting_sets, minimal
from lockgen.conflicts.model import Answer, Conflict, Constraint, Link, Override, PinChange, Proposal, Repairs, Verdict
from lockgen.conflicts.oracle import Oracle
from lockgen.core.accelerator import FAMILY
from lockgen.core.compat_axes import Pairs
from lockgen.core.resolution import Request
from lockgen.index.ports import Releases

_MOST_SIZES = 12
"""Hitting sets larger than this many units are not looked for: nobody wants to move so much."""


@dataclass(frozen=True)
class RepairUnit:
    """Elements that move as one: one of them, or the pins of torch's family in one table."""

    elements: tuple[Constraint, ...]


@dataclass
class RepairSearch:
    """``count`` is how many proposals are wanted; ``variants`` all that have images.

    With ``joint`` those variants have to resolve as one family too, with one version of each package (law 2).
    """

    explainer: ConflictSearch
    releases: Releases
    pairs: Pairs
    variants: Sequence[str]
    count: int = 3
    joint: Sequence[str] = ()
    unknown: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        about = self.explainer
        self.asked = {name: [name] for name in self.variants}
        if self.joint:
            self.asked[", ".join(self.joint)] = [*self.joint]
        self.variants = list(self.asked)
        self.solves = {name: Constraints(about.manifest, of, about.indexes) for name, of in self.asked.items()}
        every = _merged(element for elements in self.solves.values() for element in elements.all)
        self.fixed = frozenset(element for element in every if element.held or element.kind == "ask")
        self.units = _units(sorted(set(every) - self.fixed))
        self.session: Oracle = about.session

    def run(self) -> Repairs:
        """Every smallest proposal, `count` at the most, then the next larger ones. Ctrl-C ends it with what it has."""
        first = self.session.asked
        conflicts = self._conflicts()
        proposals: list[Proposal] = []
        complete = True
        try:
            found = self._freed(self._cores(conflicts)) if conflicts else []
            self.explainer.progress.step(f"{len(found)} ways to repair it; looking for the nearest versions")
            proposals = self.explainer.parallel.each(self._nearest, found, long=True)
        except KeyboardInterrupt:
            complete = False
        ranked = sorted(proposals, key=_rank)
        return Repairs(
            proposals=tuple(ranked),
            overrides=tuple(self._overrides(conflicts)) if complete else (),
            conflicts=tuple(conflicts),
            unknown=tuple(dict.fromkeys(self.unknown)),
            complete=complete and not self.unknown,
            asked=self.session.asked - first,
        )

    def _conflicts(self) -> list[Conflict]:
        found: dict[tuple[str, ...], Conflict] = {}
        for variant in self.variants:
            diagnosis = self.explainer.diagnose(self.asked[variant])
            self.unknown += diagnosis.unknown
            for conflict in diagnosis.conflicts:
                key = tuple(element.text for element in conflict.elements)
                known = found.get(key)
                variants = (*known.variants, variant) if known is not None else (variant,)
                found[key] = replace(conflict, variants=variants)
        return list(found.values())

    def _cores(self, conflicts: Iterable[Conflict]) -> list[Items]:
        """The conflicts as units; what nobody may move is no way out of one."""
        return [
            frozenset(n for n, unit in enumerate(self.units) if set(unit.elements) & set(conflict.elements))
            for conflict in conflicts
        ]

    # -- which pins ------------------------------------------------------------

    def _freed(self, cores: list[Items]) -> list[tuple[Items, Mapping[str, Verdict]]]:
        """Sets of units without which it resolves, the smallest first."""
        found: list[tuple[Items, Mapping[str, Verdict]]] = []
        dead: set[Items] = set()
        while all(cores) and len(found) < self.count:
            known = {items for items, _ in found} | dead
            ways = sorted((h for h in hitting_sets(cores) if h not in known), key=self._weight)
            ways = [way for way in ways if len(way) <= _MOST_SIZES and not any(items <= way for items, _ in found)]
            if not ways:
                break
            least = self._weight(ways[0])[0]
            batch = [way for way in ways if self._weight(way)[0] == least][: self.explainer.parallel.workers]
            for way, (verdicts, core) in zip(batch, self.explainer.parallel.each(self._examine, batch), strict=True):
                answers = {verdict.answer for verdict in verdicts.values()}
                if answers == {Answer.YES}:
                    found.append((way, verdicts))
                elif core is not None:
                    cores = minimal([*cores, core])
                else:
                    dead.add(way)
                    self.unknown += [v.reason for v in verdicts.values() if v.answer is Answer.UNKNOWN]
            self.explainer.progress.step(f"{len(found)} ways to repair it, {self.session.asked} questions asked")
        return found[: self.count]

    def _weight(self, way: Items) -> tuple[int, list[int]]:
        return sum(len(self.units[n].elements) for n in way), sorted(way)

    def _examine(self, way: Items) -> tuple[Mapping[str, Verdict], Items | None]:
        """What each variant says without the units of ``way``; for a no a conflict among those that are kept."""
        kept = frozenset(range(len(self.units))) - way
        verdicts: dict[str, Verdict] = {}
        for variant in self.variants:
            verdict = verdicts[variant] = self._ask(variant, kept)
            if verdict.answer is Answer.NO:
                return verdicts, self._core(variant, kept, verdict)
        return verdicts, None

    def _core(self, variant: str, kept: Items, verdict: Verdict) -> Items:
        names = named_in(verdict.reason)
        near = frozenset(n for n in kept if any(element.name in names for element in self.units[n].elements))

        def fails(items: Items) -> bool:
            return self.session.ask(self._request(variant, items, names)).answer is Answer.NO

        def fails_whole(items: Items) -> bool:
            return self._ask(variant, items).answer is Answer.NO

        return smallest(near, fails) if fails(near) else smallest(kept, fails_whole)

    def _ask(self, variant: str, kept: Items) -> Verdict:
        return self.session.ask(self._request(variant, kept))

    def _request(self, variant: str, kept: Items, named: Collection[str] | None = None) -> Request:
        """All that the images of ``variant`` ask for, or only what they ask for of the packages in ``named``."""
        solve = self.solves[variant]
        wanted = self.fixed.union(*(self.units[n].elements for n in kept))
        elements = [element for element in solve.all if element in wanted]
        if named is None:
            request = solve.request(elements, whole=True, offline=self.explainer.offline)
        else:
            elements = [e for e in elements if e.name in named or e.kind == "pin"]
            request = solve.request(elements, also=named, offline=self.explainer.offline)
        freed = [element for element in solve.all if element.name in FAMILY and element not in wanted]
        if not freed:
            return request
        bounds = self._family(request, next((e for e in freed if e.name == FAMILY[0] and e.version), None))
        return replace(request, constraints=tuple(sorted({*request.constraints, *bounds})))

    def _family(self, request: Request, torch: Constraint | None) -> Iterable[str]:
        """What keeps torch's family together, and on its accelerator, where its pins are let go of.

        An explicit index has one accelerator; of the default index's torch the pair table says which release is built
        for what. Only partners of such a torch are let through: newer ones ask for no torch at all, and fit none.
        """
        builds = {version: release for version, release in self.pairs.items() if release.members}
        if torch is not None and FAMILY[0] not in request.routes:
            known = self.pairs.get(Version(str(torch.version)).public)
            if known is not None and known.accelerator is not None:
                builds = {v: release for v, release in builds.items() if release.accelerator == known.accelerator}
        for name in FAMILY:
            members = (release.members.get(name) for release in builds.values())
            partners = {Version(member.version) for member in members if member is not None and member.version}
            if partners:
                yield f"{name}>={min(partners)},<={max(partners)}"
                listed = {Version(Version(text).public) for text in self.releases.usable(name, request)}
                strange = (v for v in listed - partners if min(partners) < v < max(partners))
                yield from (f"{name}!={version}" for version in strange)

    # -- which versions --------------------------------------------------------

    def _nearest(self, way: tuple[Items, Mapping[str, Verdict]]) -> Proposal:
        """Every freed pin as near to its old version as the others let it, torch's family first."""
        items, verdicts = way
        kept = frozenset(range(len(self.units))) - items
        requests = {variant: self._request(variant, kept) for variant in self.variants}
        moves: list[PinChange] = []
        freed = sorted((e for n in items for e in self.units[n].elements), key=lambda e: (e.name not in FAMILY, e.name))
        for element in freed:
            mine = [v for v in self.variants if element in self.solves[v].all and element.name in verdicts[v].versions]
            if element.kind == "pin" and not mine:
                continue  # nothing needs it any more: its pin holds nothing, and may stay
            if element.version is None or not mine:
                moves.append(PinChange(element, None))
                continue
            move, verdicts = self._drawn(element, mine, requests, verdicts)
            moves.append(move)
            bound = f"{element.name}=={move.to}"
            for variant in mine:
                requests[variant] = _bound(requests[variant], bound)
        moved = [self._reasoned(m, verdicts) for m in moves if m.to is None or m.to != m.element.version]
        images = sorted({image for move in moved for image in self._images(move.element)})
        return Proposal(tuple(moved), tuple(images), {name: verdict.versions for name, verdict in verdicts.items()})

    def _drawn(
        self, element: Constraint, mine: Sequence[str], requests: Mapping[str, Request], verdicts: Mapping[str, Verdict]
    ) -> tuple[PinChange, Mapping[str, Verdict]]:
        """The nearest version that every one of ``mine`` can have: halving the releases that may lie between."""
        first = verdicts[mine[0]].versions[element.name]
        old = Version(element.version or "0")
        listed = map(Version, self.releases.usable(element.name, requests[mine[0]]))
        releases = [version for version in listed if old.is_prerelease or not version.is_prerelease]
        order = sorted({*releases, old, Version(first)})
        home = order.index(old)
        far = abs(order.index(Version(first)) - home)
        low, best = self._refused(element, order, home, mine, requests, verdicts), verdicts
        asked = False
        while releases and far - low > 1:
            # Found versions are nearly always the nearest: so first ask for anything nearer at all; where a bound is
            # known, for what is just within it.
            reach = (low + far) // 2 if asked else low + 1 if low else far - 1
            asked = True
            nearer = self._within(element, order, home, reach, mine, requests)
            if nearer is None:
                low = reach
            else:
                best = {**verdicts, **nearer}
                far = abs(order.index(Version(nearer[mine[0]].versions[element.name])) - home)
        return PinChange(element, best[mine[0]].versions[element.name], far if releases else None), best

    def _refused(
        self,
        element: Constraint,
        order: Sequence[Version],
        home: int,
        mine: Sequence[str],
        requests: Mapping[str, Request],
        verdicts: Mapping[str, Verdict],
    ) -> int:
        """How far away from ``order[home]`` everything is refused by what packages that stay as they are need.

        That is known without a question: whisperx 3.7.2 stays, and needs numpy>=2.0.2.
        """
        needed = SpecifierSet()
        for variant in mine:
            versions = verdicts[variant].versions
            for name in _exact(requests[variant]) & versions.keys():
                metadata = self.session.needs(name, versions[name], requests[variant])
                for need in parsed_needs(metadata, element.name, self.explainer.manifest.target):
                    needed &= need.specifier
        fits = [abs(n - home) for n, version in enumerate(order) if needed.contains(version, prereleases=True)]
        return max(0, min(fits, default=0) - 1)

    def _within(
        self,
        element: Constraint,
        order: Sequence[Version],
        home: int,
        reach: int,
        mine: Sequence[str],
        requests: Mapping[str, Request],
    ) -> Mapping[str, Verdict] | None:
        """Verdicts with ``element`` at most ``reach`` releases away; None where one of ``mine`` says no."""
        lowest, highest = order[max(0, home - reach)], order[min(len(order) - 1, home + reach)]
        found: dict[str, Verdict] = {}
        for variant in mine:
            bound = f"{element.name}>={lowest.public},<={highest.public}"
            # One version for all: what the first took is asked of the others.
            if found:
                bound = f"{element.name}=={found[mine[0]].versions[element.name]}"
            request = _bound(requests[variant], bound)
            verdict = self.session.ask(request)
            if verdict.answer is Answer.YES and Version(verdict.versions[element.name]) not in order:
                # A release that the cache knows nothing of is passed over for a pre-release: ask the index.
                verdict = self.session.ask(request, warm=True)
            if verdict.answer is not Answer.YES or Version(verdict.versions[element.name]) not in order:
                return None
            found[variant] = verdict
        return found

    def _reasoned(self, move: PinChange, verdicts: Mapping[str, Verdict]) -> PinChange:
        """``move`` with the need, of what is chosen now, that the old version does not meet; pinned packages' first."""
        if move.element.version is None:
            return move
        pinned = {element.name for unit in self.units for element in unit.elements}
        for variant, verdict in verdicts.items():
            request = self.solves[variant].request((), offline=True)
            for name in sorted(verdict.versions, key=lambda name: (name not in pinned, name)):
                metadata = self.session.needs(name, verdict.versions[name], request)
                for need in parsed_needs(metadata, move.element.name, self.explainer.manifest.target):
                    if not need.specifier.contains(move.element.version, prereleases=True):
                        link = Link(name, verdict.versions[name], move.element.name, str(need.specifier))
                        return replace(move, why=link)
        return move

    def _images(self, element: Constraint) -> list[str]:
        return [name for name in element.askers if name != "[common]"] or sorted(
            image.name
            for image in self.explainer.manifest.images.values()
            if any(element in self.solves[v].all for v in image.variants if v in self.solves)
        )

    # -- one bound that is too narrow ------------------------------------------

    def _overrides(self, conflicts: Sequence[Conflict]) -> Iterable[Override]:
        """Needs of one package that alone stand in the way: with their upper bound let go of everything else may
        stay.
        """
        links = {
            (link.name, link.version, link.needs, link.bound) for c in conflicts for link in c.links if _is_direct(link)
        }
        everything = frozenset(range(len(self.units)))
        for name, version, needs, bound in sorted(links):
            lower = SpecifierSet(
                ",".join(str(part) for part in SpecifierSet(bound) if part.operator in (">=", ">", "!="))
            )
            instead = f"{needs}{lower}"
            if str(lower) == str(SpecifierSet(bound)):
                continue
            requests = [self._request(variant, everything) for variant in self.variants]
            asked = [replace(request, overrides={name: (instead,)}) for request in requests]
            if all(self.session.ask(request).answer is Answer.YES for request in asked):
                yield Override(name, version, f"{needs}{bound}", instead)


def _merged(elements: Iterable[Constraint]) -> list[Constraint]:
    """Each once, with every place that says it and every image that asks for it."""
    found: dict[Constraint, list[Constraint]] = {}
    for element in elements:
        found.setdefault(element, []).append(element)
    merged = []
    for same in found.values():
        first, *paths = dict.fromkeys(path for element in same for path in (element.path, *element.also))
        askers = tuple(dict.fromkeys(asker for element in same for asker in element.askers))
        merged.append(replace(same[0], path=first, askers=askers, also=tuple(paths)))
    return merged


def _units(elements: Sequence[Constraint]) -> tuple[RepairUnit, ...]:
    """torch, torchaudio and torchvision pinned in one table are one unit: they are built for one another."""
    together: dict[tuple[object, ...], list[Constraint]] = {}
    for element in elements:
        family = element.name in FAMILY and element.version is not None
        key = ("torch", *element.path[:-1]) if family else (element.text, element.path)
        together.setdefault(key, []).append(element)
    return tuple(RepairUnit(tuple(group)) for group in together.values())


def _bound(request: Request, bound: str) -> Request:
    return replace(request, constraints=tuple(sorted({*request.constraints, str(Requirement(bound))})))


def _is_direct(link: Link) -> bool:
    return not link.via and link.against is None


def _exact(request: Request) -> set[str]:
    """What ``request`` asks for by name, in one version."""
    asked: set[str] = {canonicalize_name(Requirement(text).name) for text in request.requirements}
    bounds = map(Requirement, (*request.requirements, *request.constraints))
    return asked.intersection(canonicalize_name(b.name) for b in bounds if any(map(_is_one, b.specifier)))


def _is_one(bound: Specifier) -> bool:
    return bound.operator in {"==", "==="} and not bound.version.endswith(".*")


def _rank(proposal: Proposal) -> tuple[int, int, list[str]]:
    steps = sum(move.steps if move.steps is not None else 1000 for move in proposal.moves)
    return len(proposal.moves), steps, [move.element.text for move in proposal.moves]
