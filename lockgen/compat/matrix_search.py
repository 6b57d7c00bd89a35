"""The outcomes of the cells: each group of images in each cell is resolved once, and cached by its inputs.

If a group does not resolve, its outcome is the smallest set of free pins to change: the first minimal hitting set of
the conflicts known so far that resolves (`conflicts.hitting_sets`). The cell's pins, held pins and the requirements of
the images never change. An outcome depends only on the inputs of one scenario, so shards merge to the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lockgen.compat.cells import Gap, Scenario
from lockgen.compat.model import CellOutcome, CellStatus
from lockgen.conflicts.answer_cache import content, digest
from lockgen.conflicts.constraints import Constraints, named_in
from lockgen.conflicts.hitting_sets import Items, hitting_sets
from lockgen.conflicts.minimize import minimal_subset, shrink
from lockgen.conflicts.model import Answer, Constraint, Verdict
from lockgen.conflicts.oracle import Oracle
from lockgen.conflicts.reasons import short_reason, unmet
from lockgen.core.documents import parse_json
from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile
from lockgen.core.ports import Cache, Parallel, Progress
from lockgen.core.resolution import Request, Resolver, Solution
from lockgen.core.words import counted
from lockgen.errors import LockgenError, TimedOut, ToolFailed
from lockgen.index.ports import MetadataSource

QUESTIONS = 100
"""The maximum number of resolver calls for one group in one cell."""

MEANING = 1
"""Increase it if equal inputs lead to another outcome or another wording: cached outcomes are then ignored."""


class RetryingResolver:
    """A resolver that retries once if it or the network failed. A crash counts as a failure."""

    def __init__(self, resolver: Resolver) -> None:
        self.name = resolver.name
        self.asked = 0
        self._resolver = resolver

    def solve(self, request: Request) -> Solution:
        """See `Resolver`."""
        try:
            return self._solve_once(request)
        except TimedOut:
            # It would take as long again.
            raise
        except ToolFailed:
            # Without a network a retry cannot help.
            if request.offline:
                raise
        return self._solve_once(request)

    def _solve_once(self, request: Request) -> Solution:
        self.asked += 1
        try:
            return self._resolver.solve(request)
        except LockgenError:
            raise
        # A crash in one cell must not end the run.
        except Exception as error:
            raise ToolFailed(f"{self.name} crashed: {type(error).__name__}: {error}") from error


class _FileKey(NamedTuple):
    name: str
    sha256: str | None


def _file_key(file: IndexFile) -> _FileKey:
    return _FileKey(file.name, file.sha256)


class _SharedMetadata:
    """A metadata source that keeps what was read, for all cells: metadata of a file never changes."""

    def __init__(self, source: MetadataSource) -> None:
        self._source = source
        self._known: dict[_FileKey, CoreMetadata] = {}

    def read(self, files: Iterable[IndexFile], request: Request) -> Mapping[str, CoreMetadata]:
        """See `MetadataSource`."""
        wanted = list(files)
        missing = [file for file in wanted if _file_key(file) not in self._known]
        if missing:
            read = self._source.read(missing, request)
            for file in missing:
                self._known[_file_key(file)] = read[file.name]
        found: dict[str, CoreMetadata] = {}
        for file in wanted:
            found[file.name] = self._known[_file_key(file)]
        return found

    def yanked(self, projects: Sequence[str], request: Request) -> frozenset[str]:
        """See `MetadataSource`."""
        return self._source.yanked(projects, request)


@dataclass
class MatrixSearch:
    """Resolves the cells of a matrix. ``conditions`` are versions of tools that outcomes depend on, too."""

    resolver: Resolver
    metadata: MetadataSource
    indexes: Mapping[str, ExplicitIndex]
    cache: Cache
    parallel: Parallel
    progress: Progress
    conditions: Mapping[str, str]
    offline: bool = False
    questions: int = QUESTIONS
    _known: dict[str, CellOutcome] = field(default_factory=dict)
    _keys: dict[int, tuple[Scenario, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._retrying = RetryingResolver(self.resolver)
        self._metadata = _SharedMetadata(self.metadata)
        self._contents = {name: digest(content(index)) for name, index in self.indexes.items()}

    @property
    def asked(self) -> int:
        """The number of resolver calls."""
        return self._retrying.asked

    def outcomes(self, scenarios: Iterable[Scenario]) -> list[CellOutcome | None]:
        """The outcome of each scenario; None if Ctrl-C came first. Finished ones are cached."""
        wanted = list(scenarios)
        # First without the pins that perhaps nothing needs: one such outcome often serves many cells.
        shared = [scenario.relaxed for scenario in wanted if scenario.unrequested and _gap_of(scenario) is None]
        try:
            self._resolve_each(shared, "shared by cells")
            rest = [scenario for scenario in wanted if self._outcome(scenario) is None]
            self._resolve_each(rest, "cells")
        except KeyboardInterrupt:
            self.progress.note("interrupted: finished cells are cached")
        return [self._outcome(scenario) for scenario in wanted]

    def _outcome(self, scenario: Scenario) -> CellOutcome | None:
        """The known outcome of ``scenario``."""
        gap = _gap_of(scenario)
        if gap is not None:
            return _outcome_of_gap(gap)
        shared = self._shared_outcome(scenario)
        if shared is not None:
            return shared
        found = self._known.get(self._key(scenario))
        if found is not None and found.status is CellStatus.NO:
            # A file that only the record lacks may be the cause.
            for gap in scenario.gaps:
                if gap.status is CellStatus.UNKNOWN:
                    return _outcome_of_gap(gap)
        return found

    def _shared_outcome(self, scenario: Scenario) -> CellOutcome | None:
        """The outcome without the unrequested pins, if that is an answer and selects none of their packages."""
        if not scenario.unrequested:
            return None
        outcome = self._known.get(self._key(scenario.relaxed))
        if outcome is None or outcome.status is CellStatus.UNKNOWN:
            return None
        if scenario.unrequested & outcome.versions.keys():
            # Something needs them after all, and perhaps in other versions than the cell's.
            return None
        return outcome

    def _resolve_each(self, scenarios: Iterable[Scenario], what: str) -> None:
        missing: dict[str, Scenario] = {}
        for scenario in scenarios:
            key = self._key(scenario)
            if key not in self._known and key not in missing and not self._recall(key):
                missing[key] = scenario
        done = 0

        def work(key: str) -> None:
            nonlocal done
            self._keep(key, self._resolve(missing[key]))
            done += 1
            self.progress.step(f"{done} of {len(missing)} {what}: {self.asked} resolver calls")

        self.parallel.each(work, list(missing), long=True)

    def _keep(self, key: str, outcome: CellOutcome) -> None:
        self._known[key] = outcome
        if outcome.settled:
            text = json.dumps(_data(outcome), sort_keys=True)
            self.cache.keep(key, text)

    def _recall(self, key: str) -> bool:
        """Whether the outcome was cached."""
        text = self.cache.recall(key)
        outcome = _parse_outcome(text) if text is not None else None
        if outcome is None:
            return False
        self._known[key] = outcome
        return True

    def _resolve(self, scenario: Scenario) -> CellOutcome:
        # A new oracle for each scenario: the limit of calls must not depend on the calls of other cells.
        oracle = Oracle(self._retrying, self._metadata)
        constraints = self._constraints(scenario)
        search = _CellSearch(oracle, constraints, self.offline, self.questions)
        return search.outcome()

    def _constraints(self, scenario: Scenario) -> Constraints:
        return Constraints(scenario.manifest, [scenario.variant], self.indexes)

    def _key(self, scenario: Scenario) -> str:
        """The cache key of ``scenario``."""
        # It is needed several times for each scenario, and many of them are the same object. The scenario is kept with
        # its key, as a freed object's id could be reused.
        known = self._keys.get(id(scenario))
        if known is None:
            known = scenario, self._new_key(scenario)
            self._keys[id(scenario)] = known
        return known[1]

    def _new_key(self, scenario: Scenario) -> str:
        constraints = self._constraints(scenario)
        request = constraints.request(constraints.all, whole=True)
        cut_off = request.exclude_newer.isoformat() if request.exclude_newer else None
        # The names are part of every cached key: another name would invalidate all caches.
        return digest(
            {
                "target": [request.target.release, request.target.platform, request.target.glibc],
                "requirements": request.requirements,
                "constraints": request.constraints,
                "held": [constraint.name for constraint in constraints.all if constraint.held],
                "routes": request.routes,
                "indexes": {name: self._contents[name] for name in request.indexes},
                "build": sorted(request.build),
                "exclude-newer": cut_off,
                "questions": self.questions,
                "meaning": MEANING,
                "surroundings": self.conditions,
            }
        )


def _gap_of(scenario: Scenario) -> Gap | None:
    """The gap that decides the outcome without a resolver: a requested package has no file. A "no" takes precedence."""
    gaps = [gap for gap in scenario.gaps if gap.name not in scenario.unrequested]
    # "no" sorts before "unknown".
    return min(gaps, key=lambda gap: (gap.status, gap.name), default=None)


def _outcome_of_gap(gap: Gap) -> CellOutcome:
    return CellOutcome(gap.status, reason=gap.reason, detail=gap.reason)


# -- one cell -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Conflict:
    """A conflict of ``fixed`` and ``free`` constraints. ``words`` is the resolver's explanation."""

    fixed: Items
    free: Items
    reason: str
    words: str


