"""GitHub, through PyGithub: see ports.Forge.

PyGithub is imported only when a connection is made: the table of forges must not load every client.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from lockgen import __version__
from lockgen.update.forges.failures import TIMEOUT, ErrorResponse, ForgeCall, NoResponse, with_retries
from lockgen.update.forges.forge_type import ForgeType, TokenVariable
from lockgen.update.forges.model import RemoteLocation, Token
from lockgen.update.model import PullRequest
from lockgen.update.pull_request_text import closing_marker, marks

if TYPE_CHECKING:
    from github import GithubException
    from github.PullRequest import PullRequest as ApiPullRequest

Result = TypeVar("Result")


class GitHub:
    """Pull requests of the repository ``path`` (OWNER/NAME) to its branch ``base``."""

    def __init__(self, api: str, path: str, token: Token, base: str) -> None:
        from github import Auth, Github

        self._path, self._base, self._secrets = path, base, (token.value,)
        self._client = Github(
            auth=Auth.Token(token.value),
            base_url=api.rstrip("/"),
            timeout=TIMEOUT,
            # PyGithub's own retries wait up to an hour for a rate limit.
            retry=None,
            per_page=100,
            user_agent=f"lockgen/{__version__}",
            lazy=True,
        )
        self._repository = self._client.get_repo(path)

    def opened(self, prefix: str) -> Sequence[PullRequest]:
        """See ports.Forge."""

        def work() -> list[PullRequest]:
            found = []
            for request in self._repository.get_pulls(state="open"):
                own = self._own(request)
                if own is not None and own.branch.startswith(prefix):
                    found.append(own)
            return found

        return self._call("read the open pull requests", work)

    def declined(self, branch: str) -> Sequence[PullRequest]:
        """See ports.Forge."""
        what = f"read the closed pull requests of {branch}"
        return self._call(what, lambda: self._list(branch, "closed"))

    def merged(self, branch: str) -> Sequence[PullRequest]:
        """See ports.Forge."""
        what = f"read the merged pull requests of {branch}"
        return self._call(what, lambda: self._list(branch, "closed", merged=True))

    def _list(self, branch: str, state: str, *, merged: bool = False) -> list[PullRequest]:
        owner = self._path.split("/")[0]
        requests = self._repository.get_pulls(state=state, head=f"{owner}:{branch}", base=self._base)
        found = []
        for request in requests:
            own = self._own(request)
            if own is None or (request.merged_at is not None) != merged:
                continue
            # GitHub ignores a filter that it does not understand, so the branch is compared again.
            if own.branch == branch:
                found.append(own)
        return found

    def open(self, branch: str, title: str, body: str) -> PullRequest:
        """See ports.Forge. The second of two concurrent runs gets 422, and uses the pull request of the first."""
        from github import GithubException

        def work() -> PullRequest:
            try:
                made = self._repository.create_pull(base=self._base, head=branch, title=title, body=body)
            except GithubException as error:
                existing = self._list(branch, "open") if error.status == 422 else []
                if not existing:
                    raise
                return existing[0]
            return _read(made)

        return self._call(f"open a pull request for {branch}", work)

    def edit(self, request: PullRequest, title: str, body: str) -> None:
        """See ports.Forge."""
        what = f"edit pull request {request.number}"
        self._call(what, lambda: self._pull(request).edit(title=title, body=body), of_one=True)

    def label(self, request: PullRequest, labels: Sequence[str]) -> None:
        """See ports.Forge. GitHub creates unknown labels."""
        what = f"label pull request {request.number}"
        self._call(what, lambda: self._pull(request).add_to_labels(*labels), of_one=True)

    def close(self, request: PullRequest, word: str, body: str) -> None:
        """See ports.Forge. The comment comes first: the next run reads only open pull requests."""
        marker = closing_marker(request)

        def work() -> None:
            pull = self._pull(request)
            # A run that was killed here, or a retry, must not comment twice.
            if not any(marker in (comment.body or "") for comment in pull.get_issue_comments()):
                pull.create_issue_comment(f"{word}\n\n{marker}")
            pull.edit(state="closed", body=body)

        self._call(f"close pull request {request.number}", work, of_one=True)

    def _pull(self, request: PullRequest) -> ApiPullRequest:
        return self._repository.get_pull(request.number)

    def _own(self, request: ApiPullRequest) -> PullRequest | None:
        """The pull request, or None if it comes from a fork: anybody may name a branch of a fork like lockgen's."""
        repository = request.head.repo
        if repository is None or repository.full_name.casefold() != self._path.casefold():
            return None
        return _read(request)

    def _call(self, what: str, work: Callable[[], Result], *, of_one: bool = False) -> Result:
        from github import GithubException

        def translated() -> Result:
            try:
                return work()
            except GithubException as error:
                raise _failure(error) from None

        return with_retries(ForgeCall("GitHub", what, self._secrets, of_one), translated)


def _failure(error: GithubException) -> ErrorResponse | NoResponse:
    # PyGithub also raises this for a response that is not an HTTP error.
    if not isinstance(error.status, int) or error.status < 400:
        return NoResponse(f"unexpected response: {type(error).__name__}")
    headers = {name.lower(): str(value) for name, value in (error.headers or {}).items()}
    return ErrorResponse(error.status, _message(error), headers)


def _read(request: ApiPullRequest) -> PullRequest:
    """The pull request. Raises TypeError if the response is incomplete."""
    body = request.body or ""
    branch = request.head.ref
    base = request.base.ref
    # An incomplete response would make lockgen treat its own pull request as missing, and open another one.
    if not isinstance(request.number, int) or not all(isinstance(text, str) for text in (branch, base, body)):
        raise TypeError("number, head, base and body")
    commit, moves = marks(body)
    return PullRequest(
        number=request.number,
        url=str(request.html_url),
        branch=branch,
        title=str(request.title),
        body=body,
        labels=frozenset(str(label.name) for label in request.labels),
        mark=commit,
        moves=moves,
        base=base,
    )


def _message(error: GithubException) -> str:
    data = error.data if isinstance(error.data, dict) else {}
    parts = [data.get("message"), *map(_detail, data.get("errors") or ())]
    return "\n".join(str(part) for part in parts if part)


def _detail(entry: object) -> object:
    """The text of a validation error: an object with a message or only a code, or plain text."""
    if isinstance(entry, dict):
        return entry.get("message") or entry.get("code")
    return entry


def _api(host: str) -> str:
    api = os.environ.get("GITHUB_API_URL")
    if api:
        return api
    if host in {"", "github.com"}:
        return "https://api.github.com"
    # GitHub Enterprise Server.
    return f"https://{host}/api/v3"


def _connect(location: RemoteLocation, token: Token, base: str) -> GitHub:
    return GitHub(location.api, location.path, token, base)


GITHUB = ForgeType(
    tokens=(TokenVariable("GITHUB_TOKEN", "x-access-token"), TokenVariable("GH_TOKEN", "x-access-token")),
    repository_variable="GITHUB_REPOSITORY",
    server_variable="GITHUB_SERVER_URL",
    ci_variable="GITHUB_ACTIONS",
    host_prefix="github.",
    api=_api,
    connect=_connect,
)
