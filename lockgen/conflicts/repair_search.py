"""The smallest changes after which a family resolves: fewest pins first, then nearest versions, each verified.

The pins to free are hitting sets of the conflicts (`hitting_sets.py`), tested from the smallest on: is there a solution
with everything that the images require, but without these pins? A no is a further conflict. So the first yes is one of
the smallest. `nearest_versions.py` then moves every freed pin as close to its old version as possible.
`repair_problem.py` has the requests for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from packaging.specifiers import SpecifierSet

from lockgen.conflicts.conflict_search import ConflictSearch
from lockgen.conflicts.constraints import named_in
from lockgen.conflicts.hitting_sets import Items, hitting_sets, minimal
from lockgen.conflicts.minimize import minimal_subset
from lockgen.conflicts.model import Answer, Conflict, Constraint, Override, Proposal, Repairs, UnmetRequirement, Verdict
from lockgen.conflicts.nearest_versions import Freed, NearestVersions, Verdicts
from lockgen.conflicts.repair_problem import TORCH, RepairProblem
from lockgen.core.compat_axes import Pairs
from lockgen.core.parsing import parse_specifiers
from lockgen.core.words import counted
from lockgen.index.ports import Releases

_MOST_UNITS = 12
"""The search ignores larger hitting sets: such a repair would be a new versions.toml."""

_UNKNOWN_STEPS = 1000
"""Rank of a change whose distance is unknown: after every known one."""


@dataclass(frozen=True)
class RepairSearch:
    """The inputs of a search. ``count`` is the number of proposals wanted; ``variants`` are all that have images.

    The variants in ``joint`` also have to resolve as one family, with one version of each package (guarantee 2).
    """

    explainer: ConflictSearch
    releases: Releases
    pairs: Pairs
    variants: Sequence[str]
    count: int = 3
    joint: Sequence[str] = ()

    def run(self) -> Repairs:
        """The smallest proposals, then the next larger ones, `count` at most.

        Then one more that changes torch's accelerator, if it has fewer changes than all others.

        Ctrl-C ends the search; the result then has what was found so far and is not complete.
        """
        found = _RepairRun(self.problem(keeps_accelerator=True), self.count).run()
        # One change is the least, so no other accelerator can be better.
        least = min((len(proposal.moves) for proposal in found.proposals), default=_MOST_UNITS)
        if not found.complete or not found.conflicts or least == 1:
            return found
        problem = self.problem(keeps_accelerator=False)
        if not _may_change_accelerator(problem, found.conflicts):
            return found
        # Of several smallest ones, only some change the accelerator.
        other = _RepairRun(problem, self.count).run()
        smaller = [proposal for proposal in other.proposals if len(proposal.moves) < least]
        marked = [proposal for proposal in _marked(smaller, problem) if proposal.accelerator]
        asked = found.asked + other.asked
        return replace(found, proposals=(*found.proposals, *marked[:1]), asked=asked)

    def unchanged(self) -> Proposal:
        """The solutions of a family that resolves, as a proposal without changes."""
        problem = self.problem(keeps_accelerator=True)
        versions = {solve: problem.ask(solve, problem.every_unit).versions for solve in problem.solves}
        return Proposal((), (), versions)

    def problem(self, *, keeps_accelerator: bool) -> RepairProblem:
        """What a repair may change."""
        solves = {variant: [variant] for variant in self.variants}
        if self.joint:
            solves[", ".join(self.joint)] = list(self.joint)
        return RepairProblem(self.explainer, self.releases, self.pairs, solves, keeps_accelerator=keeps_accelerator)


class _Examined(NamedTuple):
    """The verdicts on a set of freed units; ``core`` is a conflict among the others, if a verdict is no."""

    verdicts: Verdicts
    core: Items | None

    @property
    def resolves(self) -> bool:
        return all(verdict.answer is Answer.YES for verdict in self.verdicts.values())


@dataclass
class _RepairRun:
    problem: RepairProblem
    count: int
    unknown: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.explainer = self.problem.explainer
        self.oracle = self.problem.oracle

    def run(self) -> Repairs:
        asked_before = self.oracle.asked
        conflicts = self._conflicts()
        proposals: list[Proposal] = []
        complete = True
        try:
            proposals = self._proposals(conflicts)
        except KeyboardInterrupt:
            complete = False
        return Repairs(
            proposals=tuple(sorted(proposals, key=rank)),
            overrides=tuple(_overrides(self.problem, conflicts)) if complete else (),
            conflicts=tuple(conflicts),
            unknown=tuple(dict.fromkeys(self.unknown)),
            complete=complete and not self.unknown,
            asked=self.oracle.asked - asked_before,
        )

    def _conflicts(self) -> list[Conflict]:
        """The conflicts of all solves, each once."""
        found: dict[tuple[str, ...], Conflict] = {}
        for solve, variants in self.problem.variants_of.items():
            diagnosis = self.explainer.diagnose(variants)
            self.unknown += diagnosis.unknown
            for conflict in diagnosis.conflicts:
                # By text: two variants can have one line at different places.
                key = tuple(constraint.text for constraint in conflict.constraints)
                earlier = found[key].variants if key in found else ()
                found[key] = replace(conflict, variants=(*earlier, solve))
        return list(found.values())

    def _proposals(self, conflicts: list[Conflict]) -> list[Proposal]:
        cores = [self.problem.units_with(conflict.constraints) for conflict in conflicts]
        found = self._freed(cores) if cores else []
        self.explainer.progress.step(f"found {counted(len(found), 'repair')}; looking for the nearest versions")
        nearest = NearestVersions(self.problem)
        return self.explainer.parallel.each(nearest.proposal, found, long=True)

    def _freed(self, cores: list[Items]) -> list[Freed]:
        """Sets of units without which every solve has a solution, the smallest first."""
        found: list[Freed] = []
        undecided: set[Items] = set()
        # A core without a unit consists of fixed constraints: nothing can repair it.
        while all(cores) and len(found) < self.count:
            batch = self._batch(cores, found, undecided)
            if not batch:
                break
            results = self.explainer.parallel.each(self._examine, batch)
            for units, examined in zip(batch, results, strict=True):
                if examined.resolves:
                    found.append(Freed(units, examined.verdicts))
                elif examined.core is not None:
                    cores = minimal([*cores, examined.core])
                else:
                    undecided.add(units)
                    self.unknown += _unknown_reasons(examined.verdicts)
            self.explainer.progress.step(
                f"found {counted(len(found), 'repair')}, {counted(self.oracle.asked, 'resolver call')}"
            )
        return found[: self.count]

    def _batch(self, cores: list[Items], found: list[Freed], undecided: set[Items]) -> list[Items]:
        """The smallest hitting sets to test next, all of one size: a no about one of them may rule out larger ones."""
        candidates: list[Items] = []
        for units in hitting_sets(cores):
            if len(units) > _MOST_UNITS or units in undecided:
                continue
            # A superset of a repair is a repair too, but never a smallest one.
            if not any(freed.units <= units for freed in found):
                candidates.append(units)
        if not candidates:
            return []
        candidates.sort(key=lambda units: (self._size(units), sorted(units)))
        least = self._size(candidates[0])
        smallest = [units for units in candidates if self._size(units) == least]
        return smallest[: self.explainer.parallel.workers]

    def _size(self, units: Items) -> int:
        """The number of constraints that change: torch's family is one unit, but several pins."""
        return len(self.problem.freed(units))

    def _examine(self, units: Items) -> _Examined:
        """The verdict on each solve without ``units``, up to the first no."""
        kept = self.problem.every_unit - units
        verdicts: dict[str, Verdict] = {}
        for solve in self.problem.solves:
            verdict = self.problem.ask(solve, kept)
            verdicts[solve] = verdict
            if verdict.answer is Answer.NO:
                return _Examined(verdicts, self._core(solve, kept, verdict))
        return _Examined(verdicts, None)

    def _core(self, solve: str, kept: Items, verdict: Verdict) -> Items:
        """A conflict among the units ``kept``. The packages that the resolver names are the first suspects."""
        names = named_in(verdict.reason)
        near = self.problem.units_named(kept, names)

        def fails(items: Items) -> bool:
            request = self.problem.request(solve, items, names)
            return self.oracle.ask(request).answer is Answer.NO

        def fails_whole(items: Items) -> bool:
            return self.problem.ask(solve, items).answer is Answer.NO

        if fails(near):
            return minimal_subset(near, fails)
        return minimal_subset(kept, fails_whole)


