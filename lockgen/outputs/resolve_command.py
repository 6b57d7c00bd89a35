"""`lockgen resolve`: resolve versions.toml, and write the lock and every file that follows from it."""

from __future__ import annotations

from lockgen.app import App
from lockgen.core.ports import Progress
from lockgen.errors import BadInput, Exit
from lockgen.io.background import begin
from lockgen.io.output import print_json, print_text
from lockgen.outputs.resolution_options import ResolveOptions
from lockgen.outputs.unchanged_runs import UnchangedRun, UnchangedRuns


def run(app: App, options: ResolveOptions) -> int:
    """Resolve, write all files or none, and print what changed to stdout.

    Raises:
        LockgenError: nothing was written.
    """
    if options.offline and options.live:
        raise BadInput("--offline and --live are mutually exclusive", hint="choose one")
    folder = app.folder
    # --check changes nothing: it need not wait for other commands, and works in a read-only folder.
    with folder.shared() if options.check else folder.locked():
        runs = UnchangedRuns(folder, options)
        known = runs.recall()
        # With --strict, warnings are errors.
        if known is not None and not (options.strict and known.warnings):
            _print_again(known, app.progress, options)
            return Exit.DONE
        # uv reports about itself while this process imports what it needs.
        begin(_look_up_uv)
        # Imported here, because this takes most of the time of a run that changes nothing.
        from lockgen.outputs.resolve_run import resolve

        return resolve(app, options, runs)


def _print_again(known: UnchangedRun, progress: Progress, options: ResolveOptions) -> None:
    for note in known.notes:
        progress.note(note)
    if options.as_json:
        print_json(known.document)
    else:
        print_text(known.text)
    # With --check, no file counts as written.
    if not options.check:
        progress.note(known.summary)
    for warning in known.warnings:
        progress.note(warning)


def _look_up_uv() -> None:
    from lockgen.io.uv import look_up

    look_up()
