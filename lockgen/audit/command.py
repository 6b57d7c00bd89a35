"""`lockgen audit`: what is publicly known to be wrong with the locked packages, and the smallest way out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import click

from lockgen import __version__
from lockgen.audit import render as rendering
from lockgen.audit.advisory import Advisory
from lockgen.audit.affected_packages import holders
from lockgen.audit.fix_search import FixSearch, with_pins
from lockgen.audit.model import AffectedPackage, Audit, Fix
from lockgen.audit.osv_client import API, OsvApi, OsvDump
from lockgen.audit.ports import Advisories
from lockgen.audit.vulnerabilities import audited, counting, is_grave, with_fixes
from lockgen.conflicts.answer_cache import AnswerCache
from lockgen.conflicts.answer_conditions import answer_conditions
from lockgen.conflicts.conflict_search import ConflictSearch
from lockgen.conflicts.model import Repairs
from lockgen.conflicts.oracle import Oracle
from lockgen.conflicts.repair_search import RepairSearch
from lockgen.core.layout import LOCK_PATH
from lockgen.core.lock import Lock
from lockgen.core.ports import Progress
from lockgen.errors import BadInput, Exit, LockgenError, Place
from lockgen.index.metadata import MetadataReader
from lockgen.index.releases import IndexReleases
from lockgen.index.sources import explicit_indexes
from lockgen.io.cache import FileCache, NullCache
from lockgen.io.http import Http
from lockgen.io.parallel import Threads
from lockgen.io.workspace import Folder
from lockgen.lock.reader import parse_lock
from lockgen.lock.requests import order_of_variants
from lockgen.manifest.fingerprints import VERSIONS, Inputs, fingerprints, read_inputs
from lockgen.pairs.table import known_pairs
from lockgen.resolvers.uv import Uv


@dataclass(frozen=True)
class AuditOptions:
    """What the command line says. ``api`` is the address of OSV, ``database`` a dump that is read instead of it.

    ``fail_on`` is the least level that counts for the exit code; ``style`` one of text, json and sarif.
    """

    database: Path | None = None
    api: str = API
    offline: bool = False
    no_fix: bool = False
    repair: bool = False
    fail_on: str | None = None
    seconds: float = 60.0
    no_cache: bool = False
    as_json: bool = False
    as_sarif: bool = False


def run(root: Path, options: AuditOptions, progress: Progress) -> int:
    """Prints what was found. Exit.FOUND where something counts that nobody ignores.

    Raises:
        BadInput: there is no lock, the dump is at fault, or there is none and nothing may be asked.
        ToolFailed: OSV cannot be reached, or answers by halves: then nothing is known, and nothing is said.
    """
    if options.as_json and options.as_sarif:
        raise BadInput("--json and --sarif exclude each other", hint="choose one")
    if options.offline and options.database is None:
        raise BadInput("--offline forbids to ask OSV", hint="give it a dump: --database PATH, a folder or a zip")
    folder = Folder(root, progress)
    with folder.shared():
        inputs = read_inputs(folder)
        data = folder.read(LOCK_PATH)
        if data is None:
            raise BadInput("there is no lock yet", place=Place(LOCK_PATH), hint="run `lockgen resolve`")
        lock = parse_lock(data, LOCK_PATH)
        if lock.inputs != fingerprints(inputs.manifest, folder):
            progress.note(f"{VERSIONS} or a record changed since the lock was made: it is the lock that is audited")
        advisories = _advisories(options, progress)
        today = datetime.now(UTC).date()
        found, records = _judged(inputs, lock, advisories, today)
        if found.open and not options.no_fix:
            fixes = _fixes(folder, inputs, lock, found, advisories, records, today, options, progress)
            found = with_fixes(found, fixes)
    _report(found, inputs, data.decode("utf-8"), lock, options)
    grave = [finding for finding in found.open if options.fail_on is None or is_grave(finding, options.fail_on)]
    return Exit.FOUND if grave else Exit.DONE


class Knowledge:
    """What is known today, without a search for fixes; for other commands. Each release is asked about once.

    Raises:
        BadInput: the dump is at fault.
        ToolFailed: OSV cannot be reached, or answers by halves.
    """

    def __init__(self, options: AuditOptions, progress: Progress) -> None:
        self._advisories = _advisories(options, progress)

    def of(self, inputs: Inputs, lock: Lock) -> tuple[Audit, Mapping[str, Sequence[Advisory]]]:
        """The audit of ``lock``, and the records that may speak of its packages, by package."""
        return _judged(inputs, lock, self._advisories, datetime.now(UTC).date())


def _advisories(options: AuditOptions, progress: Progress) -> Advisories:
    if options.database is not None:
        return OsvDump(options.database, progress)
    if not options.api.startswith(("https://", "http://")):
        raise BadInput(f"{options.api!r} is no address of OSV", hint=f"as in {API}")
    return OsvApi(Http(), options.api, NullCache() if options.no_cache else FileCache("osv"), progress)


def _judged(
    inputs: Inputs, lock: Lock, advisories: Advisories, today: date
) -> tuple[Audit, Mapping[str, Sequence[Advisory]]]:
    """The audit, and the records that it is made of, by package: all of a package that something is known against.

    OSV tells of a release only what means it. The others are asked for too: they may be the same thing by another
    name, which an ignore may use, and a fix may not go to what they mean.
    """
    held = holders(lock, inputs.manifest)
    records = advisories.of_releases(sorted({(holder.name, holder.asked) for holder in held}))
    found = audited(advisories.source, held, records, (), today)
    if known := sorted({finding.holder.name for finding in found.findings}):
        records = {**records, **advisories.of_packages(known)}
    return audited(advisories.source, held, records, inputs.manifest.ignores, today), records


def _fixes(
    folder: Folder,
    inputs: Inputs,
    lock: Lock,
    found: Audit,
    advisories: Advisories,
    records: Mapping[str, Sequence[Advisory]],
    today: date,
    options: AuditOptions,
    progress: Progress,
) -> dict[str, Fix]:
    """The fix of each package that something counts against, by pin. What cannot be asked is told, not guessed."""
    wanted = list({finding.holder.pin: finding.holder for finding in found.open}.values())
    known = {holder.name: records[holder.name] for holder in wanted}
    try:
        fixer = _fixer(folder, inputs, lock, advisories, known, today, options, progress)
    except LockgenError as error:
        return {holder.pin: _unasked(error) for holder in wanted}
    fixes = {}
    for holder in wanted:
        try:
            fixes[holder.pin] = fixer.fix(holder)
        except LockgenError as error:
            fixes[holder.pin] = _unasked(error)
    return fixes


def _unasked(error: LockgenError) -> Fix:
    return Fix(why=tuple(fault.message for fault in error.faults), known=False)


def _fixer(
    folder: Folder,
    inputs: Inputs,
    lock: Lock,
    advisories: Advisories,
    records: Mapping[str, Sequence[Advisory]],
    today: date,
    options: AuditOptions,
    progress: Progress,
) -> FixSearch:
    manifest = inputs.manifest
    known = dict(records)

    def counted(name: str) -> Sequence[Advisory]:
        if name not in known:
            known.update(advisories.of_packages([name]))
        return counting(known[name], manifest.ignores, today)

    http, uv = Http(), Uv(options.seconds)
    remembered = None
    if not options.no_cache and manifest.exclude_newer is not None:
        remembered = AnswerCache(FileCache("questions"), answer_conditions(manifest, uv))
    declared = manifest.compat.pairs if manifest.compat is not None else {}
    fixer = FixSearch(
        session=Oracle(uv, MetadataReader(http), remembered),
        releases=IndexReleases(http),
        pairs=known_pairs(folder, declared),
        manifest=manifest,
        lock=lock,
        indexes=explicit_indexes(
            manifest, folder, http, progress, live=False, offline=options.offline, targets=[manifest.target]
        ),
        advisories=counted,
        progress=progress,
        offline=options.offline,
    )
    if options.repair:
        fixer.repair = lambda way: _repairs(fixer, way)
    return fixer


def _repairs(fixer: FixSearch, way: Mapping[str, str]) -> Repairs:
    """What else has to move where the pins of ``way`` take these versions and are held there."""
    manifest = with_pins(fixer.manifest, way)
    explainer = ConflictSearch(fixer.session, manifest, fixer.indexes, Threads(), fixer.progress, fixer.offline)
    return RepairSearch(explainer, fixer.releases, fixer.pairs, order_of_variants(manifest), count=1).run()


def _report(found: Audit, inputs: Inputs, locked: str, lock: Lock, options: AuditOptions) -> None:
    def line(path: tuple[str | int, ...]) -> int | None:
        return inputs.place(path).line

    def place(holder: AffectedPackage) -> tuple[str, int | None]:
        head = f'{{"name": {json.dumps(holder.name)}, "version": {json.dumps(holder.version)}'
        numbers = (number for number, text in enumerate(locked.splitlines(), 1) if head in text)
        return LOCK_PATH, next(numbers, None)

    if options.as_json:
        click.echo(json.dumps(rendering.as_json(found, line), indent=2))
    elif options.as_sarif:
        click.echo(json.dumps(rendering.as_sarif(found, line, place, __version__), indent=2))
    else:
        click.echo(rendering.text(found, line, len(lock.images)))
