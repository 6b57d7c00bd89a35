"""`lockgen check`: verify offline, without a resolver, that everything is as versions.toml and the lock say.

It starts a process (git, to read the lock at HEAD) only where a file is neither lockgen's by its header nor recorded by
the lock on disk.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from lockgen.compat.render import inputs_of, is_unedited
from lockgen.core.layout import COMPAT_PATH, LOCK_PATH
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest
from lockgen.core.sizes import Excess
from lockgen.core.text_table import megabytes
from lockgen.core.toml_positions import dotted
from lockgen.errors import Exit
from lockgen.io.ownership import foreign_files, generated_on_disk, may_remove
from lockgen.io.workspace import Folder
from lockgen.lock.reader import is_intact, parse_lock
from lockgen.manifest.fingerprints import VERSIONS, Inputs, compat_fingerprint, fingerprints, read_inputs
from lockgen.outputs.generated_files import GeneratedFiles, Tree
from lockgen.outputs.lock_records import lock_records
from lockgen.outputs.stale_files import extra_files
from lockgen.pairs.table import known_pairs
from lockgen.size.plan import excesses, remedies

RESOLVE = "lockgen resolve"
COMPAT = "lockgen compat"


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """One thing that drifted. ``diff`` leads from what is there to what should be; ``excess`` is what a budget is not
    kept by, as kind "budget", or "budget-unknown" where an unknown size keeps anybody from saying.
    """

    path: str
    kind: str
    message: str
    mend: str
    diff: str = ""
    line: int | None = None
    excess: Excess | None = None

    @property
    def is_drift(self) -> bool:
        """Whether something is not as the lock and versions.toml say; what is too large is as they say."""
        return self.excess is None


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


def check(folder: Folder) -> list[CheckFinding]:
    """Everything that drifted, the cause before what follows from it."""
    inputs = read_inputs(folder)
    data = folder.read(LOCK_PATH)
    if data is None:
        missing = CheckFinding(LOCK_PATH, "missing", f"{LOCK_PATH}: there is no lock yet", RESOLVE)
        return [*_foreign(folder, dict.fromkeys(generated_on_disk(folder))), missing]
    lock = parse_lock(data, LOCK_PATH)
    findings = _inputs(lock.inputs, fingerprints(inputs.manifest, folder))
    written = GeneratedFiles(inputs.manifest, lock)
    tree = written.tree()
    if tree[LOCK_PATH] != data or not is_intact(data):
        mend = f"git checkout {LOCK_PATH}, or {RESOLVE}"
        diff = _diff(LOCK_PATH, data, tree[LOCK_PATH])
        findings.append(CheckFinding(LOCK_PATH, "edited", f"{LOCK_PATH}: edited by hand", mend, diff))
    del tree[LOCK_PATH]
    return [
        *findings,
        *_files(folder, tree),
        *_programs(folder, written.starters()),
        *_budgets(inputs, lock),
        *_matrix(inputs.manifest, folder),
    ]


def _matrix(manifest: Manifest, folder: Folder) -> list[CheckFinding]:
    """locks/COMPAT.md is there, unedited and of the present inputs, where [compat] is declared, and else is not."""
    data = folder.read(COMPAT_PATH)
    if manifest.compat is None:
        if data is None or inputs_of(data) is None:
            return []
        message = f"{COMPAT_PATH}: {VERSIONS} declares no [compat]"
        return [CheckFinding(COMPAT_PATH, "extra", message, f"rm {COMPAT_PATH}")]
    if data is None:
        return [CheckFinding(COMPAT_PATH, "missing", f"{COMPAT_PATH}: missing", COMPAT)]
    if inputs_of(data) is None:
        message = f"{COMPAT_PATH}: this file is not lockgen's, and would be replaced"
        return [CheckFinding(COMPAT_PATH, "foreign", message, f"move {COMPAT_PATH} away, then {COMPAT}")]
    if not is_unedited(data):
        return [CheckFinding(COMPAT_PATH, "edited", f"{COMPAT_PATH}: edited by hand", COMPAT)]
    if inputs_of(data) != compat_fingerprint(manifest, known_pairs(folder, manifest.compat.pairs), folder):
        message = f"{COMPAT_PATH}: {VERSIONS}, a record or the pair table changed since it was made"
        return [CheckFinding(COMPAT_PATH, "input", message, COMPAT)]
    return []


def _budgets(inputs: Inputs, lock: Lock) -> list[CheckFinding]:
    """What is larger than versions.toml allows; where a size is unknown, that is said: nobody can promise it."""
    findings = []
    for excess in excesses(inputs.manifest, lock):
        place = inputs.place(excess.path)
        text, mend = _exceeded(excess) if excess.known else _untold(excess, lock)
        kind = "budget" if excess.known else "budget-unknown"
        where = f"{place.file}:{place.line}" if place.line is not None else place.file
        findings.append(CheckFinding(VERSIONS, kind, f"{where}: {text}", mend, line=place.line, excess=excess))
    return findings


def _exceeded(excess: Excess) -> tuple[str, str]:
    least = "at least " if excess.size.unknown else ""
    size, bound = megabytes(excess.size.installed), megabytes(excess.budget)
    more = f"{least}{megabytes(excess.over)} more than the {bound} of {dotted(excess.path)}"
    return f"{excess.what} comes to {least}{size}: {more}", f"a larger {dotted(excess.path)}, or fewer packages"


def _untold(excess: Excess, lock: Lock) -> tuple[str, str]:
    names = ", ".join(sorted(excess.size.unknown))
    size, left = megabytes(excess.size.installed), megabytes(-excess.over)
    text = (
        f"nobody can say whether {excess.what} keeps to the {megabytes(excess.budget)} of {dotted(excess.path)}: it"
        f" comes to at least {size}, which leaves {left} for {names}, of unknown size"
    )
    return text, "; ".join(remedies(lock, excess.size.unknown))


def _programs(folder: Folder, starters: Tree) -> list[CheckFinding]:
    """A stage's program is the team's; that there is one is what an image needs."""
    missing = {path: data for path, data in starters.items() if folder.read(path) is None}
    foreign = _foreign(folder, missing)
    blocked = {finding.path for finding in foreign}
    return foreign + [
        CheckFinding(path, "missing", f"{path}: the stage has no program", RESOLVE)
        for path in sorted(missing)
        if path not in blocked
    ]


def _foreign(folder: Folder, wanted: Mapping[str, bytes | None]) -> list[CheckFinding]:
    """What lies where lockgen writes and is not lockgen's: `resolve` refuses to replace it, so it is not the fix."""
    faults = foreign_files(folder, wanted, lock_records(folder)) if wanted else {}
    return [
        CheckFinding(path, "foreign", f"{path}: {fault.message}", f"{shlex.quote(path)}: {fault.hint}")
        for path, fault in faults.items()
    ]


