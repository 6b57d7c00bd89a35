"""End to end, as processes: an old pin, a new release on the index, a remote over HTTP, a forge on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.forges import PATH, TOKEN, ForgeServer, Trouble, serving_forge
from support.githttp import serving_git
from support.index import LocalIndex
from support.remotes import Clone, git

SHIM = """\
#!{python}
import json, os, sys
with open({log!r}, "a") as log:
    log.write(json.dumps(sys.argv) + "\\n")
os.execv({real!r}, [{real!r}, *sys.argv[1:]])
"""


class Way:
    """A clone whose remote and forge are servers that require the token."""

    def __init__(self, clone: Clone, forge: ForgeServer, address: str, folder: Path) -> None:
        self.clone, self.forge = clone, forge
        self.calls = folder / "calls.jsonl"
        shims = folder / "shims"
        shims.mkdir()
        real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
        (shims / "git").write_text(SHIM.format(python=sys.executable, log=str(self.calls), real=real))
        (shims / "git").chmod(0o755)
        github = forge.kind == "github"
        names = ("GITHUB_SERVER_URL", "GITHUB_API_URL") if github else ("CI_SERVER_URL", "CI_SERVER_URL")
        self.trace = folder / "trace"
        self.env = {
            **os.environ,
            "PATH": f"{shims}:{os.environ['PATH']}",
            names[1]: forge.url,
            names[0]: address if github else forge.url,
            "GITHUB_TOKEN" if github else "GITLAB_TOKEN": TOKEN,
            "GITHUB_REPOSITORY" if github else "CI_PROJECT_PATH": PATH,
            "GIT_TRACE": str(self.trace),
            "GIT_TRACE_CURL": str(self.trace),
            "GIT_TRACE_REDACT": "0",
        }

    def update(self, *arguments: str) -> tuple[int, Any, str]:
        command = [sys.executable, "-m", "lockgen", "update", "--no-audit", "--json", *arguments]
        done = subprocess.run(
            command, cwd=self.clone.root, env=self.env, capture_output=True, text=True, timeout=300, check=False
        )
        assert TOKEN not in done.stdout + done.stderr
        return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr

    def outcomes(self) -> dict[str, str]:
        code, report, err = self.update()
        assert code == 0, err
        return {group["group"]: group["outcome"] for group in report["groups"]}


@pytest.fixture(params=["github", "gitlab"])
def way(request: pytest.FixtureRequest, clone: Clone, tmp_path: Path) -> Any:
    served = tmp_path / "served" / "ada"
    served.mkdir(parents=True)
    (served / "voices.git").symlink_to(clone.remote)
    git(clone.remote, "config", "http.receivepack", "true")
    with serving_forge(request.param) as forge:
        user = "x-access-token" if request.param == "github" else "oauth2"
        with serving_git(tmp_path / "served", user, TOKEN) as (address, seen):
            if request.param == "gitlab":
                # GitLab has both behind one address, and the token goes to no other.
                clone.project.write((clone.root / "versions.toml").read_text() + '[update]\nforge = "gitlab"\n')
                clone.commit("a forge")
            else:
                clone.git("remote", "set-url", "origin", f"{address}/{PATH}.git")
            found = Way(clone, forge, address, tmp_path)
            yield found
            if request.param == "github":
                assert seen
        assert forge.wrong == []


def test_from_an_old_pin_to_a_closed_pull_request(way: Way, index: LocalIndex) -> None:
    assert way.outcomes() == {"numpy": "created"}
    (request,) = way.forge.requests.values()
    assert (request["title"], request["branch"], request["base"]) == (
        "update numpy 1.0 -> 1.1",
        "lockgen/numpy",
        "main",
    )
    assert request["labels"] == ["dependencies"]
    assert way.clone.heads()["lockgen/numpy"] in request["body"]
    assert way.outcomes() == {"numpy": "unchanged"}
    index.add("numpy", "1.2")
    assert way.outcomes() == {"numpy": "refreshed"}
    assert len(way.forge.requests) == 1
    assert way.forge.requests[1]["title"] == "update numpy 1.0 -> 1.2"


def test_the_token_appears_in_no_file_command_line_or_commit(way: Way, tmp_path: Path) -> None:
    assert way.outcomes() == {"numpy": "created"}
    assert TOKEN not in way.calls.read_text()
    assert "push" in way.calls.read_text()
    for top in (way.clone.root, way.clone.remote, tmp_path):
        for path in top.rglob("*"):
            if path.is_file() and not path.is_symlink():
                assert TOKEN.encode() not in path.read_bytes(), path
    for commit in way.clone.heads().values():
        assert TOKEN not in git(way.clone.remote, "log", "-p", commit)


def test_the_next_run_continues_after_the_forge_failed(way: Way) -> None:
    way.forge.troubles = [Trouble(), Trouble(), Trouble(401, said=f"Bad credentials {TOKEN}")]
    code, _, err = way.update()
    assert code == 4
    assert "rejected the token" in err
    assert "lockgen/numpy" in way.clone.heads()
    assert way.forge.requests == {}
    assert way.outcomes() == {"numpy": "created"}
    assert len(way.forge.requests) == 1


def test_a_wrong_token_is_reported_without_its_value(way: Way) -> None:
    if way.forge.kind == "gitlab":
        way.forge.troubles = [Trouble(401, said="401 Unauthorized")]
    else:
        way.env["GITHUB_TOKEN"] = "not-the-one"
    code, _, err = way.update()
    assert code == 4
    assert "not-the-one" not in err
    assert way.clone.heads().keys() == {"main"}
