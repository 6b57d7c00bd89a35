"""GitHub and GitLab through their clients, with servers that check every request and fail in every way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from support.forges import PATH, TOKEN, ForgeServer, Trouble, serving_forge

from lockgen.errors import BadInput, Exit, Refused, ToolFailed
from lockgen.update.forges.locate import connect, is_server_of, location_of, take_tokens
from lockgen.update.forges.model import ForgeKind, RemoteLocation, Token
from lockgen.update.ports import Forge
from lockgen.update.pull_request_text import CLOSED, closing_marker, mark

BODY = f"words\n\n{mark('a' * 40, 'feed')}\n"
KINDS: tuple[ForgeKind, ...] = ("github", "gitlab")


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForgeServer]:
    monkeypatch.setattr("lockgen.update.forges.failures.PAUSE", 0.0)
    with serving_forge(request.param) as found:
        yield found
        assert found.wrong == []


@pytest.fixture
def forge(server: ForgeServer) -> Forge:
    return made(server)


def made(server: ForgeServer) -> Forge:
    kind: ForgeKind = "github" if server.kind == "github" else "gitlab"
    variable = "GITHUB_TOKEN" if kind == "github" else "GITLAB_TOKEN"
    return connect(RemoteLocation(kind, server.url, PATH), Token(TOKEN, variable), "main")


def test_the_life_of_a_pull_request(server: ForgeServer, forge: Forge) -> None:
    request = forge.open("lockgen/numpy", "update numpy", BODY)
    assert (request.number, request.branch, request.mark, request.moves) == (1, "lockgen/numpy", "a" * 40, "feed")
    forge.label(request, ["dependencies", "python"])
    (found,) = forge.opened("lockgen/")
    assert found.labels == {"dependencies", "python"}
    assert found.url.endswith("/1")
    forge.edit(found, "update numpy again", BODY.replace("words", "others"))
    assert server.requests[1]["title"] == "update numpy again"
    forge.close(found, "Superseded.", f"{CLOSED}\n{BODY}")
    assert server.comments[1] == [f"Superseded.\n\n{closing_marker(found)}"]
    assert forge.opened("lockgen/") == []
    (closed,) = forge.declined("lockgen/numpy")
    assert CLOSED in closed.body


def test_a_concurrent_run_uses_the_pull_request_of_the_first(server: ForgeServer, forge: Forge) -> None:
    server.add("lockgen/numpy", "theirs", BODY)
    assert forge.open("lockgen/numpy", "mine", BODY).title == "theirs"
    assert len(server.requests) == 1


def test_the_closing_comment_is_made_once_if_closing_fails(server: ForgeServer, forge: Forge) -> None:
    request = forge.open("lockgen/numpy", "t", BODY)
    server.comments[1].append(f"Superseded.\n\n{closing_marker(request)}")
    forge.close(request, "Superseded.", BODY)
    assert len(server.comments[1]) == 1


def test_a_reopened_pull_request_with_a_new_commit_gets_another_comment(server: ForgeServer, forge: Forge) -> None:
    request = forge.open("lockgen/numpy", "t", BODY)
    forge.close(request, "Done: main has numpy 1.1.", f"{CLOSED}\n{BODY}")
    server.requests[1] |= {"state": "open", "body": BODY.replace("a" * 40, "b" * 40)}
    (again,) = forge.opened("lockgen/")
    forge.close(again, "Done: main has numpy 1.2.", again.body)
    assert [said.partition("\n")[0] for said in server.comments[1]] == [
        "Done: main has numpy 1.1.",
        "Done: main has numpy 1.2.",
    ]


def test_pull_requests_of_forks_and_other_prefixes_are_ignored(server: ForgeServer, forge: Forge) -> None:
    server.add("lockgen/numpy", fork=True)
    server.add("feature/numpy")
    add_merged(server, "lockgen/done")
    assert forge.opened("lockgen/") == []
    assert forge.declined("lockgen/done") == []


def add_merged(server: ForgeServer, branch: str, body: str = "") -> None:
    server.add(branch, body=body, state="closed" if server.kind == "github" else "merged", merged=True)


def test_the_merged_pull_request_is_found(server: ForgeServer, forge: Forge) -> None:
    add_merged(server, "lockgen/numpy", BODY)
    server.add("lockgen/numpy", state="closed")
    assert [request.mark for request in forge.merged("lockgen/numpy")] == ["a" * 40]


def test_a_pull_request_to_another_base_names_that_base(server: ForgeServer, forge: Forge) -> None:
    server.add("lockgen/numpy")
    server.add("lockgen/other", base="release")
    server.add("lockgen/other", base="release", state="closed")
    assert [(one.branch, one.base) for one in forge.opened("lockgen/")] == [
        ("lockgen/numpy", "main"),
        ("lockgen/other", "release"),
    ]
    assert forge.declined("lockgen/other") == []


@pytest.mark.parametrize("status", [403, 404, 409, 422])
def test_a_refusal_for_an_existing_pull_request_is_about_that_one_only(
    server: ForgeServer, forge: Forge, status: int
) -> None:
    """Its conversation may be locked. A failure of the whole forge shows when the list is read."""
    request = forge.open("lockgen/numpy", "t", BODY)
    asks: list[Callable[[], None]] = [
        partial(forge.close, request, "Done.", BODY),
        partial(forge.label, request, ["dependencies"]),
        partial(forge.edit, request, "t", BODY),
    ]
    for ask in asks:
        server.troubles = [Trouble(status, said="no")]
        with pytest.raises(Refused):
            ask()


@pytest.mark.parametrize("status", [401, 429])
def test_a_rejected_token_and_a_rate_limit_are_about_all_requests(
    server: ForgeServer, forge: Forge, status: int
) -> None:
    request = forge.open("lockgen/numpy", "t", BODY)
    server.troubles = [Trouble(status, said="no")]
    with pytest.raises(ToolFailed) as caught:
        forge.label(request, ["dependencies"])
    assert not isinstance(caught.value, Refused)


def test_all_pages_are_read(server: ForgeServer, forge: Forge) -> None:
    for number in range(150):
        server.add(f"lockgen/p{number}")
    assert len({request.branch for request in forge.opened("lockgen/")}) == 150
    assert len(server.asked) == 2


FAILURES: list[tuple[int, dict[str, str], str, str]] = [
    (401, {}, "Bad credentials", "rejected the token"),
    (403, {}, "Resource not accessible by integration", "denied permission"),
    (404, {}, "Not Found", "found no such repository"),
    (422, {}, "Validation Failed", "rejected the request"),
]


@pytest.mark.parametrize(("status", "headers", "said", "expected"), FAILURES)
def test_an_error_response_is_reported_with_a_hint(
    server: ForgeServer, forge: Forge, status: int, headers: dict[str, str], said: str, expected: str
) -> None:
    server.troubles = [Trouble(status, headers, f"{said} {TOKEN}")]
    with pytest.raises(ToolFailed) as caught:
        forge.opened("lockgen/")
    (fault,) = caught.value.faults
    assert caught.value.exit_code == Exit.TOOL
    assert expected in fault.message
    assert said in (fault.reason or "")
    assert fault.hint
    assert TOKEN not in f"{fault}{caught.value!r}"
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "headers",
    [{"Retry-After": "90"}, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800"}, {}],
    ids=["retry-after", "reset", "words"],
)
@pytest.mark.parametrize("status", [403, 429])
def test_a_rate_limit_is_reported_with_the_time_to_retry(
    server: ForgeServer, forge: Forge, headers: dict[str, str], status: int
) -> None:
    server.troubles = [Trouble(status, headers, "You have exceeded a secondary rate limit")]
    began = time.monotonic()
    with pytest.raises(ToolFailed, match="limits the request rate") as caught:
        forge.opened("lockgen/")
    assert time.monotonic() - began < 5
    hint = caught.value.faults[0].hint or ""
    expected = "2100-01-01 00:00:00 UTC" if "X-RateLimit-Reset" in headers else " UTC" if headers else "minutes"
    assert expected in hint
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_is_retried(server: ForgeServer, forge: Forge, status: int) -> None:
    server.troubles = [Trouble(status), Trouble(status)]
    assert forge.opened("lockgen/") == []
    server.troubles = [Trouble(status)] * 3
    with pytest.raises(ToolFailed, match=f"failed with HTTP {status}"):
        forge.opened("lockgen/")


def test_an_incomplete_answer_is_retried_then_reported(server: ForgeServer, forge: Forge) -> None:
    server.add("lockgen/numpy")
    server.troubles = [Trouble(cut=True)]
    assert len(forge.opened("lockgen/")) == 1
    server.troubles = [Trouble(cut=True)] * 3
    with pytest.raises(ToolFailed, match="gave an incomplete answer"):
        forge.opened("lockgen/")


def test_an_answer_without_a_required_field_is_reported(server: ForgeServer, forge: Forge) -> None:
    server.add("lockgen/numpy")
    server.requests[1]["branch"] = None
    with pytest.raises(ToolFailed, match="gave an incomplete answer"):
        forge.opened("")


def test_a_pull_request_whose_answer_was_lost_is_not_opened_twice(server: ForgeServer, forge: Forge) -> None:
    server.troubles = [Trouble(cut=True)]
    assert forge.open("lockgen/numpy", "t", BODY).number == 1
    assert len(server.requests) == 1


def test_a_timeout_is_reported(server: ForgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"lockgen.update.forges.{server.kind}.TIMEOUT", 1)
    server.troubles = [Trouble(late=1.5)] * 3
    with pytest.raises(ToolFailed, match="did not answer in time"):
        made(server).opened("lockgen/")


def test_an_unreachable_server_is_reported(server: ForgeServer) -> None:
    server.url = "http://127.0.0.1:9"
    with pytest.raises(ToolFailed, match="gave an incomplete answer"):
        made(server).opened("lockgen/")


# -- which forge, and whose token ------------------------------------------------


@pytest.mark.parametrize(
    ("address", "kind", "api", "path"),
    [
        ("https://github.com/ada/voices.git", "github", "https://api.github.com", "ada/voices"),
        ("git@github.com:ada/voices.git", "github", "https://api.github.com", "ada/voices"),
        ("ssh://git@github.example:22/ada/voices", "github", "https://github.example/api/v3", "ada/voices"),
        ("https://user@gitlab.com/team/sub/voices.git", "gitlab", "https://gitlab.com", "team/sub/voices"),
        ("https://gitlab.example:8443/a/b", "gitlab", "https://gitlab.example:8443", "a/b"),
    ],
)
def test_the_forge_is_found_from_the_address(address: str, kind: str, api: str, path: str) -> None:
    assert location_of(address, None) == RemoteLocation(kind, api, path)  # type: ignore[arg-type]


def test_an_unknown_address_needs_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match=r"the forge of .* is unknown"):
        location_of("https://code.example/a/b", None)
    assert location_of("https://code.example/a/b", "gitlab").api == "https://code.example"
    monkeypatch.setenv("CI_SERVER_URL", "https://code.example")
    assert location_of("https://code.example/a/b", None).kind == "gitlab"
    with pytest.raises(BadInput, match="does not name a repository"):
        location_of("/srv/git/voices.git", "github")


@pytest.mark.parametrize(
    ("address", "variable", "value", "path"),
    [
        ("https://github.com/org/family", "GITHUB_REPOSITORY", "org/tools", "org/family"),
        ("/srv/git/family.git", "GITHUB_REPOSITORY", "org/family", "org/family"),
        ("git@github.com:org/family.git", "GITHUB_REPOSITORY", "org/tools", "org/family"),
        ("https://code.example/gitlab/team/family.git", "CI_PROJECT_PATH", "team/family", "team/family"),
        ("https://code.example/team/family.git", "CI_PROJECT_PATH", "team/tools", "team/family"),
        ("git@code.example:family.git", "CI_PROJECT_PATH", "team/family", "team/family"),
    ],
)
def test_the_address_wins_over_the_variables_of_a_job(
    monkeypatch: pytest.MonkeyPatch, address: str, variable: str, value: str, path: str
) -> None:
    """A job in one repository may update another. A server under a folder of its host has it in every address."""
    monkeypatch.setenv(variable, value)
    assert location_of(address, "github" if variable.startswith("GITHUB") else "gitlab").path == path


def test_git_sends_the_token_only_to_the_forge() -> None:
    location = location_of("https://github.com/a/b", None)
    assert is_server_of(location, "https://github.com/a/b")
    assert not is_server_of(location, "https://mirror.example/a/b")
    assert not is_server_of(location, "/srv/git/b.git")
    assert not is_server_of(location, "https://evil-github.com/a/b")


def test_tokens_are_removed_from_the_environment_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv("CI_JOB_TOKEN", TOKEN)
    monkeypatch.setenv("GITLAB_TOKEN", "better")
    monkeypatch.setenv("GITHUB_TOKEN", " ")
    monkeypatch.setenv("GH_TOKEN", "as gh has it")
    tokens = take_tokens()
    assert {kind: (token.value, token.user) for kind, token in tokens.items()} == {
        "gitlab": ("better", "oauth2"),
        "github": ("as gh has it", "x-access-token"),
    }
    assert not {"CI_JOB_TOKEN", "GITLAB_TOKEN", "GITHUB_TOKEN", "GH_TOKEN"} & os.environ.keys()
    assert "better" not in repr(tokens)
