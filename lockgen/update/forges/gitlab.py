"""GitLab, through python-gitlab, where pull requests are called merge requests: see ports.Forge.

python-gitlab is imported only when a connection is made: the table of forges must not load every client.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from lockgen import __version__
from lockgen.update.forges.failures import TIMEOUT, ErrorResponse, ForgeCall, NoResponse, with_retries
from lockgen.update.forges.forge_type import ForgeType, TokenVariable
from lockgen.update.forges.model import RemoteLocation, Token
from lockgen.update.model import PullRequest
from lockgen.update.pull_request_text import closing_marker, marks

if TYPE_CHECKING:
    from gitlab import GitlabError

Result = TypeVar("Result")

_JOB_VARIABLE = "CI_JOB_TOKEN"


class GitLab:
    """Merge requests of the project ``path`` to its branch ``base``; ``url`` is the address of the server."""

    def __init__(self, url: str, path: str, token: Token, base: str) -> None:
        from gitlab import Gitlab

        self._base, self._secrets = base, (token.value,)
        # GitLab expects the token of a job in another header.
        job = token.variable == _JOB_VARIABLE
        self._client = Gitlab(
            url.rstrip("/"),
            private_token=None if job else token.value,
            job_token=token.value if job else None,
            timeout=TIMEOUT,
            per_page=100,
            user_agent=f"lockgen/{__version__}",
            retry_transient_errors=False,
            keep_base_url=True,
        )
        self._headers: dict[str, str] = {}
        # The client's errors have no headers, but only they say when a rate limit ends.
        self._client.session.hooks["response"].append(self._keep_headers)
        self._requests = self._client.projects.get(path, lazy=True).mergerequests

    def _keep_headers(self, response: Any, *_: object, **__: object) -> None:
        self._headers = {name.lower(): str(value) for name, value in response.headers.items()}

    def opened(self, prefix: str) -> Sequence[PullRequest]:
        """See ports.Forge."""
        found = self._call("read the open merge requests", lambda: self._list(state="opened"))
        return [request for request in found if request.branch.startswith(prefix)]

    def declined(self, branch: str) -> Sequence[PullRequest]:
        """See ports.Forge. Merged ones have another state."""
        what = f"read the closed merge requests of {branch}"
        return self._call(what, lambda: self._list_to_base("closed", branch))

    def merged(self, branch: str) -> Sequence[PullRequest]:
        """See ports.Forge."""
        what = f"read the merged merge requests of {branch}"
        return self._call(what, lambda: self._list_to_base("merged", branch))

    def _list_to_base(self, state: str, branch: str) -> list[PullRequest]:
        return self._list(state=state, source_branch=branch, target_branch=self._base)

    def _list(self, **filters: str) -> list[PullRequest]:
        # With obey_rate_limit the client would sleep for as long as the server says, without any message.
        query: dict[str, Any] = {"get_all": True, "obey_rate_limit": False, **filters}
        listed: Any = self._requests.list(**query)
        # A request from a fork has another source project; anybody may name its branch like lockgen's.
        return [_read(request) for request in listed if request.source_project_id == request.target_project_id]

    def open(self, branch: str, title: str, body: str) -> PullRequest:
        """See ports.Forge. The second of two concurrent runs gets 409, and uses the merge request of the first."""
        from gitlab import GitlabError

        data = {
            "source_branch": branch,
            "target_branch": self._base,
            "title": title,
            "description": body,
            "remove_source_branch": True,
        }

        def work() -> PullRequest:
            try:
                return _read(self._requests.create(data, obey_rate_limit=False))
            except GitlabError as error:
                existing = self._list_to_base("opened", branch) if error.response_code == 409 else []
                if not existing:
                    raise
                return existing[0]

        return self._call(f"open a merge request for {branch}", work)

    def edit(self, request: PullRequest, title: str, body: str) -> None:
        """See ports.Forge."""
        self._update(f"edit merge request {request.number}", request, {"title": title, "description": body})

    def label(self, request: PullRequest, labels: Sequence[str]) -> None:
        """See ports.Forge. GitLab creates unknown labels."""
        self._update(f"label merge request {request.number}", request, {"add_labels": ",".join(labels)})

    def close(self, request: PullRequest, word: str, body: str) -> None:
        """See ports.Forge. The comment comes first: the next run reads only open merge requests."""
        marker = closing_marker(request)

        def work() -> None:
            notes = self._requests.get(request.number, lazy=True).notes
            # A run that was killed here, or a retry, must not comment twice.
            if not any(marker in note.body for note in notes.list(get_all=True, obey_rate_limit=False)):
                notes.create({"body": f"{word}\n\n{marker}"}, obey_rate_limit=False)
            changed = {"state_event": "close", "description": body}
            self._requests.update(request.number, changed, obey_rate_limit=False)

        self._call(f"close merge request {request.number}", work, of_one=True)

    def _update(self, what: str, request: PullRequest, data: dict[str, str]) -> None:
        self._call(what, lambda: self._requests.update(request.number, data, obey_rate_limit=False), of_one=True)

    def _call(self, what: str, work: Callable[[], Result], *, of_one: bool = False) -> Result:
        from gitlab import GitlabError

        def translated() -> Result:
            try:
                return work()
            except GitlabError as error:
                raise self._failure(error) from None

        return with_retries(ForgeCall("GitLab", what, self._secrets, of_one), translated)

    def _failure(self, error: GitlabError) -> ErrorResponse | NoResponse:
        # python-gitlab also raises this for a response that is not an HTTP error.
        if error.response_code is None:
            return NoResponse(f"unexpected response: {type(error).__name__}")
        message = error.error_message
        text = message if isinstance(message, str) else str(message)
        return ErrorResponse(error.response_code, text, self._headers)


def _read(request: Any) -> PullRequest:
    """The merge request. Raises TypeError or AttributeError if the response is incomplete."""
    number, body = request.iid, request.description or ""
    branch, base = request.source_branch, request.target_branch
    # An incomplete response would make lockgen treat its own merge request as missing, and open another one.
    if not isinstance(number, int) or not all(isinstance(text, str) for text in (branch, base, body)):
        raise TypeError("iid, source_branch, target_branch and description")
    commit, moves = marks(body)
    return PullRequest(
        number=number,
        url=str(request.web_url),
        branch=branch,
        title=str(request.title),
        body=body,
        labels=frozenset(str(label) for label in request.labels),
        mark=commit,
        moves=moves,
        base=base,
    )


def _api(host: str) -> str:
    return os.environ.get("CI_SERVER_URL") or f"https://{host or 'gitlab.com'}"


def _connect(location: RemoteLocation, token: Token, base: str) -> GitLab:
    return GitLab(location.api, location.path, token, base)


GITLAB = ForgeType(
    tokens=(TokenVariable("GITLAB_TOKEN", "oauth2"), TokenVariable(_JOB_VARIABLE, "gitlab-ci-token")),
    repository_variable="CI_PROJECT_PATH",
    server_variable="CI_SERVER_URL",
    ci_variable="GITLAB_CI",
    host_prefix="gitlab.",
    api=_api,
    connect=_connect,
)
