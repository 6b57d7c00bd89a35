"""Why a family has no solution: every minimal conflict, and every smallest set of pins and bounds to let go of.

The search is `planning/hitting.py`; here its questions are asked. What a resolver says of a no names the packages of
its derivation: nearly always they are the conflict, which a question about them alone confirms in a fraction of the
time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from lockgen.conflicts.constraints import Constraints, named_in
from lockgen.conflicts.hitting_sets import Items, Search
from lockgen.conflicts.model import Answer, Conflict, Constraint, Correction, Diagnosis, Link, Verdict
from lockgen.conflicts.oracle import Oracle
from lockgen.conflicts.reasons import through
from lockgen.core.index import CoreMetadata, ExplicitIndex
from lockgen.core.manifest import Manifest
from lockgen.core.ports import Parallel, Progress
from lockgen.core.resolution import Request
from lockgen.core.target import Target

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Test = Callable[[Items], bool]
"""Whether items fail to hold together."""


@dataclass(frozen=True)
class ConflictSearch:
    """What an explanation works with. ``limit`` ends the search after so many conflicts; None finds all."""

    session: Oracle
    manifest: Manifest
    indexes: Mapping[str, ExplicitIndex]
    parallel: Parallel
    progress: Progress
    offline: bool = False
    limit: int | None = None

    def diagnose(self, variants: list[str]) -> Diagnosis:
        """The conflicts in the solve of ``variants``.

        Ctrl-C ends it with what it has: the answer is then not complete.
        """
        return _ConflictRun(self, Constraints(self.manifest, variants, self.indexes)).run()


@dataclass
class _ConflictRun:
    about: ConflictSearch
    elements: Constraints
    interrupted: bool = False
    unknown: list[str] = field(default_factory=list)
    versions: dict[Items, Mapping[str, str]] = field(default_factory=dict)
    reasons: dict[Items, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.all = self.elements.all
        self.search = Search(len(self.all))

    def run(self) -> Diagnosis:
        first = self.about.session.asked
        try:
            self._warm()
            self._seek()
            conflicts = self._conflicts()
        except KeyboardInterrupt:
            self.interrupted = True
            conflicts = self._conflicts()
        corrections = [
            Correction(tuple(self.all[item] for item in sorted(items)), self.versions.get(items, {}))
            for items in self.search.corrections
        ]
        return Diagnosis(
            variants=tuple(self.elements.variants),
            conflicts=tuple(conflicts),
            corrections=tuple(corrections),
            unknown=tuple(dict.fromkeys(self.unknown)),
            complete=not self.interrupted and self.search.complete,
            asked=self.about.session.asked - first,
            joint=len(self.elements.variants) > 1,
        )

    def _ask(self, items: Items) -> Verdict:
        return self.about.session.ask(self._request(items))

    def _request(self, items: Items) -> Request:
        return self.elements.request([self.all[item] for item in items], offline=self.about.offline)

    def _warm(self) -> None:
        """Asks for everything with the network, so that the many questions after it need none."""
        if not self.about.offline:
            self.about.session.ask(self._request(frozenset(range(len(self.all)))), warm=True)

    def _seek(self) -> None:
        while batch := self.search.open(2 * self.about.parallel.workers):
            if self.about.limit is not None and len(self.search.cores) >= self.about.limit:
                self.interrupted = True
                return
            for items, (verdict, core) in zip(batch, self.about.parallel.each(self._examine, batch), strict=True):
                self._learn(items, verdict, core)
            found, ways = len(self.search.cores), len(self.search.corrections)
            self.about.progress.step(
                f"{found} conflicts and {ways} ways out so far, {self.about.session.asked} questions asked"
            )

    def _learn(self, items: Items, verdict: Verdict, core: Items | None) -> None:
        if verdict.answer is Answer.YES:
            self.search.holds(items)
            self.versions[frozenset(range(len(self.all))) - items] = verdict.versions
        elif core is not None:
            if core not in self.search.cores:
                named = ", ".join(self.all[item].text for item in sorted(core))
                self.about.progress.note(f"found: {named}")
            self.search.fails(core)
        else:
            self.search.unknown(items)
            self.unknown.append(verdict.reason)

    # -- from a no to a conflict ----------------------------------------------

    def _examine(self, items: Items) -> tuple[Verdict, Items | None]:
        """The answer for ``items``, and for a no a conflict in them as small as cheap questions make it."""
        verdict = self._ask(items)
        if verdict.answer is not Answer.NO:
            return verdict, None
        named = named_in(verdict.reason)
        near = frozenset(item for item in items if self.all[item].name in named)
        core = self._shrunk(near) if self._fails(near) else smallest(items, self._fails)
        self.reasons.setdefault(core, self._ask(core).reason)
        return verdict, core

    def _shrunk(self, near: Items) -> Items:
        """Two are nearly always a conflict; where they are not, the search that goes to its end finds that out."""
        return near if len(near) == 2 and self.about.limit is None else shrink(near, self._fails)

    def _fails(self, items: Items) -> bool:
        return self._ask(items).answer is Answer.NO

    # -- in words --------------------------------------------------------------

    def _conflicts(self) -> list[Conflict]:
        found = self.search.conflicts()
        if self.about.limit is not None:
            found = found[: self.about.limit]
        asked = [items for items, _ in found if items not in self.reasons] if not self.interrupted else []
        for items, verdict in zip(asked, self.about.parallel.each(self._ask, asked), strict=True):
            self.reasons[items] = verdict.reason
        return [self._conflict(items, proved, self.reasons.get(items, "")) for items, proved in found]

    def _conflict(self, items: Items, proved: bool, reason: str) -> Conflict:
        elements = tuple(self.all[item] for item in sorted(items))
        return Conflict(
            elements=elements,
            variants=tuple(self.elements.variants),
            reason=reason,
            links=tuple(self._links(elements, reason)),
            never=tuple(self._never(elements, reason)),
            proved=proved,
        )

    def _links(self, elements: tuple[Constraint, ...], reason: str) -> Iterable[Link]:
        """The needs that make it so: in one step; else in two, through what lies between; else on what both need."""
        exact = {element.name: version for element in elements if (version := element.version) is not None}
        yield from list(self._direct(exact)) or list(self._through(exact, reason)) or list(self._both(exact, reason))

    def _direct(self, exact: Mapping[str, str]) -> Iterable[Link]:
        for name, version in exact.items():
            for other, its in exact.items():
                for need in self._needs(name, version, other):
                    if not need.specifier.contains(its, prereleases=True):
                        yield Link(name, version, other, str(need.specifier))

    def _through(self, exact: Mapping[str, str], reason: str) -> Iterable[Link]:
        """What the resolver concluded that one needs of another, where its own metadata would let that be."""
        for name, version in exact.items():
            for other in exact:
                bound = through(name, version, other, reason) if other != name else ""
                if not bound:
                    continue
                between = [
                    f"{middle}{need.specifier}"
                    for middle in sorted(named_in(reason) - exact.keys())
                    for need in self._needs(name, version, middle)
                ]
                if len(between) == 1:
                    yield Link(name, version, other, bound, via=between[0])

    def _both(self, exact: Mapping[str, str], reason: str) -> Iterable[Link]:
        """Two needs of one package that no release of it meets: asked for, as bounds alone do not say it."""
        names = sorted(exact)
        for place, name in enumerate(names):
            for other in names[place + 1 :]:
                for shared in sorted(named_in(reason) - exact.keys()):
                    mine = next(iter(self._needs(name, exact[name], shared)), None)
                    its = next(iter(self._needs(other, exact[other], shared)), None)
                    if mine is not None and its is not None and self._is_empty(mine, its):
                        against = Link(other, exact[other], shared, str(its.specifier))
                        yield Link(name, exact[name], shared, str(mine.specifier), against=against)

    def _is_empty(self, *needs: Requirement) -> bool:
        request = self._request(frozenset())
        lines = tuple(sorted(f"{canonicalize_name(need.name)}{need.specifier}" for need in needs))
        return self.about.session.ask(replace(request, requirements=lines)).answer is Answer.NO

    def _needs(self, name: str, version: str, other: str) -> list[Requirement]:
        metadata = self.about.session.needs(name, version, self.elements.request((), offline=True))
        return list(parsed_needs(metadata, other, self.about.manifest.target))

    def _never(self, elements: tuple[Constraint, ...], reason: str) -> Iterable[str]:
        """What an explicit index does not have of the packages that this is about."""
        named = named_in(reason) | {element.name for element in elements}
        request = self.elements.request(())
        for name, index in request.routes.items():
            page = request.indexes[index].pages.get(name)
            if name not in named:
                continue
            versions = {Version(request.indexes[index].metadata[f.name].version) for f in page.files} if page else set()
            if not versions:
                yield f"index {index} has no {name}"
            elif len(elements) == 1:
                yield f"the newest {name} on index {index} is {max(versions)}"


def parsed_needs(metadata: CoreMetadata | None, name: str, target: Target) -> Iterable[Requirement]:
    """What ``metadata`` asks for of the package ``name`` on ``target``, extras left out."""
    for line in metadata.requires if metadata is not None else ():
        if _begins(line, name):
            try:
                need = Requirement(line)
            except InvalidRequirement:
                continue
            if target.holds(need.marker):
                yield need


def _begins(line: str, name: str) -> bool:
    found = _NAME.match(line)
    return found is not None and canonicalize_name(found[0]) == name


def shrink(items: Items, fails: Test) -> Items:
    """``items`` without what its failing does not need: one question for each."""
    kept = items
    for item in sorted(items):
        if fails(kept - {item}):
            kept -= {item}
    return kept


def smallest(items: Items, fails: Test) -> Items:
    """A minimal part of ``items`` that fails, in about k log n questions (QuickXplain, Junker 2004)."""

    def within(background: Items, added: bool, rest: list[int]) -> Items:
        if added and fails(background):
            return frozenset()
        if len(rest) == 1:
            return frozenset(rest)
        left, right = rest[: len(rest) // 2], rest[len(rest) // 2 :]
        second = within(background | set(left), bool(left), right)
        first = within(background | second, bool(second), left)
        return first | second

    ordered = sorted(items)
    return within(frozenset(), False, ordered) if ordered else frozenset()


def merged(diagnoses: Iterable[Diagnosis]) -> list[Diagnosis]:
    """Diagnoses of which two that found the same conflicts are one, felt by the variants of both."""
    found: list[Diagnosis] = []
    for one in diagnoses:
        same = next((n for n, other in enumerate(found) if _alike(one, other)), None)
        if same is None:
            found.append(one)
        else:
            variants = (*found[same].variants, *one.variants)
            conflicts = tuple(replace(conflict, variants=variants) for conflict in found[same].conflicts)
            found[same] = replace(found[same], variants=variants, conflicts=conflicts)
    return found


def _alike(one: Diagnosis, other: Diagnosis) -> bool:
    def texts(diagnosis: Diagnosis) -> list[list[str]]:
        return [[element.text for element in conflict.elements] for conflict in diagnosis.conflicts]

    return texts(one) == texts(other) and (one.complete, one.joint) == (other.complete, other.joint)
