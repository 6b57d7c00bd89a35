"""GitHub and GitLab on loopback: each request is checked against what they document, and noted; they fail as asked.

GitHub: docs.github.com/rest/pulls/pulls, rest/issues/labels, rest/issues/comments (version 2022-11-28).
GitLab: docs.gitlab.com/api/merge_requests, api/notes.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from support.loopback import QuietHandler, listening

TOKEN = "s3cret-token"
PATH = "ada/voices"

# Method and path to the words of the query and of the body that are documented; `*` marks one that is required.
GITHUB = {
    ("GET", r"/repos/ada/voices/pulls"): ({"state", "head", "base", "sort", "direction", "per_page", "page"}, set()),
    ("POST", r"/repos/ada/voices/pulls"): (
        set(),
        {"title", "head*", "head_repo", "base*", "body", "maintainer_can_modify", "draft", "issue"},
    ),
    ("GET", r"/repos/ada/voices/pulls/(\d+)"): (set(), set()),
    ("PATCH", r"/repos/ada/voices/pulls/(\d+)"): (set(), {"title", "body", "state", "base", "maintainer_can_modify"}),
    ("POST", r"/repos/ada/voices/issues/(\d+)/labels"): (set(), None),
    ("GET", r"/repos/ada/voices/issues/(\d+)/comments"): ({"since", "per_page", "page"}, set()),
    ("POST", r"/repos/ada/voices/issues/(\d+)/comments"): (set(), {"body*"}),
}
_PAGED = {"per_page", "page"}
GITLAB = {
    ("GET", r"/api/v4/projects/ada%2Fvoices/merge_requests"): (
        {"state", "source_branch", "target_branch", "order_by", "sort", *_PAGED},
        set(),
    ),
    ("POST", r"/api/v4/projects/ada%2Fvoices/merge_requests"): (
        set(),
        {"source_branch*", "target_branch*", "title*", "description", "labels", "remove_source_branch", "squash"},
    ),
    ("PUT", r"/api/v4/projects/ada%2Fvoices/merge_requests/(\d+)"): (
        set(),
        {"title", "description", "add_labels", "labels", "state_event", "target_branch", "remove_source_branch"},
    ),
    ("GET", r"/api/v4/projects/ada%2Fvoices/merge_requests/(\d+)/notes"): ({"sort", "order_by", *_PAGED}, set()),
    ("POST", r"/api/v4/projects/ada%2Fvoices/merge_requests/(\d+)/notes"): (set(), {"body*"}),
}


@dataclass
class Trouble:
    """One bad answer: a status with its headers, half of a good answer (``cut``), or none in time (``late``)."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    said: str = ""
    cut: bool = False
    late: float = 0.0


