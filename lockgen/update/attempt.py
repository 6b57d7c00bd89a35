"""Find the versions of one group that resolve together, and with which the images run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from packaging.version import Version

from lockgen.app import App
from lockgen.core.parsing import parse_version
from lockgen.errors import BadInput, NoResolution
from lockgen.proof.bisection import newest_passing
from lockgen.proof.model import Problem, RunChange
from lockgen.update import plan as planning
from lockgen.update.model import MovedPin, ProofBound, Stuck, UpdateGroup
from lockgen.update.proving import UpdateProof, suspects
from lockgen.update.report import error_text
from lockgen.update.update_scan import UpdateScanOptions
from lockgen.upgrade import bump_render as bumps
from lockgen.upgrade.bump import Accept, BumpOptions, bumped
from lockgen.upgrade.bump_model import Bumped, UpgradeRequest, public

CutOff = Callable[[Mapping[str, Collection[Version]]], str | None]


@dataclass(frozen=True)
class AttemptResult:
    """What was moved; ``done`` is None if nothing can move. ``stuck`` are the packages without their best version.

    ``runs`` are the results of the changed images, ``bounds`` versions with which they do not run.
    """

    done: Bumped | None
    stuck: tuple[Stuck, ...] = ()
    runs: tuple[RunChange, ...] = ()
    bounds: tuple[ProofBound, ...] = ()


@dataclass(frozen=True)
class _Failed:
    """Versions that resolve, and with which images do not run."""

    done: Bumped
    runs: tuple[RunChange, ...]

    @property
    def problems(self) -> list[Problem]:
        return [problem for run in self.runs for problem in run.new_problems]


class Attempt:
    """Finds the versions of one group that resolve together and run, and writes them into its folder."""

    def __init__(
        self,
        group: UpdateGroup,
        app: App,
        options: UpdateScanOptions,
        cut_off: CutOff,
        proof: UpdateProof | None,
    ) -> None:
        self.group, self.app, self.cut_off, self.proof = group, app, cut_off, proof
        self.options = BumpOptions(
            variants=group.only,
            bases=tuple(base for candidate in group.bases for base in candidate.bases),
            live=options.live,
            seconds=options.seconds,
            jobs=options.jobs,
            no_cache=options.no_cache,
            # A single package has no parts that could move without it.
            whole=not group.partial or len(group.candidates) == 1,
        )
        # The last result that was written, and what its images do.
        self._done: Bumped | None = None
        self._runs: tuple[RunChange, ...] = ()
        # The last result that was not written, because its images do not run.
        self._failed: _Failed | None = None
        self._bounds: list[ProofBound] = []

    def run(self) -> AttemptResult:
        """Move what can move."""
        if not self.group.candidates:
            return AttemptResult(self._bump_bases())
        tried = planning.try_versions(self.group, self._try)
        if self._done is None and self._failed is not None:
            self._search_running(self._failed)
        stuck = (*self._stuck(tried), *self._not_running())
        if self._done is None and self.group.partial and self.group.bases:
            # No package of the group can move, but the base images still can.
            self._done = self._bump_bases()
        return AttemptResult(self._done, stuck, self._runs, tuple(self._bounds))

    def _bump_bases(self) -> Bumped:
        return bumped(self.app, [], self.options)

    def _stuck(self, tried: planning.TriedVersions) -> tuple[Stuck, ...]:
        best = {candidate.name: str(candidate.allowed[0]) for candidate in self.group.candidates}
        stuck = [Stuck(name, best[name], why) for name, why in tried.stuck.items()]
        if self._done is None:
            return tuple(stuck)
        reached = _reached_texts(self._done)
        reasons = {one.name: one.reason for one in self._done.short}
        # What `try_versions` found about the best version says more than the last attempt.
        reasons.update(tried.missed)
        for name, why in reasons.items():
            if name in reached:
                stuck.append(Stuck(name, best[name], why, reached[name]))
        return tuple(stuck)

    def _try(
        self, among: Mapping[str, Sequence[Version]], counts: Callable[[Collection[str]], bool]
    ) -> Mapping[str, str]:
        """See plan.TryVersions."""
        requests = [UpgradeRequest(name, None, tuple(map(str, versions))) for name, versions in among.items()]

        def accept(done: Bumped) -> bool:
            if not done.moves and not done.changes:
                return False
            return counts(_unmoved(done).keys()) and self._runs_with(done)

        try:
            done = self._bump(requests, among, accept)
        except (NoResolution, BadInput) as error:
            # The explanation is about the group: the resolver cannot blame a single package.
            return dict.fromkeys(among, error_text(error))
        unmoved = _unmoved(done)
        if not done.moves and not done.changes:
            return {**dict.fromkeys(among, "the update changes nothing"), **unmoved}
        if accept(done):
            self._done = done
        return unmoved

    # -- which versions run ----------------------------------------------------

    def _runs_with(self, done: Bumped) -> bool:
        """Whether the images that ``done`` changes run as before, as far as this machine can tell."""
        if self.proof is None:
            return True
        runs = self.proof.changes(self.app, done)
        if any(run.fails for run in runs):
            self._failed = _Failed(done, runs)
            return False
        self._runs = runs
        return True

    def _search_running(self, failed: _Failed) -> None:
        """Find the newest versions with which all images run, and write them.

        One package after the other: the one that a problem names gets the newest version without a problem of its own.
        """
        limits: dict[str, tuple[Version, ...]] = {}
        versions = {candidate.name: candidate.allowed for candidate in self.group.candidates}
        while self._done is None:
            moved = new_versions(failed.done)
            named = [name for name in suspects(failed.problems, moved.keys()) if name in versions]
            suspect = next((name for name in named if name not in limits), None)
            if suspect is None:
                return
            older = sorted(version for version in versions[suspect] if version < moved[suspect])
            search = _Search(self, limits, suspect)
            passed = newest_passing(older, search.passes)
            oldest_failed = min([moved[suspect], *search.failed])
            self._bounds.append(_bound(failed, suspect, passed, oldest_failed))
            if passed is None:
                return
            limits[suspect] = (passed,)
            again = self.attempt(limits, write=True)
            if again is None:
                return
            failed = again

    def attempt(self, limits: Mapping[str, tuple[Version, ...]], *, write: bool) -> _Failed | None:
        """Resolve with ``limits`` and run the images. None if nothing resolves, or if the result was written."""
        among = {candidate.name: candidate.allowed for candidate in self.group.candidates} | dict(limits)
        requests = [UpgradeRequest(name, None, tuple(map(str, versions))) for name, versions in among.items()]
        found: list[_Failed] = []

        def accept(done: Bumped) -> bool:
            runs = self.proof.changes(self.app, done) if self.proof is not None else ()
            found.append(_Failed(done, runs))
            return write and not any(run.fails for run in runs)

        try:
            done = self._bump(requests, among, accept)
        except (NoResolution, BadInput):
            return None
        if not found:
            return None
        if write and not found[-1].problems:
            self._done, self._runs = done, found[-1].runs
            return None
        return found[-1]

    def _not_running(self) -> list[Stuck]:
        """The packages that were held back because images do not run with their best version."""
        best = {candidate.name: str(candidate.allowed[0]) for candidate in self.group.candidates}
        if self._done is None and self._failed is not None and not self._bounds:
            # The problem names no package of the group, so no other version of one is tried.
            run = next(run for run in self._failed.runs if run.fails)
            why = f"{run.image} does not run: {run.new_problems[0].text}"
            return [Stuck(name, wanted, why) for name, wanted in best.items()]
        return [
            Stuck(bound.package, best[bound.package], f"{bound.image} does not run: {bound.reason}", bound.passed)
            for bound in self._bounds
        ]

    def _bump(
        self, requests: Sequence[UpgradeRequest], among: Mapping[str, Sequence[Version]], accept: Accept
    ) -> Bumped:
        """Bump with the cut-off that the chosen versions need.

        The versions depend on the cut-off and the other way round. So a dry run with the widest cut-off chooses the
        versions, and a second run resolves exactly these with the cut-off that they need.
        """
        widest = self.cut_off(among)
        options = replace(self.options, exclude_newer=widest)
        if widest is None:
            return bumped(self.app, requests, options, accept)
        first = bumped(self.app, requests, replace(options, dry_run=True))
        chosen = new_versions(first)
        exact = [replace(request, among=(str(chosen[request.name]),)) for request in requests if request.name in chosen]
        needed = self.cut_off({name: [version] for name, version in chosen.items()})
        options = replace(options, exclude_newer=needed)
        done = bumped(
            self.app,
            exact or requests,
            options,
            lambda second: accept(_with_reasons(second, first)),
        )
        return _with_reasons(done, first)


@dataclass
class _Search:
    """Tests versions of ``package``, with ``limits`` on other packages. ``failed`` are those that did not pass."""

    attempt: Attempt
    limits: Mapping[str, tuple[Version, ...]]
    package: str
    failed: list[Version] = field(default_factory=list)

    def passes(self, version: Version) -> bool:
        """Whether the group resolves with ``version``, and no problem names the package."""
        found = self.attempt.attempt({**self.limits, self.package: (version,)}, write=False)
        if found is not None and self.package not in suspects(found.problems, new_versions(found.done).keys()):
            return True
        self.failed.append(version)
        return False


def _bound(failed: _Failed, package: str, passed: Version | None, oldest_failed: Version) -> ProofBound:
    run = next(run for run in failed.runs if run.fails)
    named = [problem for problem in run.new_problems if problem.by == package]
    problem = (named or list(run.new_problems))[0]
    return ProofBound(package, str(passed) if passed else None, str(oldest_failed), run.image, problem.text)


def new_versions(done: Bumped) -> dict[str, Version]:
    """The public version that each package moves to."""
    found = {move.name: public(parse_version(move.new)) for move in done.moves if move.kind == "pin"}
    for move in unpinned_moves(done):
        found[move.name] = public(parse_version(move.new))
    return found


def _reached_texts(done: Bumped) -> dict[str, str]:
    """The version that each package moves to, as text. Without a pin it is the locked one, with its local part."""
    found = {name: str(version) for name, version in new_versions(done).items()}
    for move in unpinned_moves(done):
        found[move.name] = move.new
    return found


def _unmoved(done: Bumped) -> dict[str, str]:
    """The packages that do not move, with the reason."""
    return {one.name: bumps.stay(one) for one in done.stays}


def _with_reasons(done: Bumped, first: Bumped) -> Bumped:
    """``done`` with the reasons of the ``first`` run, which tried the latest versions."""
    return replace(done, stays=first.stays, short=first.short)


def unpinned_moves(done: Bumped) -> tuple[MovedPin, ...]:
    """The moves of packages without a pin that were resolved again, without those that nothing requires any more."""
    changes = {item.change.name: item.change for item in done.changes.packages}
    found = []
    for name in done.opened:
        change = changes.get(name)
        if change is not None and change.new is not None:
            found.append(MovedPin(change.name, change.old or "-", change.new, "locked"))
    return tuple(found)
