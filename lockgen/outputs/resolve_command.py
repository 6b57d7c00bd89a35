"""`lockgen resolve`: resolve versions.toml, and write the lock and every file that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lockgen.app import App
from lockgen.core.layout import LOCK_PATH
from lockgen.core.lock import Lock
from lockgen.diff import render as rendering
from lockgen.diff.model import Changes
from lockgen.diff.plan import compare
from lockgen.errors import BadInput, Exit
from lockgen.io.output import print_json, print_text
from lockgen.lock.writer import render_lock
from lockgen.manifest.fingerprints import Inputs, read_inputs
from lockgen.outputs.generated_files import Tree
from lockgen.outputs.known_resolutions import KnownResolutions, KnownResult, RecordedNotes
from lockgen.outputs.lock_service import (
    PendingFiles,
    ResolutionOptions,
    Resolved,
    old_lock,
    pending_files,
    resolve_lock,
)
from lockgen.outputs.resolver_comparison import REFERENCE
from lockgen.outputs.stale_files import extra_files
from lockgen.warnings.rules.unknown_extra import UNKNOWN_EXTRA
from lockgen.warnings.service import as_json, family_warnings, refuse_warnings, show_warnings


@dataclass(frozen=True)
class ResolveOptions(ResolutionOptions):
    """The options of the command.

    ``check`` writes nothing, and exits with 1 if something would be written. With ``strict``, warnings are errors.
    """

    check: bool = False
    no_cache: bool = False
    as_json: bool = False
    strict: bool = False


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
        resolved = _resolve_unless_known(app, inputs, old, options)
        if options.strict:
            refuse_warnings(resolved.warnings, inputs)
        code = _finish(app, inputs, old, resolved, options)
        show_warnings(resolved.warnings, inputs, app.progress)
        return code


def _resolve_unless_known(app: App, inputs: Inputs, old: Lock | None, options: ResolveOptions) -> Resolved:
    """Resolve, unless an earlier run had the lock on disk as the result of the same inputs."""
    # These options ask for another result than the locked one.
    if options.upgrade or options.upgrade_packages or options.live or options.resolver != REFERENCE:
        return resolve_lock(app, inputs, old, options)
    known = KnownResolutions(app, inputs, offline=options.offline, ignored=options.no_cache)
    data = app.folder.read(LOCK_PATH)
    result = known.recall(data) if data is not None else None
    if old is not None and result is not None:
        for note in result.notes:
            app.progress.note(note)
        return Resolved(old, family_warnings(app.folder, inputs, old, result.unknown_extras))
    recorder = RecordedNotes(app.progress)
    resolved = resolve_lock(replace(app, progress=recorder), inputs, old, options)
    if not options.check:
        extras = [warning.message for warning in resolved.warnings if warning.rule == UNKNOWN_EXTRA]
        known.keep(render_lock(resolved.lock).encode(), KnownResult(recorder.notes, extras))
    return resolved


def _finish(app: App, inputs: Inputs, old: Lock | None, resolved: Resolved, options: ResolveOptions) -> int:
    folder, progress, lock = app.folder, app.progress, resolved.lock
    pending = pending_files(folder, inputs.manifest, lock)
    changes = compare(old, lock)
    warnings = as_json(resolved.warnings, inputs)
    if options.check:
        _report(changes, pending, pending.changed, warnings, options)
        return Exit.FOUND if pending.changed else Exit.DONE
    progress.step("writing")
    written = folder.replace(pending.wanted)
    _report(changes, pending, written, warnings, options)
    progress.note(_summary(lock, pending.tree, written, extra_files(folder, pending.tree)))
    return Exit.DONE


def _report(
    changes: Changes,
    pending: PendingFiles,
    paths: list[str],
    warnings: list[dict[str, object]],
    options: ResolveOptions,
) -> None:
    """Print the changes. ``paths`` are those of ``pending`` that were, or would be, written or removed."""
    removed = [path for path in paths if pending.wanted[path] is None]
    if options.as_json:
        # "files" has all changed paths, the removed ones too: readers of format 1 expect them there.
        data = {
            "format": 1,
            "changes": rendering.as_json(changes),
            "files": paths,
            "removed": removed,
            "warnings": warnings,
        }
        print_json(data)
        return
    print_text(rendering.text(changes).rstrip("\n"))
    for path in paths:
        verb = "removed" if path in removed else "written"
        print_text(f"{path} would be {verb}" if options.check else f"{path} {verb}")


def _summary(lock: Lock, tree: Tree, written: list[str], extra: list[str]) -> str:
    packages, images, files = len(lock.packages), len(lock.images), len(tree)
    result = f"{len(written)} changed" if written else "all up to date"
    lines = [f"{packages} packages for {images} images in {files} files: {result}"]
    # Without lockgen's header, a file may be the user's, so lockgen never removes it.
    lines += [f"not written by lockgen, remove it yourself: {path}" for path in extra]
    return "\n".join(lines)
