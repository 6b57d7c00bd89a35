"""Audit a lock with the advisories of OSV; for `lockgen audit` and other commands. Searching for fixes is separate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from lockgen.app import App
from lockgen.audit.advisory_model import Advisory
from lockgen.audit.affected_packages import affected_packages
from lockgen.audit.model import Audit
from lockgen.audit.osv_client import API, OsvApi, OsvDump
from lockgen.audit.ports import Advisories
from lockgen.audit.vulnerabilities import audited
from lockgen.core.lock import Lock
from lockgen.errors import BadInput
from lockgen.manifest.fingerprints import Inputs


@dataclass(frozen=True)
class AdvisoryOptions:
    """Where advisories come from: ``database`` is a dump to read instead of OSV's API at the address ``api``."""

    database: Path | None = None
    api: str = API
    no_cache: bool = False


class AuditedLock(NamedTuple):
    """The audit of a lock, and all records about its packages, by package."""

    audit: Audit
    records: Mapping[str, Sequence[Advisory]]


class Auditor:
    """Audits locks against one database of advisories. The API is queried once for each release.

    Raises:
        BadInput: ``options`` or the dump are invalid.
        ToolFailed: OSV cannot be reached, or gives an incomplete answer.
    """

    def __init__(self, app: App, options: AdvisoryOptions) -> None:
        self.advisories = _advisories(app, options)

    def audit(self, inputs: Inputs, lock: Lock, day: date | None = None) -> AuditedLock:
        """Audit ``lock`` with the ignores of ``inputs`` that apply on ``day``, today by default."""
        day = day or today()
        packages = affected_packages(lock, inputs.manifest)
        source = self.advisories.source
        releases = sorted({(package.name, package.asked) for package in packages})
        records = self.advisories.of_releases(releases)
        found = audited(source, packages, records, (), day)
        # OSV answers for a release only with records that affect it. The others about the same package are needed, too:
        # they may be the same vulnerability under a name that an ignore uses, and a fix must avoid what they affect.
        affected = sorted({finding.package.name for finding in found.findings})
        if affected:
            records = {**records, **self.advisories.of_packages(affected)}
        return AuditedLock(audited(source, packages, records, inputs.manifest.ignores, day), records)


def today() -> date:
    """The date, in UTC, on which ignores expire."""
    return datetime.now(UTC).date()


def _advisories(app: App, options: AdvisoryOptions) -> Advisories:
    if options.database is not None:
        return OsvDump(options.database, app.progress)
    if not options.api.startswith(("https://", "http://")):
        raise BadInput(f"{options.api!r} is not a URL of OSV", hint=f"as in {API}")
    return OsvApi(app.http, options.api, app.cache("osv", ignored=options.no_cache), app.progress)