@dataclass
class ForgeServer:
    """State of one repository: requests by number, comments; what was asked, and what was asked wrongly."""

    kind: str
    url: str = ""
    requests: dict[int, dict[str, Any]] = field(default_factory=dict)
    comments: dict[int, list[str]] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    next: dict[str, str] = field(default_factory=dict)

    def add(self, branch: str, title: str = "t", body: str = "", **more: Any) -> dict[str, Any]:
        number = len(self.requests) + 1
        found = {"number": number, "branch": branch, "base": "main", "title": title, "body": body, "state": "open"}
        self.requests[number] = {**found, "labels": [], "merged": False, "fork": False, **more}
        self.comments[number] = []
        return self.requests[number]

    # -- one request -----------------------------------------------------------

    def answer(self, method: str, target: str, headers: dict[str, str], body: Any) -> tuple[int, Any]:
        parts = urlsplit(target)
        self.asked.append((method, target, body))
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self._check_token(headers)
        routes = GITHUB if self.kind == "github" else GITLAB
        for (verb, pattern), (known, fields) in routes.items():
            found = re.fullmatch(pattern, parts.path)
            if found and verb == method:
                self._check(method, target, query, known, body, fields)
                number = int(found[1]) if found.groups() else None
                act = self._github if self.kind == "github" else self._gitlab
                return act(method, pattern, number, query, body)
        self.wrong.append(f"{method} {target} is not documented")
        return 404, {"message": "Not Found"}

    def _check_token(self, headers: dict[str, str]) -> None:
        found = headers.get("authorization") if self.kind == "github" else headers.get("private-token")
        if found not in {f"Bearer {TOKEN}", f"token {TOKEN}", TOKEN}:
            self.wrong.append(f"no token: {sorted(headers)}")

    def _check(self, method: str, target: str, query: Any, known: Any, body: Any, fields: Any) -> None:
        if TOKEN in target:
            self.wrong.append(f"the token is in {target}")
        if unknown := set(query) - known:
            self.wrong.append(f"{method} {target}: query {unknown}")
        if fields is None:
            return
        named = {name.rstrip("*") for name in fields}
        needed = {name.rstrip("*") for name in fields if name.endswith("*")}
        given = set(body or {})
        if given - named or needed - given:
            self.wrong.append(f"{method} {target}: body {given - named}, missing {needed - given}")

    def _of(self, query: dict[str, str], branch: str | None) -> list[dict[str, Any]]:
        state = {"opened": "open"}.get(query.get("state", ""), query.get("state", ""))
        base = query.get("base", query.get("target_branch"))
        return [
            request
            for request in self.requests.values()
            if (state in {"", "all"} or request["state"] == state)
            and (base is None or request["base"] == base)
            and (branch is None or request["branch"] == branch)
        ]

    def _page(self, found: list[Any], query: dict[str, str]) -> list[Any]:
        size, page = int(query.get("per_page", "30")), int(query.get("page", "1"))
        if len(found) > page * size:
            path = self.asked[-1][1].partition("?")[0]
            words = urlencode({**query, "page": page + 1})
            self.next = {"Link": f'<{self.url}{path}?{words}>; rel="next"', "X-Next-Page": str(page + 1)}
        return found[(page - 1) * size : page * size]

    # -- GitHub ----------------------------------------------------------------

    def _github(
        self, method: str, pattern: str, number: int | None, query: dict[str, str], body: Any
    ) -> tuple[int, Any]:
        if number is not None and number not in self.requests:
            return 404, {"message": "Not Found"}
        if number is None:
            if method == "GET":
                branch = query["head"].partition(":")[2] if "head" in query else None
                return 200, [self._pull(request) for request in self._page(self._of(query, branch), query)]
            if any(r["state"] == "open" and r["branch"] == body["head"] for r in self.requests.values()):
                said = f"A pull request already exists for ada:{body['head']}."
                return 422, {"message": "Validation Failed", "errors": [{"resource": "PullRequest", "message": said}]}
            return 201, self._pull(self.add(body["head"], body["title"], body["body"], base=body["base"]))
        request = self.requests[number]
        if pattern.endswith("labels"):
            request["labels"] += [label for label in self._labels(body) if label not in request["labels"]]
            return 200, [{"name": label} for label in request["labels"]]
        if pattern.endswith("comments"):
            if method == "GET":
                return 200, [{"id": n, "body": text} for n, text in enumerate(self.comments[number])]
            self.comments[number].append(body["body"])
            return 201, {"id": len(self.comments[number]), "body": body["body"]}
        if method == "PATCH":
            request |= {name: value for name, value in body.items() if name in {"title", "body", "state"}}
        return 200, self._pull(request)

    def _labels(self, body: Any) -> list[str]:
        return list(body["labels"] if isinstance(body, dict) else body)

    def _pull(self, request: dict[str, Any]) -> dict[str, Any]:
        number = request["number"]
        owner = "eve" if request["fork"] else "ada"
        return {
            "url": f"{self.url}/repos/{PATH}/pulls/{number}",
            "issue_url": f"{self.url}/repos/{PATH}/issues/{number}",
            "html_url": f"https://github.example/{PATH}/pull/{number}",
            "number": number,
            "state": request["state"],
            "title": request["title"],
            "body": request["body"] or None,
            "labels": [{"name": label} for label in request["labels"]],
            "merged_at": "2025-01-01T00:00:00Z" if request["merged"] else None,
            "head": {"ref": request["branch"], "sha": "0" * 40, "repo": {"full_name": f"{owner}/voices"}},
            "base": {"ref": request["base"], "sha": "0" * 40, "repo": {"full_name": PATH}},
        }

    # -- GitLab ----------------------------------------------------------------

    def _gitlab(
        self, method: str, pattern: str, number: int | None, query: dict[str, str], body: Any
    ) -> tuple[int, Any]:
        if number is not None and number not in self.requests:
            return 404, {"message": "404 Not found"}
        if number is None:
            if method == "GET":
                found = self._of(query, query.get("source_branch"))
                return 200, [self._merge(request) for request in self._page(found, query)]
            if any(r["state"] == "open" and r["branch"] == body["source_branch"] for r in self.requests.values()):
                said = f"Another open merge request already exists for this source branch: !{len(self.requests)}"
                return 409, {"message": [said]}
            made = self.add(body["source_branch"], body["title"], body.get("description", ""))
            return 201, self._merge(made)
        request = self.requests[number]
        if pattern.endswith("notes"):
            if method == "GET":
                return 200, [{"id": n, "body": text} for n, text in enumerate(self.comments[number], 1)]
            self.comments[number].append(body["body"])
            return 201, {"id": len(self.comments[number]), "body": body["body"]}
        request["title"] = body.get("title", request["title"])
        request["body"] = body.get("description", request["body"])
        request["labels"] += [label for label in body.get("add_labels", "").split(",") if label]
        if body.get("state_event") == "close":
            request["state"] = "closed"
        return 200, self._merge(request)

    def _merge(self, request: dict[str, Any]) -> dict[str, Any]:
        state = {"open": "opened"}.get(request["state"], request["state"])
        return {
            "id": 1000 + request["number"],
            "iid": request["number"],
            "web_url": f"https://gitlab.example/{PATH}/-/merge_requests/{request['number']}",
            "state": "merged" if request["merged"] else state,
            "title": request["title"],
            "description": request["body"] or None,
            "labels": request["labels"],
            "source_branch": request["branch"],
            "target_branch": request["base"],
            "source_project_id": 8 if request["fork"] else 7,
            "target_project_id": 7,
        }


@contextmanager
def serving_forge(kind: str) -> Iterator[ForgeServer]:
    """The forge at ``url`` until the end of the block."""
    state = ForgeServer(kind)

    class Handler(QuietHandler):
        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            data = self.rfile.read(length)
            body = json.loads(data) if data else None
            trouble = state.troubles.pop(0) if state.troubles else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            if trouble is not None and trouble.status != 200:
                state.asked.append((self.command, self.path, body))
                self._send(trouble.status, {"message": trouble.said}, trouble.headers)
                return
            state.next = {}
            status, answer = state.answer(self.command, self.path, headers, body)
            if trouble is not None and trouble.late:
                time.sleep(trouble.late)
            self._send(status, answer, state.next, cut=trouble is not None and trouble.cut)

        do_GET = do_POST = do_PATCH = do_PUT = _do  # noqa: N815

        def _send(self, status: int, answer: Any, headers: dict[str, str], *, cut: bool = False) -> None:
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if cut else data)
            if cut:
                self.wfile.flush()
                self.close_connection = True

    with listening(Handler) as address:
        state.url = f"http://{address}"
        yield state
