"""A run of `lockgen resolve` that has to look at the project: resolve, write the files, and report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from lockgen.app import App
from lockgen.core.layout import LOCK_PATH
from lockgen.core.lock import Lock
from lockgen.diff import render as rendering
from lockgen.diff.model import Changes
from lockgen.diff.plan import compare
from lockgen.errors import Exit
from lockgen.io.output import print_json, print_text
from lockgen.lock.writer import render_lock
from lockgen.manifest.fingerprints import Inputs, read_inputs
from lockgen.outputs.generated_files import Tree
from lockgen.outputs.known_resolutions import KnownResolutions, KnownResult, RecordedNotes, stands_still
from lockgen.outputs.lock_service import Resolved, old_lock, pending_files, resolve_lock
from lockgen.outputs.resolution_options import ResolveOptions
from lockgen.outputs.stale_files import extra_files
from lockgen.outputs.unchanged_runs import UnchangedRun, UnchangedRuns
from lockgen.warnings import service as warning_service
from lockgen.warnings.rules.unknown_extra import UNKNOWN_EXTRA

Rows = list[dict[str, object]]


def resolve(app: App, options: ResolveOptions, runs: UnchangedRuns) -> int:
    """Resolve, write all files or none, and print what changed. ``runs`` learns what an unchanged run prints.

    Raises:
        LockgenError: nothing was written.
    """
    folder = app.folder
    inputs = read_inputs(folder)
    old = old_lock(folder, app.progress)
    recorder = RecordedNotes(app.progress)
    resolved = _resolve_unless_known(replace(app, progress=recorder), inputs, old, options)
    if options.strict:
        warning_service.refuse_warnings(resolved.warnings, inputs)
    lock = resolved.lock
    pending = pending_files(folder, inputs.manifest, lock)
    warnings = warning_service.texts(resolved.warnings, inputs)
    rows = warning_service.as_json(resolved.warnings, inputs)
    changes = compare(old, lock)
    if options.check:
        _print(_Report(changes, pending.wanted, pending.changed, rows), options)
        _note(app, warnings)
        return Exit.FOUND if pending.changed else Exit.DONE
    app.progress.step("writing")
    written = folder.replace(pending.wanted)
    extra = extra_files(folder, pending.tree)
    _print(_Report(changes, pending.wanted, written, rows), options)
    _note(app, [_summary(lock, pending.tree, written, extra), *warnings])
    # Whether an extra file is lockgen's may depend on the lock at HEAD, and so on more than files.
    if stands_still(inputs.manifest) and not extra:
        unchanged = _Report(compare(lock, lock), {}, [], rows)
        summary = _summary(lock, pending.tree, [], [])
        run = UnchangedRun(recorder.notes, unchanged.text(), unchanged.document(), summary, warnings)
        runs.keep({path: pending.wanted[path] for path in written}, run)
    return Exit.DONE


def _resolve_unless_known(app: App, inputs: Inputs, old: Lock | None, options: ResolveOptions) -> Resolved:
    """Resolve, unless an earlier run had the lock on disk as the result of the same inputs."""
    if not options.accepts_known:
        return resolve_lock(app, inputs, old, options)
    known = KnownResolutions(app, inputs, offline=options.offline)
    data = app.folder.read(LOCK_PATH)
    result = known.recall(data) if data is not None else None
    if old is not None and result is not None:
        _note(app, result.notes)
        return Resolved(old, warning_service.family_warnings(app.folder, inputs, old, result.unknown_extras))
    recorder = RecordedNotes(app.progress)
    resolved = resolve_lock(replace(app, progress=recorder), inputs, old, options)
    if not options.check:
        extras = [warning.message for warning in resolved.warnings if warning.rule == UNKNOWN_EXTRA]
        known.keep(render_lock(resolved.lock).encode(), KnownResult(recorder.notes, extras))
    return resolved


class _Report(NamedTuple):
    """What changed. ``paths`` are those of ``wanted`` that were, or would be, written or removed (None)."""

    changes: Changes
    wanted: Mapping[str, bytes | None]
    paths: list[str]
    warnings: Rows

    @property
    def removed(self) -> list[str]:
        return [path for path in self.paths if self.wanted[path] is None]

    def text(self, happened: str = "") -> str:
        """As text. ``happened`` goes before the verbs."""
        removed = set(self.removed)
        lines = [rendering.text(self.changes).rstrip("\n")]
        for path in self.paths:
            verb = "removed" if path in removed else "written"
            lines.append(f"{path} {happened}{verb}")
        return "\n".join(lines)

    def document(self) -> dict[str, object]:
        """As JSON."""
        # "files" has all changed paths, the removed ones too: readers of format 1 expect them there.
        return {
            "format": 1,
            "changes": rendering.as_json(self.changes),
            "files": self.paths,
            "removed": self.removed,
            "warnings": self.warnings,
        }


def _print(report: _Report, options: ResolveOptions) -> None:
    if options.as_json:
        print_json(report.document())
    else:
        print_text(report.text("would be " if options.check else ""))


def _note(app: App, texts: list[str]) -> None:
    for text in texts:
        app.progress.note(text)


def _summary(lock: Lock, tree: Tree, written: list[str], extra: list[str]) -> str:
    packages, images, files = len(lock.packages), len(lock.images), len(tree)
    result = f"{len(written)} changed" if written else "all up to date"
    lines = [f"{packages} packages for {images} images in {files} files: {result}"]
    # Without lockgen's header, a file may be the user's, so lockgen never removes it.
    lines += [f"not written by lockgen, remove it yourself: {path}" for path in extra]
    return "\n".join(lines)
