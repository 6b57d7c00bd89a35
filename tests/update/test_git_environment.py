"""The environment of git in `lockgen update`: an alias of the clone prints it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lockgen.update.git_session import GitSession

DROPPED = """
GIT_TRACE GIT_TRACE_CURL GIT_TRACE_PACKET GIT_TRACE2 GIT_TRACE2_EVENT GIT_CURL_VERBOSE GIT_DIR GIT_WORK_TREE
GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_COMMON_DIR GIT_NAMESPACE
"""
KEPT = "GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL GIT_SSH_COMMAND GIT_SSL_CAINFO GIT_DIRECTORY MY_GIT_DIR HTTPS_PROXY"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    root = tmp_path / "clone"
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    subprocess.run(["git", "-C", str(root), "config", "alias.show-environment", "!env"], check=True)
    subprocess.run(["git", "-C", str(root), "remote", "add", "origin", "https://forge.example/a/b.git"], check=True)
    return root


def environment(clone: Path, token: str | None = None) -> dict[str, str]:
    session = GitSession(clone, "origin", token, "user")
    lines = session.output("print its environment", "show-environment").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


@pytest.mark.parametrize("name", DROPPED.split())
def test_variables_that_git_does_not_see(clone: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "/of/the/user")
    assert environment(clone).get(name) != "/of/the/user"


@pytest.mark.parametrize("name", KEPT.split())
def test_variables_that_git_sees(clone: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "of the user")
    assert environment(clone)[name] == "of the user"


def test_what_lockgen_sets(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "of the user")
    found = environment(clone, token="secret")
    assert (found["GIT_TERMINAL_PROMPT"], found["LC_ALL"]) == ("0", "C")
    assert found["GIT_CONFIG_COUNT"] == "3"
    assert found["GIT_CONFIG_VALUE_0"] == "of the user"
    assert found["GIT_CONFIG_KEY_1"] == found["GIT_CONFIG_KEY_2"] == "http.https://forge.example/.extraheader"
    assert found["GIT_CONFIG_VALUE_1"] == ""
    assert found["GIT_CONFIG_VALUE_2"] == "AUTHORIZATION: basic dXNlcjpzZWNyZXQ="