class _CellSearch:
    """Searches the outcome of one scenario with at most about ``limit`` resolver calls."""

    def __init__(self, oracle: Oracle, constraints: Constraints, offline: bool, limit: int) -> None:
        self._oracle = oracle
        self._constraints = constraints
        self._offline = offline
        self._limit = limit
        self._all = constraints.all
        count = len(self._all)
        self._every: Items = frozenset(range(count))
        self._free: Items = frozenset(item for item in self._every if _is_free(self._all[item]))

    def _of_packages(self, names: Collection[str], items: Items) -> Items:
        return frozenset(item for item in items if self._all[item].name in names)

    def outcome(self) -> CellOutcome:
        verdict = self._ask(self._every, whole=True)
        match verdict.answer:
            case Answer.YES:
                return CellOutcome(CellStatus.YES, versions=verdict.versions)
            case Answer.UNKNOWN:
                return _no_answer(verdict.reason)
            case Answer.NO:
                return self._repair(verdict)

    def _repair(self, verdict: Verdict) -> CellOutcome:
        """The smallest set of free pins to change; a "no" if every set fails."""
        conflicts: list[_Conflict] = []
        unknown: dict[Items, str] = {}
        dropped: Items = frozenset()
        while True:
            if verdict.answer is Answer.NO:
                conflict = self._conflict(self._every - dropped, verdict)
                conflicts.append(conflict)
                if not conflict.free:
                    return CellOutcome(CellStatus.NO, reason=conflict.reason, detail=conflict.words)
            else:
                unknown[dropped] = verdict.reason
            candidates = hitting_sets(conflict.free for conflict in conflicts)
            untested = [items for items in candidates if items not in unknown]
            if not untested:
                first_reason = next(iter(unknown.values()))
                return _no_answer(first_reason)
            if self._oracle.asked >= self._limit:
                return self._limit_reached(conflicts)
            dropped = untested[0]
            verdict = self._ask(self._every - dropped, whole=True)
            if verdict.answer is Answer.YES:
                return self._changes(dropped, verdict, conflicts)

    def _limit_reached(self, conflicts: Sequence[_Conflict]) -> CellOutcome:
        reason = f"no answer within {counted(self._limit, 'resolver call')}; so far: {conflicts[0].reason}"
        return CellOutcome(CellStatus.UNKNOWN, reason=reason, detail=_joined_words(conflicts))

    def _changes(self, dropped: Items, verdict: Verdict, conflicts: Sequence[_Conflict]) -> CellOutcome:
        pins = [self._all[item] for item in dropped]
        changes: dict[str, tuple[str, str]] = {}
        for pin in sorted(pins, key=lambda pin: pin.name):
            old = pin.version or ""
            # A package that nothing requires any more has no new version.
            new = verdict.versions.get(pin.name, old)
            if new != old:
                changes[pin.name] = (old, new)
        reasons = dict.fromkeys(conflict.reason for conflict in conflicts)
        return CellOutcome(
            CellStatus.CHANGES,
            changes=changes,
            reason="; ".join(reasons),
            detail=_joined_words(conflicts),
            versions=verdict.versions,
        )

    def _conflict(self, kept: Items, verdict: Verdict) -> _Conflict:
        """A conflict among ``kept``, as small as a few resolver calls can make it."""
        core, words = self._core(kept, verdict)
        constraints = [self._all[item] for item in core]
        dropped = {self._all[item].name for item in self._every - kept}
        return _Conflict(
            fixed=core - self._free,
            free=core & self._free,
            reason=short_reason(constraints, words, dropped),
            words=words,
        )

    def _core(self, kept: Items, verdict: Verdict) -> tuple[Items, str]:
        """The constraints of a conflict among ``kept``, and the resolver's explanation of it."""
        # The cheapest tests first: two packages, then those that the resolver names, then all.
        pair = self._unmet_pair(kept, verdict)
        if pair is not None:
            return pair, self._ask(pair).reason
        return self._named_core(kept, verdict) or self._whole_core(kept)

    def _unmet_pair(self, kept: Items, verdict: Verdict) -> Items | None:
        """Two packages, one of which needs another version of the other: the usual conflict."""
        constraints = [self._all[item] for item in kept]
        needs = unmet(constraints, verdict.reason)
        if not needs:
            return None
        need = needs[0]
        pair = self._of_packages({need.name, need.other}, kept)
        verdict = self._ask(pair)
        return pair if verdict.answer is Answer.NO else None

    def _named_core(self, kept: Items, verdict: Verdict) -> tuple[Items, str] | None:
        """A conflict of the packages that the resolver names; None if they have a solution."""
        names = frozenset(named_in(verdict.reason))

        def fails(items: Items) -> bool:
            verdict = self._ask(items, also=names)
            return verdict.answer is Answer.NO

        named = self._of_packages(names, kept)
        if not fails(named):
            return None
        core = shrink(named, fails)
        return core, self._ask(core, also=names).reason

    def _whole_core(self, kept: Items) -> tuple[Items, str]:
        """A conflict with as few free pins as possible, given all fixed constraints."""
        fixed = kept - self._free

        def fails(items: Items) -> bool:
            verdict = self._ask(fixed | items, whole=True)
            return verdict.answer is Answer.NO

        free: Items = frozenset()
        if not fails(free):
            free = minimal_subset(kept & self._free, fails)
        words = self._ask(fixed | free, whole=True).reason
        named = self._of_packages(named_in(words), fixed)
        return free | named, words

    def _ask(self, items: Items, *, whole: bool = False, also: Collection[str] = ()) -> Verdict:
        constraints = [self._all[item] for item in sorted(items)]
        request = self._constraints.request(
            constraints,
            whole=whole,
            offline=self._offline,
            also=also,
        )
        return self._oracle.ask(request)


