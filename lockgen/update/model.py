"""Values of `lockgen update`: what may move, branches, pull requests, and what happened to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

from packaging.version import Version

from lockgen.core.sizes import Weight
from lockgen.core.update_policy import VersionStep
from lockgen.diff.model import Changes
from lockgen.index.model import ReleaseNotes
from lockgen.proof.model import ProofBound, RunChange
from lockgen.upgrade.bump_model import public

SECURITY = "security: "
"""The prefix of the title of an update that fixes a known vulnerability."""


# -- what may move -------------------------------------------------------------


class PinKey(NamedTuple):
    """Identifies pins that move together: the leading package, and the variants that pin it themselves.

    ``variants`` is empty for a pin that all variants share, and for a package that is locked without a pin.
    """

    name: str
    variants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownVulnerability:
    """A known vulnerability of a package's locked version.

    ``fixed`` are the versions reported to fix it. ``version`` is the affected version, as variants may lock different
    ones; None means any. ``level`` is the severity in one word, ``summary`` one line of description.
    """

    package: str
    name: str
    fixed: tuple[Version, ...] = ()
    url: str | None = None
    version: Version | None = None
    level: str = ""
    summary: str = ""

    # Overridden by RecordedVulnerability, which has more data than the fixed versions.
    def is_fixed_in(self, version: Version) -> bool:
        """Whether ``version`` is at least the first version reported as fixed."""
        return bool(self.fixed) and public(version) >= min(self.fixed)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A package that may move. ``allowed`` are the public versions it may move to, the best first.

    ``vulnerabilities`` are those of the current version; ``fixes_vulnerability`` says that an allowed version fixes
    one of them. ``tiers`` are ``allowed`` in groups: a tier is tried only if no version of the tiers before it fits.
    """

    name: str
    current: Version
    allowed: tuple[Version, ...]
    vulnerabilities: tuple[KnownVulnerability, ...] = ()
    tiers: tuple[tuple[Version, ...], ...] = ()
    fixes_vulnerability: bool = False

    @property
    def levels(self) -> tuple[tuple[Version, ...], ...]:
        """The tiers; a single tier of all allowed versions by default."""
        return self.tiers or (self.allowed,)


@dataclass(frozen=True, slots=True)
class BaseCandidate:
    """A base image that may move. ``variants`` are those that use it.

    ``name`` is the reference without tag and digest; ``old`` and ``new`` are the tag and digest, as written.
    """

    name: str
    variants: tuple[str, ...]
    old: str
    new: str

    @property
    def bases(self) -> tuple[str, ...]:
        """The values for `lockgen bump --base`."""
        return tuple(f"{variant}={self.name}:{self.new}" for variant in self.variants)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A release that the policy holds back, and the reason."""

    name: str
    version: str
    why: str


@dataclass(frozen=True, slots=True)
class UpdateGroup:
    """A group with at least one available update. ``key`` identifies exactly these candidates.

    ``only`` are the variants whose own pins move; empty for pins that all variants share.
    """

    name: str
    candidates: tuple[Candidate, ...]
    partial: bool
    key: str
    only: tuple[str, ...] = ()
    bases: tuple[BaseCandidate, ...] = ()

    @property
    def security(self) -> bool:
        """Whether an allowed version fixes a known vulnerability of one of the packages."""
        return any(candidate.fixes_vulnerability for candidate in self.candidates)


# -- the update of one group ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class MovedPin:
    """A value that moves: a pin, a package that is locked without a pin, a base image, or the family's cut-off.

    ``variants`` are those whose own pin it is, or that use the base image; ``number`` is the version in the tag of
    that image, if any. ``step`` is the size of the move; ``uploaded`` the upload time of the new release, if known.
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
    """The status of a group of images in one cell of the matrix; ``before`` is None for a new cell."""

    cell: str
    group: str
    before: str | None
    after: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Stuck:
    """A package that cannot move to ``wanted``, and why: the output of `lockgen explain`, or one line.

    ``instead`` is the version that it moves to; None if it does not move.
    """

    name: str
    wanted: str
    why: str
    instead: str | None = None


