"""Find the versions of one group that resolve together, and with which the images run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.version import Version

from lockgen.app import App
from lockgen.errors import BadInput, NoResolution
from lockgen.manifest.fingerprints import read_inputs
from lockgen.proof.model import ProofBound, RunChange
from lockgen.update import plan as planning
from lockgen.update.model import MovedPin, Stuck, UpdateGroup
from lockgen.update.report import error_text
from lockgen.update.update_scan import UpdateScanOptions
from lockgen.upgrade import bump_render as bumps
from lockgen.upgrade.bound_memory import remember
from lockgen.upgrade.bump import Accept, BumpOptions, bumped
from lockgen.upgrade.bump_model import Bumped, UpgradeRequest, new_versions, unpinned_changes
from lockgen.upgrade.proving import UpgradeProof
from lockgen.upgrade.running_search import Limits, RunningSearch, Tried

CutOff = Callable[[Mapping[str, Collection[Version]]], str | None]


@dataclass(frozen=True)
class AttemptResult:
    """What was moved; ``done`` is None if nothing can move. ``stuck`` are the packages without their best version.

    ``runs`` are the results of the changed images; if nothing can move, of the versions that do not run. ``bounds`` are
    versions with which they do not run.
    """

    done: Bumped | None
    stuck: tuple[Stuck, ...] = ()
    runs: tuple[RunChange, ...] = ()
    bounds: tuple[ProofBound, ...] = ()


class Attempt:
    """Finds the versions of one group that resolve together and run, and writes them into its folder."""

    def __init__(
        self,
        group: UpdateGroup,
        app: App,
        options: UpdateScanOptions,
        cut_off: CutOff,
        proof: UpgradeProof | None,
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
        self._failed: Tried | None = None
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
        runs = self._runs
        if self._done is None and self._failed is not None:
            runs = self._failed.runs
        if self.proof is not None:
            manifest = read_inputs(self.app.folder).manifest
            remember(self.app, manifest, self._bounds, self._done, self._runs, no_cache=self.options.no_cache)
        return AttemptResult(self._done, stuck, runs, tuple(self._bounds))

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
        tried = Tried(done, self.proof.changes(self.app, done))
        if not tried.runs_well:
            self._failed = tried
            return False
        self._runs = tried.runs
        return True

    def _search_running(self, failed: Tried) -> None:
        """Find the newest versions with which all images run, and write them."""
        allowed = {candidate.name: candidate.allowed for candidate in self.group.candidates}
        search = RunningSearch(allowed, self._try_limits, optional=not self.options.whole)
        found = search.search(failed)
        self._bounds += search.bounds
        if found is not None:
            self._done, self._runs = found.done, found.runs

    def _try_limits(self, limits: Limits, images: Collection[str] | None) -> Tried | None:
        """See TryLimits."""
        among = {candidate.name: candidate.allowed for candidate in self.group.candidates} | dict(limits)
        among = {name: versions for name, versions in among.items() if versions}
        if not among:
            return None
        requests = [UpgradeRequest(name, None, tuple(map(str, versions))) for name, versions in among.items()]
        found: list[Tried] = []

        def accept(done: Bumped) -> bool:
            runs = self.proof.changes(self.app, done, images) if self.proof is not None else ()
            found.append(Tried(done, runs))
            return images is None and found[-1].runs_well

        try:
            done = self._bump(requests, among, accept)
        except (NoResolution, BadInput):
            return None
        return replace(found[-1], done=done) if found else None

    def _not_running(self) -> list[Stuck]:
        """The packages that were held back because images do not run with their best version."""
        best = {candidate.name: str(candidate.allowed[0]) for candidate in self.group.candidates}
        if self._done is None and self._failed is not None and not self._bounds:
            # The problem names no package of the group, so no other version of one is tried.
            run = next(run for run in self._failed.runs if run.fails)
            why = f"{run.image} does not run: {run.new_problems[0].title}"
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
    """The moves of packages without a pin that were resolved again."""
    moves = [MovedPin(one.name, one.old or "-", one.new or "-", "locked") for one in unpinned_changes(done)]
    return tuple(moves)
