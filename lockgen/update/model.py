"""What `lockgen update` works with: what may move, branches, pull requests, and what to do about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from packaging.version import Version

from lockgen.audit.advisory_model import Advisory
from lockgen.core.sizes import Weight
from lockgen.core.update_policy import VersionStep
from lockgen.diff.model import Changes
from lockgen.index.model import ReleaseNotes

SECURITY = "security: "
"""How the title of what ends a known vulnerability begins."""


@dataclass(frozen=True, slots=True)
class KnownVulnerability:
    """A known vulnerability of a package's locked version. ``fixed`` are the versions that end it, if any;
    ``records`` say it exactly.

    ``version`` is the one that has it, as a variant may hold another; None means any. ``level`` is how bad it is, in
    a word; ``summary`` a line about it.
    """

    package: str
    name: str
    fixed: tuple[Version, ...] = ()
    url: str | None = None
    version: Version | None = None
    level: str = ""
    summary: str = ""
    records: tuple[Advisory, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pin that may move, or what is only locked: ``allowed`` are the public versions it may move to, the best first.

    ``advisories`` are those of the present version, and ``mends`` is whether one of ``allowed`` ends one. ``tiers`` are
    ``allowed`` in parts: of each the newest that fits, of the next one only where nothing of the one before does.
    """

    name: str
    current: Version
    allowed: tuple[Version, ...]
    advisories: tuple[KnownVulnerability, ...] = ()
    tiers: tuple[tuple[Version, ...], ...] = ()
    mends: bool = False

    @property
    def levels(self) -> tuple[tuple[Version, ...], ...]:
        """The tiers; all in one where nothing makes a difference."""
        return self.tiers or (self.allowed,)


@dataclass(frozen=True, slots=True)
class BaseCandidate:
    """A base image that may move: what ``variants`` stand on, as it is written now and as it would be.

    ``name`` is the reference without tag and digest; ``old`` and ``new`` are what follows.
    """

    name: str
    variants: tuple[str, ...]
    old: str
    new: str

    @property
    def bases(self) -> tuple[str, ...]:
        """As `lockgen bump --base` takes them."""
        return tuple(f"{variant}={self.name}:{self.new}" for variant in self.variants)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A release that the policy holds back, and why."""

    name: str
    version: str
    why: str


@dataclass(frozen=True, slots=True)
class UpdateGroup:
    """A group with something to move. ``key`` names exactly these candidates.

    ``only`` are variants whose own pins move, and no others; empty of the pins that hold for all.
    """

    name: str
    candidates: tuple[Candidate, ...]
    partial: bool
    key: str
    only: tuple[str, ...] = ()
    bases: tuple[BaseCandidate, ...] = ()

    @property
    def security(self) -> bool:
        """Whether one of its packages can get away from a known vulnerability."""
        return any(candidate.mends for candidate in self.candidates)


# -- what one group comes to ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class MovedPin:
    """A value that moves: a pin, a package that is only locked, a base image, or the family's cut-off.

    ``variants`` are those whose own pin it is, or that stand on the base image; ``number`` is the version in that
    one's tag, if any. ``step`` is how far it moves; ``uploaded`` when the new release came up, where the index says it.
    """

    name: str
    old: str
    new: str
    kind: Literal["pin", "locked", "base", "cut-off"] = "pin"
    variants: tuple[str, ...] = ()
    number: str = ""
    step: VersionStep | None = None
    uploaded: datetime | None = None


@dataclass(frozen=True, slots=True)
class CellChange:
    """A group of images in one cell of the matrix; ``before`` is None where there was no such cell."""

    cell: str
    group: str
    before: str | None
    after: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Stuck:
    """A package that does not go to ``wanted``, and what says so: the words of `lockgen explain`, or a line.

    ``instead`` is where it goes; None where it stays.
    """

    name: str
    wanted: str
    why: str
    instead: str | None = None


@dataclass(frozen=True, slots=True)
class PullRequestContent:
    """All that a pull request tells. ``cells`` is None where versions.toml declares no matrix. ``rebuilt`` are the
    tags of all images whose base image moves.

    ``advisories`` are the vulnerabilities that end, ``remaining`` those that the packages that move keep,
    ``introduced`` those of the new versions; ``project`` is the folder of versions.toml in the repository.
    """

    group: str
    moves: tuple[MovedPin, ...]
    changes: Changes
    weights: tuple[Weight, ...] = ()
    cells: tuple[CellChange, ...] | None = None
    advisories: tuple[KnownVulnerability, ...] = ()
    links: tuple[ReleaseNotes, ...] = ()
    stuck: tuple[Stuck, ...] = ()
    base: str = "main"
    rebuilt: tuple[str, ...] = ()
    remaining: tuple[KnownVulnerability, ...] = ()
    introduced: tuple[KnownVulnerability, ...] = ()
    project: str = "."


# -- branches and pull requests ------------------------------------------------


@dataclass(frozen=True, slots=True)
class Head:
    """The newest commit of a branch. ``message`` is its whole text."""

    commit: str
    tree: str
    parents: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class SealedCommit:
    """What a commit of lockgen's own says of itself, by the trailer of its message.

    ``project`` is the folder of versions.toml in the repository ("." is its root); ``key`` names the candidates that it
    was made from, ``moves`` what moved.
    """

    project: str
    group: str
    key: str
    moves: str


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch under the prefix. ``made`` is None where somebody else's commit is on it, or lockgen made that for
    another branch. With ``merged`` the base branch has all of it: nothing can be lost there.
    """

    name: str
    head: Head
    made: SealedCommit | None
    merged: bool = False

    @property
    def is_foreign(self) -> bool:
        """Whether somebody else's commit would be lost with it."""
        return self.made is None and not self.merged


