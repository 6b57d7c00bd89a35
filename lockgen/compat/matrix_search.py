"""Which cells of the matrix resolve: each group of images in each cell, asked once and remembered by its inputs.

A group that does not resolve as it is gets the smallest set of free pins to let go of: the first minimal hitting set of
the conflicts known so far that resolves (planning/hitting.py). The axes' pins, held pins and all that images ask for
stay. An outcome depends on its own questions only, never on what another cell asked: shards add up to the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lockgen.compat.cells import Gap, Situation
from lockgen.compat.model import CellOutcome, CellStatus
from lockgen.conflicts.answer_cache import content, digest
from lockgen.conflicts.constraints import Constraints, named_in
from lockgen.conflicts.hitting_sets import Items, hitting_sets
from lockgen.conflicts.minimize import minimal_subset, shrink
from lockgen.conflicts.model import Answer, Verdict
from lockgen.conflicts.oracle import Oracle
from lockgen.conflicts.reasons import short_reason, unmet
from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile
from lockgen.core.ports import Cache, Parallel, Progress
from lockgen.core.resolution import Request, Resolver, Solution
from lockgen.errors import LockgenError, TimedOut, ToolFailed
from lockgen.index.ports import MetadataSource

QUESTIONS = 100
"""The most that one group in one cell may ask."""

MEANING = 1
"""Grows where the same question comes to another outcome, or to other words for it: what was kept is then not taken."""


class RetryingResolver:
    """A resolver that is asked once more where it or the network failed, and whose crash is a failure like others."""

    def __init__(self, resolver: Resolver) -> None:
        self.name = resolver.name
        self.asked = 0
        self._resolver = resolver

    def solve(self, request: Request) -> Solution:
        """See ports.Resolver. What has timed out would do so again, and without a network nothing changes."""
        try:
            return self._once(request)
        except TimedOut:
            raise
        except ToolFailed:
            if request.offline:
                raise
        return self._once(request)

    def _once(self, request: Request) -> Solution:
        self.asked += 1
        try:
            return self._resolver.solve(request)
        except LockgenError:
            raise
        except Exception as error:  # in one cell of many: the others go on
            raise ToolFailed(f"{self.name} crashed: {type(error).__name__}: {error}") from error


class _Shared:
    """Core Metadata of files that any cell read: it is the same for all cells."""

    def __init__(self, source: MetadataSource) -> None:
        self._source = source
        self._known: dict[tuple[str, str | None], CoreMetadata] = {}

    def read(self, files: Iterable[IndexFile], request: Request) -> Mapping[str, CoreMetadata]:
        """See ports.MetadataSource."""
        wanted = list(files)
        missing = [file for file in wanted if (file.name, file.sha256) not in self._known]
        if missing:
            found = self._source.read(missing, request)
            self._known |= {(file.name, file.sha256): found[file.name] for file in missing}
        return {file.name: self._known[file.name, file.sha256] for file in wanted}

    def yanked(self, projects: Sequence[str], request: Request) -> frozenset[str]:
        """See ports.MetadataSource."""
        return self._source.yanked(projects, request)


@dataclass
class MatrixSearch:
    """What the matrix is made with. ``surroundings`` is what answers depend on besides the question: versions."""

    resolver: Resolver
    metadata: MetadataSource
    indexes: Mapping[str, ExplicitIndex]
    memory: Cache
    parallel: Parallel
    progress: Progress
    surroundings: Mapping[str, str]
    offline: bool = False
    questions: int = QUESTIONS
    _known: dict[str, CellOutcome] = field(default_factory=dict)
    _keys: dict[int, tuple[Situation, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.patient = RetryingResolver(self.resolver)
        self._metadata = _Shared(self.metadata)
        self._contents = {name: digest(content(index)) for name, index in self.indexes.items()}

    @property
    def asked(self) -> int:
        """How often the resolver was asked."""
        return self.patient.asked

    def judge(self, situations: Iterable[Situation]) -> list[CellOutcome | None]:
        """The outcome of each; None where Ctrl-C came first. What is done is kept, and remembered."""
        wanted = list(situations)
        try:
            self._each([one.relaxed for one in wanted if one.loose and _blocked(one) is None], "shared by cells")
            self._each([one for one in wanted if self._outcome(one) is None], "cells")
        except KeyboardInterrupt:
            self.progress.note("interrupted: what is done is kept")
        return [self._outcome(one) for one in wanted]

    def _outcome(self, one: Situation) -> CellOutcome | None:
        if (blocked := _blocked(one)) is not None:
            return blocked
        if one.loose:
            relaxed = self._known.get(self._key(one.relaxed))
            if (
                relaxed is not None
                and relaxed.status is not CellStatus.UNKNOWN
                and not one.loose & relaxed.versions.keys()
            ):
                return relaxed
        found = self._known.get(self._key(one))
        unknown = [gap for gap in one.gaps if gap.status is CellStatus.UNKNOWN]
        if found is not None and found.status is CellStatus.NO and unknown:
            return _gap_outcome(unknown[0])
        return found

    def _each(self, situations: Iterable[Situation], what: str) -> None:
        by_key = {self._key(one): one for one in situations}
        missing = {key: one for key, one in by_key.items() if key not in self._known and not self._recall(key)}
        done = 0

        def work(key: str) -> None:
            nonlocal done
            outcome = self._fresh(missing[key])
            self._known[key] = outcome
            if outcome.settled:
                self.memory.keep(key, json.dumps(_data(outcome), sort_keys=True))
            done += 1
            self.progress.step(f"{done} of {len(missing)} {what}: {self.asked} questions asked")

        self.parallel.each(work, list(missing), long=True)

    def _recall(self, key: str) -> bool:
        text = self.memory.recall(key)
        if text is not None and (outcome := _outcome_from(text)) is not None:
            self._known[key] = outcome
        return key in self._known

    def _fresh(self, one: Situation) -> CellOutcome:
        session = Oracle(self.patient, self._metadata)
        return _MatrixRun(
            session, Constraints(one.manifest, [one.variant], self.indexes), self.offline, self.questions
        ).outcome()

    def _key(self, one: Situation) -> str:
        # Asked for a few times for each situation, and many of them are one and the same object.
        known = self._keys.get(id(one))
        if known is None:
            known = self._keys[id(one)] = (one, self._made_key(one))
        return known[1]

    def _made_key(self, one: Situation) -> str:
        elements = Constraints(one.manifest, [one.variant], self.indexes)
        request = elements.request(elements.all, whole=True)
        return digest(
            {
                "target": [request.target.python, request.target.platform, request.target.glibc],
                "requirements": request.requirements,
                "constraints": request.constraints,
                "held": [element.name for element in elements.all if element.held],
                "routes": request.routes,
                "indexes": {name: self._contents[name] for name in request.indexes},
                "build": sorted(request.build),
                "exclude-newer": request.exclude_newer.isoformat() if request.exclude_newer else None,
                "questions": self.questions,
                "meaning": MEANING,
                "surroundings": self.surroundings,
            }
        )


def _blocked(one: Situation) -> CellOutcome | None:
    """What is known without a question: a file that an image asks for by name is not there. A sure no goes first."""
    gaps = sorted((gap for gap in one.gaps if gap.name not in one.loose), key=lambda gap: (gap.status, gap.name))
    return _gap_outcome(gaps[0]) if gaps else None


def _gap_outcome(gap: Gap) -> CellOutcome:
    return CellOutcome(gap.status, reason=gap.reason, detail=gap.reason)


@dataclass
class _MatrixRun:
    session: Oracle
    elements: Constraints
    offline: bool
    questions: int

    def __post_init__(self) -> None:
        self.all = self.elements.all
        self.every: Items = frozenset(range(len(self.all)))
        self.free: Items = frozenset(n for n, one in enumerate(self.all) if one.kind == "pin" and not one.held)

    def outcome(self) -> CellOutcome:
        """What the group comes to."""
        verdict = self._ask(self.every, whole=True)
        match verdict.answer:
            case Answer.YES:
                return CellOutcome(CellStatus.YES, versions=verdict.versions)
            case Answer.UNKNOWN:
                return _unanswered(verdict.reason)
            case Answer.NO:
                return self._repair(verdict)

    def _repair(self, verdict: Verdict) -> CellOutcome:
        """The smallest set of free pins to let go of; a no where none will do."""
        conflicts: list[Items] = []
        reasons: list[tuple[str, str]] = []
        unknown: dict[Items, str] = {}
        kept = self.every
        while True:
            if verdict.answer is Answer.NO:
                core, words = self._core(kept, verdict)
                freed = {self.all[item].name for item in self.every - kept}
                reasons.append((short_reason([self.all[item] for item in core], words, freed), words))
                if not core & self.free:
                    return CellOutcome(CellStatus.NO, reason=reasons[-1][0], detail=words)
                conflicts.append(core & self.free)
            else:
                unknown[self.every - kept] = verdict.reason
            ways = [way for way in hitting_sets(conflicts) if way not in unknown]
            if not ways:
                return _unanswered(next(iter(unknown.values())))
            if self.session.asked >= self.questions:
                reason = f"no answer within {self.questions} questions; so far: {reasons[0][0]}"
                return CellOutcome(CellStatus.UNKNOWN, reason=reason, detail=_joined(r[1] for r in reasons))
            kept = self.every - ways[0]
            verdict = self._ask(kept, whole=True)
            if verdict.answer is Answer.YES:
                return self._changed(ways[0], verdict, reasons)

    def _changed(self, way: Items, verdict: Verdict, reasons: list[tuple[str, str]]) -> CellOutcome:
        pins = {self.all[item].name: self.all[item].version or "" for item in way}
        return CellOutcome(
            CellStatus.CHANGES,
            changes={n: (old, new) for n, old in sorted(pins.items()) if (new := verdict.versions.get(n, old)) != old},
            reason="; ".join(dict.fromkeys(reason for reason, _ in reasons)),
            detail=_joined(words for _, words in reasons),
            versions=verdict.versions,
        )

    def _core(self, kept: Items, verdict: Verdict) -> tuple[Items, str]:
        """A conflict in ``kept``, as small as cheap questions make it, and the resolver's words for it."""
        named = frozenset(named_in(verdict.reason))
        near = frozenset(item for item in kept if self.all[item].name in named)

        def fails(items: Items) -> bool:
            return self._ask(items, also=named).answer is Answer.NO

        def fails_whole(items: Items) -> bool:
            return self._ask(hard | items, whole=True).answer is Answer.NO

        if (direct := self._direct(kept, verdict)) is not None:
            return direct, self._ask(direct).reason
        if fails(near):
            core = shrink(near, fails)
            return core, self._ask(core, also=named).reason
        hard = kept - self.free
        free: Items = frozenset() if fails_whole(frozenset()) else minimal_subset(kept & self.free, fails_whole)
        words = self._ask(hard | free, whole=True).reason
        return free | frozenset(item for item in hard if self.all[item].name in named_in(words)), words

    def _direct(self, kept: Items, verdict: Verdict) -> Items | None:
        """Two packages of which one, in its exact version, needs another version of the other: the usual conflict."""
        for need in unmet([self.all[item] for item in kept], verdict.reason)[:1]:
            pair = frozenset(item for item in kept if self.all[item].name in {need.name, need.other})
            if self._ask(pair).answer is Answer.NO:
                return pair
        return None

    def _ask(self, items: Items, *, whole: bool = False, also: Collection[str] = ()) -> Verdict:
        kept = [self.all[item] for item in sorted(items)]
        return self.session.ask(self.elements.request(kept, whole=whole, offline=self.offline, also=also))


def _unanswered(reason: str) -> CellOutcome:
    lines = reason.strip().splitlines() or ["the resolver said nothing"]
    return CellOutcome(CellStatus.UNKNOWN, reason=lines[0], detail=reason, settled=False)


def _joined(words: Iterable[str]) -> str:
    return "\n\n".join(dict.fromkeys(words))


# -- remembering --------------------------------------------------------------


def _data(outcome: CellOutcome) -> dict[str, object]:
    return {
        "status": outcome.status,
        "changes": {name: list(pair) for name, pair in outcome.changes.items()},
        "reason": outcome.reason,
        "detail": outcome.detail,
        "versions": dict(outcome.versions),
    }


def _outcome_from(text: str) -> CellOutcome | None:
    """None where it is not what was kept."""
    try:
        data = json.loads(text)
        changes = {str(name): (str(old), str(new)) for name, (old, new) in data["changes"].items()}
        versions = {str(name): str(version) for name, version in data["versions"].items()}
        return CellOutcome(CellStatus(data["status"]), changes, str(data["reason"]), str(data["detail"]), versions)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
