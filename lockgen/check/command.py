"""`lockgen check`, with a cache of passes: if nothing has changed since the last pass, nothing is parsed or imported.

A pass is recorded under the sha256 of every byte that the check reads: versions.toml, the lock, every file in the
folders that lockgen writes, the recorded indexes, and lockgen's own code. The record is in the user's cache, never in
the project, so that an edit cannot bring its own pass along. Any other byte gives another key, and the full check runs.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
from pathlib import Path

from lockgen import __version__
from lockgen.core.documents import parse_toml
from lockgen.errors import Exit, LockgenError
from lockgen.io.cache import cache_root

_KEY = re.compile(r"[0-9a-f]{64}")
_FOLDERS = ("docker", "locks")
_KEPT = 200
"""The most passes that the cache keeps."""


def run(root: Path, *, strict: bool = False, as_json: bool = False) -> int:
    """Print what drifted to stdout; return Exit.FOUND if anything did.

    Raises:
        LockgenError: an input or the lock cannot be read.
    """
    passes = cache_root() / "checked"
    key = _key(root)
    if key is not None and not as_json and (passes / key).exists():
        return Exit.DONE
    code, is_clean = _run_full_check(root, strict=strict, as_json=as_json)
    # A file may change while the check reads it: record the pass only for unchanged bytes.
    if is_clean and key is not None and key == _key(root):
        _record_pass(passes, key)
    return code


def _run_full_check(root: Path, *, strict: bool, as_json: bool) -> tuple[int, bool]:
    """The exit code, and whether there was nothing to print: only then the next check may be skipped."""
    # Imported here, because these take most of the time of a check that a recorded pass makes unnecessary.
    from lockgen.check import render
    from lockgen.check.full_check import check
    from lockgen.io.console import StandardError
    from lockgen.io.output import print_json, print_text
    from lockgen.io.workspace import Folder
    from lockgen.warnings import service as warning_service

    folder = Folder(root)
    with folder.shared():
        found = check(folder)
    if as_json:
        rows = warning_service.as_json(found.warnings, found.inputs)
        print_json(render.as_json(found.findings, rows))
    else:
        if found.findings:
            print_text(render.text(found.findings))
        warning_service.show_warnings(found.warnings, found.inputs, StandardError())
    fails = bool(found.findings) or (strict and bool(found.warnings))
    return Exit.FOUND if fails else Exit.DONE, not found.findings and not found.warnings


def _key(root: Path) -> str | None:
    """One digest of all that the check reads.

    None if a file cannot be read or is not a regular file: the full check reports that better.
    """
    from lockgen.io.workspace import Folder

    # The Python version counts, too: the code may behave differently under another one.
    digest = hashlib.sha256(f"{__version__} {sys.version}".encode())
    versions = root / "versions.toml"
    ignore = root / ".dockerignore"
    try:
        with Folder(root).shared():
            _add_file(digest, str(versions))
            if os.path.lexists(ignore):
                _add_file(digest, str(ignore))
            for folder in [*_FOLDERS, *_recorded_indexes(versions)]:
                _add_folder(digest, str(root / folder))
        _add_folder(digest, str(Path(__file__).parent.parent))
    except (OSError, LockgenError, _NotRegular):
        return None
    return digest.hexdigest()


def _recorded_indexes(versions: Path) -> list[str]:
    """The folders of recorded indexes, which may be anywhere in the project."""

    try:
        tables = parse_toml(versions.read_text(encoding="utf-8"))["index"].values()
        return sorted(str(table["recorded"]) for table in tables if "recorded" in table)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return []  # without an index, or invalid: an invalid file never passes


class _NotRegular(Exception):
    """A link, a FIFO or a device: what these lead to can change without a byte of their own."""


def _add_folder(digest: hashlib._Hash, top: str) -> None:
    if not os.path.lexists(top):
        return
    if os.path.islink(top):
        raise _NotRegular(top)
    pending = [top]
    while pending:
        with os.scandir(pending.pop()) as found:
            # The order of scandir differs between file systems.
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                _add_file(digest, entry.path)
            elif entry.name != "__pycache__":
                pending.append(entry.path)


def _add_file(digest: hashlib._Hash, path: str) -> None:
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise _NotRegular(path)
    with open(path, "rb") as file:
        data = file.read()
    # The length keeps two neighbouring files from being read as one.
    digest.update(os.fsencode(path) + b"\0%d\0" % len(data))
    digest.update(data)


def _record_pass(passes: Path, key: str) -> None:
    try:
        passes.mkdir(parents=True, exist_ok=True)
        recorded = [entry for entry in passes.iterdir() if _KEY.fullmatch(entry.name)]
        recorded.sort(key=lambda entry: entry.stat().st_mtime)
        for oldest in recorded[:-_KEPT]:
            oldest.unlink()
        (passes / key).touch()
    except OSError:
        return  # a cache that cannot be written only costs time
