"""`lockgen resolve`: resolve versions.toml, and write the lock and every file that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import click

from lockgen.app import App
from lockgen.core.layout import LOCK_PATH
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest
from lockgen.diff import render as rendering
from lockgen.diff.model import Changes
from lockgen.diff.plan import compare
from lockgen.errors import BadInput, Exit
from lockgen.lock.writer import render_lock
from lockgen.manifest.fingerprints import Inputs, read_inputs
from lockgen.outputs.generated_files import Tree
from lockgen.outputs.known_resolutions import KnownResolutions, RecordedNotes
from lockgen.outputs.lock_service import ResolutionOptions, old_lock, pending_files, resolve_lock
from lockgen.outputs.resolver_comparison import REFERENCE
from lockgen.outputs.stale_files import extra_files


@dataclass(frozen=True)
class ResolveOptions(ResolutionOptions):
    """The options of the command. ``check`` writes nothing, and exits with 1 if something would be written."""

    check: bool = False
    no_cache: bool = False
    as_json: bool = False


def run(app: App, options: ResolveOptions) -> int:
    """Resolve, write all files or none, and print what changed to stdout.

    Raises:
        LockgenError: nothing was written.
    """
    if options.offline and options.live:
        raise BadInput("--offline and --live exclude each other", hint="choose one")
    folder = app.folder
    # --check changes nothing: it need not wait for other commands, and works in a read-only folder.
    with folder.shared() if options.check else folder.locked():
        inputs = read_inputs(folder)
        old = old_lock(folder, app.progress)
        # These options ask for another result than the locked one.
        if options.upgrade or options.upgrade_packages or options.live or options.resolver != REFERENCE:
            return _finish(app, inputs.manifest, old, resolve_lock(app, inputs, old, options), options)
        return _resolve_unless_known(app, inputs, old, options)


def _resolve_unless_known(app: App, inputs: Inputs, old: Lock | None, options: ResolveOptions) -> int:
    known = KnownResolutions(app, inputs, offline=options.offline, ignored=options.no_cache)
    data = app.folder.read(LOCK_PATH)
    notes = known.recall(data) if old is not None and data is not None else None
    if old is not None and notes is not None:
        for note in notes:
            app.progress.note(note)
        return _finish(app, inputs.manifest, old, old, options)
    recorder = RecordedNotes(app.progress)
    lock = resolve_lock(replace(app, progress=recorder), inputs, old, options)
    code = _finish(app, inputs.manifest, old, lock, options)
    if not options.check:
        known.keep(render_lock(lock).encode(), recorder.notes)
    return code


def _finish(app: App, manifest: Manifest, old: Lock | None, lock: Lock, options: ResolveOptions) -> int:
    folder, progress = app.folder, app.progress
    pending = pending_files(folder, manifest, lock)
    changes = compare(old, lock)
    if options.check:
        _report(changes, pending.changed, options)
        return Exit.FOUND if pending.changed else Exit.DONE
    progress.step("writing")
    written = folder.replace(pending.wanted)
    _report(changes, written, options)
    progress.note(_summary(lock, pending.tree, written, extra_files(folder, pending.tree)))
    return Exit.DONE


def _report(changes: Changes, paths: list[str], options: ResolveOptions) -> None:
    if options.as_json:
        import json

        data = {"format": 1, "changes": rendering.as_json(changes), "files": paths}
        click.echo(json.dumps(data, indent=2))
        return
    click.echo(rendering.text(changes).rstrip("\n"))
    verb = "would be written" if options.check else "written"
    for path in paths:
        click.echo(f"{path} {verb}")


def _summary(lock: Lock, tree: Tree, written: list[str], extra: list[str]) -> str:
    count = f"{len(lock.packages)} packages for {len(lock.images)} images in {len(tree)} files"
    result = f"{len(written)} changed" if written else "all up to date"
    # Without lockgen's header, a file may be the user's, so lockgen never removes it.
    notes = [f"not written by lockgen, remove it yourself: {path}" for path in extra]
    return "\n".join([f"{count}: {result}", *notes])
