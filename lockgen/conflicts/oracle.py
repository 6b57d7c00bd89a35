"""A resolver as an oracle: answers yes, no or unknown to many requests, each only once (guarantee 10).

Only the absence of a solution counts as no. A source distribution that does not build, a file that is missing from the
cache and a timeout are unknown. A yes requires that every package has a file for the target and that its
Requires-Python admits the target's Python.

A resolver revalidates every index page on each call, which takes ten times as long as resolving. So a `warm` request
uses the network once, and each later request goes to the resolver's cache first. It uses the network only if the cache
has no answer.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NamedTuple

from lockgen.conflicts.answer_cache import AnswerCache
from lockgen.conflicts.model import Answer, Verdict
from lockgen.core.index import CoreMetadata
from lockgen.core.parsing import parse_requirement
from lockgen.core.resolution import Request, Resolved, Resolver, Solution
from lockgen.core.target import Target
from lockgen.errors import LockgenError, NoResolution
from lockgen.index.ports import MetadataSource
from lockgen.lock.exclusions import Exclusions
from lockgen.lock.file_choices import FileChoices
from lockgen.lock.graph import dependency
from lockgen.lock.misread import inconsistency, possibly_misread


class _RequestKey(NamedTuple):
    """What makes two requests equal. Preferences only select between solutions, but they do change the answer."""

    target: Target
    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    routes: tuple[tuple[str, str], ...]
    preferences: tuple[tuple[str, str], ...]
    overrides: tuple[tuple[str, tuple[str, ...]], ...]
    build: frozenset[str]
    exclude_newer: datetime | None
    blocked: frozenset[str]
    known: tuple[CoreMetadata, ...]
    warm: bool


class _ReleaseKey(NamedTuple):
    name: str
    version: str


class Oracle:
    """Requests to one resolver, for several threads. Two threads with the same request may both run it.

    ``cache`` has the verdicts of earlier runs. A `warm` request is skipped only if an earlier run sent the same one to
    the index: then nothing visible to it has changed, and the resolver's cache still has the pages. If that cache was
    cleared, each request that it cannot answer uses the network by itself.
    """

    def __init__(self, resolver: Resolver, metadata: MetadataSource, cache: AnswerCache | None = None) -> None:
        self.resolver = resolver
        self.metadata = metadata
        self.cache = cache
        self.asked = 0
        self._answers: dict[_RequestKey, Verdict] = {}
        self._choices = FileChoices(metadata)
        # By Python version: the same release may be excluded for one Python and fine for another.
        self._exclusions: dict[str, Exclusions] = {}
        self._seen: dict[_ReleaseKey, Resolved] = {}

    def ask(self, request: Request, *, warm: bool = False) -> Verdict:
        """Whether ``request`` has a solution that can be installed on its target."""
        key = _key(request, warm)
        known = self._answers.get(key)
        if known is None and self.cache is not None:
            known = self.cache.recall(request, warm=warm)
        if known is None:
            known = self._fresh(request, warm)
            # An offline verdict may only say that the resolver's cache lacks a page.
            if self.cache is not None and not request.offline:
                self.cache.keep(request, known, warm=warm)
        self._answers[key] = known
        return known

    def _fresh(self, request: Request, warm: bool) -> Verdict:
        if warm:
            return self._resolve(request)
        verdict = self._resolve(replace(request, offline=True))
        if verdict.answer is Answer.UNKNOWN and not request.offline:
            return self._resolve(request)
        return verdict

    def needs(self, name: str, version: str, request: Request) -> CoreMetadata | None:
        """The metadata of a package from any solution so far; None if there was none or it is unreadable."""
        found = self._package(name, version, request)
        if found is None or not found.files:
            return None
        try:
            solution = self._choices.settle(Solution({name: found}), request)
        except LockgenError:
            return None
        return self._choices.metadata(solution.packages[name])

    def _package(self, name: str, version: str, request: Request) -> Resolved | None:
        found = self._seen.get(_ReleaseKey(name, version))
        if found is None and self.cache is not None:
            return self.cache.recall_package(name, version, request)
        return found

    def _resolve(self, request: Request) -> Verdict:
        """Call the resolver, and again without the releases that pip would refuse, until the solution is usable."""
        python = request.target.release
        exclusions = self._exclusions.setdefault(python, Exclusions(self._choices.metadata, needs_file=True))
        try:
            solution = exclusions.solve(request, partial(self._settled, request))
        except NoResolution as error:
            # A copy: another thread may exclude a release at the same time.
            reasons = list(exclusions.reasons.items())
            notes = [note for constraint, note in reasons if _is_named(constraint, error)]
            return Verdict(Answer.NO, "\n".join([_reason(error), *notes]))
        except LockgenError as error:
            return Verdict(Answer.UNKNOWN, _reason(error))
        self._record(solution, request)
        versions = {name: package.version for name, package in solution.packages.items()}
        return Verdict(Answer.YES, versions=versions)

    def _settled(self, request: Request, constrained: Request) -> Solution:
        """A settled solution. If the resolver read metadata otherwise than it counts, it solves again."""
        known = constrained.known
        while True:
            self.asked += 1
            solution = self._choices.settle(self.resolver.solve(replace(constrained, known=known)), request)
            misread = possibly_misread(solution, self._choices, known)
            if not misread or self._is_consistent(solution, request):
                return solution
            known = (*known, *misread)

    def _is_consistent(self, solution: Solution, request: Request) -> bool:
        """Whether ``solution`` has what ``request`` and the metadata of its packages require on the target."""
        metadata = {name: self._choices.metadata(package) for name, package in solution.packages.items()}
        needs = []
        for line in request.requirements:
            requirement = parse_requirement(line)
            if request.target.holds(requirement.marker):
                needs.append(dependency(requirement))
        return inconsistency(solution, metadata, needs, request.target) is None

    def _record(self, solution: Solution, request: Request) -> None:
        for package in solution.packages.values():
            key = _ReleaseKey(package.name, package.version)
            if key in self._seen:
                continue
            self._seen[key] = package
            if self.cache is not None:
                self.cache.keep_package(package, request)


def _is_named(pin: str, error: LockgenError) -> bool:
    return pin.partition("!=")[0] in _reason(error)


def _key(request: Request, warm: bool) -> _RequestKey:
    # `offline` is left out on purpose: it says where to look, and a session has one value for it.
    return _RequestKey(
        target=request.target,
        requirements=request.requirements,
        constraints=request.constraints,
        routes=tuple(sorted(request.routes.items())),
        preferences=tuple(sorted(request.preferences.items())),
        overrides=tuple(sorted(request.overrides.items())),
        build=request.build,
        exclude_newer=request.exclude_newer,
        blocked=request.blocked,
        known=request.known,
        warm=warm,
    )


def _reason(error: LockgenError) -> str:
    return "\n".join(fault.reason or fault.message for fault in error.faults)
