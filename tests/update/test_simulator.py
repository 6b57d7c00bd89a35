"""GitHub by @simulacrum/github-api-simulator, which rejects whatever GitHub's own API description does not allow."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.forges import TOKEN
from support.index import LocalIndex
from support.remotes import Clone
from support.signals import with_signals

HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lockgen-tests/simulator"
FOLDER = Path(os.environ.get("LOCKGEN_SIMULATOR") or HOME)
PROGRAM = Path(__file__).parent.parent / "support/github_simulator.mjs"


@dataclass(frozen=True)
class Simulator:
    url: str

    @property
    def state(self) -> Any:
        with urllib.request.urlopen(f"{self.url}/state") as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """Started here; `.ci/simulator-up` installs it."""
    own = FOLDER / "venv/bin/node"
    node = str(own) if own.exists() else shutil.which("node")
    if node is None or not (FOLDER / "node_modules/@simulacrum/github-api-simulator").is_dir():
        pytest.skip(f"no simulator in {FOLDER}: run .ci/simulator-up")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = with_signals([node, str(PROGRAM), str(FOLDER), str(port)])
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Simulator(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def test_every_request_is_valid_for_github(
    simulator: Simulator, clone: Clone, index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The life of a pull request: opened, left alone, refreshed, closed with a reason."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_REPOSITORY", "ada/voices")
    monkeypatch.setenv("GITHUB_API_URL", simulator.url)
    outcomes = []
    for step in ("first", "again", "newer", "moved"):
        if step == "newer":
            index.add("numpy", "1.2")
        if step == "moved":
            clone.project.ok("bump", "numpy==1.2")
            clone.commit("numpy by hand")
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
        ran = clone.update("--json")
        assert ran.code == 0, ran.err
        outcomes += [group["outcome"] for group in json.loads(ran.out)["groups"]]
    assert outcomes == ["created", "unchanged", "refreshed", "closed"]
    state = simulator.state
    (pull,) = state["pulls"]
    assert (pull["title"], pull["state"], pull["labels"]) == ("update numpy 1.0 -> 1.2", "closed", ["dependencies"])
    assert state["comments"][0][0].startswith("Done: main has numpy 1.2.")
    assert {one["token"] for one in state["asked"]} == {f"token {TOKEN}"}
    assert {one["operation"] for one in state["asked"]} >= {"pulls/create", "pulls/update", "issues/add-labels"}


def test_the_simulator_rejects_an_invalid_request(simulator: Simulator) -> None:
    request = urllib.request.Request(
        f"{simulator.url}/repos/ada/voices/pulls",
        data=b'{"title": 5}',
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 400
    caught.value.close()
