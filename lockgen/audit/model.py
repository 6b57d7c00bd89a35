"""What an audit of a lock found, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import IgnoredAdvisory


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """Records that speak of one thing, as one. ``id`` is the name that most people know, ``ids`` are all of them.

    ``record`` is the name that OSV has a page of; ``fixed`` are the releases that end it, in order.
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
    """A package of the lock as an audit sees it.

    ``asked`` is the version that was asked about: an advisory knows no local part. ``images`` are the tags of all that
    hold it, none for a tool that only builds; ``paths`` are where versions.toml names it.
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
    """One vulnerability of one package. With an ``ignore`` it does not count.

    ``unclear`` is why nobody can tell whether this version is meant: such a one counts (law 10).
    """

    holder: AffectedPackage
    vulnerability: Vulnerability
    ignore: IgnoredAdvisory | None = None
    unclear: str = ""


@dataclass(frozen=True, slots=True)
class UpgradeStep:
    """A package that takes another version. ``path`` is its pin in versions.toml, or where one has to be
    added; None where none is needed.
    """

    name: str
    old: str
    new: str
    path: KeyPath | None


@dataclass(frozen=True, slots=True)
class Fix:
    """The smallest upgrade after which no advisory counts and the family resolves; without steps ``why`` not.

    ``known`` is False where some question had no answer: then there may be a fix all the same.
    """

    steps: tuple[UpgradeStep, ...] = ()
    why: tuple[str, ...] = ()
    known: bool = True


@dataclass(frozen=True)
class Audit:
    """``source`` is where the advisories are from. ``expired`` ignores count no more; ``idle`` ones meet nothing.

    ``fixes`` is by pin; it has nothing of what was not looked for.
    """

    source: str
    holders: tuple[AffectedPackage, ...]
    findings: tuple[AuditFinding, ...]
    expired: tuple[IgnoredAdvisory, ...] = ()
    idle: tuple[IgnoredAdvisory, ...] = ()
    fixes: Mapping[str, Fix] = field(default_factory=dict)

    @property
    def open(self) -> tuple[AuditFinding, ...]:
        """The findings that count."""
        return tuple(finding for finding in self.findings if finding.ignore is None)
