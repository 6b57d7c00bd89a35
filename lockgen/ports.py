"""What the core asks of the outside world, as Protocols and the values that cross them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:  # half of them are needed by one command: importing them all costs the others 30 ms
    from lockgen.model.advisories import Advisory
    from lockgen.model.outdated import Release
    from lockgen.model.target import Target
    from lockgen.model.update import Head, PullRequest

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class IndexFile:
    """A file as an index page lists it.

    ``url`` is absolute; ``sha256`` is the file's own or None; ``metadata_sha256`` is that of its METADATA, "" where
    the index offers METADATA without saying its hash, None where it offers none (PEP 658, PEP 714).
    ``installed`` are the bytes of a wheel's files once installed, where a record says it.
    ``yanked`` is the reason ("" if none was given), None where it is not yanked (PEP 592). ``vouched`` is False where
    the sha256 is a resolver's word: it may have hashed a file that the index itself gives no hash for.
    """

    name: str
    url: str
    sha256: str | None
    size: int | None = None
    requires_python: str | None = None
    upload_time: datetime | None = None
    metadata_sha256: str | None = None
    yanked: str | None = None
    vouched: bool = True
    installed: int | None = None


@dataclass(frozen=True, slots=True)
class CoreMetadata:
    """The Core Metadata that a resolver needs. ``requires`` are Requires-Dist lines as written."""

    name: str
    version: str
    requires_python: str | None = None
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """One project on one index."""

    project: str
    files: tuple[IndexFile, ...]


@dataclass(frozen=True)
class ExplicitIndex:
    """An index that serves only the packages it is asked for, as data.

    ``metadata`` maps a file's name to its Core Metadata; a file without one is not offered to a resolver.
    ``withheld`` maps a file's name to the reason why it is not offered (no hash, no METADATA). Of a ``recorded`` one
    nothing is asked over the network.
    """

    name: str
    url: str
    pages: Mapping[str, ProjectPage]
    metadata: Mapping[str, CoreMetadata]
    withheld: Mapping[str, str] = field(default_factory=dict)
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One solve: what a resolver is asked. All texts are PEP 508; nothing in it depends on a resolver.

    ``requirements`` and ``constraints`` (the pins) are sorted. ``routes`` maps a package to the index it comes
    from, wherever it is asked for; everything else comes from the default index. ``preferences`` maps a name to
    the version to keep if it still fits. ``build`` names what is built from source; nothing else may be. ``overrides``
    maps a package to needs that replace its own of the same name; only uv knows them, and no lock is made with them.
    ``blocked`` are listed packages that may come from nowhere here: no index is ever asked for them. ``known`` is the
    metadata of a version that counts whatever a resolver would read of it, by package: see `Choices`.
    """

    family: str
    target: Target
    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    routes: Mapping[str, str]
    indexes: Mapping[str, ExplicitIndex]
    preferences: Mapping[str, str]
    build: frozenset[str]
    exclude_newer: datetime | None
    offline: bool = False
    overrides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    blocked: frozenset[str] = frozenset()
    known: Mapping[str, CoreMetadata] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resolved:
    """One package of a solution: the files that the index offers for it and the target can use."""

    name: str
    version: str
    index: str | None
    files: tuple[IndexFile, ...]


@dataclass(frozen=True, slots=True)
class Solution:
    """What a resolver answers: every package that the request needs, by name."""

    packages: Mapping[str, Resolved]


class Resolver(Protocol):
    """A resolver. Raises NoResolution with its own words as the reason, ToolFailed if it could not say."""

    name: str

    def solve(self, request: Request) -> Solution: ...


class MetadataSource(Protocol):
    """Core Metadata of files, many at once. Raises ToolFailed naming every file it could not read."""

    def read(self, files: Sequence[IndexFile], request: Request) -> Mapping[str, CoreMetadata]:
        """File name to metadata, for every file given. A source distribution may be built for it."""
        ...

    def yanked(self, projects: Sequence[str], request: Request) -> frozenset[str]:
        """The names of the files of ``projects`` that the default index has yanked (PEP 592)."""
        ...


@dataclass(frozen=True, slots=True)
class BuildNeeds:
    """What building a source distribution requires (PEP 508), and the bytes of its wheel once installed."""

    requires: tuple[str, ...]
    installed: int


class Artifacts(Protocol):
    """What files come to."""

    def installed(self, files: Sequence[IndexFile], request: Request) -> Mapping[str, int]:
        """Wheel to the bytes of its files once installed. What nobody can tell is left out; asks no network offline."""
        ...

    def build_needs(self, file: IndexFile, request: Request) -> BuildNeeds:
        """Of one source distribution. Raises ToolFailed if it does not build."""
        ...


