"""`lockgen check`, with a cache of passes: if nothing has changed since the last pass, nothing is parsed or imported.

A pass is recorded under a digest of every byte that the check reads (`lockgen/io/snapshot.py`), with the notes that it
printed. Any other byte gives another key, and the full check runs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from lockgen.core.documents import parse_json
from lockgen.errors import Exit
from lockgen.io.known_runs import KnownRuns
from lockgen.io.snapshot import read_snapshot
from lockgen.io.workspace import Folder


def run(root: Path, *, strict: bool = False, as_json: bool = False, quiet: bool = False) -> int:
    """Print what drifted to stdout, and on stderr what was checked; return Exit.FOUND if anything drifted.

    Raises:
        LockgenError: an input or the lock cannot be read.
    """
    folder = Folder(root)
    passes = KnownRuns("checked")
    before = read_snapshot(folder)
    known = _parsed(passes.recall(before.key)) if before is not None else None
    # With --strict, warnings fail.
    if known is not None and not as_json and not (strict and known.warnings):
        _note(known, quiet=quiet)
        return Exit.DONE
    result = _run_full_check(folder, strict=strict, as_json=as_json, quiet=quiet)
    # A file may change while the check reads it: record the pass only for unchanged bytes.
    if result.lasting is not None and before is not None and before == read_snapshot(folder):
        passes.keep(before.key, json.dumps(result.lasting))
    return result.code


class _Notes(NamedTuple):
    """The notes of a pass. ``checked`` says what was checked: "162 packages for 15 images in 66 files"."""

    checked: str
    warnings: list[str]


def _parsed(text: str | None) -> _Notes | None:
    """The notes of a recorded pass; None if there is none, or it is damaged."""
    if text is None:
        return None
    try:
        checked, warnings = parse_json(text)
    except (ValueError, TypeError):
        return None
    if not isinstance(checked, str) or not isinstance(warnings, list):
        return None
    return _Notes(checked, [str(warning) for warning in warnings])


def _note(notes: _Notes, *, quiet: bool) -> None:
    from lockgen.io.console import StandardError

    progress = StandardError()
    for warning in notes.warnings:
        progress.note(warning)
    if notes.checked and not quiet:
        progress.note(f"{notes.checked}: all as locked")


class _Result(NamedTuple):
    """``lasting`` are the notes of a pass, as long as no byte changes; None without a pass."""

    code: int
    lasting: _Notes | None


def _run_full_check(folder: Folder, *, strict: bool, as_json: bool, quiet: bool) -> _Result:
    # Imported here, because these take most of the time of a check that a recorded pass makes unnecessary.
    from lockgen.check import render
    from lockgen.check.full_check import check
    from lockgen.io.output import print_json, print_text
    from lockgen.warnings import service as warning_service

    with folder.shared():
        found = check(folder)
    warnings = warning_service.texts(found.warnings, found.inputs)
    notes = _Notes("" if found.findings else found.checked, warnings)
    if as_json:
        rows = warning_service.as_json(found.warnings, found.inputs)
        print_json(render.as_json(found.findings, rows))
    else:
        if found.findings:
            print_text(render.text(found.findings))
        _note(notes, quiet=quiet)
    fails = bool(found.findings) or (strict and bool(warnings))
    is_lasting = not found.findings and warning_service.are_lasting(found.warnings)
    return _Result(Exit.FOUND if fails else Exit.DONE, notes if is_lasting else None)