def _inputs(locked: dict[str, str], now: dict[str, str]) -> list[CheckFinding]:
    findings = []
    for name in sorted({*locked, *now}):
        if locked.get(name) != now.get(name):
            what = "changed since the lock was made" if name in locked and name in now else "came or went"
            path = VERSIONS if name == VERSIONS else name
            findings.append(CheckFinding(path, "input", f"{name}: {what}", RESOLVE))
    return findings


def _files(folder: Folder, tree: Tree) -> list[CheckFinding]:
    found = {path: folder.read(path) for path in sorted(tree)}
    drifted = {path: tree[path] for path, data in found.items() if data != tree[path]}
    findings = _foreign(folder, drifted)
    for path in drifted.keys() - {finding.path for finding in findings}:
        findings.append(_drifted(path, found[path], tree[path]))
    extra = extra_files(folder, {**tree, LOCK_PATH: b""})
    return sorted(findings, key=lambda finding: finding.path) + [_extra(folder, path) for path in extra]


def _drifted(path: str, found: bytes | None, expected: bytes) -> CheckFinding:
    if found is None:
        return CheckFinding(path, "missing", f"{path}: missing", RESOLVE)
    diff = _diff(path, found, expected)
    return CheckFinding(path, "edited", f"{path}: not what the lock comes to", RESOLVE, diff)


def _extra(folder: Folder, path: str) -> CheckFinding:
    """`resolve` removes only what lockgen wrote."""
    mend = f"rm {shlex.quote(path)}"
    if may_remove(folder, path):
        mend = f"{RESOLVE}, or {mend}"
    return CheckFinding(path, "extra", f"{path}: nothing in the lock comes to it", mend)


def _diff(path: str, found: bytes, expected: bytes) -> str:
    old, new = (data.decode("utf-8", "replace").splitlines() for data in (found, expected))
    return "\n".join(difflib.unified_diff(old, new, f"{path} (found)", f"{path} (from the lock)", lineterm="", n=2))


def _text(finding: CheckFinding) -> str:
    lines = finding.diff.splitlines()
    shown = [f"    {line}" for line in lines[:40]]
    if len(lines) > 40:
        shown.append(f"    ... {len(lines) - 40} more lines")
    return "\n".join([finding.message, *shown])


def _print_json(findings: list[CheckFinding]) -> None:
    import json

    click.echo(json.dumps({"format": 1, "findings": [_row(finding) for finding in findings]}, indent=2))


def _row(finding: CheckFinding) -> dict[str, object]:
    row: dict[str, object] = {
        "path": finding.path,
        "kind": finding.kind,
        "message": finding.message,
        "mend": finding.mend,
        "diff": finding.diff,
    }
    excess = finding.excess
    if excess is not None:
        row |= {"line": finding.line, "what": excess.what, "allowed": excess.budget, "installed": excess.size.installed}
        row |= {"over": excess.over if excess.known else None, "unknown": sorted(excess.size.unknown)}
    return row
