"""`lockgen check`: offline, without a resolver and without a process: is everything as versions.toml says?"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

import click

from lockgen.adapters.pairtable import known_pairs
from lockgen.adapters.workspace import Folder
from lockgen.commands.drift import extra_files
from lockgen.commands.inputs import VERSIONS, compat_fingerprint, fingerprints, read_inputs
from lockgen.commands.tree import Tree, Written
from lockgen.errors import Exit
from lockgen.model.lock import Lock
from lockgen.model.manifest import Manifest
from lockgen.parsing.lock import is_intact, parse_lock
from lockgen.parsing.places import dotted
from lockgen.planning.sizes import excesses
from lockgen.rendering.lock import LOCK_PATH
from lockgen.rendering.matrix import COMPAT_PATH, inputs_of, is_unedited
from lockgen.rendering.tables import megabytes

RESOLVE = "lockgen resolve"
COMPAT = "lockgen compat"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that drifted. ``diff`` leads from what is there to what should be."""

    path: str
    kind: str
    message: str
    mend: str
    diff: str = ""


def run(root: Path, *, as_json: bool) -> int:
    """Prints what drifted to stdout; Exit.FOUND where anything did.

    Raises:
        LockgenError: an input or the lock cannot be read.
    """
    folder = Folder(root)
    with folder.shared():
        findings = check(folder)
    if as_json:
        _print_json(findings)
    else:
        for finding in findings:
            click.echo(_text(finding))
        if findings:
            mends = dict.fromkeys(finding.mend for finding in findings)
            click.echo(f"\n{len(findings)} found. To mend: {'; '.join(mends)}")
    return Exit.FOUND if findings else Exit.DONE


def check(folder: Folder) -> list[Finding]:
    """Everything that drifted, the cause before what follows from it."""
    inputs = read_inputs(folder)
    data = folder.read(LOCK_PATH)
    if data is None:
        return [Finding(LOCK_PATH, "missing", f"{LOCK_PATH}: there is no lock yet", RESOLVE)]
    lock = parse_lock(data, LOCK_PATH)
    findings = _inputs(lock.inputs, fingerprints(inputs.manifest, folder))
    written = Written(inputs.manifest, lock)
    tree = written.tree()
    if tree[LOCK_PATH] != data or not is_intact(data):
        mend = f"git checkout {LOCK_PATH}, or {RESOLVE}"
        diff = _diff(LOCK_PATH, data, tree[LOCK_PATH])
        findings.append(Finding(LOCK_PATH, "edited", f"{LOCK_PATH}: edited by hand", mend, diff))
    del tree[LOCK_PATH]
    return [
        *findings,
        *_files(folder, tree),
        *_programs(folder, written.starters()),
        *_budgets(inputs.manifest, lock),
        *_matrix(inputs.manifest, folder),
    ]


def _matrix(manifest: Manifest, folder: Folder) -> list[Finding]:
    """locks/COMPAT.md is there, unedited and of the present inputs, where [compat] is declared, and else is not."""
    data = folder.read(COMPAT_PATH)
    if manifest.compat is None:
        if data is None or inputs_of(data) is None:
            return []
        message = f"{COMPAT_PATH}: {VERSIONS} declares no [compat]"
        return [Finding(COMPAT_PATH, "extra", message, f"rm {COMPAT_PATH}")]
    if data is None:
        return [Finding(COMPAT_PATH, "missing", f"{COMPAT_PATH}: missing", COMPAT)]
    if not is_unedited(data):
        return [Finding(COMPAT_PATH, "edited", f"{COMPAT_PATH}: edited by hand", COMPAT)]
    if inputs_of(data) != compat_fingerprint(manifest, known_pairs(folder, manifest.compat.pairs), folder):
        message = f"{COMPAT_PATH}: {VERSIONS}, a record or the pair table changed since it was made"
        return [Finding(COMPAT_PATH, "input", message, COMPAT)]
    return []


def _budgets(manifest: Manifest, lock: Lock) -> list[Finding]:
    """What is larger than versions.toml allows; where a size is unknown, that is said: nobody can promise it."""
    findings = []
    for excess in excesses(manifest, lock):
        size, bound = megabytes(excess.size.installed), megabytes(excess.budget)
        text = f"{excess.what} comes to {size}, {dotted(excess.path)} allows {bound}"
        if not excess.known:
            names = ", ".join(sorted(excess.size.unknown))
            text = f"{excess.what} comes to {size} and what {names} come to, which is unknown; the budget is {bound}"
        findings.append(Finding(VERSIONS, "budget", text, f"a larger {dotted(excess.path)}, or fewer packages"))
    return findings


def _programs(folder: Folder, starters: Tree) -> list[Finding]:
    """A stage's program is the team's; that there is one is what an image needs."""
    return [
        Finding(path, "missing", f"{path}: the stage has no program", RESOLVE)
        for path in sorted(starters)
        if folder.read(path) is None
    ]


def _inputs(locked: dict[str, str], now: dict[str, str]) -> list[Finding]:
    findings = []
    for name in sorted({*locked, *now}):
        if locked.get(name) != now.get(name):
            what = "changed since the lock was made" if name in locked and name in now else "came or went"
            path = VERSIONS if name == VERSIONS else name
            findings.append(Finding(path, "input", f"{name}: {what}", RESOLVE))
    return findings


def _files(folder: Folder, tree: Tree) -> list[Finding]:
    findings = []
    for path, expected in sorted(tree.items()):
        found = folder.read(path)
        if found is None:
            findings.append(Finding(path, "missing", f"{path}: missing", RESOLVE))
        elif found != expected:
            diff = _diff(path, found, expected)
            findings.append(Finding(path, "edited", f"{path}: not what the lock comes to", RESOLVE, diff))
    extra = extra_files(folder, {**tree, LOCK_PATH: b""})
    return findings + [
        Finding(path, "extra", f"{path}: nothing in the lock comes to it", f"{RESOLVE}, or rm {path}") for path in extra
    ]


def _diff(path: str, found: bytes, expected: bytes) -> str:
    old, new = (data.decode("utf-8", "replace").splitlines() for data in (found, expected))
    return "\n".join(difflib.unified_diff(old, new, f"{path} (found)", f"{path} (from the lock)", lineterm="", n=2))


def _text(finding: Finding) -> str:
    lines = finding.diff.splitlines()
    shown = [f"    {line}" for line in lines[:40]]
    if len(lines) > 40:
        shown.append(f"    ... {len(lines) - 40} more lines")
    return "\n".join([finding.message, *shown])


def _print_json(findings: list[Finding]) -> None:
    import json

    rows = [{"path": f.path, "kind": f.kind, "message": f.message, "mend": f.mend, "diff": f.diff} for f in findings]
    click.echo(json.dumps({"format": 1, "findings": rows}, indent=2))
