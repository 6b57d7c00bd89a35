"""Something slow leads to a message while it is still slow, on a terminal and elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from support.hand_server import Answer, Asked, hand
from support.index import LocalIndex
from support.osv import LocalOsv, osv_serving
from support.project import Project
from support.signals import started

from lockgen.io.http import Http


def test_a_request_that_drips_is_announced_once_while_it_drips() -> None:
    """The server ends its answer only after the message: without one, the request ends with a timeout."""
    announced = threading.Event()
    messages: list[str] = []

    def note(text: str) -> None:
        messages.append(text)
        announced.set()

    def drip() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na"
        assert announced.wait(60)
        yield b"b"

    with hand(lambda asked: drip()) as server:
        client = Http(note)
        assert client.get(server.url.replace("://", "://user:secret@")).body == b"ab"
        assert client.get(server.url + "/again").body == b"ab"
        assert messages == [f"waiting for {server.url.removeprefix('http://')}"]


def test_a_quick_server_is_not_announced() -> None:
    messages: list[str] = []
    with hand(lambda asked: Answer(200, b"ok")) as server:
        for number in range(20):
            Http(messages.append).get(f"{server.url}/{number}")
    assert messages == []


class Held:
    """A page that is held back until ``release``."""

    def __init__(self, index: LocalIndex, monkeypatch: pytest.MonkeyPatch) -> None:
        self.release = threading.Event()
        respond = index.respond

        def hold(path: str) -> tuple[int, dict[str, str], bytes]:
            self.release.wait(120)
            return respond(path)

        monkeypatch.setattr(index, "respond", hold)


@pytest.mark.parametrize("resolver", ["uv", "pip-compile"])
@pytest.mark.parametrize("ci", [True, False])
def test_a_slow_index_leads_to_one_plain_line(
    small: Project, index: LocalIndex, monkeypatch: pytest.MonkeyPatch, resolver: str, ci: bool
) -> None:
    if not ci:
        monkeypatch.delenv("CI", raising=False)
    held = Held(index, monkeypatch)
    command = [sys.executable, "-m", "lockgen", "-C", str(small.root), "resolve", "--resolver", resolver]
    with started(command) as child:
        assert child.stderr is not None
        # The index answers only after this line.
        line = child.stderr.readline()
        held.release.set()
        out, err = child.communicate(timeout=120)
    assert "\x1b" not in line
    assert line.startswith(("resolving cpu, cuda with", "waiting for 127.0.0.1:"))
    assert child.returncode == 0, out + err


def test_quiet_stays_quiet(small: Project, index: LocalIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(index, monkeypatch)
    threading.Timer(2.5, held.release.set).start()
    with started([sys.executable, "-m", "lockgen", "-q", "-C", str(small.root), "resolve"]) as child:
        _, err = child.communicate(timeout=120)
    assert (child.returncode, err) == (0, "")


def test_a_terminal_shows_the_step(small: Project, index: LocalIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(index, monkeypatch)
    ours, theirs = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name not in {"CI", "NO_COLOR"}} | {"TERM": "xterm"}
    command = [sys.executable, "-m", "lockgen", "-C", str(small.root), "resolve"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env=env)
    os.close(theirs)
    shown = b""
    try:
        while b"resolving" not in shown:
            shown += os.read(ours, 4096)
    finally:
        held.release.set()
    while True:
        try:
            if not os.read(ours, 4096):
                break
        except OSError:
            break
    os.close(ours)
    assert child.wait(timeout=120) == 0


def test_advisories_that_are_slow(small: Project) -> None:
    small.ok("resolve")
    with osv_serving(LocalOsv(drip=2)) as osv:
        ran = small.run("audit", "--api", osv.url)
    assert any(word in ran.err for word in ("waiting for 127.0.0.1:", "querying OSV"))


def test_a_page_of_a_recorded_index(project: Project, index: LocalIndex) -> None:
    announced = threading.Event()
    messages: list[str] = []

    def respond(asked: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        assert announced.wait(60)
        yield b"Content-Length: 0\r\n\r\n"

    def note(text: str) -> None:
        messages.append(text)
        announced.set()

    with hand(respond) as server, Http(note).opened(server.url) as answer:
        assert answer.body.read() == b""
    assert len(messages) == 1
