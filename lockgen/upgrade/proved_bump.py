"""`lockgen bump --prove`: run the images that a bump changes before it is written."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from lockgen.app import App
from lockgen.core.manifest import Manifest
from lockgen.errors import BadInput, DoesNotRun, Fault, NoResolution
from lockgen.manifest.fingerprints import read_inputs
from lockgen.outputs import lock_service as resolving
from lockgen.proof.model import ProofBound
from lockgen.proof.service import Family, Prover
from lockgen.upgrade.bound_memory import remember
from lockgen.upgrade.bump import BumpOptions, bumped
from lockgen.upgrade.bump_model import Bumped, UpgradeRequest
from lockgen.upgrade.proving import UpgradeProof
from lockgen.upgrade.running_search import Limits, RunningSearch, Tried, leading


def proved_bump(app: App, requests: Sequence[UpgradeRequest], options: BumpOptions) -> Bumped:
    """Change pins as `bumped` does, to the newest versions with which the images run as before.

    The images are run before and after: their packages are imported, and their tests run. What this machine cannot run
    does not stop the bump.

    Raises:
        DoesNotRun: images do not run with the requested versions. Nothing was changed.
        LockgenError: as `bumped`.
    """
    old = resolving.old_lock(app.folder, app.progress)
    manifest = read_inputs(app.folder).manifest
    base = Family(app, manifest, old) if old is not None else None
    prover = Prover(app, with_tests=True, offline=options.offline, live=options.live, no_cache=options.no_cache)
    with prover:
        return _ProvedBump(app, requests, options, manifest, UpgradeProof(base, prover)).run()


@dataclass(frozen=True)
class _ProvedBump:
    app: App
    requests: Sequence[UpgradeRequest]
    options: BumpOptions
    manifest: Manifest
    proof: UpgradeProof

    def run(self) -> Bumped:
        first = self._tried(self.requests, None)
        if first.runs_well:
            self._remember((), first)
            return replace(first.done, runs=first.runs)
        search = RunningSearch(first.done.newer, self._try_limits, optional=len(self.requests) > 1)
        found = search.search(first)
        self._remember(search.bounds, found)
        if found is None:
            raise _does_not_run(first)
        return replace(found.done, runs=found.runs, bounds=tuple(search.bounds))

    def _remember(self, bounds: Sequence[ProofBound], ran: Tried | None) -> None:
        """Keep what was found, for `outdated` and `explain`."""
        done, runs = (ran.done, ran.runs) if ran is not None else (None, ())
        remember(self.app, self.manifest, bounds, done, runs, no_cache=self.options.no_cache)

    def _tried(self, requests: Sequence[UpgradeRequest], images: Collection[str] | None) -> Tried:
        """The result for ``requests``. It is written only if all images run; ``images`` are the only ones to run."""
        found: list[Tried] = []

        def accept(done: Bumped) -> bool:
            found.append(Tried(done, self.proof.changes(self.app, done, images)))
            return images is None and found[-1].runs_well

        done = bumped(self.app, requests, self.options, accept)
        if not found:
            # A dry run accepts nothing, and neither does a bump without changes.
            accept(done)
        return replace(found[-1], done=done)

    def _try_limits(self, limits: Limits, images: Collection[str] | None) -> Tried | None:
        """See TryLimits."""
        requests = [request for request in self.requests if leading(request.name, limits) not in limits]
        for name, versions in limits.items():
            if versions:
                requests.append(UpgradeRequest(name, None, tuple(map(str, versions))))
        if not requests:
            return None
        try:
            return self._tried(requests, images)
        except (NoResolution, BadInput):
            return None


def _does_not_run(failed: Tried) -> DoesNotRun:
    """Every new problem of every image, then what to do."""
    faults = []
    for run in failed.runs:
        message = f"{run.image} does not run"
        faults += [Fault(f"{message}: {problem.title}", reason=problem.output or None) for problem in run.new_problems]
    moves = [move for move in failed.done.moves if move.kind == "pin"]
    exact = [move.name for move in moves if move.name not in failed.done.newer]
    versions = ", ".join(f"{move.name} {move.new}" for move in moves)
    summary = f"not written, because images do not run with {versions or 'the changed packages'}"
    if exact:
        hint = f"lockgen bump {' '.join(exact)} --prove takes the newest versions that run. No files were changed."
    else:
        hint = "no newer version was found that runs. No files were changed."
    return DoesNotRun.of([Fault(summary, hint=hint), *faults])
