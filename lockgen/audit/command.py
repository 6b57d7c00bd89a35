"""`lockgen audit`: report known vulnerabilities of the locked packages, and the smallest upgrades that fix them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

from lockgen import __version__
from lockgen.app import App
from lockgen.audit import files_render
from lockgen.audit import render as rendering
from lockgen.audit.advisory_model import Advisory
from lockgen.audit.files_service import FileAudit, audit_files
from lockgen.audit.fix_candidates import CandidateSearch, WantedVersions
from lockgen.audit.fix_search import FixSearch, with_pins
from lockgen.audit.locked_files import FileFinding
from lockgen.audit.model import AffectedPackage, Audit, Fix
from lockgen.audit.osv_client import API
from lockgen.audit.service import AdvisoryOptions, AuditedLock, Auditor, today
from lockgen.audit.vulnerabilities import counting, is_grave, with_fixes
from lockgen.conflicts.answer_cache import AnswerCache
from lockgen.conflicts.answer_conditions import answer_conditions
from lockgen.conflicts.conflict_search import ConflictSearch
from lockgen.conflicts.model import Repairs
from lockgen.conflicts.oracle import Oracle
from lockgen.conflicts.repair_search import RepairSearch
from lockgen.core.layout import LOCK_PATH
from lockgen.core.lock import Lock
from lockgen.errors import BadInput, Exit, LockgenError
from lockgen.index.releases import IndexReleases
from lockgen.index.sources import explicit_indexes
from lockgen.io.output import print_json, print_text
from lockgen.io.parallel import Threads
from lockgen.lock.loading import missing_lock
from lockgen.lock.reader import parse_lock
from lockgen.lock.requests import order_of_variants
from lockgen.manifest.fingerprints import VERSIONS, Inputs, fingerprints, read_inputs
from lockgen.pairs.table import known_pairs


@dataclass(frozen=True)
class AuditOptions:
    """The options of the command. ``database`` is a dump to read instead of OSV's API at the address ``api``.

    ``files`` checks the locked files instead of looking for vulnerabilities.
    ``fail_on`` is the lowest level that counts for the exit code; ``seconds`` is the time limit of one question to the
    resolver.
    """

    database: Path | None = None
    api: str = API
    offline: bool = False
    no_fix: bool = False
    repair: bool = False
    fail_on: str | None = None
    seconds: float = 60.0
    no_cache: bool = False
    files: bool = False
    as_json: bool = False
    as_sarif: bool = False


def run(app: App, options: AuditOptions) -> int:
    """Print the findings; return Exit.FOUND if one of them counts.

    Raises:
        BadInput: the lock is missing, the dump is invalid, or --offline is given without one.
        ToolFailed: OSV cannot be reached, or gives an incomplete answer. Then nothing is printed.
    """
    if options.as_json and options.as_sarif:
        raise BadInput("--json and --sarif are mutually exclusive", hint="choose one")
    if options.files:
        return _run_files(app, options)
    if options.offline and options.database is None:
        raise BadInput("--offline forbids requests to OSV's API", hint="add a dump: --database PATH, a folder or a zip")
    folder = app.folder
    with folder.shared():
        inputs = read_inputs(folder)
        data = folder.read(LOCK_PATH)
        if data is None:
            raise missing_lock()
        lock = parse_lock(data, LOCK_PATH)
        if lock.inputs != fingerprints(inputs.manifest, folder):
            app.progress.note(f"{VERSIONS} or a record changed since the lock was made; auditing the lock as it is")
        auditor = Auditor(app, AdvisoryOptions(options.database, options.api, options.no_cache))
        day = today()
        result = auditor.audit(inputs, lock, day)
        found = result.audit
        if found.open and not options.no_fix:
            # Inside the lock of the folder: the search reads recorded indexes.
            fixes = _FixFinder(app, inputs, lock, auditor, day, options).fixes(result)
            found = with_fixes(found, fixes)
    _report(found, inputs, data.decode("utf-8"), lock, options)
    grave = [finding for finding in found.open if options.fail_on is None or is_grave(finding, options.fail_on)]
    return Exit.FOUND if grave else Exit.DONE


def _run_files(app: App, options: AuditOptions) -> int:
    if options.offline:
        raise BadInput("--offline and --files are mutually exclusive", hint="the files are compared with their indexes")
    folder = app.folder
    with folder.shared():
        manifest = read_inputs(folder).manifest
        data = folder.read(LOCK_PATH)
    if data is None:
        raise missing_lock()
    result = audit_files(app, manifest, parse_lock(data, LOCK_PATH))
    _report_files(result, data.decode("utf-8"), options)
    return Exit.FOUND if result.findings else Exit.DONE


def _report_files(result: FileAudit, locked: str, options: AuditOptions) -> None:
    def place(finding: FileFinding) -> tuple[str, int | None]:
        return LOCK_PATH, _line_in_lock(locked, finding.package, finding.version)

    if options.as_json:
        print_json(files_render.as_json(result.findings, result.files))
    elif options.as_sarif:
        print_json(files_render.as_sarif(result.findings, place, __version__))
    else:
        print_text(files_render.text(result.findings, result.files))


@dataclass(frozen=True)
class _FixFinder:
    """Finds fixes for the findings of one audit."""

    app: App
    inputs: Inputs
    lock: Lock
    auditor: Auditor
    day: date
    options: AuditOptions

    def fixes(self, result: AuditedLock) -> dict[str, Fix]:
        """The fix of each package with a finding that counts, by pin. If a search fails, its fix says why."""
        wanted = {finding.package.pin: finding.package for finding in result.audit.open}
        records = {package.name: result.records[package.name] for package in wanted.values()}
        try:
            search = self._search(records)
        except LockgenError as error:
            return dict.fromkeys(wanted, _unknown_fix(error))
        fixes = {}
        for pin, package in wanted.items():
            try:
                fixes[pin] = search.fix(package)
            except LockgenError as error:
                # Another package may still have a fix.
                fixes[pin] = _unknown_fix(error)
        return fixes

    def _search(self, records: Mapping[str, Sequence[Advisory]]) -> FixSearch:
        app, manifest, options = self.app, self.inputs.manifest, self.options
        uv = app.uv(options.seconds)
        remembered = None
        # Without a cut-off, an answer is only as good as the index of that moment.
        if not options.no_cache and manifest.exclude_newer is not None:
            remembered = AnswerCache(app.cache("questions"), answer_conditions(manifest, uv))
        declared = manifest.compat.pairs if manifest.compat is not None else {}
        candidates = CandidateSearch(
            releases=IndexReleases(app.http),
            pairs=known_pairs(app.folder, declared),
            lock=self.lock,
            advisories=_CountingAdvisories(self.auditor, self.inputs, records, self.day),
        )
        search = FixSearch(
            oracle=Oracle(uv, app.metadata(), remembered),
            candidates=candidates,
            manifest=manifest,
            lock=self.lock,
            indexes=explicit_indexes(
                manifest,
                app.folder,
                app.http,
                app.progress,
                live=False,
                offline=options.offline,
                targets=[manifest.target],
            ),
            progress=app.progress,
            offline=options.offline,
        )
        if options.repair:
            search.repair = partial(_repairs, search)
        return search


def _unknown_fix(error: LockgenError) -> Fix:
    return Fix(why=tuple(fault.message for fault in error.faults), known=False)


class _CountingAdvisories:
    """Returns all advisories about a package that count; queries each package once."""

    def __init__(self, auditor: Auditor, inputs: Inputs, records: Mapping[str, Sequence[Advisory]], day: date) -> None:
        self._advisories = auditor.advisories
        self._ignores = inputs.manifest.ignores
        self._records = dict(records)
        self._day = day

    def __call__(self, name: str) -> Sequence[Advisory]:
        if name not in self._records:
            self._records.update(self._advisories.of_packages([name]))
        return counting(self._records[name], self._ignores, self._day)


def _repairs(search: FixSearch, upgrade: WantedVersions) -> Repairs:
    """Find which other pins have to move if those of ``upgrade`` move to its versions and are held there."""
    manifest = with_pins(search.manifest, upgrade)
    conflicts = ConflictSearch(search.oracle, manifest, search.indexes, Threads(), search.progress, search.offline)
    candidates = search.candidates
    order = order_of_variants(manifest)
    # Only the first proposal is shown, and finding others takes as long again.
    return RepairSearch(conflicts, candidates.releases, candidates.pairs, order, count=1).run()


def _report(found: Audit, inputs: Inputs, locked: str, lock: Lock, options: AuditOptions) -> None:
    def line(path: tuple[str | int, ...]) -> int | None:
        return inputs.place(path).line

    def place(package: AffectedPackage) -> tuple[str, int | None]:
        return LOCK_PATH, _line_in_lock(locked, package.name, package.version)

    if options.as_json:
        print_json(rendering.as_json(found, line))
    elif options.as_sarif:
        print_json(rendering.as_sarif(found, line, place, __version__))
    else:
        print_text(rendering.text(found, line, len(lock.images)))


def _line_in_lock(locked: str, name: str, version: str) -> int | None:
    # The writer puts each package on its own line, with these keys first.
    head = f'{{"name": {json.dumps(name)}, "version": {json.dumps(version)}'
    for number, text in enumerate(locked.splitlines(), 1):
        if head in text:
            return number
    return None