@dataclass(frozen=True, slots=True)
class PullRequest:
    """One on the forge. ``mark`` and ``moves`` are what lockgen left in its text: the commit that it tells of, and
    the name of what that moves. ``base`` is the branch that it goes to.
    """

    number: int
    url: str
    branch: str
    title: str
    body: str
    labels: frozenset[str] = frozenset()
    mark: str | None = None
    moves: str | None = None
    base: str = ""


class GroupOutcome(StrEnum):
    """What comes of a group or a branch."""

    CREATED = "created"
    REFRESHED = "refreshed"
    UNCHANGED = "unchanged"
    CLOSED = "closed"
    FOREIGN = "foreign"
    """Somebody else's commit is on its branch: it is left alone."""
    DECLINED = "declined"
    """A pull request with these very moves was closed by a person."""
    LIMITED = "limited"
    """As many pull requests are open as the policy allows."""
    UNRESOLVED = "unresolved"
    FAILED = "failed"
    """`check` finds something in the new tree."""
    BEATEN = "beaten"
    """Another run, or a person, was quicker: the remote's branch is not what it was when this run began."""


@dataclass(frozen=True, slots=True)
class GroupResult:
    """A line of the report. ``why`` is an explanation of several lines where something stands in the way."""

    group: str
    deed: GroupOutcome
    branch: str
    title: str = ""
    url: str | None = None
    why: str = ""
    body: str = ""
    moves: tuple[MovedPin, ...] = ()


@dataclass(frozen=True, slots=True)
class UnavailableSources:
    """What a run cannot see: ``groups`` whose registry did not answer; with ``weaknesses`` nobody was asked about
    vulnerabilities, so that no group shows any.
    """

    groups: frozenset[str] = frozenset()
    weaknesses: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What a run begins with: the branches under the prefix and the open pull requests to the base branch, by branch.

    ``elsewhere`` are those of other branches, whose pull request goes to another base.
    """

    base: str
    branches: Mapping[str, Branch]
    open: Mapping[str, PullRequest]
    elsewhere: Mapping[str, PullRequest] = field(default_factory=dict)