def _may_change_accelerator(problem: RepairProblem, conflicts: Iterable[Conflict]) -> bool:
    """Whether a pin of the default index's torch that may move takes part in a conflict."""
    for conflict in conflicts:
        for item in problem.units_with(conflict.constraints):
            if any(problem.default_accelerator(pin.version) for pin in _torch_pins(problem.units[item].constraints)):
                return True
    return False


def _torch_pins(constraints: Iterable[Constraint]) -> list[Constraint]:
    """The pins of torch among ``constraints``. With a local version, the pin names its accelerator itself."""
    return [one for one in constraints if one.name == TORCH and one.version and "+" not in one.version]


def _marked(proposals: Iterable[Proposal], problem: RepairProblem) -> Iterable[Proposal]:
    """``proposals`` with the accelerator that each changes to."""
    for proposal in proposals:
        accelerator = ""
        for move in proposal.moves:
            if not _torch_pins([move.constraint]):
                continue
            new = problem.default_accelerator(move.to)
            if new is not None and new != problem.default_accelerator(move.constraint.version):
                accelerator = new
        yield replace(proposal, accelerator=accelerator)


def _unknown_reasons(verdicts: Verdicts) -> list[str]:
    return [verdict.reason for verdict in verdicts.values() if verdict.answer is Answer.UNKNOWN]


