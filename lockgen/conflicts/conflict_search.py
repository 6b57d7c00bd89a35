"""Search for every minimal conflict, and for every minimal set of constraints to drop.

`hitting_sets.py` decides which sets of constraints to test; this module tests them. A resolver's explanation of a no
names packages, and these are nearly always the conflict. To test them alone takes a fraction of the time.
`unmet_requirements.py` then finds the requirements that cause a conflict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from lockgen.conflicts.constraints import Constraints, named_in
from lockgen.conflicts.hitting_sets import Items, Search
from lockgen.conflicts.minimize import minimal_subset, shrink
from lockgen.conflicts.model import Answer, Conflict, Constraint, Correction, Diagnosis, Verdict
from lockgen.conflicts.oracle import Oracle
from lockgen.conflicts.unmet_requirements import UnmetFinder, unavailable
from lockgen.core.index import ExplicitIndex
from lockgen.core.manifest import Manifest
from lockgen.core.ports import Parallel, Progress
from lockgen.core.resolution import Request


@dataclass(frozen=True)
class ConflictSearch:
    """The inputs of a search. ``limit`` ends it after so many conflicts; None finds all.

    ``patience`` ends it after so many tests in a row that found no new conflict, if one is known. To prove that there
    is no other one takes as many tests as the product of the sizes of the conflicts.
    """

    session: Oracle
    manifest: Manifest
    indexes: Mapping[str, ExplicitIndex]
    parallel: Parallel
    progress: Progress
    offline: bool = False
    limit: int | None = None
    patience: int | None = None

    def diagnose(self, variants: list[str]) -> Diagnosis:
        """The conflicts of ``variants``, resolved together.

        Ctrl-C ends the search; the diagnosis then has what was found so far and is not complete.
        """
        return _ConflictRun(self, Constraints(self.manifest, variants, self.indexes)).run()


@dataclass
class _ConflictRun:
    about: ConflictSearch
    constraints: Constraints
    ended_early: bool = False
    unknown: list[str] = field(default_factory=list)
    # The solution without the items of a correction.
    versions: dict[Items, Mapping[str, str]] = field(default_factory=dict)
    # The resolver's explanation of a conflict.
    reasons: dict[Items, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.oracle = self.about.session
        self.all = self.constraints.all
        self.everything: Items = frozenset(range(len(self.all)))
        patience = self.about.patience
        # Twice as many, so that those tested before do not use up the list.
        self.search = Search(len(self.all), None if patience is None else 2 * patience)
        self.finder = UnmetFinder(self.oracle, self.constraints, self.about.offline)

    def run(self) -> Diagnosis:
        asked_before = self.oracle.asked
        try:
            self._warm()
            self._search()
            conflicts = self._conflicts()
        except KeyboardInterrupt:
            self.ended_early = True
            # After the flag is set: it keeps `_conflicts` from requesting the missing explanations.
            conflicts = self._conflicts()
        variants = self.constraints.variants
        return Diagnosis(
            variants=tuple(variants),
            conflicts=tuple(conflicts),
            corrections=tuple(self._corrections()),
            unknown=tuple(dict.fromkeys(self.unknown)),
            complete=not self.ended_early and self.search.complete,
            asked=self.oracle.asked - asked_before,
            joint=len(variants) > 1,
        )

    def _corrections(self) -> list[Correction]:
        return [self._correction(items) for items in self.search.corrections]

    def _correction(self, items: Items) -> Correction:
        return Correction(self._constraints(items), self.versions.get(items, {}))

    def _constraints(self, items: Items) -> tuple[Constraint, ...]:
        return tuple(self.all[item] for item in sorted(items))

    def _ask(self, items: Items) -> Verdict:
        return self.oracle.ask(self._request(items))

    def _request(self, items: Items) -> Request:
        return self.constraints.request(self._constraints(items), offline=self.about.offline)

    def _warm(self) -> None:
        """Fill the resolver's cache with one request over the network, so that the later ones need none."""
        if not self.about.offline:
            self.oracle.ask(self._request(self.everything), warm=True)

    def _search(self) -> None:
        # Twice the workers: a fast test must not leave a worker idle until the slowest one ends.
        size = 2 * self.about.parallel.workers
        fruitless = 0
        while True:
            batch = self.search.untested(size)
            if not batch:
                return
            if self._is_enough(fruitless):
                self.ended_early = True
                return
            known = self.search.cores
            results = self.about.parallel.each(self._examine, batch)
            for items, (verdict, core) in zip(batch, results, strict=True):
                self._record(items, verdict, core)
            fruitless = fruitless + len(batch) if self.search.cores == known else 0
            self._report()

    def _is_enough(self, fruitless: int) -> bool:
        found, limit, patience = len(self.search.cores), self.about.limit, self.about.patience
        if limit is not None and found >= limit:
            return True
        return patience is not None and found > 0 and fruitless >= patience

    def _report(self) -> None:
        conflicts = len(self.search.cores)
        corrections = len(self.search.corrections)
        self.about.progress.step(
            f"found {conflicts} conflicts and {corrections} ways to resolve them, {self.oracle.asked} resolver calls"
        )

    def _record(self, items: Items, verdict: Verdict, core: Items | None) -> None:
        if verdict.answer is Answer.YES:
            self.search.add_satisfiable(items)
            self.versions[self.everything - items] = verdict.versions
        elif core is not None:
            # Several tests of one batch often find the same conflict.
            if core not in self.search.cores:
                names = ", ".join(constraint.text for constraint in self._constraints(core))
                self.about.progress.note(f"found: {names}")
            self.search.add_conflict(core)
        else:
            self.search.add_unknown(items)
            self.unknown.append(verdict.reason)

    # -- from a no to a conflict ----------------------------------------------

    def _examine(self, items: Items) -> tuple[Verdict, Items | None]:
        """The verdict on ``items``; for a no also a conflict in them, as small as cheap tests can make it."""
        verdict = self._ask(items)
        if verdict.answer is not Answer.NO:
            return verdict, None
        named = named_in(verdict.reason)
        near = frozenset(item for item in items if self.all[item].name in named)
        # If the named packages do not fail alone, the explanation left out a package that the conflict needs.
        core = self._shrunk(near) if self._fails(near) else minimal_subset(items, self._fails)
        self.reasons.setdefault(core, self._ask(core).reason)
        return verdict, core

    def _shrunk(self, near: Items) -> Items:
        # Two constraints are nearly always a conflict. If one of them fails alone, a search without a limit finds that
        # out later; with a limit there may be no later.
        if len(near) == 2 and self.about.limit is None:
            return near
        return shrink(near, self._fails)

    def _fails(self, items: Items) -> bool:
        return self._ask(items).answer is Answer.NO

    # -- explanation -----------------------------------------------------------

    def _conflicts(self) -> list[Conflict]:
        found = self.search.conflicts()
        if self.about.limit is not None:
            found = found[: self.about.limit]
        missing = [items for items, _ in found if items not in self.reasons]
        if not self.ended_early:
            self._ask_for_reasons(missing)
        return [self._conflict(items, proved) for items, proved in found]

    def _ask_for_reasons(self, conflicts: list[Items]) -> None:
        """The minimal conflicts of a complete search need not be those that a test found: ask for their reasons."""
        verdicts = self.about.parallel.each(self._ask, conflicts)
        for items, verdict in zip(conflicts, verdicts, strict=True):
            self.reasons[items] = verdict.reason

    def _conflict(self, items: Items, proved: bool) -> Conflict:
        constraints = self._constraints(items)
        reason = self.reasons.get(items, "")
        return Conflict(
            constraints=constraints,
            variants=tuple(self.constraints.variants),
            reason=reason,
            unmet=tuple(self.finder.unmet(constraints, reason)),
            unavailable=tuple(unavailable(constraints, reason, self.constraints.request(()))),
            proved_minimal=proved,
        )


def merged(diagnoses: Iterable[Diagnosis]) -> list[Diagnosis]:
    """``diagnoses``, with those that have the same conflicts merged into one for all their variants."""
    found: list[Diagnosis] = []
    for diagnosis in diagnoses:
        for place, other in enumerate(found):
            if _is_same(diagnosis, other):
                found[place] = _for_variants(other, (*other.variants, *diagnosis.variants))
                break
        else:
            found.append(diagnosis)
    return found


def _for_variants(diagnosis: Diagnosis, variants: tuple[str, ...]) -> Diagnosis:
    conflicts = tuple(replace(conflict, variants=variants) for conflict in diagnosis.conflicts)
    return replace(diagnosis, variants=variants, conflicts=conflicts)


def _is_same(one: Diagnosis, other: Diagnosis) -> bool:
    if (one.complete, one.joint) != (other.complete, other.joint):
        return False
    return _texts(one) == _texts(other)


def _texts(diagnosis: Diagnosis) -> list[list[str]]:
    # Texts only: the reasons of two variants differ in details that mean nothing.
    return [[constraint.text for constraint in conflict.constraints] for conflict in diagnosis.conflicts]