class Releases(Protocol):
    """What an index has of a package."""

    def usable(self, name: str, request: Request) -> Sequence[str]:
        """Its versions with a file that runs on the target, in order, none newer than the cut-off; none if nobody
        can tell.
        """
        ...


class Publications(Protocol):
    """All that an index has of a package, for whomever."""

    def published(self, name: str, request: Request) -> Sequence[Release]:
        """Its versions that are not withdrawn, the oldest first. Raises ToolFailed where nobody can tell."""
        ...


class Advisories(Protocol):
    """What is known to be wrong with packages. ``source`` is where that is from, for people."""

    source: str

    def of_releases(self, releases: Sequence[tuple[str, str]]) -> Mapping[str, Sequence[Advisory]]:
        """Package to all that may speak of one of its ``releases`` (name and public version), withdrawn ones too.

        What a record means is for the asker to judge. Raises ToolFailed or BadInput: never half an answer.
        """
        ...

    def of_packages(self, names: Sequence[str]) -> Mapping[str, Sequence[Advisory]]:
        """The same of all releases."""
        ...


class Workspace(Protocol):
    """The project's folder. Paths are relative, with forward slashes."""

    def read(self, path: str) -> bytes | None: ...

    def replace(self, tree: Mapping[str, bytes | None]) -> list[str]:
        """Writes (bytes) or removes (None) all of it or nothing; returns the paths that changed."""
        ...


class Memory(Protocol):
    """Answers of earlier runs, by key. What cannot be read is as if it were not there."""

    def recall(self, key: str) -> str | None: ...

    def keep(self, key: str, text: str) -> None: ...


class Progress(Protocol):
    """Where long work says what it is doing."""

    def step(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...


class Repository(Protocol):
    """The user's clone and its remote, at the moment in which a run began; the user's tree is never touched.

    Every change of the remote names what it replaces, and fails where that is no more so. Raises ToolFailed where git
    or the remote fails, BadInput where the clone is in no state to work from.
    """

    base_name: str
    base: str
    """The base branch, and its newest commit."""

    def heads(self, prefix: str) -> Mapping[str, Head]:
        """The remote's branches whose names begin so."""
        ...

    def read(self, commit: str, path: str, project: str | None = None) -> bytes | None:
        """A file of the project, or of the one in the folder ``project``, at a commit; None where there is none."""
        ...

    def is_merged(self, commit: str) -> bool:
        """Whether the base branch has ``commit`` in its history; False where a shallow clone cannot tell."""
        ...

    def fresh(self) -> AbstractContextManager[str]:
        """A folder with the project as the base branch has it, for as long as it is wanted."""
        ...

    def tree(self, folder: str) -> str:
        """The tree that a fresh folder's repository holds now."""
        ...

    def commit(self, tree: str, message: str) -> str:
        """A commit of ``tree`` on the base, which no branch holds yet."""
        ...

    def push(self, branch: str, commit: str, old: str | None) -> bool:
        """Makes ``branch`` of the remote ``commit``; False where it was not at ``old`` (None: not there) any more."""
        ...

    def delete(self, branch: str, old: str) -> bool:
        """Removes ``branch`` of the remote; False where it is not at ``old`` any more."""
        ...


class Forge(Protocol):
    """Where pull requests are. Only those from branches of the repository itself count.

    Raises Refused where it does not take this one thing, and another ToolFailed where nothing more can be asked of it:
    it does not know who asks, limits, fails, or says half of it.
    """

    def opened(self, prefix: str) -> Sequence[PullRequest]:
        """The open ones whose branch begins so, to whatever base."""
        ...

    def declined(self, branch: str) -> Sequence[PullRequest]:
        """Those from ``branch`` to the base that were closed without a merge."""
        ...

    def merged(self, branch: str) -> Sequence[PullRequest]:
        """Those from ``branch`` that were merged into the base."""
        ...

    def open(self, branch: str, title: str, body: str) -> PullRequest:
        """Opens one to the base branch; the one there is, where another run was quicker."""
        ...

    def edit(self, request: PullRequest, title: str, body: str) -> None: ...

    def label(self, request: PullRequest, labels: Sequence[str]) -> None:
        """Adds ``labels``; those that it has stay."""
        ...

    def close(self, request: PullRequest, word: str, body: str) -> None:
        """Says ``word`` (Markdown) on it, once for its commit, and closes it, its text then being ``body``."""
        ...


class Parallel(Protocol):
    """Work on several things at once. ``workers`` is how many."""

    workers: int

    def each(self, work: Callable[[Item], Result], items: Sequence[Item], *, long: bool = False) -> list[Result]:
        """The results in the order of ``items``; raises what ``work`` raised first.

        ``long`` is work that asks one question after the other: one more is begun then, as a last one that is left
        alone would leave all other cores idle.
        """
        ...
