"""Remember on this machine which versions do not run, for `outdated` and `explain`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from lockgen.app import App
from lockgen.core.manifest import Manifest
from lockgen.proof.known_bounds import KIND, KnownBounds, locked_versions
from lockgen.proof.model import ProofBound, RunChange
from lockgen.upgrade.bump_model import Bumped, new_versions


def remember(
    app: App,
    manifest: Manifest,
    bounds: Iterable[ProofBound],
    done: Bumped | None = None,
    runs: Iterable[RunChange] = (),
    *,
    no_cache: bool = False,
) -> None:
    """Keep ``bounds``. ``done`` was run, with the results ``runs``: bounds that these disprove are dropped."""
    cache = app.cache(KIND, ignored=no_cache)
    known = KnownBounds(cache, manifest)
    if done is not None and done.lock is not None:
        passed = [run.image for run in runs if run.after.status == "yes"]
        versions = locked_versions(done.lock)
        known.forget(new_versions(done), passed, versions)
    today = datetime.now(UTC).date()
    known.keep(bounds, today.isoformat())
