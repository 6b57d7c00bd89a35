"""Read the index pages of all locked packages, and report the files that are not as they were locked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lockgen.app import App
from lockgen.audit.locked_files import FileFinding, all_packages, findings
from lockgen.core.lock import Lock, Package
from lockgen.core.manifest import Manifest
from lockgen.index.addresses import index_addresses, locked_addresses
from lockgen.index.simple_api import read_page
from lockgen.io.parallel import Threads
from lockgen.io.uv import default_index


@dataclass(frozen=True)
class FileAudit:
    """What was found among the ``files`` of a lock."""

    files: int
    findings: Sequence[FileFinding]


def audit_files(app: App, manifest: Manifest, lock: Lock) -> FileAudit:
    """Compare every locked file with the page of its index.

    Raises:
        ToolFailed: an index cannot be read. Half an answer would be taken for a whole one.
    """
    packages = all_packages(lock)
    # Asked once, before the threads start.
    default = default_index() if any(package.index is None for package in packages) else ""

    addresses = {**locked_addresses(app.http, manifest, lock.indexes), **index_addresses(app.http, manifest)}

    def check(package: Package) -> list[FileFinding]:
        url = default
        if package.index is not None:
            # An index that moved is read where it is now. The lock may be older and have an index that is gone.
            url = addresses[package.index]
        app.progress.step(f"checking the files of {package.name}")
        return list(findings(package, read_page(app.http, url, package.name)))

    results = Threads().each(check, packages)
    count = sum(len(package.files) for package in packages)
    return FileAudit(count, [finding for result in results for finding in result])
