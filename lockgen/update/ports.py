"""Ports to the clone and to the forge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # for one command only: other commands do not pay for the import
    from lockgen.update.model import Head, PullRequest


class Repository(Protocol):
    """The user's clone and its remote, as of the start of a run. The user's working tree is never touched.

    Every change of the remote names the commit that it replaces, and fails if the branch has moved since.

    Raises:
        ToolFailed: git or the remote failed.
        BadInput: the state of the clone does not allow an update.
    """

    base_name: str
    base: str
    """The base branch, and its latest commit."""

    def heads(self, prefix: str) -> Mapping[str, Head]:
        """The remote's branches whose names begin with ``prefix``."""
        ...

    def read(self, commit: str, path: str, project: str | None = None) -> bytes | None:
        """A file at a commit, relative to the project or to the folder ``project``. None if it does not exist."""
        ...

    def is_merged(self, commit: str) -> bool:
        """Whether the history of the base branch contains ``commit``; False if a shallow clone cannot show it."""
        ...

    def fresh(self) -> AbstractContextManager[str]:
        """A temporary folder with the project as of the base branch."""
        ...

    def tree(self, folder: str) -> str:
        """The tree of the current files in a fresh folder's repository."""
        ...

    def commit(self, tree: str, message: str) -> str:
        """Make a commit of ``tree`` on the base, without a branch."""
        ...

    def push(self, branch: str, commit: str, old: str | None) -> bool:
        """Set the remote's ``branch`` to ``commit``. False if it is no longer at ``old`` (None: does not exist)."""
        ...

    def delete(self, branch: str, old: str) -> bool:
        """Delete the remote's ``branch``. False if it is no longer at ``old``."""
        ...


class Forge(Protocol):
    """The pull requests of a repository. Those from forks are ignored.

    Raises:
        Refused: the forge refused this one request.
        ToolFailed: the forge as a whole failed: it rejected the token, limits requests, or gave no complete answer.
    """

    def opened(self, prefix: str) -> Sequence[PullRequest]:
        """The open pull requests whose branch begins with ``prefix``, to any base."""
        ...

    def declined(self, branch: str) -> Sequence[PullRequest]:
        """The pull requests from ``branch`` to the base that were closed without a merge."""
        ...

    def merged(self, branch: str) -> Sequence[PullRequest]:
        """The pull requests from ``branch`` that were merged into the base."""
        ...

    def open(self, branch: str, title: str, body: str) -> PullRequest:
        """Open a pull request to the base branch. If another run was faster, return its pull request."""
        ...

    def edit(self, request: PullRequest, title: str, body: str) -> None:
        """Replace the title and the text."""
        ...

    def label(self, request: PullRequest, labels: Sequence[str]) -> None:
        """Add ``labels``; existing ones stay."""
        ...

    def close(self, request: PullRequest, word: str, body: str) -> None:
        """Comment ``word`` (Markdown), once per commit, then close the pull request and set its text to ``body``."""
        ...
