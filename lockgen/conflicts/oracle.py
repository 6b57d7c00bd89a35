"""A resolver as an oracle: yes, no or unknown to many questions, each asked once (DESIGN, law 10).

"No" has three faces, and only one is a conflict: no solution. A source distribution that does not build, a file that
the cache lacks, a time-out are unknown. "Yes" is a yes only with files that the target can use and that its Python may
install.

A resolver asks an index about every page again and again: ten times the time of its own work. So `warm` asks with the
network, and every later question is put to the cache first, to the network only where the cache cannot tell.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from lockgen.conflicts.answer_cache import AnswerCache
from lockgen.conflicts.model import Answer, Verdict
from lockgen.core.index import CoreMetadata
from lockgen.core.resolution import Request, Resolved, Resolver, Solution
from lockgen.errors import LockgenError, NoResolution
from lockgen.index.ports import MetadataSource
from lockgen.lock.exclusions import Exclusions
from lockgen.lock.file_choices import FileChoices


class Oracle:
    """Questions to one resolver. Several threads may ask: what two ask at once is only asked twice.

    ``remembered`` are the answers of earlier runs. A `warm` question is left out only where one of them asked the index
    the same: nothing that it may see has come since, and the resolver's cache holds what it read. Where that cache was
    emptied, each question that it cannot answer goes to the network by itself.
    """

    def __init__(self, resolver: Resolver, metadata: MetadataSource, remembered: AnswerCache | None = None) -> None:
        self.resolver = resolver
        self.metadata = metadata
        self.remembered = remembered
        self.asked = 0
        self._answers: dict[object, Verdict] = {}
        self._choices = FileChoices(metadata)
        self._exclusions: dict[str, Exclusions] = {}
        self._seen: dict[tuple[str, str], Resolved] = {}

    def ask(self, request: Request, *, warm: bool = False) -> Verdict:
        """Whether ``request`` has a solution whose every package runs on its target."""
        key = (_key(request), warm)
        known = self._answers.get(key)
        if known is None and self.remembered is not None:
            known = self.remembered.recall(request, warm=warm)
        if known is None:
            cached = Verdict(Answer.UNKNOWN) if warm else self._ask(replace(request, offline=True))
            unsaid = cached.answer is Answer.UNKNOWN and (warm or not request.offline)
            known = self._ask(request) if unsaid else cached
            if self.remembered is not None and not request.offline:
                self.remembered.keep(request, known, warm=warm)
        self._answers[key] = known
        return known

    def _package(self, name: str, version: str, request: Request) -> Resolved | None:
        """A package of some solution so far, or of an earlier run."""
        found = self._seen.get((name, version))
        if found is None and self.remembered is not None:
            found = self.remembered.recall_package(name, version, request)
        return found

    def needs(self, name: str, version: str, request: Request) -> CoreMetadata | None:
        """The metadata of a package of some solution so far; None where there was none, or it cannot be read."""
        found = self._package(name, version, request)
        if found is None or not found.files:
            return None
        try:
            settled = self._choices.settle(Solution({name: found}), request).packages[name]
        except LockgenError:
            return None
        return self._choices.metadata(settled)

    def _ask(self, request: Request) -> Verdict:
        # By Python, as one oracle may answer for several targets.
        exclusions = self._exclusions.setdefault(
            request.target.python, Exclusions(self._choices.metadata, needs_file=True)
        )
        try:
            solution = exclusions.solve(request, partial(self._settled, request))
        except NoResolution as error:
            notes = [note for constraint, note in list(exclusions.reasons.items()) if _is_named(constraint, error)]
            return Verdict(Answer.NO, "\n".join([_reason(error), *notes]))
        except LockgenError as error:
            return Verdict(Answer.UNKNOWN, _reason(error))
        self._see(solution, request)
        return Verdict(Answer.YES, versions={name: p.version for name, p in solution.packages.items()})

    def _settled(self, request: Request, constrained: Request) -> Solution:
        self.asked += 1
        return self._choices.settle(self.resolver.solve(constrained), request)

    def _see(self, solution: Solution, request: Request) -> None:
        for package in solution.packages.values():
            key = (package.name, package.version)
            if key not in self._seen:
                self._seen[key] = package
                if self.remembered is not None:
                    self.remembered.keep_package(package, request)


def _key(request: Request) -> object:
    """What makes two questions the same; preferences only choose between answers, and count."""
    return (
        request.target,
        request.requirements,
        request.constraints,
        tuple(sorted(request.routes.items())),
        tuple(sorted(request.preferences.items())),
        tuple(sorted(request.overrides.items())),
        request.build,
        request.exclude_newer,
        request.blocked,
        tuple(sorted(request.known)),
    )


def _is_named(pin: str, error: LockgenError) -> bool:
    return pin.partition("!=")[0] in _reason(error)


def _reason(error: LockgenError) -> str:
    return "\n".join(fault.reason or fault.message for fault in error.faults)
