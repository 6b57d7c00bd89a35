"""Ports to the clone and to the forge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # one command needs it: importing it costs the others time
    from lockgen.update.model import Head, PullRequest


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
