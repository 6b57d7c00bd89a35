"""Find the newest versions with which the images run, where the newest ones that resolve do not run.

One package after the other: the one that a problem names gets the newest version without that problem. Where a problem
names none that moves, the moved packages through which the problem's distribution is required are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.version import Version

from lockgen.core.accelerator import FAMILY
from lockgen.core.lock import Lock
from lockgen.proof.bisection import newest_passing
from lockgen.proof.bound_conditions import conditions_of
from lockgen.proof.model import BoundConditions, Problem, ProofBound, RunChange
from lockgen.upgrade.bump_model import Bumped, new_versions

Limits = Mapping[str, Sequence[Version]]
"""The only versions of some packages to try. A package without versions is left where it is."""


@dataclass(frozen=True)
class Tried:
    """Versions that resolve, and what they do to the images."""

    done: Bumped
    runs: tuple[RunChange, ...] = ()

    @property
    def runs_well(self) -> bool:
        return not any(run.fails for run in self.runs)

    @property
    def problems(self) -> list[Problem]:
        return [problem for run in self.runs for problem in run.new_problems]

    @property
    def failing(self) -> frozenset[str]:
        """The tags of the images that do not run."""
        return frozenset(run.image for run in self.runs if run.fails)


TryLimits = Callable[[Limits, Collection[str] | None], Tried | None]
"""Resolves within the limits and runs the images; None if nothing resolves. The second argument are the tags of the
only images to run. If it is None, all images run, and the result is written if they run well."""


@dataclass
class RunningSearch:
    """Searches for versions that run. ``allowed`` are the newer versions of each package that may be chosen.

    ``optional``: whether the other packages may move while one does not. ``bounds`` is filled by the search.
    """

    allowed: Mapping[str, Sequence[Version]]
    attempt: TryLimits
    optional: bool = False
    bounds: list[ProofBound] = field(default_factory=list)
    _limits: dict[str, tuple[Version, ...]] = field(default_factory=dict)

    def search(self, failed: Tried) -> Tried | None:
        """The newest versions that run, which are written; None if none were found."""
        while not failed.runs_well:
            again = self._without_problem(failed)
            if again is None:
                return None
            failed = again
        return failed

    def _without_problem(self, failed: Tried) -> Tried | None:
        """The next attempt, with a limit for one more package. None if no limit helps."""
        moved = new_versions(failed.done)
        named = [name for name in self._open(suspects(failed.problems, moved)) if name in moved]
        if named:
            return self._limited(failed, named[0], moved[named[0]])
        for name in self._open(requirers(failed, moved)):
            found = self._limited(failed, name, moved[name])
            if found is not None:
                return found
        return None

    def _open(self, names: Iterable[str]) -> list[str]:
        """``names`` as packages that can have a limit, and have none yet."""
        found = dict.fromkeys(leading(name, self.allowed) for name in names)
        return [name for name in found if name in self.allowed and name not in self._limits]

    def _limited(self, failed: Tried, package: str, newest: Version) -> Tried | None:
        """The result with the newest version of ``package`` that does not have its problems."""
        target = {problem.by for problem in failed.problems}
        older = sorted(version for version in self.allowed[package] if version < newest)
        images = failed.failing
        refused = [newest]
        ran = [newest]

        def passes(version: Version) -> bool:
            # Only where it failed, as most of the time is needed to run images.
            found = self.attempt({**self._limits, package: (version,)}, images)
            # A package that cannot move to the version stays, and then the images run.
            reached = found is not None and new_versions(found.done).get(package) == version
            if found is not None and reached and not self._blames(found, package, target):
                return True
            refused.append(version)
            if found is not None and reached:
                ran.append(version)
            return False

        while True:
            passed = newest_passing(older, passes)
            if passed is None and not self.optional:
                if self._is_named(failed, package):
                    self.bounds.append(_bound(failed, package, None, min(refused), ran))
                return None
            limits = {**self._limits, package: (passed,) if passed is not None else ()}
            again = self.attempt(limits, None)
            if again is None:
                return None
            if not self._blames(again, package, target):
                break
            if passed is None:
                # It does not help, so it is not the fault of this package.
                return None
            # Another image does not run with it.
            images |= again.failing
            refused.append(passed)
            ran.append(passed)
            older = [version for version in older if version < passed]
        self._limits = limits
        self.bounds.append(_bound(failed, package, passed, min(refused), ran))
        return again

    def _is_named(self, tried: Tried, package: str) -> bool:
        names = suspects(tried.problems, new_versions(tried.done))
        return any(leading(name, self.allowed) == package for name in names)

    def _blames(self, found: Tried, package: str, target: Collection[str]) -> bool:
        """Whether a problem of ``found`` is one of ``package``, or one that it had to solve."""
        if self._is_named(found, package):
            return True
        named_others = {problem.by for problem in found.problems if _suspect(problem, new_versions(found.done))}
        return any(problem.by in target and problem.by not in named_others for problem in found.problems)


def leading(name: str, known: Collection[str]) -> str:
    """The package that decides about ``name``: torch's family moves together, with the first that is ``known``."""
    if name not in FAMILY:
        return name
    return next((one for one in FAMILY if one in known), name)


def suspects(problems: Iterable[Problem], moved: Collection[str]) -> list[str]:
    """The moved packages that ``problems`` name: who has the problem, else what it requires.

    If a problem names none of them, but only one package moved, it is that one.
    """
    found: dict[str, None] = {}
    for problem in problems:
        name = _suspect(problem, moved)
        if name is not None:
            found[name] = None
    return list(found)


def _suspect(problem: Problem, moved: Collection[str]) -> str | None:
    if problem.by in moved:
        return problem.by
    if problem.bound is not None and problem.bound.package in moved:
        return problem.bound.package
    return next(iter(moved)) if len(moved) == 1 else None


def requirers(failed: Tried, moved: Collection[str]) -> list[str]:
    """The ``moved`` packages, those first through which the distributions with problems are required."""
    lock = failed.done.lock
    if lock is None:
        return []
    near = _users(lock, [problem.by for problem in failed.problems])
    first = [name for name in near if name in moved]
    return [*first, *sorted(set(moved).difference(first))]


def _users(lock: Lock, names: Iterable[str]) -> list[str]:
    """The packages that require ``names``, directly or not, the nearest first."""
    users: dict[str, list[str]] = {}
    for package in lock.packages:
        for requirements in (package.requires, *package.extras.values()):
            for requirement in requirements:
                users.setdefault(requirement.name, []).append(package.name)
    found = dict.fromkeys(names)
    queue = list(found)
    for name in queue:
        for user in users.get(name, ()):
            if user not in found:
                found[user] = None
                queue.append(user)
    return queue


def _bound(
    failed: Tried, package: str, passed: Version | None, oldest_failed: Version, ran: Iterable[Version]
) -> ProofBound:
    run = next(run for run in failed.runs if run.fails)
    named = [problem for problem in run.new_problems if problem.by == package]
    problem = (named or list(run.new_problems))[0]
    conditions = BoundConditions()
    changes = [item.change for item in failed.done.changes.packages]
    if failed.done.lock is not None:
        moved = {change.name for change in changes}
        conditions = conditions_of(failed.done.lock, run.image, package, problem, moved)
    return ProofBound(
        package=package,
        passed=str(passed) if passed else None,
        failed=str(oldest_failed),
        image=run.image,
        reason=problem.title,
        kind=problem.kind,
        by=problem.by,
        refused=tuple(map(str, sorted(ran))),
        conditions=conditions,
        before=next((change.old or "" for change in changes if change.name == package), ""),
    )