def _is_free(constraint: Constraint) -> bool:
    return constraint.kind == "pin" and not constraint.held


def _no_answer(reason: str) -> CellOutcome:
    lines = reason.strip().splitlines() or ["the resolver printed nothing"]
    # Not settled, so not cached: a later run may get an answer.
    return CellOutcome(CellStatus.UNKNOWN, reason=lines[0], detail=reason, settled=False)


def _joined_words(conflicts: Iterable[_Conflict]) -> str:
    return "\n\n".join(dict.fromkeys(conflict.words for conflict in conflicts))


# -- cached outcomes ----------------------------------------------------------


def _data(outcome: CellOutcome) -> dict[str, object]:
    return {
        "status": outcome.status,
        "changes": {name: list(versions) for name, versions in outcome.changes.items()},
        "reason": outcome.reason,
        "detail": outcome.detail,
        "versions": dict(outcome.versions),
    }


def _parse_outcome(text: str) -> CellOutcome | None:
    """The cached outcome; None if the entry is damaged."""
    try:
        data = parse_json(text)
        changes = {str(name): (str(old), str(new)) for name, (old, new) in data["changes"].items()}
        versions = {str(name): str(version) for name, version in data["versions"].items()}
        return CellOutcome(
            status=CellStatus(data["status"]),
            changes=changes,
            reason=str(data["reason"]),
            detail=str(data["detail"]),
            versions=versions,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
