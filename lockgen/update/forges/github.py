"""GitHub by PyGithub: see ports.Forge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import github
from github.PullRequest import PullRequest as Found

from lockgen import __version__
from lockgen.update.forges import Token, last_word
from lockgen.update.forges.failures import SECONDS, Answered, Silent, patiently
from lockgen.update.model import PullRequest
from lockgen.update.pull_request_text import marks

Result = TypeVar("Result")


class GitHub:
    """Pull requests of the repository ``path`` (OWNER/NAME) to its branch ``base``."""

    def __init__(self, api: str, path: str, token: Token, base: str) -> None:
        self._path, self._base, self._secrets = path, base, (token.value,)
        # Its own retries would wait for an hour where a rate limit says so.
        self._client = github.Github(
            auth=github.Auth.Token(token.value),
            base_url=api.rstrip("/"),
            timeout=SECONDS,
            retry=None,
            per_page=100,
            user_agent=f"lockgen/{__version__}",
            lazy=True,
        )
        self._repository = self._client.get_repo(path)

    def opened(self, prefix: str) -> Sequence[PullRequest]:
        """See ports.Forge."""
        return self._do(
            "the open pull requests",
            lambda: [
                found
                for request in self._repository.get_pulls(state="open")
                if (found := self._own(request)) is not None and found.branch.startswith(prefix)
            ],
        )

    def declined(self, branch: str) -> Sequence[PullRequest]:
        """See ports.Forge."""
        return self._do(f"the closed pull requests of {branch}", lambda: self._of(branch, "closed"))

    def merged(self, branch: str) -> Sequence[PullRequest]:
        """See ports.Forge."""
        return self._do(f"the merged pull requests of {branch}", lambda: self._of(branch, "closed", merged=True))

    def _of(self, branch: str, state: str, *, merged: bool = False) -> list[PullRequest]:
        head = f"{self._path.split('/')[0]}:{branch}"
        requests = self._repository.get_pulls(state=state, head=head, base=self._base)
        mine = [self._own(request) for request in requests if (request.merged_at is not None) == merged]
        # GitHub takes a filter that it does not understand for none.
        return [found for found in mine if found is not None and found.branch == branch]

    def open(self, branch: str, title: str, body: str) -> PullRequest:
        """See ports.Forge: of two runs the second gets 422, and takes what the first opened."""

        def work() -> PullRequest:
            try:
                made = self._repository.create_pull(base=self._base, head=branch, title=title, body=body)
            except github.GithubException as error:
                there = self._of(branch, "open") if error.status == 422 else []
                if not there:
                    raise
                return there[0]
            return _read(made)

        return self._do(f"open a pull request for {branch}", work)

    def edit(self, request: PullRequest, title: str, body: str) -> None:
        """See ports.Forge."""
        self._do(
            f"edit pull request {request.number}",
            lambda: self._pull(request).edit(title=title, body=body),
            of_one=True,
        )

    def label(self, request: PullRequest, labels: Sequence[str]) -> None:
        """See ports.Forge; GitHub makes labels that it does not know."""
        self._do(
            f"label pull request {request.number}",
            lambda: self._pull(request).add_to_labels(*labels),
            of_one=True,
        )

    def close(self, request: PullRequest, word: str, body: str) -> None:
        """See ports.Forge: the comment first, as the next run looks at open ones only."""

        def work() -> None:
            pull = self._pull(request)
            if not any(last_word(request) in (comment.body or "") for comment in pull.get_issue_comments()):
                pull.create_issue_comment(f"{word}\n\n{last_word(request)}")
            pull.edit(state="closed", body=body)

        self._do(f"close pull request {request.number}", work, of_one=True)

    def _pull(self, request: PullRequest) -> Found:
        return self._repository.get_pull(request.number)

    def _own(self, request: Found) -> PullRequest | None:
        """None for one from a fork, whose branches are called as anybody likes."""
        repository = request.head.repo
        if repository is None or repository.full_name.casefold() != self._path.casefold():
            return None
        return _read(request)

    def _do(self, what: str, work: Callable[[], Result], *, of_one: bool = False) -> Result:
        def told() -> Result:
            try:
                return work()
            except github.GithubException as error:
                headers = {name.lower(): str(value) for name, value in (error.headers or {}).items()}
                if not isinstance(error.status, int) or error.status < 400:
                    raise Silent(f"an answer that is not GitHub's: {type(error).__name__}") from None
                raise Answered(error.status, _said(error), headers) from None
            except OSError as error:  # all of requests' own
                raise Silent(type(error).__name__, slow="timed out" in str(error).lower()) from None
            except (ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
                raise Silent(f"an answer that is not GitHub's: {type(error).__name__}") from None

        return patiently("GitHub", what, self._secrets, told, of_one=of_one)


def _read(request: Found) -> PullRequest:
    """Raises TypeError where GitHub said only half of it."""
    branch, base, body = request.head.ref, request.base.ref, request.body or ""
    if not isinstance(request.number, int) or not all(isinstance(text, str) for text in (branch, base, body)):
        raise TypeError("number, head, base and body")
    commit, moves = marks(body)
    labels = frozenset(str(label.name) for label in request.labels)
    url, title = str(request.html_url), str(request.title)
    return PullRequest(request.number, url, branch, title, body, labels, commit, moves, base)


def _said(error: github.GithubException) -> str:
    data = error.data if isinstance(error.data, dict) else {}
    parts = [data.get("message"), *(_error(entry) for entry in data.get("errors") or ())]
    return "\n".join(str(part) for part in parts if part)


def _error(entry: object) -> object:
    return entry.get("message") or entry.get("code") if isinstance(entry, dict) else entry
