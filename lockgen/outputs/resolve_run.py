"""A run of `lockgen resolve` that has to look at the project: resolve, write the files, and report."""

from __future__ import annotations

from dataclasses import replace

from lockgen.app import App
from lockgen.core.layout import LOCK_PATH
from lockgen.core.lock import Lock
from lockgen.errors import BadInput
from lockgen.io.background import begin_when_waiting
from lockgen.lock.writer import render_lock
from lockgen.manifest.fingerprints import Inputs, read_inputs
from lockgen.manifest.resolvable_file import ResolvableFile
from lockgen.outputs.known_resolutions import KnownResolutions, KnownResult, RecordedNotes
from lockgen.outputs.lock_service import Outcome, Resolved, old_lock, resolution_faults, resolve_lock
from lockgen.outputs.resolution_options import ResolveOptions
from lockgen.outputs.unchanged_runs import UnchangedRuns
from lockgen.warnings import service as warning_service
from lockgen.warnings.rules.unknown_extra import UNKNOWN_EXTRA


def resolve(app: App, options: ResolveOptions, runs: UnchangedRuns) -> int:
    """Resolve, write all files or none, and print what changed. ``runs`` learns what an unchanged run prints.

    Raises:
        LockgenError: nothing was written.
    """
    folder = app.folder
    old = old_lock(folder, app.progress)
    inputs = _inputs(app, old, options)
    recorder = RecordedNotes(app.progress)
    resolved = _resolve_unless_known(replace(app, progress=recorder), inputs, old, options)
    if options.strict:
        warning_service.refuse_warnings(resolved.warnings, inputs)
    # Imported here, because a resolution imports it in the background.
    from lockgen.outputs.resolve_report import finish

    return finish(app, options, Outcome(inputs, old, resolved, recorder.notes), runs)


def _inputs(app: App, old: Lock | None, options: ResolveOptions) -> Inputs:
    """versions.toml.

    Raises:
        BadInput: with the faults of the file, and those of its resolution, as far as that does not depend on them.
    """
    try:
        return read_inputs(app.folder)
    except ResolvableFile as error:
        app.progress.step("versions.toml has faults; resolving to find the others")
        faults = resolution_faults(app, Inputs(error.text, error.manifest), old, options)
        raise BadInput.of([*error.faults, *faults]) from error


def _resolve_unless_known(app: App, inputs: Inputs, old: Lock | None, options: ResolveOptions) -> Resolved:
    """Resolve, unless an earlier run had the lock on disk as the result of the same inputs."""
    if not options.accepts_known:
        return resolve_lock(app, inputs, old, options)
    known = KnownResolutions(app, inputs, offline=options.offline)
    data = app.folder.read(LOCK_PATH)
    result = known.recall(data) if data is not None else None
    if old is not None and result is not None:
        for note in result.notes:
            app.progress.note(note)
        return Resolved(old, warning_service.family_warnings(app.folder, inputs, old, result.unknown_extras))
    begin_when_waiting(_prepare_report)
    recorder = RecordedNotes(app.progress)
    resolved = resolve_lock(replace(app, progress=recorder), inputs, old, options)
    if not options.check:
        extras = [warning.message for warning in resolved.warnings if warning.rule == UNKNOWN_EXTRA]
        known.keep(render_lock(resolved.lock).encode(), KnownResult(recorder.notes, extras))
    return resolved


def _prepare_report() -> None:
    from lockgen.outputs.resolve_report import prepare

    prepare()
