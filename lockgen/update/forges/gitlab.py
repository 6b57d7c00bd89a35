"""GitLab by python-gitlab, where pull requests are merge requests: see ports.Forge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import gitlab

from lockgen import __version__
from lockgen.update.forges import Token, last_word
from lockgen.update.forges.failures import SECONDS, Answered, Silent, patiently
from lockgen.update.model import PullRequest
from lockgen.update.pull_request_text import marks

Result = TypeVar("Result")


class GitLab:
    """Merge requests of the project ``path`` to its branch ``base``; ``url`` is the server's."""

    def __init__(self, url: str, path: str, token: Token, base: str) -> None:
        self._base, self._secrets = base, (token.value,)
        job = token.variable == "CI_JOB_TOKEN"
        self._client = gitlab.Gitlab(
            url.rstrip("/"),
            private_token=None if job else token.value,
            job_token=token.value if job else None,
            timeout=SECONDS,
            per_page=100,
            user_agent=f"lockgen/{__version__}",
            retry_transient_errors=False,
            keep_base_url=True,
        )
        self._headers: dict[str, str] = {}
        # The client's errors have no headers, and these say when it may be asked again.
        self._client.session.hooks["response"].append(self._listen)
        self._requests = self._client.projects.get(path, lazy=True).mergerequests

    def _listen(self, response: Any, *_: object, **__: object) -> None:
        self._headers = {name.lower(): str(value) for name, value in response.headers.items()}

    def opened(self, prefix: str) -> Sequence[PullRequest]:
        """See ports.Forge."""
        found = self._do("the open merge requests", lambda: self._of(state="opened"))
        return [request for request in found if request.branch.startswith(prefix)]

    def declined(self, branch: str) -> Sequence[PullRequest]:
        """See ports.Forge; merged ones have a state of their own."""
        return self._to_base(f"the closed merge requests of {branch}", "closed", branch)

    def merged(self, branch: str) -> Sequence[PullRequest]:
        """See ports.Forge."""
        return self._to_base(f"the merged merge requests of {branch}", "merged", branch)

    def _to_base(self, what: str, state: str, branch: str) -> list[PullRequest]:
        return self._do(what, lambda: self._of(state=state, source_branch=branch, target_branch=self._base))

    def _of(self, **filters: str) -> list[PullRequest]:
        # obey_rate_limit: it would sleep as long as the server says, without a word.
        query: dict[str, Any] = {"get_all": True, "obey_rate_limit": False, **filters}
        listed: Any = self._requests.list(**query)
        return [_read(request) for request in listed if request.source_project_id == request.target_project_id]

    def open(self, branch: str, title: str, body: str) -> PullRequest:
        """See ports.Forge: of two runs the second gets 409, and takes what the first opened."""

        def work() -> PullRequest:
            wanted = {
                "source_branch": branch,
                "target_branch": self._base,
                "title": title,
                "description": body,
                "remove_source_branch": True,
            }
            try:
                return _read(self._requests.create(wanted, obey_rate_limit=False))
            except gitlab.GitlabError as error:
                filters = {"state": "opened", "source_branch": branch, "target_branch": self._base}
                there = self._of(**filters) if error.response_code == 409 else []
                if not there:
                    raise
                return there[0]

        return self._do(f"open a merge request for {branch}", work)

    def edit(self, request: PullRequest, title: str, body: str) -> None:
        """See ports.Forge."""
        self._update(f"edit merge request {request.number}", request, {"title": title, "description": body})

    def label(self, request: PullRequest, labels: Sequence[str]) -> None:
        """See ports.Forge; GitLab makes labels that it does not know."""
        self._update(f"label merge request {request.number}", request, {"add_labels": ",".join(labels)})

    def close(self, request: PullRequest, word: str, body: str) -> None:
        """See ports.Forge: the comment first, as the next run looks at open ones only."""

        def work() -> None:
            notes = self._requests.get(request.number, lazy=True).notes
            if not any(last_word(request) in note.body for note in notes.list(get_all=True, obey_rate_limit=False)):
                notes.create({"body": f"{word}\n\n{last_word(request)}"}, obey_rate_limit=False)
            changed = {"state_event": "close", "description": body}
            self._requests.update(request.number, changed, obey_rate_limit=False)

        self._do(f"close merge request {request.number}", work, of_one=True)

    def _update(self, what: str, request: PullRequest, data: dict[str, str]) -> None:
        self._do(what, lambda: self._requests.update(request.number, data, obey_rate_limit=False), of_one=True)

    def _do(self, what: str, work: Callable[[], Result], *, of_one: bool = False) -> Result:
        def told() -> Result:
            try:
                return work()
            except gitlab.GitlabError as error:
                if error.response_code is None:
                    raise Silent(f"an answer that is not GitLab's: {type(error).__name__}") from None
                raise Answered(error.response_code, _said(error), self._headers) from None
            except OSError as error:  # all of requests' own
                raise Silent(type(error).__name__, slow="timed out" in str(error).lower()) from None
            except (ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
                raise Silent(f"an answer that is not GitLab's: {type(error).__name__}") from None

        return patiently("GitLab", what, self._secrets, told, of_one=of_one)


def _read(request: Any) -> PullRequest:
    """Raises TypeError or AttributeError where GitLab said only half of it."""
    number, body = request.iid, request.description or ""
    branch, base = request.source_branch, request.target_branch
    if not isinstance(number, int) or not all(isinstance(text, str) for text in (branch, base, body)):
        raise TypeError("iid, source_branch, target_branch and description")
    commit, moves = marks(body)
    labels = frozenset(str(label) for label in request.labels)
    url, title = str(request.web_url), str(request.title)
    return PullRequest(number, url, branch, title, body, labels, commit, moves, base)


def _said(error: gitlab.GitlabError) -> str:
    message = error.error_message
    return message if isinstance(message, str) else str(message)
