"""Verify offline, without a resolver, that all generated files match versions.toml and the lock.

The check starts a process (git, to read the lock at HEAD) only where a file has no header of lockgen, and the lock on
disk does not record it either.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from lockgen.check.model import CheckFinding
from lockgen.compat.render import inputs_of, is_unedited
from lockgen.core.layout import COMPAT_PATH, LOCK_PATH
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest
from lockgen.core.sizes import Excess
from lockgen.core.text_table import megabytes
from lockgen.core.toml_positions import dotted
from lockgen.io.ownership import foreign_files, generated_on_disk, may_remove
from lockgen.io.workspace import Folder
from lockgen.lock.loading import NO_LOCK
from lockgen.lock.reader import is_intact, parse_lock
from lockgen.manifest.fingerprints import VERSIONS, Inputs, compat_fingerprint, fingerprints, read_inputs
from lockgen.outputs.extra_files import extra_files
from lockgen.outputs.generated_files import GeneratedFiles, Tree, tree_summary
from lockgen.outputs.lock_records import lock_records
from lockgen.pairs.table import known_pairs
from lockgen.size.plan import excesses, remedies
from lockgen.warnings.model import FamilyWarning
from lockgen.warnings.service import family_warnings

RESOLVE = "lockgen resolve"
COMPAT = "lockgen compat"


@dataclass(frozen=True)
class CheckResult:
    """What drifted, causes before their effects, and the warnings about ``inputs``.

    ``checked`` says what was checked: "162 packages for 15 images in 66 files"; "" without a lock.
    """

    findings: list[CheckFinding]
    warnings: list[FamilyWarning]
    inputs: Inputs
    checked: str = ""


def check(folder: Folder) -> CheckResult:
    """Find everything that drifted or that probably is not meant.

    Raises:
        BadInput: versions.toml, a record or the lock is invalid.
    """
    inputs = read_inputs(folder)
    data = folder.read(LOCK_PATH)
    if data is None:
        # `resolve` would refuse to replace these: report them before it runs.
        foreign = _foreign(folder, dict.fromkeys(generated_on_disk(folder)))
        missing = CheckFinding(LOCK_PATH, "missing", f"{LOCK_PATH}: {NO_LOCK}", RESOLVE)
        return CheckResult([*foreign, missing], [], inputs)
    lock = parse_lock(data, LOCK_PATH)
    generated = GeneratedFiles(inputs.manifest, lock)
    tree = generated.tree()
    checked = tree_summary(lock, tree)
    expected_lock = tree.pop(LOCK_PATH)
    findings = [
        *_changed_inputs(lock.inputs, fingerprints(inputs.manifest, folder)),
        *_edited_lock(data, expected_lock),
        *_differing_files(folder, tree),
        *_missing_programs(folder, generated.starters()),
        *_exceeded_budgets(inputs, lock),
        *_outdated_matrix(inputs.manifest, folder),
    ]
    return CheckResult(findings, family_warnings(folder, inputs, lock), inputs, checked)


def _changed_inputs(locked: Mapping[str, str], now: Mapping[str, str]) -> list[CheckFinding]:
    """Inputs whose fingerprint differs from the one in the lock."""
    findings = []
    for name in sorted(locked.keys() | now.keys()):
        if locked.get(name) == now.get(name):
            continue
        is_changed = name in locked and name in now
        change = "changed since the lock was made" if is_changed else "added or removed since the lock was made"
        findings.append(CheckFinding(name, "input", f"{name}: {change}", RESOLVE))
    return findings


def _edited_lock(data: bytes, expected: bytes) -> list[CheckFinding]:
    # The digest in the lock catches an edit that still renders to the same bytes.
    if data == expected and is_intact(data):
        return []
    fix = f"git checkout {LOCK_PATH}, or {RESOLVE}"
    diff = _diff(LOCK_PATH, data, expected)
    return [CheckFinding(LOCK_PATH, "edited", f"{LOCK_PATH}: edited by hand", fix, diff)]


# -- generated files -------------------------------------------------------------


def _differing_files(folder: Folder, tree: Tree) -> list[CheckFinding]:
    """Generated files that are edited, missing or in the way, by path; then files that should not exist."""
    differing = {}
    by_path: dict[str, CheckFinding] = {}
    for path, expected in sorted(tree.items()):
        found = folder.read(path)
        if found != expected:
            differing[path] = expected
            by_path[path] = _differing(path, found, expected)
    # `resolve` refuses to replace a foreign file, so it would not fix that one.
    for foreign in _foreign(folder, differing):
        by_path[foreign.path] = foreign
    extra = extra_files(folder, {**tree, LOCK_PATH: b""})
    findings = [by_path[path] for path in sorted(by_path)]
    return findings + [_extra(folder, path) for path in extra]


def _differing(path: str, found: bytes | None, expected: bytes) -> CheckFinding:
    if found is None:
        return CheckFinding(path, "missing", f"{path}: missing", RESOLVE)
    diff = _diff(path, found, expected)
    return CheckFinding(path, "edited", f"{path}: does not match the lock", RESOLVE, diff)


def _extra(folder: Folder, path: str) -> CheckFinding:
    fix = f"rm {shlex.quote(path)}"
    # `resolve` removes only what lockgen wrote.
    if may_remove(folder, path):
        fix = f"{RESOLVE}, or {fix}"
    return CheckFinding(path, "extra", f"{path}: the lock generates no such file", fix)


def _foreign(folder: Folder, wanted: Mapping[str, bytes | None]) -> list[CheckFinding]:
    """Files at paths that lockgen writes, but that lockgen did not write: `resolve` refuses to replace them."""
    if not wanted:
        return []
    # Reading the records may start git.
    records = lock_records(folder)
    findings = []
    for path, fault in foreign_files(folder, wanted, records).items():
        message = f"{path}: {fault.message}"
        fix = f"{shlex.quote(path)}: {fault.hint}"
        findings.append(CheckFinding(path, "foreign", message, fix))
    return findings


def _missing_programs(folder: Folder, starters: Tree) -> list[CheckFinding]:
    """Stages without a program. Its contents belong to the team, but the image needs one."""
    missing = [path for path in starters if folder.read(path) is None]
    wanted = {path: starters[path] for path in missing}
    findings = _foreign(folder, wanted)
    blocked = {finding.path for finding in findings}
    for path in sorted(missing):
        if path not in blocked:
            message = f"{path}: the stage has no program"
            findings.append(CheckFinding(path, "missing", message, RESOLVE))
    return findings


def _diff(path: str, found: bytes, expected: bytes) -> str:
    old = found.decode("utf-8", "replace").splitlines()
    new = expected.decode("utf-8", "replace").splitlines()
    lines = difflib.unified_diff(old, new, f"{path} (found)", f"{path} (from the lock)", lineterm="", n=2)
    return "\n".join(lines)


# -- budgets ---------------------------------------------------------------------


def _exceeded_budgets(inputs: Inputs, lock: Lock) -> list[CheckFinding]:
    """Images larger than versions.toml allows, and those of which an unknown size leaves it open."""
    findings = []
    for excess in excesses(inputs.manifest, lock):
        if excess.known:
            kind = "budget"
            text, fix = _exceeded(excess)
        else:
            kind = "budget-unknown"
            text, fix = _undecided(excess, lock)
        place = inputs.place(excess.path)
        where = f"{place.file}:{place.line}" if place.line is not None else place.file
        findings.append(CheckFinding(VERSIONS, kind, f"{where}: {text}", fix, line=place.line, excess=excess))
    return findings


def _exceeded(excess: Excess) -> tuple[str, str]:
    """The message and the fix."""
    budget = dotted(excess.path)
    limit = megabytes(excess.budget)
    size = megabytes(excess.size.installed)
    over = megabytes(excess.over)
    # Packages of unknown size come on top.
    least = "at least " if excess.size.unknown else ""
    text = f"{excess.what} takes {least}{size}: {least}{over} more than the {limit} of {budget}"
    return text, f"raise {budget}, or remove packages"


def _undecided(excess: Excess, lock: Lock) -> tuple[str, str]:
    """The message and the fix."""
    unknown = excess.size.unknown
    names = ", ".join(sorted(unknown))
    size = megabytes(excess.size.installed)
    left = megabytes(-excess.over)
    limit = megabytes(excess.budget)
    budget = dotted(excess.path)
    text = (
        f"unknown whether {excess.what} fits into the {limit} of {budget}: it takes at least {size}, which leaves "
        f"{left} for {names}, of unknown size"
    )
    return text, "; ".join(remedies(lock, unknown))


# -- the compatibility matrix ------------------------------------------------------


def _outdated_matrix(manifest: Manifest, folder: Folder) -> list[CheckFinding]:
    """Check that locks/COMPAT.md exists exactly if [compat] is declared, is unedited, and is of the present inputs."""
    data = folder.read(COMPAT_PATH)
    if manifest.compat is None:
        return _undeclared_matrix(data)
    if data is None:
        return [CheckFinding(COMPAT_PATH, "missing", f"{COMPAT_PATH}: missing", COMPAT)]
    if inputs_of(data) is None:
        message = f"{COMPAT_PATH}: this file is not lockgen's, and would be replaced"
        return [CheckFinding(COMPAT_PATH, "foreign", message, f"move {COMPAT_PATH} away, then {COMPAT}")]
    if not is_unedited(data):
        return [CheckFinding(COMPAT_PATH, "edited", f"{COMPAT_PATH}: edited by hand", COMPAT)]
    pairs = known_pairs(folder, manifest.compat.pairs)
    if inputs_of(data) != compat_fingerprint(manifest, pairs, folder):
        message = f"{COMPAT_PATH}: {VERSIONS}, a record or the pair table changed since it was made"
        return [CheckFinding(COMPAT_PATH, "input", message, COMPAT)]
    return []


def _undeclared_matrix(data: bytes | None) -> list[CheckFinding]:
    # A file of the user's under this name is fine where lockgen does not want to write one.
    if data is None or inputs_of(data) is None:
        return []
    message = f"{COMPAT_PATH}: {VERSIONS} declares no [compat]"
    return [CheckFinding(COMPAT_PATH, "extra", message, f"rm {COMPAT_PATH}")]