def _overrides(problem: RepairProblem, conflicts: Iterable[Conflict]) -> Iterable[Override]:
    """Requirements with an upper bound that blocks the family by itself: without it, nothing has to change."""
    candidates: set[UnmetRequirement] = set()
    for conflict in conflicts:
        candidates |= {unmet for unmet in conflict.unmet if _is_direct(unmet)}
    for unmet in sorted(candidates, key=_override_order):
        lower = _without_upper_bound(unmet.bound)
        if str(lower) == str(parse_specifiers(unmet.bound)):
            continue
        instead = f"{unmet.needs}{lower}"
        if _resolves_with(problem, unmet.name, instead):
            yield Override(unmet.name, unmet.version, f"{unmet.needs}{unmet.bound}", instead)


def _override_order(unmet: UnmetRequirement) -> tuple[str, str, str, str]:
    return unmet.name, unmet.version, unmet.needs, unmet.bound


def _without_upper_bound(bound: str) -> SpecifierSet:
    parts = [str(part) for part in parse_specifiers(bound) if part.operator in (">=", ">", "!=")]
    return parse_specifiers(",".join(parts))


def _resolves_with(problem: RepairProblem, package: str, requirement: str) -> bool:
    """Whether every solve has a solution if ``package`` declared ``requirement`` instead."""
    for solve in problem.solves:
        request = problem.request(solve, problem.every_unit)
        overridden = replace(request, overrides={package: (requirement,)})
        if problem.oracle.ask(overridden).answer is not Answer.YES:
            return False
    return True


def _is_direct(unmet: UnmetRequirement) -> bool:
    return not unmet.via and unmet.against is None


def rank(proposal: Proposal) -> tuple[int, int, list[str]]:
    """The order of proposals: fewest changes first, then fewest releases between old and new versions."""
    steps = 0
    for move in proposal.moves:
        steps += move.steps if move.steps is not None else _UNKNOWN_STEPS
    return proposal.size, steps, [move.constraint.text for move in proposal.moves]
