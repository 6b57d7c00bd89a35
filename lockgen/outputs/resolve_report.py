"""Write the files of a resolution, and report what changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lockgen.app import App
from lockgen.core.lock import Lock
from lockgen.diff import render as rendering
from lockgen.diff.model import Changes
from lockgen.diff.plan import compare
from lockgen.errors import Exit
from lockgen.io.output import print_json, print_text
from lockgen.outputs.generated_files import Tree, tree_summary
from lockgen.outputs.image_files import compile_templates
from lockgen.outputs.known_resolutions import stands_still
from lockgen.outputs.lock_service import Outcome
from lockgen.outputs.pending_files import pending_files
from lockgen.outputs.resolution_options import ResolveOptions
from lockgen.outputs.unchanged_runs import UnchangedRun, UnchangedRuns
from lockgen.warnings import service as warning_service

Rows = list[dict[str, object]]


def prepare() -> None:
    """Do what needs no lock."""
    compile_templates()


def finish(app: App, options: ResolveOptions, outcome: Outcome, runs: UnchangedRuns) -> int:
    """Write all files or none, and print what changed. ``runs`` learns what an unchanged run prints.

    Raises:
        LockgenError: nothing was written.
    """
    folder, inputs = app.folder, outcome.inputs
    lock, warnings = outcome.resolved
    pending = pending_files(folder, inputs.manifest, lock)
    rows = warning_service.as_json(warnings, inputs)
    texts = warning_service.texts(warnings, inputs)
    changes = compare(outcome.old, lock)
    if options.check:
        changed = pending.changed(folder)
        _print(_Report(changes, pending.wanted, changed, rows), options)
        _note(app, texts)
        return Exit.FOUND if changed else Exit.DONE
    app.progress.step("writing")
    written = folder.replace(pending.wanted)
    _print(_Report(changes, pending.wanted, written, rows), options)
    _note(app, [_summary(lock, pending.tree, written, pending.extra), *texts])
    # Whether an extra file is lockgen's may depend on the lock at HEAD, and so on more than files.
    if stands_still(inputs.manifest) and not pending.extra:
        report = _Report(Changes(), {}, [], rows)
        summary = _summary(lock, pending.tree, [], [])
        unchanged = UnchangedRun(outcome.notes, report.text(), report.document(), summary, texts)
        runs.keep({path: pending.wanted[path] for path in written}, unchanged)
    return Exit.DONE


def _note(app: App, texts: list[str]) -> None:
    for text in texts:
        app.progress.note(text)


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


def _summary(lock: Lock, tree: Tree, written: list[str], extra: list[str]) -> str:
    result = f"{len(written)} changed" if written else "all up to date"
    lines = [f"{tree_summary(lock, tree)}: {result}"]
    # Without lockgen's header, a file may be the user's, so lockgen never removes it.
    lines += [f"not written by lockgen, remove it yourself: {path}" for path in extra]
    return "\n".join(lines)