@dataclass(frozen=True, slots=True)
class PullRequestContent:
    """Everything that the text of a pull request describes.

    ``cells`` is None if versions.toml declares no matrix. ``rebuilt`` are the tags of all images whose base image
    moves. ``fixed`` are the vulnerabilities that the update fixes, ``remaining`` those of the moved packages that it
    does not fix, ``introduced`` those of the new versions. ``project`` is the folder of versions.toml in the
    repository. ``runs`` are the results of the changed images; ``bounds`` are versions with which they do not run.
    """

    group: str
    moves: tuple[MovedPin, ...]
    changes: Changes
    weights: tuple[Weight, ...] = ()
    cells: tuple[CellChange, ...] | None = None
    fixed: tuple[KnownVulnerability, ...] = ()
    links: tuple[ReleaseNotes, ...] = ()
    stuck: tuple[Stuck, ...] = ()
    base: str = "main"
    rebuilt: tuple[str, ...] = ()
    remaining: tuple[KnownVulnerability, ...] = ()
    introduced: tuple[KnownVulnerability, ...] = ()
    project: str = "."
    runs: tuple[RunChange, ...] = ()
    bounds: tuple[ProofBound, ...] = ()


# -- branches and pull requests ------------------------------------------------


@dataclass(frozen=True, slots=True)
class Head:
    """The latest commit of a branch. ``message`` is the full commit message."""

    commit: str
    tree: str
    parents: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class SealedCommit:
    """The trailer of a commit that lockgen made.

    ``project`` is the folder of versions.toml in the repository ("." is its root); ``key`` identifies the candidates
    that the commit was made from, ``moves`` the resulting moves.
    """

    project: str
    group: str
    key: str
    moves: str


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch under the prefix.

    ``sealed`` is None if lockgen did not make the latest commit, or made it for another branch. ``merged`` means that
    the base branch contains all of its commits, so that deleting the branch loses nothing.
    """

    name: str
    head: Head
    sealed: SealedCommit | None
    merged: bool = False

    @property
    def is_foreign(self) -> bool:
        """Whether deleting the branch would lose commits that lockgen did not make."""
        return self.sealed is None and not self.merged


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request on the forge; ``base`` is its target branch.

    ``mark`` and ``moves`` come from the marker that lockgen left in the text: the commit that the text describes, and
    the identifier of its moves. Both are None if lockgen did not write the text.
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


@dataclass(frozen=True, slots=True)
class RemoteState:
    """The state of the remote at the start of a run: branches under the prefix, and open pull requests by branch.

    ``open`` target the base branch, ``elsewhere`` another branch. ``reserved`` are branch names that this run must not
    use, each with the reason.
    """

    base: str
    branches: Mapping[str, Branch]
    open: Mapping[str, PullRequest]
    elsewhere: Mapping[str, PullRequest] = field(default_factory=dict)
    reserved: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnavailableSources:
    """What a run could not read: ``groups`` whose registry or index did not answer.

    With ``vulnerabilities`` the run read no advisories, so that no group has any.
    """

    groups: frozenset[str] = frozenset()
    vulnerabilities: bool = False


# -- the report ----------------------------------------------------------------


class GroupOutcome(StrEnum):
    """What happened to a group or a branch."""

    CREATED = "created"
    REFRESHED = "refreshed"
    UNCHANGED = "unchanged"
    CLOSED = "closed"
    FOREIGN = "foreign"
    """The branch has commits that lockgen did not make, so lockgen does not change it."""
    DECLINED = "declined"
    """A person closed a pull request with the same moves."""
    LIMITED = "limited"
    """The policy's limit of open pull requests is reached."""
    UNRESOLVED = "unresolved"
    FAILED = "failed"
    """`check` reports findings in the new tree."""
    BEATEN = "beaten"
    """Another run, or a person, changed the remote branch after this run began."""


@dataclass(frozen=True, slots=True)
class GroupResult:
    """One entry of the report. ``why`` is an explanation, of several lines for an update that cannot be made.

    ``runs`` are the changed images, with the update or, if it cannot be made, with the versions that do not run.
    """

    group: str
    outcome: GroupOutcome
    branch: str
    title: str = ""
    url: str | None = None
    why: str = ""
    body: str = ""
    moves: tuple[MovedPin, ...] = ()
    runs: tuple[RunChange, ...] = ()
    bounds: tuple[ProofBound, ...] = ()
