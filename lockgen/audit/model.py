"""The results of an audit: affected packages, vulnerabilities and fixes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import IgnoredAdvisory


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """One vulnerability, merged from all records about it.

    ``id`` is the best-known of its names, ``ids`` are all of them; ``record`` is the one with a page on osv.dev.
    ``fixed`` are the releases that fix it, in order.
    """

    id: str
    ids: tuple[str, ...]
    record: str
    summary: str
    score: float | None
    level: str
    fixed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AffectedPackage:
    """A locked package as an audit sees it, affected or not.

    ``asked`` is the version that the audit looks up: without a local part, because advisories have none. ``images`` are
    the tags of all images that contain it; a build tool is in none. ``paths`` are where versions.toml names it.
    """

    name: str
    version: str
    asked: str
    index: str | None
    variants: tuple[str, ...]
    images: tuple[str, ...]
    paths: tuple[KeyPath, ...]

    @property
    def pin(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One vulnerability of one package. A finding with an ``ignore`` does not count.

    ``unclear`` is why the advisory may or may not apply to this version. Such a finding counts (guarantee 10).
    """

    package: AffectedPackage
    vulnerability: Vulnerability
    ignore: IgnoredAdvisory | None = None
    unclear: str = ""


@dataclass(frozen=True, slots=True)
class UpgradeStep:
    """A package that moves to another version.

    ``path`` is its pin in versions.toml, or where a pin has to be added; None if it needs no pin.
    """

    name: str
    old: str
    new: str
    path: KeyPath | None


@dataclass(frozen=True, slots=True)
class Fix:
    """The smallest upgrade after which no advisory counts and the family resolves; or ``why`` there is none.

    ``known`` is False if some question had no answer: there may be a fix, or a smaller one, after all.
    """

    steps: tuple[UpgradeStep, ...] = ()
    why: tuple[str, ...] = ()
    known: bool = True


@dataclass(frozen=True)
class Audit:
    """The result for a whole lock. ``packages`` are all that were audited; ``source`` is where the advisories are from.

    ``expired`` ignores no longer apply; ``idle`` ones match no finding. ``fixes`` is by pin, and contains only packages
    for which a fix was searched.
    """

    source: str
    packages: tuple[AffectedPackage, ...]
    findings: tuple[AuditFinding, ...]
    expired: tuple[IgnoredAdvisory, ...] = ()
    idle: tuple[IgnoredAdvisory, ...] = ()
    fixes: Mapping[str, Fix] = field(default_factory=dict)

    @property
    def open(self) -> tuple[AuditFinding, ...]:
        """The findings that count."""
        return tuple(finding for finding in self.findings if finding.ignore is None)
